//! Locks that an erasure takes: whole, or not at all.
//!
//! No leaf says what is locked. Of a lock whose end alone were erased nobody could tell that it has one, and it would hold
//! again.

use std::collections::BTreeMap;

use jit_ca_core::event::{Event, Locked};

use crate::service::Fault;

/// The locks of a log, by their entries.
#[derive(Debug, Default)]
pub(super) struct Locks {
    open: BTreeMap<Locked, u64>,
    /// Each lock that was lifted: the indices of the two entries.
    lifted: Vec<(u64, u64)>,
}

impl Locks {
    /// Takes an entry in, in the order of the log.
    pub(super) fn add(&mut self, index: u64, event: Option<&Event>) {
        match event {
            Some(Event::LockSet(set)) => {
                self.open.insert(set.lock.clone(), index);
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
    /// If a lock among them holds.
    pub(super) fn erased_whole(
        &self,
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
            locks.add(index, Some(&event));
        }
        let erased = |indices: &[u64]| {
            let mut entries = indices.iter().map(|index| (*index, "x".to_owned())).collect();
            let mut of_others = Vec::new();
            locks.erased_whole(&mut entries, &mut of_others).ok()?;
            Some((entries.into_keys().collect::<Vec<_>>(), of_others))
        };
        assert_eq!(erased(&[3]), Some((vec![1, 3], vec![1])));
        assert_eq!(erased(&[2, 9]), Some((vec![2, 5, 9], vec![5])));
        assert_eq!(erased(&[1, 3]), Some((vec![1, 3], vec![])));
        assert_eq!(erased(&[4]), None, "it holds");
    }
}
