//! Asking, agreeing, and what is agreed on.

use super::super::step::Part;
use super::super::world::{OPEN_REQUESTS, Quorum};
use super::rights::{About, Action, both, gives_on, is_within};
use super::{Approval, Grant, Model, Outcome, Over, Request, Start, State, Term};

const DAY: u64 = 24 * 60 * 60;

impl Model {
    pub(super) fn request(
        &mut self,
        by: usize,
        role: usize,
        hosts: u8,
        duration: u64,
        ahead: Option<u64>,
    ) -> Outcome {
        self.caller(by)?;
        let found = self.role(role).ok_or("unknown-role")?;
        let start = match ahead {
            None if found.first_use.is_some() => Start::FirstUse,
            None => Start::AtApproval,
            Some(ahead) if ahead == 0 || ahead > found.ahead => return Err("start-out-of-bounds"),
            Some(ahead) => Start::At(self.now + ahead),
        };
        let rows = found.rows.iter().copied().enumerate();
        let rows = rows.filter(|row| gives_on(row.1, hosts)).collect();
        self.ask(Action::Request, About { requester: by, role, duration, hosts }, start, rows, None)
    }

    pub(super) fn extend(&mut self, by: usize, of: usize, duration: u64) -> Outcome {
        let request = &self.requests[of];
        let grant = request.grant().ok_or(super::SKIPPED)?;
        self.caller(by)?;
        if request.by != by {
            return Err("not-found");
        }
        grant.must_not_be_over(self.now)?;
        let end = match grant.term {
            Term::Open(start, end) if start <= self.now => end,
            _ => return Err("grant-waiting"),
        };
        if self.requests.iter().any(|it| it.extends == Some(of) && it.is_in_force(self.now)) {
            return Err("already-extended");
        }
        self.role(request.role).ok_or("unknown-role")?;
        let of_grant = request.rows.iter().filter(|row| grant.rows.contains(&row.0));
        let given = |row: &&(usize, u8)| self.still_gives(request, row.0, grant.hosts);
        let rows = of_grant.filter(given).copied().collect();
        let about = About { requester: by, role: request.role, duration, hosts: grant.hosts };
        self.ask(Action::Request, about, Start::At(end), rows, Some(of))
    }

    pub(super) fn break_glass(
        &mut self,
        by: usize,
        role: usize,
        hosts: u8,
        duration: u64,
    ) -> Outcome {
        self.caller(by)?;
        let found = self.role(role).ok_or("unknown-role")?;
        let rows = found.rows.iter().copied().enumerate();
        let rows = rows.filter(|row| gives_on(row.1, hosts)).collect();
        let about = About { requester: by, role, duration, hosts };
        self.ask(Action::BreakGlass, about, Start::AtApproval, rows, None)
    }

    fn ask(
        &mut self,
        action: Action,
        about: About,
        start: Start,
        rows: Vec<(usize, u8)>,
        extends: Option<usize>,
    ) -> Outcome {
        let About { requester: by, role, duration, hosts } = about;
        self.may(by, action, about)?;
        self.must_be_open(&[by], role)?;
        let found = self.role(role).ok_or("unknown-role")?.clone();
        match action {
            Action::Request => self.must_be_within_limits(by, role, found.per_day)?,
            _ => self.must_be_the_only_emergency(by, role)?,
        }
        if rows.is_empty() {
            return Err("bad");
        }
        let pending = self.now + found.pending_for;
        let lapses = match start {
            Start::At(start) => pending.min(start + duration),
            _ => pending,
        };
        let mut request = Request {
            by,
            role,
            rows,
            hosts,
            duration,
            start,
            lapses,
            quorums: found.quorums,
            first_use: found.first_use.filter(|_| start == Start::FirstUse),
            certificates: found.certificates,
            approvals: Vec::new(),
            state: State::Pending,
            emergency: None,
            began: self.now,
            extends,
        };
        let mut written = vec!["request"];
        if action == Action::BreakGlass {
            request.emergency = Some((found.break_glass.map_or(0, |(_, tell)| tell), false));
            request.state = State::Granted(request.granted(self.now)?);
            written.extend(["break-glass", "grant"]);
        } else if self.may(by, Action::SkipApproval, about).is_ok() {
            let rows = request.rows.iter().map(|row| row.0).collect();
            let by_rule = Approval { by: None, groups: 0, signed: false, duration, rows, hosts };
            request.approvals.push(by_rule);
            request.state = State::Granted(request.granted(self.now)?);
            written.extend(["approval", "grant"]);
        }
        self.requests.push(request);
        Ok(written)
    }

