//! Resets of second factors that an erasure takes: with all that they ended, or not at all.
//!
//! No leaf says whose second factors were reset, or what became of a reset that was asked for. Were that alone erased, a
//! passkey would count again that was lost, or a reset wait again that was withdrawn. So what it ended goes as well; and
//! while a login could be open, or a code be used, if there had been no reset, it is erased with the person's own entries
//! alone.

use std::collections::{BTreeMap, BTreeSet};

use jit_ca_core::event::{Event, Resetter};
use jit_ca_core::{Span, SubjectId, UnixTime};

use crate::service::Fault;

/// No login, and no code, can be used for longer.
const LONGEST: Span = Span::from_secs(24 * 60 * 60);

/// The resets of a log, by their entries.
#[derive(Debug, Default)]
pub(super) struct Resets {
    /// What people have had as second factors up to now: the entries that say so, by their types.
    had: BTreeMap<SubjectId, BTreeMap<u64, &'static str>>,
    /// Of each reset, by its index, what it ended.
    ended: BTreeMap<u64, Ended>,
    /// The entries that asked for resets.
    asked: BTreeSet<u64>,
    /// Of each entry that ended a reset's waiting, the one that had asked for it.
    answered: Vec<(u64, u64)>,
}

#[derive(Debug)]
struct Ended {
    of: SubjectId,
    /// When nothing of it could be used in any case.
    over: UnixTime,
    entries: BTreeMap<u64, &'static str>,
}

impl Resets {
    /// Takes an entry in, in the order of the log.
    pub(super) fn add(&mut self, index: u64, at: UnixTime, event: Option<&Event>) {
        let Some(event) = event else { return };
        let subject = match event {
            Event::MfaEnrolled(enrolled) => &enrolled.subject,
            Event::MfaKept(kept) => &kept.subject,
            Event::PasskeyAdded(added) => &added.subject,
            Event::MfaResetAsked(_) => {
                self.asked.insert(index);
                return;
            }
            Event::MfaResetWithdrawn(withdrawn) => {
                self.answered.push((index, withdrawn.asked));
                return;
            }
            Event::MfaReset(reset) => {
                if let Resetter::Person { asked, .. } = &reset.by {
                    self.answered.push((index, *asked));
                }
                let entries = self.had.remove(&reset.subject).unwrap_or_default();
                let (of, over) = (reset.subject.clone(), at.plus(LONGEST));
                self.ended.insert(index, Ended { of, over, entries });
                return;
            }
            _ => return,
        };
        self.had.entry(subject.clone()).or_default().insert(index, event.entry_type());
    }

    /// Adds to the entries that are to be erased what would count again without them.
    ///
    /// # Errors
    /// If a reset among them keeps logins of somebody else ended.
    pub(super) fn erased_whole(
        &self,
        (subject, now): (&SubjectId, UnixTime),
        entries: &mut BTreeMap<u64, String>,
        of_others: &mut Vec<u64>,
    ) -> Result<(), Fault> {
        let mut more: BTreeMap<u64, &str> = BTreeMap::new();
        for (index, ended) in &self.ended {
            if !entries.contains_key(index) {
                continue;
            }
            let Ended { of, over, entries } = ended;
            if of != subject && now < *over {
                let detail = format!(
                    "entry {index} would be erased, which keeps ended what {of} had before, and could be used until {over}"
                );
                return Err(Fault::bad(detail, "order it again after that time"));
            }
            more.extend(entries);
        }
        let answered = self.answered.iter().filter(|(index, _)| entries.contains_key(index));
        let answered = answered.filter(|(_, asked)| self.asked.contains(asked));
        more.extend(answered.map(|(_, asked)| (*asked, "mfa.reset.asked")));
        for (index, kind) in more {
            if entries.insert(index, kind.to_owned()).is_none() {
                of_others.push(index);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jit_ca_core::Text;
    use jit_ca_core::event::{MfaEnrolled, MfaReset};

    use super::*;

    #[test]
    fn what_a_reset_ended_is_erased_with_it() {
        let [alice, bob] = ["local/u-1", "local/u-2"].map(|it| it.parse::<SubjectId>().unwrap());
        let enrolled = |subject: &SubjectId| {
            let (subject, login) = (subject.clone(), vec![1].into());
            Event::from(MfaEnrolled { subject, login, step: 1 })
        };
        let by = Resetter::Machine { uid: 0, reason: "lost".parse::<Text>().unwrap() };
        let reset = Event::from(MfaReset { subject: alice.clone(), by, code: None });
        let mut resets = Resets::default();
        let at = UnixTime::from_secs(1_000_000);
        for (index, event) in
            [enrolled(&alice), enrolled(&bob), reset, enrolled(&alice)].iter().enumerate()
        {
            resets.add(u64::try_from(index).unwrap(), at, Some(event));
        }
        let erased = |subject: &SubjectId, now: UnixTime| {
            let mut entries = BTreeMap::from([(2, "mfa.reset".to_owned())]);
            let mut of_others = Vec::new();
            resets
                .erased_whole((subject, now), &mut entries, &mut of_others)
                .map(|()| (entries.into_keys().collect::<Vec<_>>(), of_others))
        };
        // Of somebody else it keeps ended what could be open still.
        assert!(erased(&bob, at).is_err());
        assert_eq!(erased(&bob, at.plus(LONGEST)).unwrap(), (vec![0, 2], vec![0]));
        assert_eq!(erased(&alice, at).unwrap(), (vec![0, 2], vec![0]));
    }
}
