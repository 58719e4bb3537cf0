//! Time in whole seconds: points, spans, and the half-open window that every certificate lies in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ValueError;
use crate::value::serde_by_text;

/// A point in time: whole seconds since 1970-01-01T00:00:00Z. RFC 3339 as text, a number in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The last second of the year 9999: later times have no RFC 3339 form and no X.509 one.
    pub const MAX: Self = Self(253_402_300_799);

    /// `seconds` since 1970, at most [`UnixTime::MAX`].
    pub const fn from_secs(seconds: u64) -> Self {
        if seconds > Self::MAX.0 { Self::MAX } else { Self(seconds) }
    }

    /// Seconds since 1970.
    pub const fn secs(self) -> u64 {
        self.0
    }

    /// This much later, at most [`UnixTime::MAX`].
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self::from_secs(self.0.saturating_add(span.0))
    }

    /// This much earlier, at least 1970.
    #[must_use]
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// How long ago `earlier` was; nothing if it lies ahead.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp =
            i64::try_from(self.0).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
        match timestamp {
            Some(timestamp) => f.pad(&timestamp.to_string()),
            None => {
                let seconds = jiff::SignedDuration::from_secs(i64::try_from(self.0).unwrap_or(0));
                let time = EPOCH.checked_add(seconds).map_err(|_| fmt::Error)?;
                f.pad(&format!("{time}Z"))
            }
        }
    }
}

/// Of the last day of the year 9999 there are no timestamps in jiff, as it is over earlier elsewhere; in UTC there is.
const EPOCH: jiff::civil::DateTime = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);

/// A time that no timestamp can be.
fn of_the_last_day(text: &str) -> Option<UnixTime> {
    let time: jiff::civil::DateTime = text.strip_suffix('Z')?.parse().ok()?;
    let since = time.duration_since(EPOCH);
    let is_last = time.year() == 9999 && time.day_of_year() >= 364 && since.subsec_nanos() == 0;
    u64::try_from(since.as_secs()).ok().filter(|_| is_last).map(UnixTime)
}

impl FromStr for UnixTime {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || {
            ValueError::new(
                "time",
                text,
                "write RFC 3339 in whole seconds, such as 2026-11-22T09:00:00Z",
            )
        };
        let timestamp: jiff::Timestamp = match text.parse() {
            Ok(timestamp) => timestamp,
            Err(_) => return of_the_last_day(text).ok_or_else(fault),
        };
        if timestamp.subsec_nanosecond() != 0 {
            return Err(fault());
        }
        u64::try_from(timestamp.as_second()).map(Self).map_err(|_| fault())
    }
}

impl Serialize for UnixTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for UnixTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        if deserializer.is_human_readable() {
            let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
            return text.parse().map_err(D::Error::custom);
        }
        let seconds = u64::deserialize(deserializer)?;
        if seconds > Self::MAX.0 {
            Err(D::Error::custom("time after the year 9999"))
        } else {
            Ok(Self(seconds))
        }
    }
}

/// A length of time in whole seconds, written as people do: `90s`, `30m`, `1h30m`, `400d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

impl Span {
    /// No grant is longer, whatever a role says.
    pub const LONGEST_GRANT: Self = Self(24 * 60 * 60);
    /// No start is asked for further ahead, and nothing waits for longer until it begins, whatever a role says.
    pub const FARTHEST_START: Self = Self(31 * 24 * 60 * 60);

    /// `seconds`.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// The number of seconds.
    pub const fn secs(self) -> u64 {
        self.0
    }

    /// Whether it has no length at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut text = String::new();
        for (unit, seconds) in UNITS {
            // `24h` says more than `1d` to someone who reads a limit in hours.
            if unit == 'd' && self.0 < 2 * seconds {
                continue;
            }
            if rest >= seconds {
                text.push_str(&format!("{}{unit}", rest / seconds));
                rest %= seconds;
            }
        }
        f.pad(if text.is_empty() { "0s" } else { &text })
    }
}

impl FromStr for Span {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || {
            ValueError::new(
                "duration",
                text,
                "write numbers with units, largest first, such as 90s, 30m, 1h30m or 7d",
            )
        };
        let mut total: u64 = 0;
        let mut number: Option<u64> = None;
        let mut units = UNITS.iter();
        for character in text.chars() {
            if let Some(digit) = character.to_digit(10) {
                let so_far =
                    number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(digit.into()));
                number = Some(so_far.ok_or_else(fault)?);
            } else {
                let (_, seconds) = units.find(|(unit, _)| *unit == character).ok_or_else(fault)?;
                let length =
                    number.take().and_then(|n| n.checked_mul(*seconds)).ok_or_else(fault)?;
                total = total.checked_add(length).ok_or_else(fault)?;
            }
        }
        if number.is_some() || text.is_empty() { Err(fault()) } else { Ok(Self(total)) }
    }
}

serde_by_text!(Span);

/// A window of time `[start, end)`: half-open, in whole seconds, never empty, at most 24 hours.
///
/// OpenSSH takes it as it is (`valid_before` is exclusive, PROTOCOL.certkeys); X.509 subtracts a
/// second, since `notAfter` is inclusive (RFC 5280 4.1.2.5). The certificate crate does both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Bounds", into = "Bounds")]
pub struct Window {
    start: UnixTime,
    end: UnixTime,
}

