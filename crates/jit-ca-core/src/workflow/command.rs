//! Commands: what may be done to a request, and what then has happened.

use std::collections::BTreeSet;

use crate::event::{
    ApprovalGiven, Decided, Event, GrantEnded, GrantMade, RequestCancelled, RequestDenied,
    RequestLapsed, Signature,
};
use crate::workflow::{Access, Approver, Grant, GrantState, RequestState, Start};
use crate::{
    Digest, GrantId, PersonName, RefusalCode, Row, RowName, Span, SubjectId, Text, UnixTime, Window,
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
    /// What the approver has to say.
    pub comment: Option<Text>,
    /// The signature over the approval statement, verified by the caller.
    pub signature: Option<Signature>,
    /// What the policy was asked and said.
    pub decision: Decided,
    /// How many people the role asks for today; more count, fewer don't.
    pub needed_today: u8,
    /// Who has approved before and may no longer: they don't count.
    pub no_longer: BTreeSet<SubjectId>,
}

impl Access {
    /// An approval, and the grant if it was the last one needed; `grant` is the id that it gets.
    ///
    /// The grant's duration is the shortest approved, its rows are those that every approval kept,
    /// and its window starts now: with the last approval.
    ///
    /// # Errors
    /// If the request is not pending, the approver is its requester or has approved before, or the
    /// approval gives more than was asked for or leaves nothing.
    pub fn approve(
        &self,
        approve: Approve,
        grant: GrantId,
        now: UnixTime,
    ) -> Result<Vec<Event>, Refusal> {
        self.must_be_pending(now)?;
        if let Approver::Person { subject, .. } = &approve.by {
            // INVARIANT (no self approval): whatever the rules say.
            if *subject == self.request.subject {
                return Err(Refusal::new(
                    RefusalCode::SelfApproval,
                    "nobody approves their own request",
                ));
            }
            if self.approvers().contains(subject) {
                return Err(Refusal::new(
                    RefusalCode::AlreadyApproved,
                    "you have approved this request before; another person is needed",
                ));
            }
        }
        if approve.hash != self.request.hash {
            return Err(Refusal::new(
                RefusalCode::WrongStatement,
                "the approval is for another request",
            ));
        }
        let duration = approve.duration.unwrap_or(self.request.duration);
        if duration > self.request.duration || duration.is_zero() {
            let asked = self.request.duration;
            return Err(Refusal::new(
                RefusalCode::Widening,
                format!("an approval can only shorten; {asked} was asked for"),
            ));
        }
        let rows = approve.rows.unwrap_or_else(|| self.request.rows.clone());
        let kept = self.request.rows.iter().filter(|row| rows.contains(row));
        if rows.is_empty() || !kept.eq(&rows) {
            return Err(Refusal::new(
                RefusalCode::Widening,
                "an approval keeps at least one of the rows asked for, in their order, and no other",
            ));
        }

        let given = Event::from(ApprovalGiven {
            request: self.request.id,
            hash: approve.hash,
            by: approve.by,
            duration,
            rows,
            comment: approve.comment,
            signature: approve.signature,
            decision: approve.decision,
        });
        let agreed = self.clone().folded(&given);
        if agreed.rows_kept().is_empty() {
            return Err(Refusal::new(
                RefusalCode::Widening,
                "this approval and the earlier ones have no row in common",
            ));
        }
        if !agreed.is_agreed(approve.needed_today, &approve.no_longer) {
            return Ok(vec![given]);
        }
        let made = agreed.grant_now(grant, now)?;
        Ok(vec![given, made.into()])
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
            return Err(Refusal::new(
                RefusalCode::SelfApproval,
                "this is your own request; cancel it instead",
            ));
        }
        Ok(vec![RequestDenied { request: self.request.id, by, name, reason, decision }.into()])
    }

    /// The requester takes the request back.
    ///
    /// # Errors
    /// If the request is not pending, or somebody else's.
    pub fn cancel(&self, by: &SubjectId, now: UnixTime) -> Result<Vec<Event>, Refusal> {
        if *by != self.request.subject {
            return Err(Refusal::new(
                RefusalCode::NotYours,
                "only the requester cancels a request",
            ));
        }
        self.must_be_pending(now)?;
        Ok(vec![RequestCancelled { request: self.request.id }.into()])
    }

    /// What time alone has brought: the lapse of a pending request, the end of a grant.
    pub fn passage(&self, now: UnixTime) -> Vec<Event> {
        let request = self.request.id;
        match &self.state {
            RequestState::Pending if now >= self.request.lapses => {
                vec![RequestLapsed { request, lapsed: self.request.lapses }.into()]
            }
            RequestState::Approved(grant) if !grant.end_logged && now >= grant.window.end() => {
                vec![GrantEnded { grant: grant.id, request, ended: grant.window.end() }.into()]
            }
            _ => Vec::new(),
        }
    }

    /// When [`Access::passage`] will next have something to say.
    pub fn due(&self) -> Option<UnixTime> {
        match &self.state {
            RequestState::Pending => Some(self.request.lapses),
            RequestState::Approved(grant) if !grant.end_logged => Some(grant.window.end()),
            _ => None,
        }
    }

    /// The grant and the row of it under which `subject` may have a certificate now.
    ///
    /// # Errors
    /// If there is no grant, it is somebody else's, its window is not open, or it has no such row.
    pub fn usable(
        &self,
        subject: &SubjectId,
        row: &RowName,
        now: UnixTime,
    ) -> Result<(&Grant, &Row), Refusal> {
        if *subject != self.request.subject {
            return Err(Refusal::new(RefusalCode::NotYours, "the grant is somebody else's"));
        }
        let grant = self.grant().ok_or_else(|| {
            Refusal::new(RefusalCode::NotPending, "the request has not become a grant")
        })?;
        match grant.state(now) {
            GrantState::Active => {}
            GrantState::Waiting => {
                return Err(Refusal::new(
                    RefusalCode::GrantWaiting,
                    format!("the grant starts at {}", grant.window.start()),
                ));
            }
            GrantState::Ended => {
                let end = grant.window.end();
                let text = match now < end {
                    true => "the grant is over, as the clock was put back since".to_owned(),
                    false => format!("the grant ended at {end}"),
                };
                return Err(Refusal::new(RefusalCode::GrantEnded, text));
            }
        }
        let row = grant.row(row).ok_or_else(|| {
            Refusal::new(RefusalCode::UnknownRow, format!("the grant has no row {row}"))
        })?;
        Ok((grant, row))
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

    /// The rows that all approvals so far kept.
    fn rows_kept(&self) -> Vec<Row> {
        let kept_by_all =
            |row: &&Row| self.approvals.iter().all(|approval| approval.rows.contains(row));
        self.request.rows.iter().filter(kept_by_all).cloned().collect()
    }

    /// Whether enough people agree, as many as the role asked for then and asks for today, not counting those who
    /// may no longer approve. INVARIANT (nobody alone): a policy that is tightened holds for what is pending.
    fn is_agreed(&self, needed_today: u8, no_longer: &BTreeSet<SubjectId>) -> bool {
        let by_rule =
            self.approvals.iter().any(|approval| matches!(approval.by, Approver::Rules(_)));
        let count =
            self.approvers().into_iter().filter(|approver| !no_longer.contains(approver)).count();
        by_rule || count >= usize::from(self.request.approvals_needed.max(needed_today).max(1))
    }

    fn grant_now(&self, grant: GrantId, now: UnixTime) -> Result<GrantMade, Refusal> {
        let refuse = |text: &str| Refusal::new(RefusalCode::Widening, text);
        if self.request.start != Start::AtApproval {
            return Err(refuse("this release starts every grant at its approval"));
        }
        let duration = self
            .approvals
            .iter()
            .map(|approval| approval.duration)
            .min()
            .unwrap_or(self.request.duration);
        let window = Window::starting(now, duration).map_err(|error| refuse(&error.to_string()))?;
        Ok(GrantMade {
            grant,
            request: self.request.id,
            subject: self.request.subject.clone(),
            role: self.request.role.clone(),
            rows: self.rows_kept(),
            hosts: self.request.hosts.clone(),
            window,
        })
    }
}
