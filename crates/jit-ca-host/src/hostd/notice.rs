//! What terminals are told of the end that comes, and when.

use jit_ca_core::UnixTime;

use super::saved::Saved;
use crate::certificate::Accepted;
use crate::recording::End;

/// How long before the end, in seconds, and in words.
const WARNINGS: [(u64, &str); 2] = [(300, "5 minutes"), (60, "1 minute")];

/// Which warnings are still to be given.
#[derive(Debug)]
pub(super) struct Notices {
    ahead: Vec<(u64, &'static str)>,
}

impl Notices {
    /// Those whose time is not over yet.
    pub(super) fn new(certificate: Option<&Accepted>, now_ms: u64) -> Self {
        let end = certificate.map_or(0, Accepted::end_ms);
        let ahead = WARNINGS
            .into_iter()
            .map(|(seconds, words)| (end.saturating_sub(seconds * 1000), words));
        Self { ahead: ahead.filter(|(due_ms, _)| now_ms < *due_ms).collect() }
    }

    /// The one that is due, once. Where the clock has stepped over several, the last.
    pub(super) fn due(&mut self, now_ms: u64) -> Option<&'static str> {
        let (due, ahead): (Vec<_>, Vec<_>) =
            self.ahead.iter().partition(|(due_ms, _)| *due_ms <= now_ms);
        self.ahead = ahead;
        due.last().map(|(_, words)| *words)
    }
}

/// That the end comes in so long.
pub(super) fn warning(saved: &Saved, host: &str, words: &str) -> String {
    let (account, end) = (&saved.account, end_of(saved));
    format!(
        "access to {account}@{host} ends at {end}, in {words}; ask again: jit-ca ssh {account}@{host}"
    )
}

/// That it ends now, and why.
pub(super) fn ending(saved: &Saved, host: &str, why: End) -> String {
    let (account, end) = (&saved.account, end_of(saved));
    let why = match why {
        End::Left => "has been closed".to_owned(),
        End::Expired => format!("has ended at {end}; ask again: jit-ca ssh {account}@{host}"),
        End::Revoked => "has been ended: its grant is revoked, or its holder locked".to_owned(),
        End::Unguarded => "is ended: a process ran that is not recorded".to_owned(),
        End::Full => "is ended: its recording is as long as one may be".to_owned(),
        End::Stopped => "is ended: this host stops".to_owned(),
    };
    format!("access to {account}@{host} {why}")
}

/// `14:05:00 UTC`.
fn end_of(saved: &Saved) -> String {
    let Some(certificate) = &saved.certificate else { return "no time".to_owned() };
    let time = UnixTime::from_secs(certificate.valid_before).to_string();
    let clock = time.split_once('T').map_or("", |(_, clock)| clock);
    format!("{} UTC", clock.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jit_ca_core::Digest;

    fn accepted() -> Accepted {
        Accepted {
            ca: Digest::from_bytes([0; 32]),
            serial: 1,
            key_id: String::new(),
            valid_before: 1_000_000,
            forced_command: None,
            tbs: Digest::from_bytes([0; 32]),
        }
    }

    #[test]
    fn each_warning_is_given_once_and_none_that_is_over() {
        let end_ms = 1_000_000_000;
        let mut notices = Notices::new(Some(&accepted()), end_ms - 301_000);
        assert_eq!(notices.due(end_ms - 300_001), None);
        assert_eq!(notices.due(end_ms - 300_000), Some("5 minutes"));
        assert_eq!(notices.due(end_ms - 299_000), None);
        assert_eq!(notices.due(end_ms - 59_000), Some("1 minute"));
        assert_eq!(Notices::new(Some(&accepted()), end_ms - 15_000).due(end_ms), None);
        // A clock that is set forward.
        let mut notices = Notices::new(Some(&accepted()), end_ms - 400_000);
        assert_eq!(notices.due(end_ms - 30_000), Some("1 minute"));
        assert_eq!(Notices::new(None, 0).due(end_ms), None);
    }
}
