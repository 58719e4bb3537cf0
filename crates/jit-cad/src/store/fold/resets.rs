//! Resets of second factors: what waits for another administrator, and who has nothing but a code since.

use jit_ca_core::event::{Event, MfaReset, MfaResetAsked, MfaResetWithdrawn, Resetter};
use jit_ca_core::{SubjectId, UnixTime};
use jit_ca_log::{Leaf, payload};
use redb::{ReadableTable as _, TableDefinition};

use super::{Clash, Fold};
use crate::clock::Millis;
use crate::store::StoreError;
use crate::store::record::{AskedReset, DoneReset, EnrolmentCode, ResetRecord};

/// Subject to [`ResetRecord`].
pub(in crate::store) const RESETS: TableDefinition<'_, &str, &[u8]> =
    TableDefinition::new("fold.resets");

impl Fold<'_> {
    /// A code alone is for a first second factor. Who has one, or had one that was reset, is reset: by two
    /// administrators of whom neither is that person.
    pub(super) fn admit_by_resets(
        &self,
        event: &Event,
        now: UnixTime,
    ) -> Result<Result<(), Clash>, StoreError> {
        let (may_be, login) = match event {
            Event::MfaCodeMade(made) => (!self.can_be_reset(&made.subject)?, None),
            Event::MfaResetAsked(asked) => {
                let MfaResetAsked { subject, by, .. } = &**asked;
                let is_new = self.waiting(subject, now)?.is_none();
                (by != subject && is_new && self.can_be_reset(subject)?, Some(&asked.login))
            }
            Event::MfaResetWithdrawn(withdrawn) => {
                let MfaResetWithdrawn { subject, asked, by, .. } = &**withdrawn;
                let waits = self.waiting(subject, now)?.is_some_and(|it| it.entry == *asked);
                (by != subject && waits, Some(&withdrawn.login))
            }
            Event::MfaReset(reset) => {
                let can_be = self.can_be_reset(&reset.subject)?;
                match &reset.by {
                    Resetter::Person { subject: by, asked, login, .. } => {
                        let waiting = self.waiting(&reset.subject, now)?;
                        let is_it = |it: AskedReset| it.entry == *asked && it.by != *by;
                        let is_others = *by != reset.subject;
                        (can_be && is_others && waiting.is_some_and(is_it), Some(login))
                    }
                    Resetter::Machine { .. } => (can_be, None),
                }
            }
            _ => return Ok(Ok(())),
        };
        match (may_be, login) {
            (false, _) => Ok(Err(Clash::Reset)),
            (true, Some(login)) => self.admit_open_login(login.as_slice(), now),
            (true, None) => Ok(Ok(())),
        }
    }

    /// What an event changes of resets, beside what else it changes.
    pub(super) fn apply_resets(&mut self, leaf: &Leaf, event: &Event) -> Result<(), StoreError> {
        match event {
            Event::MfaResetAsked(asked) => {
                let MfaResetAsked { subject, reason, by, name, lapses, .. } = (**asked).clone();
                let (entry, made) = (leaf.idx, Millis(leaf.ts_ms));
                let asked = AskedReset { entry, by, name, reason, made, lapses };
                self.change_reset(&subject, |record| record.asked = Some(asked))
            }
            Event::MfaResetWithdrawn(withdrawn) => {
                self.change_reset(&withdrawn.subject, |record| record.asked = None)
            }
            Event::MfaReset(reset) => self.apply_reset(leaf, reset),
            Event::MfaEnrolled(enrolled) => {
                self.change_reset(&enrolled.subject, |record| record.done = None)
            }
            _ => Ok(()),
        }
    }

    /// Of what the subject had nothing is left: no second factor, no passkey, no login, and no code but a new one.
    fn apply_reset(&mut self, leaf: &Leaf, reset: &MfaReset) -> Result<(), StoreError> {
        let MfaReset { subject, by, code } = reset;
        let made = Millis(leaf.ts_ms);
        let text = subject.to_string();
        self.subjects.change(text.as_str(), |record| {
            record.totp_step = None;
            record.enrolment_code = code.map(|it| {
                let (code, expires) = (it.code, it.expires);
                EnrolmentCode { code, made, expires }
            });
        })?;
        let passkeys =
            self.passkeys.pick(|id, held| (held.subject == *subject).then(|| id.to_vec()))?;
        for id in passkeys {
            self.passkeys.remove(id.as_slice())?;
        }
        self.end_logins_of(subject)?;
        self.drop_asks_by(subject)?;
        self.change_reset(subject, |record| {
            let asked = record.asked.take();
            record.done = code.map(|code| {
                let (by, reason) = match by {
                    Resetter::Person { name, .. } => {
                        (Some(name.clone()), asked.as_ref().map(|asked| asked.reason.clone()))
                    }
                    Resetter::Machine { reason, .. } => (None, Some(reason.clone())),
                };
                let asked_by = asked.filter(|_| by.is_some()).map(|asked| asked.name);
                DoneReset { entry: leaf.idx, asked_by, by, reason, made, code }
            });
        })
    }

    /// Who is locked, or reset, has asked for nothing: it may have been somebody else.
    pub(super) fn drop_asks_by(&mut self, subject: &SubjectId) -> Result<(), StoreError> {
        self.drop_asks(|asked| asked.by == *subject)
    }

    /// Time goes back to `now`: what was asked for later was not asked for.
    pub(super) fn take_back_resets(&mut self, now: Millis) -> Result<(), StoreError> {
        self.drop_asks(|asked| asked.made > now)
    }

    fn drop_asks(&mut self, is_over: impl Fn(&AskedReset) -> bool) -> Result<(), StoreError> {
        let mut over = Vec::new();
        for row in self.resets.iter()? {
            let record: ResetRecord = payload::decode(row?.1.value())?;
            if record.asked.is_some_and(|asked| is_over(&asked)) {
                over.push(record.subject);
            }
        }
        for subject in over {
            self.change_reset(&subject, |record| record.asked = None)?;
        }
        Ok(())
    }

    /// Whether the subject has a second factor that an enrolment code alone would replace.
    fn has_second_factor(&self, subject: &SubjectId) -> Result<bool, StoreError> {
        let known = self.subjects.get(subject.to_string().as_str())?;
        if known.is_some_and(|known| known.totp_step.is_some()) {
            return Ok(true);
        }
        let held = self.passkeys.pick(|_, held| (held.subject == *subject).then_some(()))?;
        Ok(!held.is_empty())
    }

    /// The same, or there was one, and nothing has been enrolled since: the code may have been lost.
    fn can_be_reset(&self, subject: &SubjectId) -> Result<bool, StoreError> {
        let was_reset = self.reset_of(subject)?.is_some_and(|record| record.done.is_some());
        Ok(was_reset || self.has_second_factor(subject)?)
    }

    /// What was asked for of a subject, if it can still be confirmed.
    fn waiting(
        &self,
        subject: &SubjectId,
        now: UnixTime,
    ) -> Result<Option<AskedReset>, StoreError> {
        let asked = self.reset_of(subject)?.and_then(|record| record.asked);
        Ok(asked.filter(|asked| now < asked.lapses))
    }

    pub(super) fn reset_of(&self, subject: &SubjectId) -> Result<Option<ResetRecord>, StoreError> {
        let found = self.resets.get(subject.to_string().as_str())?;
        Ok(found.map(|found| payload::decode(found.value())).transpose()?)
    }

    /// Changes the subject's record, which is there while it says something.
    fn change_reset(
        &mut self,
        subject: &SubjectId,
        change: impl FnOnce(&mut ResetRecord),
    ) -> Result<(), StoreError> {
        let key = subject.to_string();
        let before = self.reset_of(subject)?;
        let was_there = before.is_some();
        let mut record = before.unwrap_or_else(|| ResetRecord {
            subject: subject.clone(),
            asked: None,
            done: None,
        });
        change(&mut record);
        if record.asked.is_some() || record.done.is_some() {
            self.resets.insert(key.as_str(), payload::encode(&record)?.as_slice())?;
        } else if was_there {
            self.resets.remove(key.as_str())?;
        }
        Ok(())
    }
}
