//! What should come of each step: plain numbers and sets, and no part of the daemon.
//!
//! Times are seconds since the day began. A person is a number, a set of groups, rows or hosts the bits of one; of
//! hosts, 0 is all of them. What is refused is refused by the first thing that stands against it, in the order in
//! which the services look.

mod asking;
mod ending;
mod rights;
mod running;

use std::collections::BTreeSet;

use super::step::{ANY, Step, WHO_ASKED, What};
use super::world::{ACTORS, Quorum, World, worlds};

/// The entries that a step writes, refusals aside; or why it is refused.
pub(super) type Outcome = Result<Vec<&'static str>, &'static str>;

/// A step that means nothing now: nobody has asked, or has a grant.
pub(super) const SKIPPED: &str = "skipped";

pub(super) struct Model {
    pub(super) now: u64,
    /// What the machine's clock says, where that is another time.
    wall: u64,
    pub(super) is_faulted: bool,
    worlds: Vec<World>,
    in_force: usize,
    pub(super) locks: BTreeSet<What>,
    /// When each person's newest login began, and the step of the code that it used up.
    logins: [Login; ACTORS],
    pub(super) requests: Vec<Request>,
    /// The last certificate that was recorded when the daemon died.
    pub(super) cut_off: Option<CutOff>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct CutOff {
    by: usize,
    of: usize,
    row: usize,
    /// When the login began that it was asked for with.
    login: u64,
    pub(super) end: u64,
    is_signed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Login {
    began: u64,
    is_over: bool,
    step: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) by: usize,
    pub(super) role: usize,
    /// Its rows, by number, and the hosts that each had when it was asked for.
    pub(super) rows: Vec<(usize, u8)>,
    pub(super) hosts: u8,
    pub(super) duration: u64,
    pub(super) start: Start,
    lapses: u64,
    quorums: Vec<Quorum>,
    first_use: Option<u64>,
    certificates: Option<u32>,
    pub(super) approvals: Vec<Approval>,
    pub(super) state: State,
    /// Where no one was asked: who was told, and whether somebody has looked at it.
    pub(super) emergency: Option<(u8, bool)>,
    /// By what time the clock that it was made by has to be believed.
    began: u64,
    /// Which request's grant it is to follow on.
    extends: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    AtApproval,
    At(u64),
    FirstUse,
}

#[derive(Clone, Debug)]
pub(super) struct Approval {
    /// None if it is a rule.
    pub(super) by: Option<usize>,
    groups: u8,
    signed: bool,
    pub(super) duration: u64,
    rows: Vec<usize>,
    hosts: u8,
}

#[derive(Clone, Debug)]
pub(super) enum State {
    Pending,
    Denied,
    Cancelled,
    Lapsed,
    Granted(Grant),
}

#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) term: Term,
    pub(super) rows: Vec<usize>,
    pub(super) hosts: u8,
    pub(super) issued: u32,
    pub(super) over: Option<Over>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Term {
    Open(u64, u64),
    Scheduled(u64, u64),
    FirstUse { duration: u64, by: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Ended(&'static str),
    Revoked,
    TakenBack,
}

impl Grant {
    fn end(&self) -> u64 {
        match self.term {
            Term::Open(_, end) | Term::Scheduled(_, end) => end,
            Term::FirstUse { by, .. } => by,
        }
    }

    fn must_not_be_over(&self, now: u64) -> Result<(), &'static str> {
        match self.over {
            Some(Over::Revoked) => Err("grant-revoked"),
            Some(_) => Err("grant-ended"),
            None if now >= self.end() => Err("grant-ended"),
            None => Ok(()),
        }
    }
}

impl Request {
    fn is_pending(&self, now: u64) -> bool {
        matches!(self.state, State::Pending) && now < self.lapses
    }

    fn is_in_force(&self, now: u64) -> bool {
        self.is_pending(now) || self.grant().is_some_and(|it| it.must_not_be_over(now).is_ok())
    }

    pub(super) fn grant(&self) -> Option<&Grant> {
        match &self.state {
            State::Granted(grant) => Some(grant),
            _ => None,
        }
    }
}

/// The longest that a login lasts.
const LOGIN: u64 = 12 * 60 * 60;

impl Model {
    /// A day that begins `at` so many seconds since 1970, with everybody logged in.
    pub(super) fn new(at: u64) -> Self {
        Self {
            now: at,
            wall: at,
            is_faulted: false,
            worlds: worlds(),
            in_force: 0,
            locks: BTreeSet::new(),
            logins: [Login { began: at, is_over: false, step: at / 30 }; ACTORS],
            requests: Vec::new(),
            cut_off: None,
        }
    }

    pub(super) fn step(&mut self, step: &Step) -> Outcome {
        match step.clone() {
            Step::Login { by } => self.login(by),
            Step::Request { by, role, hosts, duration, ahead } => {
                self.request(by, role, hosts, duration, ahead)
            }
            Step::Extend { by, of, duration } => self.extend(by, self.nth(of)?, duration),
            Step::BreakGlass { by, role, hosts, duration } => {
                self.break_glass(by, role, hosts, duration)
            }
            Step::Approve { by, of, part } => self.approve(by, self.nth(of)?, &part),
            Step::Deny { by, of } => self.deny(by, self.nth(of)?),
            Step::Cancel { by, of } => self.cancel(by, self.nth(of)?),
            Step::Issue { by, of, row } => self.issue(by, self.nth(of)?, row),
            Step::CutOff { by, of, row } => self.is_cut_off(by, self.nth(of)?, row),
            Step::Again => self.again(),
            Step::GiveBack { by, of } => self.give_back(by, self.nth(of)?),
            Step::Revoke { by, of } => self.revoke(by, self.nth(of)?),
            Step::Review { by, of } => self.review(by, self.nth(of)?),
            Step::Lock { by, what } => self.lock(Some(by), what, true),
            Step::Unlock { by, what } => self.lock(Some(by), what, false),
            Step::UnlockHere { what } => self.lock(None, what, false),
            Step::Reload { world } => {
                let written = if world == self.in_force { vec![] } else { vec!["bundle"] };
                self.in_force = world;
                Ok(written)
            }
            Step::Pass { seconds } => {
                self.now += seconds;
                self.wall += seconds;
                Ok(vec![])
            }
            Step::Tick => Ok(self.tick()),
            Step::SetClock { seconds } => {
                self.wall = self.wall.checked_add_signed(seconds).unwrap();
                self.is_faulted = true;
                Ok(vec![])
            }
            Step::Acknowledge => self.acknowledge(),
        }
    }

    /// The request that is `of` requests older than the newest.
    pub(super) fn nth(&self, of: usize) -> Result<usize, &'static str> {
        let count = self.requests.len();
        if count == 0 { Err(SKIPPED) } else { Ok(count - 1 - of % count) }
    }

    /// The step, with who and what are meant in it.
    pub(super) fn meant(&self, step: &Step) -> Step {
        let mut step = step.clone();
        match &mut step {
            Step::Approve { of, .. } | Step::Deny { of, .. } | Step::Cancel { of, .. } => {
                *of = self.newest(*of, |request| request.is_pending(self.now));
            }
            Step::Extend { of, .. }
            | Step::Issue { of, .. }
            | Step::CutOff { of, .. }
            | Step::GiveBack { of, .. } => {
                *of = self.newest(*of, |request| request.grant().is_some());
            }
            Step::Revoke { of, .. } => {
                *of = self.newest(*of, |request| {
                    request.grant().is_some_and(|grant| grant.must_not_be_over(self.now).is_ok())
                });
            }
            Step::Review { of, .. } => *of = self.newest(*of, |it| it.emergency.is_some()),
            _ => {}
        }
        match &mut step {
            Step::Extend { by, of, .. }
            | Step::Approve { by, of, .. }
            | Step::Cancel { by, of }
            | Step::Issue { by, of, .. }
            | Step::CutOff { by, of, .. }
            | Step::GiveBack { by, of }
                if *by == WHO_ASKED =>
            {
                *by = self.nth(*of).map_or(0, |nth| self.requests[nth].by);
            }
            Step::Unlock { what, .. } | Step::UnlockHere { what } if *what == What::Held => {
                *what = self.locks.first().copied().unwrap_or(What::All);
            }
            _ => {}
        }
        step
    }

    /// The newest that is such a one; but some steps mean any that there is.
    fn newest(&self, of: usize, is_such: impl Fn(&Request) -> bool) -> usize {
        let found = self.requests.iter().rev().position(is_such).filter(|_| of < ANY);
        found.unwrap_or(of)
    }

    fn login(&mut self, by: usize) -> Outcome {
        if self.skips_login(by) {
            return Err(SKIPPED);
        }
        if self.is_locked(&[by], None) {
            return Err("locked");
        }
        if self.is_faulted {
            return Err("held");
        }
        self.logins[by] = Login { began: self.now, is_over: false, step: self.now / 30 };
        Ok(vec!["login", "issue.intent", "issue.done"])
    }

    /// Who is a stranger, or whose code was used up, is slowed down after a while; that is another test's.
    pub(super) fn skips_login(&self, by: usize) -> bool {
        !self.has_key(by) || self.now / 30 <= self.logins[by].step
    }

    /// Whoever calls is logged in, and somebody whom the policy knows, with the key.
    fn caller(&self, by: usize) -> Result<(), &'static str> {
        let Login { began, is_over, .. } = self.logins[by];
        let is_open = !is_over && (began..began + LOGIN).contains(&self.now);
        if is_open && self.has_key(by) { Ok(()) } else { Err("login-ended") }
    }

    fn acknowledge(&mut self) -> Outcome {
        if !self.is_faulted {
            return Err("bad");
        }
        (self.now, self.is_faulted) = (self.wall, false);
        let now = self.now;
        // What was made by a time that is still to come is over for good.
        self.logins.iter_mut().for_each(|login| login.is_over |= login.began > now);
        for request in self.requests.iter_mut().filter(|request| request.began > now) {
            match &mut request.state {
                State::Pending => request.state = State::Lapsed,
                State::Granted(grant) => grant.over = grant.over.or(Some(Over::TakenBack)),
                _ => {}
            }
        }
        Ok(vec!["clock.ack"])
    }
}
