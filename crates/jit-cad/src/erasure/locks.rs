//! Locks that an erasure takes: whole, or not at all.
//!
//! No leaf says what is locked. Of a lock whose end alone were erased nobody could tell that it has one, and it would hold
//! again. Nor does a leaf say whose logins a lock ended, and whose asking for resets: while one of those could be open, or
//! wait, if there had been no lock, it is erased with the person's own entries alone.

use std::collections::BTreeMap;

use jit_ca_core::event::{Event, Locked};
use jit_ca_core::{Span, SubjectId, UnixTime};

use crate::service::Fault;

/// No login lasts longer, and no reset that somebody asked for waits longer.
const LONGEST: Span = Span::from_secs(24 * 60 * 60);

/// The locks of a log, by their entries.
#[derive(Debug, Default)]
pub(super) struct Locks {
    open: BTreeMap<Locked, u64>,
    /// Each lock that was lifted: the indices of the two entries.
    lifted: Vec<(u64, u64)>,
    /// Of each lock on a person, by its index: whom, and when all is over that it ended.
    ending: BTreeMap<u64, (SubjectId, UnixTime)>,
}

impl Locks {
    /// Takes an entry in, in the order of the log.
    pub(super) fn add(&mut self, index: u64, at: UnixTime, event: Option<&Event>) {
        match event {
            Some(Event::LockSet(set)) => {
                self.open.insert(set.lock.clone(), index);
                if let Locked::Subject(subject) = &set.lock {
                    self.ending.insert(index, (subject.clone(), at.plus(LONGEST)));
                }
            }
            Some(Event::LockLifted(lifted)) => {
                let set = self.open.remove(&lifted.lock);
                self.lifted.extend(set.map(|set| (set, index)));
            }
            _ => {}
        }
    }

    /// Adds to the entries that are to be erased the other halves of locks.
    ///
    /// # Errors
    /// If a lock among them holds, or keeps ended what somebody else did.
    pub(super) fn erased_whole(
        &self,
        (subject, now): (&SubjectId, UnixTime),
        entries: &mut BTreeMap<u64, String>,
        of_others: &mut Vec<u64>,
    ) -> Result<(), Fault> {
        if let Some((lock, index)) = self.open.iter().find(|(_, index)| entries.contains_key(index))
        {
            let detail = format!("{lock} is locked by entry {index}, which would be erased");
            return Err(Fault::bad(detail, "unlock it first; lock it again afterwards"));
        }
        for &(set, lifted) in &self.lifted {
            for (one, other, kind) in [(set, lifted, "unlock"), (lifted, set, "lock")] {
                if entries.contains_key(&one) && !entries.contains_key(&other) {
                    entries.insert(other, kind.to_owned());
                    of_others.push(other);
                }
            }
        }
        let keeps = |(index, (of, over)): &(&u64, &(SubjectId, UnixTime))| {
            entries.contains_key(index) && of != subject && now < *over
        };
        if let Some((index, (of, over))) = self.ending.iter().find(keeps) {
            let detail = format!(
                "entry {index} would be erased, a lock which keeps ended logins of {of} and what {of} asked for, until {over}"
            );
            return Err(Fault::bad(detail, "order it again after that time"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jit_ca_core::event::{LockLifted, LockSet, Officer};

    use super::*;

    #[test]
    fn a_lock_goes_with_its_end_and_not_while_it_holds() {
        let role = |name: &str| Locked::Role(name.parse().unwrap());
        let by = || Officer::Machine { uid: 0 };
        let reason = || "why".parse().unwrap();
        let set = |lock| Event::from(LockSet { lock, by: by(), reason: reason() });
        let lifted = |lock| Event::from(LockLifted { lock, by: by(), reason: reason() });
        let mut locks = Locks::default();
        for (index, event) in (1..).zip([
            set(role("a")),
            set(role("b")),
            lifted(role("a")),
            set(role("a")),
            lifted(role("b")),
        ]) {
            locks.add(index, UnixTime::from_secs(0), Some(&event));
        }
        let erased = |indices: &[u64]| {
            let mut entries = indices.iter().map(|index| (*index, "x".to_owned())).collect();
            let mut of_others = Vec::new();
            let (subject, now) = ("local/u-1".parse().unwrap(), UnixTime::from_secs(0));
            locks.erased_whole((&subject, now), &mut entries, &mut of_others).ok()?;
            Some((entries.into_keys().collect::<Vec<_>>(), of_others))
        };
        assert_eq!(erased(&[3]), Some((vec![1, 3], vec![1])));
        assert_eq!(erased(&[2, 9]), Some((vec![2, 5, 9], vec![5])));
        assert_eq!(erased(&[1, 3]), Some((vec![1, 3], vec![])));
        assert_eq!(erased(&[4]), None, "it holds");
    }

    #[test]
    fn a_lock_that_keeps_logins_ended_goes_with_these_or_when_they_are_over() {
        let subject = |id: &str| id.parse::<SubjectId>().unwrap();
        let lock = || Locked::Subject(subject("local/u-1"));
        let by = || Officer::Machine { uid: 0 };
        let reason = || "why".parse().unwrap();
        let set = Event::from(LockSet { lock: lock(), by: by(), reason: reason() });
        let lifted = Event::from(LockLifted { lock: lock(), by: by(), reason: reason() });
        let mut locks = Locks::default();
        let at = UnixTime::from_secs(1_000);
        locks.add(7, at, Some(&set));
        locks.add(8, at, Some(&lifted));
        let erased = |of: &str, later: u64| {
            let mut entries = BTreeMap::from([(8, "unlock".to_owned())]);
            let now = at.plus(Span::from_secs(later));
            locks.erased_whole((&subject(of), now), &mut entries, &mut Vec::new()).is_ok()
        };
        let longest = LONGEST.secs();
        assert!(erased("local/u-1", 0), "with the logins");
        assert!(!erased("local/u-2", 0) && !erased("local/u-2", longest - 1));
        assert!(erased("local/u-2", longest), "they are over");
    }
}
