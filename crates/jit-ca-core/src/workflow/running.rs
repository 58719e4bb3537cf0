//! Commands on a grant: its start, its use, its end, and what time alone brings.

use crate::event::{
    Decided, EndCause, Event, GrantEnded, GrantRevoked, GrantStarted, RequestLapsed, Reviewed,
    Scope,
};
use crate::workflow::{Access, Grant, Over, Refusal, RequestState, Term};
use crate::{PersonName, RefusalCode, Row, RowName, Span, SubjectId, Text, UnixTime, Window};

/// What a certificate can be issued by.
#[derive(Clone, Debug)]
pub struct Usable<'a> {
    /// The grant.
    pub grant: &'a Grant,
    /// The row of it.
    pub row: &'a Row,
    /// The grant's window.
    pub window: Window,
}

/// What the policy says once more, when a grant is to begin that waited.
#[derive(Clone, Debug)]
pub struct Reconsidered {
    /// Of the request; or why it comes to nothing.
    pub decision: Decided,
    /// Of those who agreed and still count.
    pub approvals: Vec<Decided>,
}

/// Where an extension follows on.
#[derive(Clone, Debug)]
pub struct Extendable<'a> {
    /// The grant.
    pub grant: &'a Grant,
    /// When it ends, and what follows starts.
    pub end: UnixTime,
}

impl Access {
    /// What time alone has brought: the lapse of a pending request, the end of a grant.
    pub fn passage(&self, now: UnixTime) -> Option<Event> {
        match &self.state {
            RequestState::Pending if now >= self.request.lapses => {
                let (request, lapsed) = (self.request.id, self.request.lapses);
                Some(RequestLapsed { request, lapsed, scope: self.scope() }.into())
            }
            RequestState::Approved(grant) if grant.over.is_none() && now >= grant.deadline() => {
                let cause = match grant.term {
                    Term::Open(_) => EndCause::Over,
                    // The daemon was down from before its start until its end: nobody could use it.
                    Term::Scheduled(_) | Term::FirstUse { .. } => EndCause::Unused,
                };
                Some(self.ended(grant, grant.deadline(), cause, None))
            }
            _ => None,
        }
    }

    /// When there is something to be written that time alone brings.
    pub fn due(&self) -> Option<UnixTime> {
        match &self.state {
            RequestState::Pending => Some(self.request.lapses),
            RequestState::Approved(grant) => grant.due(),
            _ => None,
        }
    }

    /// The start of a grant that waited, for a time which has come or for its first use, which is now; or its end, where
    /// the policy says no by now.
    ///
    /// # Errors
    /// If it can't begin now.
    pub fn start(&self, again: Reconsidered, now: UnixTime) -> Result<Event, Refusal> {
        let grant = self.must_be_granted()?;
        let window = match grant.term {
            Term::Scheduled(window) if grant.can_begin(now) => window,
            Term::FirstUse { duration, .. } if grant.can_begin(now) => {
                Window::starting(now, duration).map_err(|error| {
                    Refusal::new(RefusalCode::StartOutOfBounds, error.to_string())
                })?
            }
            _ => {
                let text = "the grant is not to start now";
                return Err(Refusal::new(RefusalCode::NotPending, text));
            }
        };
        let Reconsidered { decision, approvals } = again;
        if !decision.decision.allows() {
            return Ok(self.ended(grant, now, EndCause::Policy, Some(decision)));
        }
        let (grant, request) = (grant.id, self.request.id);
        Ok(GrantStarted { grant, request, window, decision, approvals }.into())
    }

