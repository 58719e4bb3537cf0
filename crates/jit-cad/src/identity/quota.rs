//! How many refusals, or logins, of one subject there may be in a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jit_ca_core::{Span, SubjectId, UnixTime};

/// More than anybody meets who works, and some 100 KiB of log a minute at most.
const MOST_A_MINUTE: u32 = 60;
const MINUTE: u64 = 60;

/// Counts by subject and minute, in memory. There are as many rows as known subjects, and no more.
#[derive(Debug, Default)]
pub struct Quota {
    counts: Mutex<HashMap<SubjectId, (u64, u32)>>,
}

impl Quota {
    /// Takes one of the subject's minute.
    ///
    /// # Errors
    /// How long to wait for the next minute, if none is left.
    pub fn take(&self, subject: &SubjectId, now: UnixTime) -> Result<(), Span> {
        let minute = now.secs() / MINUTE;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(subject.clone()).or_default();
        if count.0 != minute {
            *count = (minute, 0);
        }
        if count.1 >= MOST_A_MINUTE {
            return Err(Span::from_secs(MINUTE - now.secs() % MINUTE));
        }
        count.1 += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subject_has_its_minute() {
        let (quota, alice, bob) =
            (Quota::default(), "local/a".parse().unwrap(), "local/b".parse().unwrap());
        let now = UnixTime::from_secs(6_000);
        let taken = (0..100).filter(|_| quota.take(&alice, now).is_ok()).count();
        assert_eq!(taken, 60);
        assert_eq!(quota.take(&alice, now.plus(Span::from_secs(20))), Err(Span::from_secs(40)));
        assert_eq!(quota.take(&bob, now), Ok(()));
        assert_eq!(quota.take(&alice, now.plus(Span::from_secs(60))), Ok(()));
    }
}