    fn must_be_the_only_emergency(&self, by: usize, role: usize) -> Result<(), &'static str> {
        let goes_on = |grant: &Grant| grant.must_not_be_over(self.now).is_ok();
        let is_one = |request: &Request| {
            request.by == by && request.role == role && request.emergency.is_some()
        };
        let mut own = self.requests.iter().filter(|request| is_one(request));
        match own.any(|request| request.grant().is_some_and(goes_on)) {
            true => Err("too-many-grants"),
            false => Ok(()),
        }
    }

    fn must_be_within_limits(
        &self,
        by: usize,
        role: usize,
        per_day: Option<usize>,
    ) -> Result<(), &'static str> {
        let own = || self.requests.iter().filter(|request| request.by == by);
        if own().filter(|request| request.is_pending(self.now)).count() >= OPEN_REQUESTS {
            return Err("too-many-requests");
        }
        let counts = |request: &&Request| match request.grant() {
            _ if request.role != role => false,
            None => request.is_pending(self.now),
            Some(Grant { over: Some(Over::TakenBack), .. }) => false,
            Some(Grant { term: Term::Open(start, _), .. }) => self.now < start + DAY,
            Some(grant) => grant.must_not_be_over(self.now).is_ok(),
        };
        let had = own().filter(counts).count();
        if per_day.is_some_and(|most| had >= most) { Err("too-many-grants") } else { Ok(()) }
    }

    pub(super) fn approve(&mut self, by: usize, of: usize, part: &Part) -> Outcome {
        self.caller(by)?;
        let request = &self.requests[of];
        self.must_see(by, request)?;
        let duration = part.duration.unwrap_or(request.duration);
        let hosts = part.hosts.unwrap_or(request.hosts);
        self.may(by, Action::Approve, About { duration, hosts, ..self.about(request) })?;
        self.must_be_open(&[by, request.by], request.role)?;
        let extended = request.extends.and_then(|of| self.requests[of].grant());
        if extended.is_some_and(|grant| grant.over == Some(Over::Revoked)) {
            return Err("grant-revoked");
        }
        let of_part = |nth: &usize| part.rows & 1 << nth != 0;
        let rows: Vec<usize> = (0..request.rows.len()).filter(of_part).collect();
        let rows: Vec<usize> = rows.into_iter().map(|nth| request.rows[nth].0).collect();
        let kept = rows.iter().filter(|row| {
            request.rows.iter().any(|asked| asked.0 == **row && gives_on(asked.1, hosts))
        });
        if !kept.into_iter().all(|row| self.still_gives(request, *row, hosts)) {
            return Err("role-changed");
        }
        if !request.is_pending(self.now) {
            return Err("not-pending");
        }
        let today = self.role(request.role).map(|role| role.quorums.clone()).unwrap_or_default();
        let named = request.quorums.iter().chain(&today).fold(0, |all, quorum| all | quorum.1);
        let groups = self.groups(by).unwrap_or(0) & named;
        let earlier = request.approvals.iter().find(|given| given.by == Some(by));
        let own = self.groups(by).unwrap_or(0);
        let counts = |then, now, signed| {
            is_heard(&request.quorums, then, signed) && is_heard(&today, now, signed)
        };
        let is_heard = |signed: bool| counts(groups, own, signed);
        if !is_heard(part.signed) {
            return Err(if is_heard(true) { "signature-required" } else { "not-an-approver" });
        }
        let is_less = duration < request.duration
            || rows.len() < request.rows.len()
            || hosts != request.hosts;
        let is_wider = duration > request.duration
            || duration == 0
            || rows.is_empty()
            || !is_within(hosts, request.hosts, &request.rows);
        if is_wider {
            return Err("widening");
        }
        if is_less && !part.says_why {
            return Err("reason-required");
        }
        let is_counted = earlier.is_some_and(|given| counts(given.groups, own, given.signed));
        let (mut agreed, signed) = (request.clone(), part.signed);
        agreed.approvals.retain(|given| given.by != Some(by));
        agreed.approvals.push(Approval { by: Some(by), groups, signed, duration, rows, hosts });
        if agreed.kept().is_none() {
            return Err("widening");
        }
        let mut written = vec!["approval"];
        if self.is_agreed(&agreed, by, &today) {
            agreed.state = State::Granted(agreed.granted(self.now)?);
            agreed.began = self.now;
            written.push("grant");
            self.may(request.by, Action::Request, self.about(&agreed))
                .map_err(|_| "no-longer-permitted")?;
        } else if is_counted {
            return Err("already-approved");
        }
        self.requests[of] = agreed;
        Ok(written)
    }

    /// Whether enough agree of those who may today, by what was asked for and by what is today.
    fn is_agreed(&self, request: &Request, newest: usize, today: &[Quorum]) -> bool {
        let (mut then, mut now) = (Vec::new(), Vec::new());
        for given in &request.approvals {
            let Some(by) = given.by else { continue };
            let is_open = !self.is_locked(&[by], None);
            if by == newest || is_open && self.agrees_still(request, given) {
                then.push((given.groups, given.signed));
                now.push((self.groups(by).unwrap_or(0), given.signed));
            }
        }
        fill(&seats(&request.quorums), &then) && fill(&seats(today), &now)
    }

    /// Whether somebody who approved could approve the same today.
    fn agrees_still(&self, request: &Request, given: &Approval) -> bool {
        let about = About { duration: given.duration, hosts: given.hosts, ..self.about(request) };
        given.by.is_some_and(|by| self.may(by, Action::Approve, about).is_ok())
    }

    /// Whether what waits may begin, as far as the policy of today is concerned; nothing where a lock stops it.
    pub(super) fn may_begin(&self, of: usize) -> Option<bool> {
        let request = &self.requests[of];
        if self.is_locked(&[request.by], Some(request.role)) {
            return None;
        }
        let (about, grant) = (self.about(request), request.grant()?);
        let is_asked = self.may(request.by, Action::Request, about).is_ok()
            && grant.rows.iter().all(|row| self.still_gives(request, *row, grant.hosts));
        if !is_asked {
            return Some(false);
        }
        if request.approvals.iter().any(|given| given.by.is_none()) {
            return Some(self.may(request.by, Action::SkipApproval, about).is_ok());
        }
        let role = self.role(request.role)?;
        let those = |with_locked: bool| -> Vec<(u8, bool)> {
            let counts = |given: &&Approval| {
                let is_locked = given.by.is_some_and(|by| self.is_locked(&[by], None));
                let agrees =
                    given.by.is_some_and(|by| self.may(by, Action::Approve, about).is_ok());
                agrees && (with_locked || !is_locked)
            };
            let those = request.approvals.iter().filter(counts);
            those.map(|it| (it.by.and_then(|by| self.groups(by)).unwrap_or(0), it.signed)).collect()
        };
        match (
            fill(&seats(&role.quorums), &those(true)),
            fill(&seats(&role.quorums), &those(false)),
        ) {
            (false, _) => Some(false),
            (true, true) => Some(true),
            (true, false) => None,
        }
    }
}