    /// What `subject` may have a certificate by now, of a row of the grant; `start` is written with it, if this is the
    /// grant's first use.
    ///
    /// # Errors
    /// If there is no grant, it is somebody else's, its window is not open, or it has no such row.
    pub fn usable(
        &self,
        subject: &SubjectId,
        row: &RowName,
        start: Option<&GrantStarted>,
        now: UnixTime,
    ) -> Result<Usable<'_>, Refusal> {
        let grant = self.must_be_theirs(subject)?;
        self.must_not_be_over(grant, now)?;
        let window = match (grant.term, start) {
            (Term::Open(window), _) if window.start() <= now => window,
            (Term::FirstUse { .. }, Some(start)) => start.window,
            (term, _) => return Err(waiting(term, now)),
        };
        let row = grant.row(row).ok_or_else(|| {
            Refusal::new(RefusalCode::UnknownRow, format!("the grant has no row {row}"))
        })?;
        Ok(Usable { grant, row, window })
    }

    /// Where `subject` may ask for more time, if nothing in force follows on it already: `follower` is what does.
    ///
    /// # Errors
    /// If there is no grant, it is somebody else's, it is over, has not begun, or something follows on it.
    pub fn extendable(
        &self,
        subject: &SubjectId,
        follower: Option<&Self>,
        now: UnixTime,
    ) -> Result<Extendable<'_>, Refusal> {
        let grant = self.must_be_theirs(subject)?;
        self.must_not_be_over(grant, now)?;
        // What waits could be extended on and on, further ahead than a role lets anybody ask for.
        let end = match grant.term {
            Term::Open(window) if window.start() <= now => window.end(),
            _ => {
                let text = "the grant has not begun; extend it when it has";
                return Err(Refusal::new(RefusalCode::GrantWaiting, text));
            }
        };
        match follower.map(|follower| (&follower.request.id, follower.grant())) {
            None => Ok(Extendable { grant, end }),
            Some((request, None)) => {
                let text = format!("{request} asks for more time already, and is pending");
                Err(Refusal::new(RefusalCode::AlreadyExtended, text))
            }
            Some((_, Some(next))) => {
                let text =
                    format!("{} follows on the grant; extend that when it has begun", next.id);
                Err(Refusal::new(RefusalCode::AlreadyExtended, text))
            }
        }
    }

    /// The holder needs it no longer.
    ///
    /// # Errors
    /// If there is no grant, it is somebody else's, or it is over.
    pub fn give_back(&self, by: &SubjectId, now: UnixTime) -> Result<Event, Refusal> {
        let grant = self.must_be_theirs(by)?;
        self.must_not_be_over(grant, now)?;
        Ok(self.ended(grant, now, EndCause::GivenBack, None))
    }

    /// Somebody takes it away. The policy has allowed it.
    ///
    /// # Errors
    /// If there is no grant, or it is over.
    pub fn revoke(
        &self,
        by: SubjectId,
        name: PersonName,
        reason: Text,
        decision: Decided,
        now: UnixTime,
    ) -> Result<Event, Refusal> {
        let grant = self.must_be_granted()?;
        self.must_not_be_over(grant, now)?;
        let revoked = GrantRevoked {
            grant: grant.id,
            request: self.request.id,
            revoked: now,
            by,
            name,
            reason,
            scope: self.scope(),
            decision,
        };
        Ok(revoked.into())
    }

    /// Somebody has looked at an emergency.
    ///
    /// # Errors
    /// If it was none, it goes on, somebody else was faster, or it was the person's own.
    pub fn review(
        &self,
        by: SubjectId,
        name: PersonName,
        comment: Text,
        decision: Decided,
        now: UnixTime,
    ) -> Result<Event, Refusal> {
        let refuse = |text: &str| Refusal::new(RefusalCode::NotToReview, text);
        let emergency = self.emergency.as_ref();
        let emergency = emergency.ok_or_else(|| refuse("no glass was broken for this request"))?;
        if by == self.request.subject {
            let text = "nobody reviews their own emergency";
            return Err(Refusal::new(RefusalCode::SelfApproval, text));
        }
        if let Some(review) = &emergency.review {
            return Err(refuse(&format!("{} has reviewed it before", review.name)));
        }
        let grant = self.must_be_granted()?;
        if self.must_not_be_over(grant, now).is_ok() {
            let (id, end) = (grant.id, grant.deadline());
            let text =
                format!("it goes on until {end}: to review it before, end {id} or revoke it");
            return Err(refuse(&text));
        }
        Ok(Reviewed { request: self.request.id, by, name, comment, decision }.into())
    }

    /// What it is about, for an entry that ends it.
    fn scope(&self) -> Scope {
        let (request, grant) = (&self.request, self.grant());
        Scope {
            subject: request.subject.clone(),
            name: request.name.clone(),
            role: request.role.clone(),
            rows: grant.map_or(&request.rows, |grant| &grant.rows).clone(),
            hosts: grant.map_or(&request.hosts, |grant| &grant.hosts).clone(),
            window: grant.and_then(Grant::window),
            duration: request.duration,
            reason: request.reason.clone(),
            ticket: request.ticket.clone(),
        }
    }

    fn ended(
        &self,
        grant: &Grant,
        ended: UnixTime,
        cause: EndCause,
        decision: Option<Decided>,
    ) -> Event {
        let (grant, request, scope) = (grant.id, self.request.id, self.scope());
        GrantEnded { grant, request, ended, cause, scope, decision }.into()
    }

    fn must_be_granted(&self) -> Result<&Grant, Refusal> {
        self.grant().ok_or_else(|| {
            Refusal::new(RefusalCode::NotPending, "the request has not become a grant")
        })
    }

    fn must_be_theirs(&self, subject: &SubjectId) -> Result<&Grant, Refusal> {
        match *subject == self.request.subject {
            true => self.must_be_granted(),
            false => Err(Refusal::new(RefusalCode::NotYours, "the grant is somebody else's")),
        }
    }

    fn must_not_be_over(&self, grant: &Grant, now: UnixTime) -> Result<(), Refusal> {
        if !grant.is_over(now) {
            return Ok(());
        }
        let ended = |text: String| Err(Refusal::new(RefusalCode::GrantEnded, text));
        match &grant.over {
            Some(Over::Revoked { at, name, reason, .. }) => Err(Refusal::new(
                RefusalCode::GrantRevoked,
                format!("{name} revoked the grant at {at}: {reason}"),
            )),
            Some(Over::TakenBack) => {
                ended("the grant is over, as the clock was put back since".to_owned())
            }
            Some(Over::Ended { at, cause }) => ended(format!("the grant ended at {at}: {cause}")),
            None => ended(format!("the grant ended at {}", grant.deadline())),
        }
    }
}

fn waiting(term: Term, now: UnixTime) -> Refusal {
    let text = match term.window().filter(|window| now < window.start()) {
        Some(window) => format!("the grant starts at {}", window.start()),
        None => "the grant does not begin while somebody who approved it is locked".to_owned(),
    };
    Refusal::new(RefusalCode::GrantWaiting, text)
}

/// The window of a certificate that is issued at `now` under a grant with this window: all of it, or for no longer than
/// the role lets a certificate be valid.
///
/// INVARIANT (window within grant): it lies in the grant's.
pub fn certificate_window(grant: Window, longest: Option<Span>, now: UnixTime) -> Window {
    let shorter = longest.and_then(|longest| {
        let end = grant.end().min(now.plus(longest));
        Window::new(now.max(grant.start()), end).ok()
    });
    shorter.unwrap_or(grant)
}
