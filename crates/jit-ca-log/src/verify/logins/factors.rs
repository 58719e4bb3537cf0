//! Second factors: the codes that enrol them, and the codes that are used up.

use jit_ca_core::event::{
    ErasureOrdered, LoginSteppedUp, MfaCodeMade, MfaEnrolled, MfaKept, ResetCode,
};
use jit_ca_core::{Action, SubjectId};

use super::{IN_USE, Logins, is_within};
use crate::Leaf;
use crate::sshsig;
use crate::verify::fault::{Fault, must, must_be_allowed};
use crate::verify::log::Log;
use crate::verify::people::has_key;
use crate::verify::{Code, People};

impl Logins {
    /// A code is for a first second factor. Whoever has one is reset, and enrols with the code of that.
    pub(in crate::verify) fn code(&mut self, leaf: &Leaf, made: &MfaCodeMade) -> Result<(), Fault> {
        let has_one = self.steps.contains_key(&made.subject) && !self.may_be_reset;
        must(!has_one, Code::Reset, "the subject has a second factor, which was not reset")?;
        let was_reset = self.resets.contains_key(&made.subject);
        must(!was_reset, Code::Reset, "the subject was reset, and has a code from that")?;
        self.codes.insert(made.subject.clone(), (made.code, leaf.ts_ms));
        Ok(())
    }

    /// A subject's second factor is reset: codes of it count no more, the logins have ended, and there is one enrolment
    /// code at the most.
    pub(in crate::verify) fn reset(
        &mut self,
        leaf: &Leaf,
        subject: &SubjectId,
        code: Option<&ResetCode>,
    ) {
        self.end_all_of(subject);
        self.steps.remove(subject);
        self.resets.insert(subject.clone(), leaf.idx);
        self.codes.remove(subject);
        if let Some(made) = code {
            self.codes.insert(subject.clone(), (made.code, leaf.ts_ms));
        }
    }

    pub(in crate::verify) fn enrolled(
        &mut self,
        leaf: &Leaf,
        enrolled: &MfaEnrolled,
    ) -> Result<(), Fault> {
        let may_be_erased = is_within(&self.erased, leaf, IN_USE);
        match self.logins.get_mut(&enrolled.login) {
            Some(login) if login.subject == enrolled.subject => {
                must(login.is_open(leaf), Code::Login, "the login is not open")?;
                login.has_second_factor = true;
            }
            None if may_be_erased => {}
            _ => return Err(Fault::new(Code::Login, "there is no such login of the subject")),
        }
        // Of another secret than the codes before, so that it may be a step before theirs.
        self.steps.insert(enrolled.subject.clone(), enrolled.step);
        self.resets.remove(&enrolled.subject);
        Ok(())
    }

    /// A passkey was used for a login that is open: it has a second factor from here on.
    pub(in crate::verify) fn stepped_up(
        &mut self,
        people: &People,
        leaf: &Leaf,
        stepped: &LoginSteppedUp,
    ) -> Result<(), Fault> {
        let fault = |is_so, message| must(is_so, Code::Login, message);
        fault(!people.vouching.is_workload(leaf.actor), "a workload has a second factor")?;
        self.use_challenge(&stepped.challenge)?;
        let may_be_erased = is_within(&self.erased, leaf, IN_USE);
        match self.logins.get_mut(&stepped.login) {
            Some(login) if login.subject == stepped.subject => {
                fault(login.is_open(leaf), "the login is not open")?;
                let may_step_up = login.has_second_factor || login.ssh_key.is_none();
                fault(may_step_up, "the login was made by a code, and can only enrol")?;
                fault(!login.is_page(), "it is a login to the page")?;
                login.has_second_factor = true;
                Ok(())
            }
            None if may_be_erased => Ok(()),
            _ => Err(Fault::new(Code::Login, "there is no such login of the subject")),
        }
    }

    pub(in crate::verify) fn kept(
        &mut self,
        log: &Log,
        leaf: &Leaf,
        kept: &MfaKept,
    ) -> Result<(), Fault> {
        let message = "the log goes on from none that a second factor could be kept of";
        must(log.succeeds != Some(false), Code::Subject, message)?;
        self.use_step(leaf, &kept.subject, kept.step)
    }

    pub(in crate::verify) fn order(
        &mut self,
        people: &People,
        leaf: &Leaf,
        order: &ErasureOrdered,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &order.by)?;
        must_be_allowed(&order.decision, Action::Erase, Some(&order.by))?;
        if let Some(person) = people.person(leaf.actor, &order.by, Code::Login)? {
            must(person.name == order.name, Code::Login, "the name is not the person's")?;
            let is_theirs = has_key(person, order.signature.key.as_slice());
            must(is_theirs, Code::Login, "the key is not one of the person's")?;
        }
        match order.step {
            Some(step) => self.use_step(leaf, &order.by, step),
            None => must_be_verified(order.signature.sshsig.as_slice()),
        }
    }

    pub(super) fn use_step(
        &mut self,
        leaf: &Leaf,
        subject: &SubjectId,
        step: u64,
    ) -> Result<(), Fault> {
        if let Some(reset) = self.resets.get(subject) {
            let unseen = self.unseen_enrolments.get(&leaf.actor);
            let may_have_enrolled = unseen.is_some_and(|enrolled| enrolled > reset);
            must(may_have_enrolled, Code::Login, "the second factor was reset, and none enrolled")?;
        }
        let is_new = self.steps.get(subject).is_none_or(|&last| step > last);
        must(is_new, Code::Login, "the code of the second factor was used before")?;
        self.steps.insert(subject.clone(), step);
        Ok(())
    }
}

/// A signature that is a second factor of its own says so.
pub(super) fn must_be_verified(signature: &[u8]) -> Result<(), Fault> {
    let is_verified = sshsig::says_user_verified(signature);
    must(is_verified, Code::Login, "no security key says to have verified its user")
}
