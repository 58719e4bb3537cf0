//! Taking back: of what was asked for, and of what was given.

use super::rights::Action;
use super::{Model, Outcome, Over, SKIPPED, State};

impl Model {
    pub(super) fn deny(&mut self, by: usize, of: usize) -> Outcome {
        self.caller(by)?;
        let request = &self.requests[of];
        self.must_see(by, request)?;
        if request.by == by {
            return Err("self-approval");
        }
        let is_known = self.groups(request.by).is_some() && self.role(request.role).is_some();
        let action = if is_known { Action::Approve } else { Action::Revoke };
        self.may(by, action, self.about_what_is_left(request))?;
        self.must_be_pending(of)?;
        self.requests[of].state = State::Denied;
        Ok(vec!["denial"])
    }

    pub(super) fn cancel(&mut self, by: usize, of: usize) -> Outcome {
        self.caller(by)?;
        self.must_see(by, &self.requests[of])?;
        if self.requests[of].by != by {
            return Err("not-yours");
        }
        self.must_be_pending(of)?;
        self.requests[of].state = State::Cancelled;
        Ok(vec!["cancel"])
    }

    fn must_be_pending(&self, of: usize) -> Result<(), &'static str> {
        if self.requests[of].is_pending(self.now) { Ok(()) } else { Err("not-pending") }
    }

    pub(super) fn give_back(&mut self, by: usize, of: usize) -> Outcome {
        let request = &self.requests[of];
        let grant = request.grant().ok_or(SKIPPED)?;
        self.caller(by)?;
        self.must_see(by, request)?;
        if request.by != by {
            return Err("not-yours");
        }
        grant.must_not_be_over(self.now)?;
        self.finish(of, Over::Ended("given-back"));
        Ok(vec!["grant.end"])
    }

    pub(super) fn revoke(&mut self, by: usize, of: usize) -> Outcome {
        let request = &self.requests[of];
        let grant = request.grant().ok_or(SKIPPED)?;
        self.caller(by)?;
        self.must_see(by, request)?;
        self.may(by, Action::Revoke, self.about(request))?;
        grant.must_not_be_over(self.now)?;
        self.finish(of, Over::Revoked);
        Ok(vec!["grant.revoke"])
    }

    pub(super) fn review(&mut self, by: usize, of: usize) -> Outcome {
        self.caller(by)?;
        let (now, request) = (self.now, &self.requests[of]);
        self.must_see(by, request)?;
        self.may(by, Action::Review, self.about(request))?;
        if self.is_locked(&[by], None) {
            return Err("locked");
        }
        let goes_on = request.grant().is_none_or(|grant| grant.must_not_be_over(now).is_ok());
        match &mut self.requests[of].emergency {
            Some((_, reviewed)) if !goes_on && !*reviewed => *reviewed = true,
            _ => return Err("not-to-review"),
        }
        Ok(vec!["review"])
    }

    pub(super) fn finish(&mut self, of: usize, over: Over) {
        if let State::Granted(grant) = &mut self.requests[of].state {
            grant.over = Some(over);
        }
    }
}
