//! Commands on a request: what may be said to it, and what then has happened.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{
    ApprovalGiven, Consent, Decided, Event, GlassBroken, GrantMade, RequestCancelled, RequestDenied,
};
use crate::workflow::quorum::{Quorum, Voice, still_needed};
use crate::workflow::{Access, Approver, RequestState, Start, Term};
use crate::{
    Digest, GrantId, GroupName, Hosts, PersonName, RefusalCode, Row, Span, SubjectId, Text,
    UnixTime, Window,
};

/// Why a command is not carried out. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// The kind, for programs.
    pub code: RefusalCode,
    /// The same for a person, in one sentence without a full stop.
    pub text: String,
}

impl Refusal {
    /// A refusal of this kind, said in these words.
    pub fn new(code: RefusalCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// An approval that somebody wants to give.
#[derive(Clone, Debug)]
pub struct Approve {
    /// Who approves.
    pub by: Approver,
    /// The hash of the request that the approver saw.
    pub hash: Digest,
    /// For how long; what was asked for if left out.
    pub duration: Option<Span>,
    /// The rows kept; all that was asked for if left out.
    pub rows: Option<Vec<Row>>,
    /// The hosts kept; all that was asked for if left out.
    pub hosts: Option<Hosts>,
    /// What the approver has to say.
    pub comment: Option<Text>,
    /// The signature over the approval statement, verified by the caller.
    pub signature: Option<Consent>,
    /// What the policy was asked and said.
    pub decision: Decided,
    /// Whom the policy of today asks, and whom it knows.
    pub today: Today,
}

/// Who has to approve a role's requests by the policy of today, and who may.
#[derive(Clone, Debug, Default)]
pub struct Today {
    /// Whom the role asks for.
    pub quorums: Vec<Quorum>,
    /// The groups of whoever approves and has approved, may do so today, and is not locked. Others don't count.
    pub groups: BTreeMap<SubjectId, BTreeSet<GroupName>>,
}

impl Access {
    /// An approval, and the grant if it was the last one needed; `grant` is the id that it gets.
    ///
    /// The grant's duration is the shortest approved, its rows and hosts are those that every approval kept. It starts
    /// with the last approval, where nothing else was asked for.
    ///
    /// # Errors
    /// If the request is not pending, the approver is its requester, the approval counts for nothing, it gives more than
    /// was asked for, leaves nothing, or leaves something out and does not say why; or the approver has approved before,
    /// that counts, and this would change nothing.
    pub fn approve(
        &self,
        approve: Approve,
        grant: GrantId,
        now: UnixTime,
    ) -> Result<Vec<Event>, Refusal> {
        self.must_be_pending(now)?;
        let (groups, counted) = match &approve.by {
            Approver::Person { subject, .. } => {
                self.must_be_anothers(subject)?;
                (self.must_count(subject, &approve)?, self.counts(subject, &approve.today))
            }
            Approver::Rules(_) => (BTreeSet::new(), false),
        };
        if approve.hash != self.request.hash {
            let text = "the approval is for another request";
            return Err(Refusal::new(RefusalCode::WrongStatement, text));
        }
        let today = approve.today.clone();
        let given = self.narrowed(approve, groups)?;
        let given = Event::from(given);
        let agreed = self.clone().folded(&given);
        if agreed.rows_kept().is_empty() {
            let text = "this approval and the earlier ones have no row and host in common";
            return Err(Refusal::new(RefusalCode::Widening, text));
        }
        match (agreed.is_agreed(&today), counted) {
            (true, _) => Ok(vec![given, agreed.granted(grant, now)?.into()]),
            (false, false) => Ok(vec![given]),
            (false, true) => {
                let text = "you have approved this request before; another person is needed";
                Err(Refusal::new(RefusalCode::AlreadyApproved, text))
            }
        }
    }

    /// Nobody is asked, as it is an emergency: a grant at once. The policy has allowed it.
    ///
    /// # Errors
    /// If the request is not pending.
    pub fn break_glass(
        &self,
        told: BTreeSet<GroupName>,
        decision: Decided,
        grant: GrantId,
        now: UnixTime,
    ) -> Result<Vec<Event>, Refusal> {
        self.must_be_pending(now)?;
        let broken = GlassBroken { request: self.request.id, told, decision };
        let made = self.granted(grant, now)?;
        Ok(vec![broken.into(), made.into()])
    }

    /// A person says no; one no is enough.
    ///
    /// # Errors
    /// If the request is not pending, or it is the person's own (which is cancelled, not denied).
    pub fn deny(
        &self,
        by: SubjectId,
        name: PersonName,
        reason: Option<Text>,
        decision: Decided,
        now: UnixTime,
    ) -> Result<Vec<Event>, Refusal> {
        self.must_be_pending(now)?;
        if by == self.request.subject {
            let text = "this is your own request; cancel it instead";
            return Err(Refusal::new(RefusalCode::SelfApproval, text));
        }
        Ok(vec![RequestDenied { request: self.request.id, by, name, reason, decision }.into()])
    }

    /// The requester takes the request back.
    ///
    /// # Errors
    /// If the request is not pending, or somebody else's.
    pub fn cancel(&self, by: &SubjectId, now: UnixTime) -> Result<Vec<Event>, Refusal> {
        if *by != self.request.subject {
            let text = "only the requester cancels a request";
            return Err(Refusal::new(RefusalCode::NotYours, text));
        }
        self.must_be_pending(now)?;
        Ok(vec![RequestCancelled { request: self.request.id }.into()])
    }

    /// How many more people have to agree: as many as the role asked for then and asks for today, not counting those who
    /// don't count today. INVARIANT (nobody alone): a policy that is tightened holds for what is pending.
    pub fn still_needed(&self, today: &Today) -> usize {
        let (then, now) = self.voices(today);
        let asked = still_needed(&self.request.approvals, &then);
        asked.max(still_needed(&today.quorums, &now))
    }

    /// Whether enough people agree still, as many as the role asks for today.
    pub fn is_agreed_today(&self, today: &Today) -> bool {
        let (_, now) = self.voices(today);
        !now.is_empty() && still_needed(&today.quorums, &now) == 0
    }

    /// Whether this person has approved, and that counts today: for the request as for its role.
    pub fn counts(&self, approver: &SubjectId, today: &Today) -> bool {
        let given = self.approvals.iter().find(|given| given.is_by(approver));
        let (Some(given), Some(groups)) = (given, today.groups.get(approver)) else { return false };
        let signed = given.signed;
        is_heard(&self.request.approvals, Voice { groups: &given.groups, signed })
            && is_heard(&today.quorums, Voice { groups, signed })
    }

    /// Whether a signed approval by somebody in these groups would count today: for the request as for its role.
    pub fn would_count(&self, groups: &BTreeSet<GroupName>, today: &Today) -> bool {
        let voice = Voice { groups, signed: true };
        is_heard(&self.request.approvals, voice) && is_heard(&today.quorums, voice)
    }

    /// Those who agreed and count today: by the groups by which they did, and by those that they are in today.
    fn voices<'a>(&'a self, today: &'a Today) -> (Vec<Voice<'a>>, Vec<Voice<'a>>) {
        let those = self.approvals.iter().filter_map(|given| match &given.by {
            Approver::Person { subject, .. } => Some((given, today.groups.get(subject)?)),
            Approver::Rules(_) => None,
        });
        let voices = those.map(|(given, groups)| {
            let signed = given.signed;
            (Voice { groups: &given.groups, signed }, Voice { groups, signed })
        });
        voices.unzip()
    }

    fn must_be_pending(&self, now: UnixTime) -> Result<(), Refusal> {
        let state = match &self.state {
            // A request is over at its time, also where the entry that says so is still to come.
            RequestState::Pending if now < self.request.lapses => return Ok(()),
            RequestState::Pending | RequestState::Lapsed => "has lapsed",
            RequestState::Approved(_) => "was approved",
            RequestState::Denied { .. } => "was denied",
            RequestState::Cancelled => "was cancelled",
        };
        Err(Refusal::new(RefusalCode::NotPending, format!("the request {state}")))
    }

    /// INVARIANT (no self approval): whatever the rules say.
    fn must_be_anothers(&self, approver: &SubjectId) -> Result<(), Refusal> {
        if *approver == self.request.subject {
            let text = "nobody approves their own request";
            return Err(Refusal::new(RefusalCode::SelfApproval, text));
        }
        Ok(())
    }

    /// The groups by which an approval counts, in what the request asked for or in what its role asks for today. It has
    /// to count in both.
    fn must_count(
        &self,
        approver: &SubjectId,
        approve: &Approve,
    ) -> Result<BTreeSet<GroupName>, Refusal> {
        let (asked, today) = (&self.request.approvals, &approve.today.quorums);
        let own = approve.today.groups.get(approver).cloned().unwrap_or_default();
        let named = |group: &&GroupName| {
            asked.iter().chain(today).any(|quorum| quorum.from.contains(*group))
        };
        let groups: BTreeSet<GroupName> = own.iter().filter(named).cloned().collect();
        let counts = |signed| {
            let voice = Voice { groups: &groups, signed };
            is_heard(asked, voice) && is_heard(today, voice)
        };
        match (counts(approve.signature.is_some()), counts(true)) {
            (true, _) => Ok(groups),
            (false, true) => Err(Refusal::new(
                RefusalCode::SignatureRequired,
                format!("an approval of {} counts only if it is signed", self.request.role),
            )),
            (false, false) => Err(Refusal::new(
                RefusalCode::NotAnApprover,
                "you are in none of the groups that the request asked to approve it",
            )),
        }
    }

    /// The approval as it is written: what it leaves of the request.
    fn narrowed(
        &self,
        approve: Approve,
        groups: BTreeSet<GroupName>,
    ) -> Result<ApprovalGiven, Refusal> {
        let request = &self.request;
        let widens = |text: String| Refusal::new(RefusalCode::Widening, text);
        let duration = approve.duration.unwrap_or(request.duration);
        if duration > request.duration || duration.is_zero() {
            let asked = request.duration;
            return Err(widens(format!("an approval can only shorten; {asked} was asked for")));
        }
        let rows = approve.rows.unwrap_or_else(|| request.rows.clone());
        let kept = request.rows.iter().filter(|row| rows.contains(row));
        if rows.is_empty() || !kept.eq(&rows) {
            let text = "an approval keeps at least one of the rows asked for, in their order, and no other";
            return Err(widens(text.to_owned()));
        }
        let hosts = approve.hosts.unwrap_or_else(|| request.hosts.clone());
        if !hosts.is_within(&request.hosts, &request.rows) {
            let asked = &request.hosts;
            return Err(widens(format!("an approval keeps some of the hosts asked for: {asked}")));
        }
        let is_less = duration < request.duration || rows != request.rows || hosts != request.hosts;
        if is_less && approve.comment.is_none() {
            return Err(Refusal::new(
                RefusalCode::ReasonRequired,
                "an approval for less than was asked for says why",
            ));
        }
        Ok(ApprovalGiven {
            request: request.id,
            hash: approve.hash,
            by: approve.by,
            groups,
            duration,
            rows,
            hosts,
            comment: approve.comment,
            signature: approve.signature,
            decision: approve.decision,
        })
    }

    /// The hosts that all approvals so far kept.
    fn hosts_kept(&self) -> Option<Hosts> {
        let asked = Some(self.request.hosts.clone());
        self.approvals.iter().fold(asked, |kept, given| kept?.and(&given.hosts))
    }

    /// The rows that all approvals so far kept, and that give anything on the hosts kept.
    fn rows_kept(&self) -> Vec<Row> {
        let Some(hosts) = self.hosts_kept() else { return Vec::new() };
        let is_kept = |row: &&Row| {
            row.gives_on(&hosts) && self.approvals.iter().all(|given| given.rows.contains(row))
        };
        self.request.rows.iter().filter(is_kept).cloned().collect()
    }

    /// Whether rules or enough people agree.
    fn is_agreed(&self, today: &Today) -> bool {
        let by_rule = |given: &super::Approval| matches!(given.by, Approver::Rules(_));
        self.approvals.iter().any(by_rule)
            || self.is_agreed_today(today) && self.still_needed(today) == 0
    }

    fn granted(&self, grant: GrantId, now: UnixTime) -> Result<GrantMade, Refusal> {
        let asked = self.request.duration;
        let durations = self.approvals.iter().map(|approval| approval.duration);
        let (rows, hosts) = (self.rows_kept(), self.hosts_kept());
        Ok(GrantMade {
            grant,
            request: self.request.id,
            subject: self.request.subject.clone(),
            role: self.request.role.clone(),
            rows,
            hosts: hosts.unwrap_or_else(|| self.request.hosts.clone()),
            term: self.term(durations.min().unwrap_or(asked), now)?,
            certificates: self.request.certificates,
        })
    }

    /// For which time access is given that is agreed on now. What was asked for from a time on ends when it was to end,
    /// however late it is agreed on.
    fn term(&self, duration: Span, now: UnixTime) -> Result<Term, Refusal> {
        let window = |start, end| {
            Window::new(start, end)
                .map_err(|error| Refusal::new(RefusalCode::StartOutOfBounds, error.to_string()))
        };
        match self.request.start {
            Start::AtApproval => window(now, now.plus(duration)).map(Term::Open),
            Start::At(start) if now < start => {
                window(start, start.plus(duration)).map(Term::Scheduled)
            }
            Start::At(start) => window(now, start.plus(duration)).map(Term::Open),
            Start::FirstUse => {
                let within = self.request.use_within.unwrap_or(duration);
                Ok(Term::FirstUse { duration, by: now.plus(within) })
            }
        }
    }
}

/// Whether such an approval counts for one of the quorums.
fn is_heard(quorums: &[Quorum], voice: Voice<'_>) -> bool {
    quorums.iter().any(|quorum| quorum.hears(voice))
}