/// Whether an approval by these groups counts for one of the quorums.
fn is_heard(quorums: &[Quorum], groups: u8, signed: bool) -> bool {
    quorums.iter().any(|quorum| groups & quorum.1 != 0 && (signed || !quorum.2))
}

impl Request {
    /// The rows and hosts that all approvals kept; none if they have none in common.
    fn kept(&self) -> Option<(Vec<usize>, u8)> {
        let hosts =
            self.approvals.iter().try_fold(self.hosts, |kept, given| both(kept, given.hosts))?;
        let is_kept = |row: &&(usize, u8)| {
            gives_on(row.1, hosts) && self.approvals.iter().all(|given| given.rows.contains(&row.0))
        };
        let rows: Vec<usize> = self.rows.iter().filter(is_kept).map(|row| row.0).collect();
        (!rows.is_empty()).then_some((rows, hosts))
    }

    fn granted(&self, now: u64) -> Result<Grant, &'static str> {
        let shortest = self.approvals.iter().map(|given| given.duration).min();
        let duration = shortest.unwrap_or(self.duration);
        let (rows, hosts) = self.kept().ok_or("widening")?;
        let term = match self.start {
            Start::AtApproval => Term::Open(now, now + duration),
            Start::At(start) if now < start => Term::Scheduled(start, start + duration),
            Start::At(start) if now < start + duration => Term::Open(now, start + duration),
            Start::At(_) => return Err("start-out-of-bounds"),
            Start::FirstUse => {
                Term::FirstUse { duration, by: now + self.first_use.unwrap_or(duration) }
            }
        };
        Ok(Grant { term, rows, hosts, issued: 0, over: None })
    }
}

fn seats(quorums: &[Quorum]) -> Vec<(u8, bool)> {
    quorums.iter().flat_map(|&(count, from, signed)| vec![(from, signed); count]).collect()
}

/// Whether these people can sit on these seats, by trying everything.
fn fill(seats: &[(u8, bool)], people: &[(u8, bool)]) -> bool {
    let Some(((from, wants), rest)) = seats.split_first() else { return true };
    (0..people.len()).any(|number| {
        let (groups, signed) = people[number];
        let others = [&people[..number], &people[number + 1..]].concat();
        groups & from != 0 && (signed || !wants) && fill(rest, &others)
    })
}
