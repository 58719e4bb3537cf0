//! Whether the machine's clock goes as time does.
//!
//! It is compared with the time since the machine's start (CLOCK_BOOTTIME), which nobody can set and which goes on
//! while the machine sleeps. NTP that slews moves both, a sleep moves both: only a clock that is *set* moves against
//! it. Small settings are followed, and only so many of them; what is more is a fault. From then on time is the last
//! one believed and what has passed since, until somebody says that the clock is right.

use super::{Millis, Standing, boot};
use jit_ca_core::event::ClockFaulted;

/// How far the clock may be from where it should be: a leap second, a first setting by NTP.
const TOLERANCE: i64 = 5_000_000;
/// How far it may be behind the log's last entry, in milliseconds.
const BEHIND: u64 = 2_000;
/// Where it should be moves to where it is by a microsecond in so many: as fast as NTP slews, and no faster, so that
/// no number of small settings goes unseen.
const FOLLOWED: i64 = 2_000;

/// The two clocks, read at once.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// What the machine's clock says.
    pub wall: Millis,
    /// For how many microseconds the machine has been running, asleep or not.
    pub running: i64,
}

impl Reading {
    /// How the clock stands if it is right.
    pub fn standing(self) -> Option<Standing> {
        boot().map(|boot| Standing { boot, offset: self.offset() })
    }

    fn wall_micros(self) -> i64 {
        i64::try_from(self.wall.0).unwrap_or(i64::MAX).saturating_mul(1_000)
    }

    fn offset(self) -> i64 {
        self.wall_micros().saturating_sub(self.running)
    }
}

/// What is wrong with the machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine's clock said {} where {} was expected, and nobody has acknowledged it", .found.time(), .expected.time())]
pub struct Fault {
    /// What it should have said.
    pub expected: Millis,
    /// What it said.
    pub found: Millis,
}

impl From<Fault> for ClockFaulted {
    fn from(fault: Fault) -> Self {
        Self { expected: fault.expected.time(), found: fault.found.time() }
    }
}

/// What is known when the daemon starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begin {
    /// When the log's last entry was written.
    pub(super) last: Millis,
    /// Whether a fault was not acknowledged.
    pub(super) is_held: bool,
    /// Where the clock stood before, if the machine has been running since.
    pub(super) offset: Option<i64>,
}

/// The machine's clock, watched.
#[derive(Debug)]
pub(super) struct Watch {
    /// What the clock should say, less the time since the machine's start.
    offset: i64,
    /// When that last followed the clock.
    followed: i64,
    fault: Option<Fault>,
}

impl Watch {
    pub(super) fn begin(reading: Reading, begin: Begin) -> Self {
        let mut watch = Self {
            offset: begin.offset.unwrap_or(reading.offset()),
            followed: reading.running,
            fault: None,
        };
        if begin.is_held {
            // Whatever the clock says, it was not believed before.
            let last = begin.offset.map_or(begin.last, |_| watch.expected(reading));
            watch.hold(reading, last.max(begin.last));
        }
        watch.look(reading, begin.last);
        watch
    }

    /// What time it is, and what is wrong with the clock.
    pub(super) fn look(&mut self, reading: Reading, last: Millis) -> (Millis, Option<Fault>) {
        if self.fault.is_none() {
            let drift = reading.offset().saturating_sub(self.offset);
            if drift.saturating_abs() > TOLERANCE {
                self.hold(reading, self.expected(reading));
            } else if reading.wall.0.saturating_add(BEHIND) < last.0 {
                self.hold(reading, last);
            } else {
                self.follow(drift, reading.running);
                return (reading.wall, None);
            }
        }
        (self.expected(reading), self.fault)
    }

    /// From here on the clock is believed as it was read.
    pub(super) fn acknowledge(&mut self, reading: Reading) {
        *self = Self { offset: reading.offset(), followed: reading.running, fault: None };
        tracing::info!(now = %reading.wall.time(), "the clock was acknowledged");
    }

    pub(super) fn offset(&self) -> i64 {
        self.offset
    }

    /// What the clock should say.
    fn expected(&self, reading: Reading) -> Millis {
        let micros = self.offset.saturating_add(reading.running);
        Millis(u64::try_from(micros / 1_000).unwrap_or_default())
    }

    fn follow(&mut self, drift: i64, running: i64) {
        let most = running.saturating_sub(self.followed) / FOLLOWED;
        if most > 0 {
            self.offset += drift.clamp(-most, most);
            self.followed = running;
        }
    }

    /// Time goes on from here as the machine runs.
    fn hold(&mut self, reading: Reading, expected: Millis) {
        let wall = Reading { wall: expected, ..reading };
        self.offset = wall.offset();
        self.fault = Some(Fault { expected, found: reading.wall });
        // Once for each fault, and once for each start that finds it.
        tracing::error!(
            found = %reading.wall.time(),
            expected = %expected.time(),
            "the machine's clock is not right: no certificate is issued until `jit-cad clock ack`"
        );
    }
}

#[cfg(test)]
mod tests;
