//! What the policy in force lets people do, what is locked, and what people see.

use super::super::step::What;
use super::super::world::{AUDITORS, BARRED, DEV, Role, SECURITY, SRE};
use super::{Grant, Model, Outcome, Request, Term};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Request,
    SkipApproval,
    Approve,
    Issue,
    BreakGlass,
    Review,
    Revoke,
}

/// What of a role is asked about.
#[derive(Clone, Copy)]
pub(super) struct About {
    pub(super) requester: usize,
    pub(super) role: usize,
    pub(super) duration: u64,
    pub(super) hosts: u8,
}

impl Model {
    pub(super) fn groups(&self, who: usize) -> Option<u8> {
        self.worlds[self.in_force].people[who]
    }

    /// Whether the policy has the person, and the key that they log in with.
    pub(super) fn has_key(&self, who: usize) -> bool {
        let world = &self.worlds[self.in_force];
        world.people[who].is_some() && world.keyless != Some(who)
    }

    pub(super) fn role(&self, role: usize) -> Option<&Role> {
        self.worlds[self.in_force].roles[role].as_ref()
    }

    /// What is asked about a request, or about the grant that it became.
    pub(super) fn about(&self, request: &Request) -> About {
        About {
            requester: request.by,
            role: request.role,
            duration: match request.grant().map(|grant| grant.term) {
                Some(Term::Open(start, end) | Term::Scheduled(start, end)) => end - start,
                Some(Term::FirstUse { duration, .. }) => duration,
                None => request.duration,
            },
            hosts: request.grant().map_or(request.hosts, |grant| grant.hosts),
        }
    }

    /// The same, without what the role no longer gives.
    pub(super) fn about_what_is_left(&self, request: &Request) -> About {
        let about = self.about(request);
        let Some(role) = self.role(about.role) else { return about };
        let hosts = about.hosts & role.rows.iter().fold(0, |all, hosts| all | hosts);
        About { duration: about.duration.min(role.longest), hosts, ..about }
    }

    pub(super) fn may(&self, who: usize, action: Action, about: About) -> Result<(), &'static str> {
        let groups = self.groups(who).ok_or("not-permitted")?;
        let is_own = who == about.requester;
        if action == Action::Review && is_own {
            return Err("self-approval");
        }
        if !matches!(action, Action::Review | Action::Revoke) {
            self.groups(about.requester).ok_or("not-permitted")?;
            let role = self.role(about.role).ok_or("unknown-role")?;
            if action == Action::Approve && is_own {
                return Err("self-approval");
            }
            let approvers = role.quorums.iter().fold(0, |all, (_, from, _)| all | from);
            if action == Action::Approve && groups & approvers == 0 {
                return Err("not-an-approver");
            }
            let longest = match (action, role.break_glass) {
                (Action::BreakGlass, None) => return Err("no-break-glass"),
                (Action::BreakGlass, Some((longest, _))) => longest,
                _ => role.longest,
            };
            if about.duration > longest {
                return Err("too-long");
            }
            if about.hosts & !role.rows.iter().fold(0, |all, hosts| all | hosts) != 0 {
                return Err("unknown-host");
            }
        }
        if groups & BARRED != 0 {
            return Err("forbidden");
        }
        let permitted = match action {
            Action::Request | Action::Issue => groups & (DEV | SRE) != 0,
            Action::SkipApproval => groups & DEV != 0 && about.role == 5 && about.duration <= 100,
            Action::Approve => groups & (SRE | SECURITY) != 0,
            Action::BreakGlass | Action::Revoke => groups & SRE != 0,
            Action::Review => groups & AUDITORS != 0,
        };
        if permitted { Ok(()) } else { Err("not-permitted") }
    }

    /// Whether the role gives today what a request's row gave on these hosts when it was made.
    pub(super) fn still_gives(&self, request: &Request, number: usize, hosts: u8) -> bool {
        let today = self.role(request.role).and_then(|role| role.rows.get(number));
        let then = request.rows.iter().find(|row| row.0 == number).map_or(0, |row| row.1);
        let then = if hosts == 0 { then } else { then & hosts };
        today.is_some_and(|today| then & !today == 0)
    }

    pub(super) fn must_see(&self, who: usize, request: &Request) -> Result<(), &'static str> {
        let groups = self.groups(who).unwrap_or(0);
        let role = self.role(request.role);
        let is_approver =
            role.is_some_and(|role| role.quorums.iter().any(|(_, from, _)| groups & from != 0));
        let is_told = request.emergency.is_some_and(|(told, _)| groups & told != 0);
        let reads_all = groups & AUDITORS != 0 && groups & BARRED == 0;
        let may = |action| self.may(who, action, self.about(request)).is_ok();
        let sees = request.by == who
            || is_approver
            || is_told
            || reads_all
            || may(Action::Revoke)
            || request.emergency.is_some() && may(Action::Review);
        if sees { Ok(()) } else { Err("not-found") }
    }

    pub(super) fn is_locked(&self, people: &[usize], role: Option<usize>) -> bool {
        self.locks.iter().any(|lock| match lock {
            What::All => true,
            What::Person(who) => people.contains(who),
            What::Role(what) => Some(*what) == role,
            What::Held => false,
        })
    }

    pub(super) fn must_be_open(&self, people: &[usize], role: usize) -> Result<(), &'static str> {
        if self.is_locked(people, Some(role)) { Err("locked") } else { Ok(()) }
    }

    /// Nobody on the daemon's machine is asked who they are.
    pub(super) fn lock(&mut self, by: Option<usize>, what: What, locks: bool) -> Outcome {
        let refusal = match by {
            None => "not-found",
            Some(by) => {
                self.caller(by)?;
                let groups = self.groups(by).unwrap_or(0);
                if groups & BARRED != 0 {
                    return Err("forbidden");
                }
                if groups & SRE == 0 {
                    return Err("not-permitted");
                }
                let is_known = |role| {
                    self.role(role).is_some()
                        || self.locks.contains(&what)
                        || self.requests.iter().any(|request| request.role == role)
                };
                if matches!(what, What::Role(role) if !is_known(role)) {
                    return Err("not-found");
                }
                if !locks && self.is_locked(&[by], None) {
                    return Err("locked");
                }
                "lock-unchanged"
            }
        };
        match locks {
            true if self.locks.insert(what) => {
                if let What::Person(who) = what
                    && let Some(login) = self.logins.get_mut(who)
                {
                    login.is_over = true;
                }
                Ok(vec!["lock"])
            }
            false if self.locks.remove(&what) => Ok(vec!["unlock"]),
            _ => Err(refusal),
        }
    }
}

/// Whether a row gives anything on these hosts.
pub(super) fn gives_on(row: u8, hosts: u8) -> bool {
    hosts == 0 || row & hosts != 0
}

/// The hosts of both; none if they have none in common.
pub(super) fn both(one: u8, other: u8) -> Option<u8> {
    match (one, other) {
        (0, hosts) | (hosts, 0) => Some(hosts),
        (one, other) => Some(one & other).filter(|hosts| *hosts != 0),
    }
}

/// Whether these hosts are some of those that were asked for of these rows.
pub(super) fn is_within(hosts: u8, asked: u8, rows: &[(usize, u8)]) -> bool {
    match (hosts, asked) {
        (0, asked) => asked == 0,
        (hosts, 0) => hosts & !rows.iter().fold(0, |all, row| all | row.1) == 0,
        (hosts, asked) => hosts & !asked == 0,
    }
}

impl Grant {
    pub(super) fn is_left(&self, most: Option<u32>) -> bool {
        most.is_none_or(|most| self.issued < most)
    }
}