/// Two points in time that are no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The end is not after the start.
    #[error("the window from {start} to {end} is empty")]
    Empty {
        /// The start asked for.
        start: UnixTime,
        /// The end asked for.
        end: UnixTime,
    },
    /// The window is longer than any grant may be.
    #[error("the window from {start} to {end} is longer than {}", Span::LONGEST_GRANT)]
    TooLong {
        /// The start asked for.
        start: UnixTime,
        /// The end asked for.
        end: UnixTime,
    },
}

impl Window {
    /// The window `[start, end)`.
    ///
    /// # Errors
    /// If it would be empty or longer than [`Span::LONGEST_GRANT`].
    pub fn new(start: UnixTime, end: UnixTime) -> Result<Self, WindowError> {
        if end <= start {
            Err(WindowError::Empty { start, end })
        } else if end.since(start) > Span::LONGEST_GRANT {
            Err(WindowError::TooLong { start, end })
        } else {
            Ok(Self { start, end })
        }
    }

    /// The window of length `span` from `start`.
    ///
    /// # Errors
    /// As [`Window::new`].
    pub fn starting(start: UnixTime, span: Span) -> Result<Self, WindowError> {
        Self::new(start, start.plus(span))
    }

    /// The first second inside.
    pub const fn start(self) -> UnixTime {
        self.start
    }

    /// The first second after.
    pub const fn end(self) -> UnixTime {
        self.end
    }

    /// Whether `now` lies inside.
    pub fn contains(self, now: UnixTime) -> bool {
        self.start <= now && now < self.end
    }

    /// How much of it is left at `now`.
    pub fn left(self, now: UnixTime) -> Span {
        self.end.since(now.max(self.start))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.start, self.end)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    start: UnixTime,
    end: UnixTime,
}

impl TryFrom<Bounds> for Window {
    type Error = WindowError;

    fn try_from(bounds: Bounds) -> Result<Self, Self::Error> {
        Self::new(bounds.start, bounds.end)
    }
}

impl From<Window> for Bounds {
    fn from(window: Window) -> Self {
        Self { start: window.start, end: window.end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_read_as_people_write_them() {
        for (text, seconds, shown) in [
            ("90s", 90, "1m30s"),
            ("30m", 1_800, "30m"),
            ("1h30m", 5_400, "1h30m"),
            ("24h", 86_400, "24h"),
            ("2d", 172_800, "2d"),
            ("0s", 0, "0s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.secs(), span.to_string().as_str()), (seconds, shown));
        }
        for wrong in
            ["", "5", "h", "1m1h", "1h1h", "-1h", "1.5h", " 1h", "99999999999999999999s", "1w"]
        {
            assert!(wrong.parse::<Span>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn times_are_rfc_3339() {
        let time: UnixTime = "2026-11-22T09:00:00Z".parse().unwrap();
        assert_eq!(
            (time.secs(), time.to_string().as_str()),
            (1_795_338_000, "2026-11-22T09:00:00Z")
        );
        for last in ["9999-12-30T21:59:59Z", "9999-12-30T22:00:01Z", "9999-12-31T23:59:59Z"] {
            let time: UnixTime = last.parse().unwrap();
            assert_eq!(time.to_string(), last);
        }
        assert_eq!("9999-12-31T23:59:59Z".parse(), Ok(UnixTime::MAX));
        for wrong in ["9999-12-31", "9999-12-31T23:59:59", "10000-01-01T00:00:00Z"] {
            assert!(wrong.parse::<UnixTime>().is_err(), "{wrong:?}");
        }
        for wrong in ["2026-11-22", "2026-11-22T09:00:00.5Z", "1960-01-01T00:00:00Z", "now", ""] {
            assert!(wrong.parse::<UnixTime>().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn a_window_is_never_empty_and_never_long(start in 0u64..300_000_000_000, end in 0u64..300_000_000_000) {
            let (start, end) = (UnixTime::from_secs(start), UnixTime::from_secs(end));
            match Window::new(start, end) {
                Ok(window) => {
                    prop_assert!(window.contains(start) && !window.contains(end));
                    prop_assert!(end.since(start) <= Span::LONGEST_GRANT);
                }
                Err(_) => prop_assert!(end <= start || end.since(start) > Span::LONGEST_GRANT),
            }
        }

        #[test]
        fn what_is_left_ends_with_the_window(start in 0u64..1_000_000, span in 1u64..=86_400, now in 0u64..2_000_000) {
            let window = Window::starting(UnixTime::from_secs(start), Span::from_secs(span)).unwrap();
            let now = UnixTime::from_secs(now);
            prop_assert_eq!(window.left(now).is_zero(), now >= window.end());
            prop_assert!(window.left(now) <= Span::from_secs(span));
        }

        #[test]
        fn spans_survive_their_text(seconds in any::<u32>()) {
            let span = Span::from_secs(seconds.into());
            prop_assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
    }
}
