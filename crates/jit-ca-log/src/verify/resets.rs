//! Resets of second factors: one administrator asks, another confirms, and neither is whose they are.

use std::collections::BTreeMap;

use jit_ca_core::event::{Decided, MfaReset, MfaResetAsked, MfaResetWithdrawn, Resetter};
use jit_ca_core::{Action, ActorRef, Bytes, PersonName, Span, SubjectId, UnixTime};

use super::fault::{Fault, must, must_be_allowed, must_be_near};
use super::log::second_of;
use super::{Code, Logins, Passkeys, People};
use crate::Leaf;

/// How long a reset that is asked for waits, and how long a code can be used.
const LONGEST_WAIT: Span = Span::from_secs(24 * 60 * 60);

/// The resets that wait for another administrator, by the entries that asked for them.
#[derive(Debug, Default)]
pub(super) struct Resets(BTreeMap<u64, Asked>);

#[derive(Debug)]
struct Asked {
    /// Who asked.
    actor: ActorRef,
    /// For whom, and until when it waits; none where that is erased.
    said: Option<(SubjectId, UnixTime)>,
    /// When its entry was written, in milliseconds since 1970.
    made: u64,
}

/// An administrator, as an entry names whoever decides.
struct By<'e> {
    subject: &'e SubjectId,
    name: &'e PersonName,
    login: &'e Bytes,
    decision: &'e Decided,
}

impl By<'_> {
    /// The administrator is let to, acts by a login of theirs, and over somebody else.
    fn must_act(
        &self,
        people: &People,
        logins: &Logins,
        leaf: &Leaf,
        over: &SubjectId,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, self.subject)?;
        must_be_allowed(self.decision, Action::Administer, Some(self.subject))?;
        logins.must_be_open(people, leaf, self.login, Some(self.subject))?;
        must(self.subject != over, Code::Reset, "it is about who does it")?;
        match people.person(leaf.actor, self.subject, Code::Reset)? {
            Some(person) => {
                must(person.name == *self.name, Code::Reset, "the name is not the person's")
            }
            None => Ok(()),
        }
    }
}

impl Resets {
    pub(super) fn asked(
        &mut self,
        people: &People,
        logins: &Logins,
        leaf: &Leaf,
        asked: &MfaResetAsked,
    ) -> Result<(), Fault> {
        let MfaResetAsked { subject, reason: _, by, name, login, decision, lapses } = asked;
        By { subject: by, name, login, decision }.must_act(people, logins, leaf, subject)?;
        must_end_in_a_day(leaf, *lapses, "it waits for another time than a day")?;
        let said = Some((subject.clone(), *lapses));
        self.0.insert(leaf.idx, Asked { actor: leaf.actor, said, made: leaf.ts_ms });
        Ok(())
    }

    pub(super) fn withdrawn(
        &mut self,
        people: &People,
        logins: &Logins,
        leaf: &Leaf,
        withdrawn: &MfaResetWithdrawn,
    ) -> Result<(), Fault> {
        let MfaResetWithdrawn { subject, asked, by, name, login, decision } = withdrawn;
        By { subject: by, name, login, decision }.must_act(people, logins, leaf, subject)?;
        self.take(*asked, subject, leaf).map(drop)
    }

    /// The second administrator is another than the first. What there was ends with it.
    pub(super) fn reset(
        &mut self,
        people: &People,
        logins: &mut Logins,
        passkeys: &mut Passkeys,
        leaf: &Leaf,
        reset: &MfaReset,
    ) -> Result<(), Fault> {
        let MfaReset { subject, by, code } = reset;
        match by {
            Resetter::Person { subject: by, name, login, decision, asked } => {
                By { subject: by, name, login, decision }
                    .must_act(people, logins, leaf, subject)?;
                let first = self.take(*asked, subject, leaf)?;
                must(
                    first.actor != leaf.actor,
                    Code::Reset,
                    "one administrator asks and confirms",
                )?;
            }
            Resetter::Machine { .. } => {
                let is_daemons = leaf.actor == ActorRef::DAEMON;
                must(is_daemons, Code::Reset, "somebody else says what was done on the machine")?;
            }
        }
        let has_code = code.is_some() == subject.is_local();
        must(has_code, Code::Reset, "a code is for people of the user file, and for all of them")?;
        if let Some(code) = code {
            let message = "the code can be used for another time than a day";
            must_end_in_a_day(leaf, code.expires, message)?;
        }
        // Whatever else was asked for of this subject is done with it.
        self.0.retain(|_, asked| asked.said.as_ref().is_none_or(|(of, _)| of != subject));
        logins.reset(leaf, subject, code.as_ref());
        if let Some(actor) = people.actor_of(subject) {
            passkeys.reset(actor);
        }
        self.drop_asks_by(people, subject);
        Ok(())
    }

    /// Who is locked, or reset, has asked for nothing: it may have been somebody else.
    pub(super) fn drop_asks_by(&mut self, people: &People, subject: &SubjectId) {
        if let Some(actor) = people.actor_of(subject) {
            self.0.retain(|_, asked| asked.actor != actor);
        }
    }

    /// Takes in what the leaf of an entry still says whose payload is erased.
    pub(super) fn erased(&mut self, leaf: &Leaf) {
        if leaf.entry_type.as_str() == "mfa.reset.asked" {
            self.0.insert(leaf.idx, Asked { actor: leaf.actor, said: None, made: leaf.ts_ms });
        }
    }

    /// Time goes back to `now`: what was asked for later was not asked for.
    pub(super) fn take_back(&mut self, now: u64) {
        self.0.retain(|_, asked| asked.made <= now);
    }

    /// What was asked for by that entry, of this subject, if it still waits.
    fn take(&mut self, index: u64, subject: &SubjectId, leaf: &Leaf) -> Result<Asked, Fault> {
        let asked = self.0.remove(&index);
        let asked = asked.ok_or_else(|| Fault::new(Code::Reset, "nobody asked for it"))?;
        if let Some((of, lapses)) = &asked.said {
            must(of == subject, Code::Reset, "it was asked for of somebody else")?;
            must(second_of(leaf) < *lapses, Code::Reset, "what was asked for has lapsed")?;
        }
        Ok(asked)
    }
}

fn must_end_in_a_day(leaf: &Leaf, end: UnixTime, message: &'static str) -> Result<(), Fault> {
    must_be_near(leaf, end.minus(LONGEST_WAIT), Code::Reset, message)
}
