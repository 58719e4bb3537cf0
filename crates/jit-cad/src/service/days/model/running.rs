//! What a grant gives, and what time alone brings.

use super::rights::Action;
use super::{CutOff, Model, Outcome, Over, SKIPPED, State, Term};

impl Model {
    pub(super) fn issue(&mut self, by: usize, of: usize, row: usize) -> Outcome {
        self.requests[of].grant().ok_or(SKIPPED)?;
        self.caller(by)?;
        if self.requests[of].by != by {
            return Err("not-found");
        }
        let mut written: Vec<&str> = self.start(of).into_iter().collect();
        let term = self.given(by, of, row)?;
        let (now, request) = (self.now, &mut self.requests[of]);
        let certificates = request.certificates;
        let State::Granted(grant) = &mut request.state else { return Err("not-found") };
        if !grant.is_left(certificates) {
            return Err("too-many-certificates");
        }
        if self.is_faulted {
            return Err("held");
        }
        if matches!(grant.term, Term::FirstUse { .. }) {
            request.began = now;
            written.push("grant.start");
        }
        grant.term = term;
        grant.issued += 1;
        written.extend(["issue.intent", "issue.done"]);
        Ok(written)
    }

    /// It is recorded, and then nobody hears of it.
    pub(super) fn is_cut_off(&mut self, by: usize, of: usize, row: usize) -> Outcome {
        let mut written = self.issue(by, of, row)?;
        let _lost = written.pop();
        let (login, end) = (self.logins[by].began, self.certificate_end(of).ok_or("no end")?);
        self.cut_off = Some(CutOff { by, of, row, login, end, is_signed: false });
        Ok(written)
    }

    /// What nobody has yet is given as if it were asked for now, but for the count: it has been counted.
    pub(super) fn again(&mut self) -> Outcome {
        let CutOff { by, of, row, login, is_signed, .. } = self.cut_off.ok_or(SKIPPED)?;
        self.caller(by)?;
        if self.logins[by].began != login {
            return Err("no-possession");
        }
        if is_signed {
            return Ok(vec![]);
        }
        self.given(by, of, row)?;
        if self.is_faulted {
            return Err("held");
        }
        self.cut_off.as_mut().ok_or(SKIPPED)?.is_signed = true;
        Ok(vec!["issue.done"])
    }

    /// Whether the grant gives it now; and the grant's term from then on.
    fn given(&mut self, by: usize, of: usize, row: usize) -> Result<Term, &'static str> {
        let begins = self.begins_with_use(of);
        let (now, request) = (self.now, &self.requests[of]);
        let Some(grant) = request.grant() else { return Err("not-found") };
        self.must_be_open(&[by], request.role)?;
        grant.must_not_be_over(now)?;
        let term = match grant.term {
            Term::Open(start, end) if now >= start => Term::Open(start, end),
            Term::FirstUse { duration, .. } if begins => Term::Open(now, now + duration),
            _ => return Err("grant-waiting"),
        };
        if !grant.rows.contains(&row) {
            return Err("unknown-row");
        }
        self.may(by, Action::Issue, self.about(request))?;
        if !self.still_gives(request, row, grant.hosts) {
            return Err("role-changed");
        }
        Ok(term)
    }

    /// When each of a grant's certificates that is issued now ends.
    pub(in super::super) fn certificate_end(&self, of: usize) -> Option<u64> {
        let request = &self.requests[of];
        let Term::Open(_, end) = request.grant()?.term else { return None };
        let longest = self.role(request.role)?.certificate_max;
        Some(longest.map_or(end, |longest| end.min(self.now + longest)))
    }

    /// Everything that is due, in whatever order.
    pub(super) fn tick(&mut self) -> Vec<&'static str> {
        let mut written = Vec::new();
        for of in 0..self.requests.len() {
            written.extend(self.start(of).or_else(|| self.pass_by(of)));
        }
        written
    }

    /// The start of a grant whose time has come, or its end by the policy of today.
    fn start(&mut self, of: usize) -> Option<&'static str> {
        let (now, request) = (self.now, &self.requests[of]);
        let grant = request.grant().filter(|grant| grant.over.is_none())?;
        let Term::Scheduled(start, end) = grant.term else { return None };
        if !(start..end).contains(&now) {
            return None;
        }
        let still = self.may_begin(of)?;
        let request = &mut self.requests[of];
        let State::Granted(grant) = &mut request.state else { return None };
        match still {
            true => {
                grant.term = Term::Open(start, end);
                request.began = now;
                Some("grant.start")
            }
            false => {
                grant.over = Some(Over::Ended("policy"));
                Some("grant.end")
            }
        }
    }

    /// Whether the policy lets a first use begin the grant; if it says no, that is its end.
    fn begins_with_use(&mut self, of: usize) -> bool {
        let Some(grant) = self.requests[of].grant() else { return false };
        let waits = matches!(grant.term, Term::FirstUse { .. });
        if !waits || grant.must_not_be_over(self.now).is_err() {
            return false;
        }
        let may = self.may_begin(of);
        if may == Some(false) {
            self.finish(of, Over::Ended("policy"));
        }
        may == Some(true)
    }

    fn pass_by(&mut self, of: usize) -> Option<&'static str> {
        let (now, request) = (self.now, &mut self.requests[of]);
        match &mut request.state {
            State::Pending if now >= request.lapses => {
                request.state = State::Lapsed;
                Some("lapse")
            }
            State::Granted(grant) if grant.over.is_none() && now >= grant.end() => {
                let is_used = matches!(grant.term, Term::Open(..));
                grant.over = Some(Over::Ended(if is_used { "over" } else { "unused" }));
                Some("grant.end")
            }
            _ => None,
        }
    }
}
