//! A request with all that came of it, as the fold of its events.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::workflow::{Approver, Start};
use crate::{
    Digest, GrantId, Hosts, PersonName, RequestId, RoleName, Row, RowName, Span, SubjectId, Text,
    UnixTime, Window,
};

/// A request with its approvals, and the grant that it became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// What was asked for.
    pub request: Request,
    /// Who agreed so far, in the order in which they did.
    pub approvals: Vec<Approval>,
    /// What came of it.
    pub state: RequestState,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// Who asks.
    pub subject: SubjectId,
    /// What the subject is called.
    pub name: PersonName,
    /// For which role.
    pub role: RoleName,
    /// The role's rows, as they were when it was asked for.
    pub rows: Vec<Row>,
    /// On which hosts.
    pub hosts: Hosts,
    /// For how long.
    pub duration: Span,
    /// From when.
    pub start: Start,
    /// Why.
    pub reason: Text,
    /// The ticket that it is about.
    pub ticket: Option<Text>,
    /// The bundle that was in force.
    pub bundle: Digest,
    /// The hash of its statement.
    pub hash: Digest,
    /// When it was made.
    pub made: UnixTime,
    /// When it lapses if it is still pending.
    pub lapses: UnixTime,
    /// How many people have to approve it.
    pub approvals_needed: u8,
}

/// One approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who approved.
    pub by: Approver,
    /// For how long.
    pub duration: Span,
    /// The rows kept.
    pub rows: Vec<Row>,
    /// What the approver had to say.
    pub comment: Option<Text>,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestState {
    /// It waits for approvals.
    Pending,
    /// It became a grant.
    Approved(Grant),
    /// Somebody said no.
    Denied {
        /// Who.
        by: SubjectId,
        /// What that person is called.
        name: PersonName,
        /// Why.
        reason: Option<Text>,
    },
    /// The requester took it back.
    Cancelled,
    /// It waited for too long, or the clock that it was made by was put back behind it.
    Lapsed,
}

/// What an approved request becomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// The rows that it gives.
    pub rows: Vec<Row>,
    /// For which time.
    pub window: Window,
    /// Whether its end is in the log: its own, or that of the clock that it was made by.
    pub end_logged: bool,
}

/// How a grant stands at a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantState {
    /// Its window lies ahead.
    Waiting,
    /// Its window is open.
    Active,
    /// Its window is over.
    Ended,
}

impl Access {
    /// Folds an event in. `None` stays `None` until the request is made; an event of another request,
    /// or of no request, changes nothing.
    #[must_use]
    pub fn fold(access: Option<Self>, event: &Event) -> Option<Self> {
        match (access, event) {
            (None, Event::RequestMade(made)) => Some(Self {
                request: Request {
                    id: made.request,
                    subject: made.subject.clone(),
                    name: made.name.clone(),
                    role: made.role.clone(),
                    rows: made.rows.clone(),
                    hosts: made.hosts.clone(),
                    duration: made.duration,
                    start: made.start,
                    reason: made.reason.clone(),
                    ticket: made.ticket.clone(),
                    bundle: made.bundle,
                    hash: made.hash,
                    made: made.made,
                    lapses: made.lapses,
                    approvals_needed: made.approvals,
                },
                approvals: Vec::new(),
                state: RequestState::Pending,
            }),
            (Some(access), event) if event.request() == Some(access.request.id) => {
                Some(access.folded(event))
            }
            (access, _) => access,
        }
    }

    pub(super) fn folded(mut self, event: &Event) -> Self {
        match event {
            Event::ApprovalGiven(given) => self.approvals.push(Approval {
                by: given.by.clone(),
                duration: given.duration,
                rows: given.rows.clone(),
                comment: given.comment.clone(),
            }),
            Event::GrantMade(made) => {
                self.state = RequestState::Approved(Grant {
                    id: made.grant,
                    rows: made.rows.clone(),
                    window: made.window,
                    end_logged: false,
                });
            }
            Event::GrantEnded(_) => {
                if let RequestState::Approved(grant) = &mut self.state {
                    grant.end_logged = true;
                }
            }
            Event::RequestDenied(denied) => {
                self.state = RequestState::Denied {
                    by: denied.by.clone(),
                    name: denied.name.clone(),
                    reason: denied.reason.clone(),
                };
            }
            Event::RequestCancelled(_) => self.state = RequestState::Cancelled,
            Event::RequestLapsed(_) => self.state = RequestState::Lapsed,
            _ => {}
        }
        self
    }

    /// Over for good, where it is not over yet: the clock was put back behind it.
    #[must_use]
    pub fn taken_back(mut self) -> Self {
        match &mut self.state {
            RequestState::Pending => self.state = RequestState::Lapsed,
            RequestState::Approved(grant) => grant.end_logged = true,
            RequestState::Denied { .. } | RequestState::Cancelled | RequestState::Lapsed => {}
        }
        self
    }

    /// The grant, if it became one.
    pub fn grant(&self) -> Option<&Grant> {
        match &self.state {
            RequestState::Approved(grant) => Some(grant),
            _ => None,
        }
    }

    /// The people who approved, each once.
    pub fn approvers(&self) -> BTreeSet<&SubjectId> {
        let people = self.approvals.iter().filter_map(|approval| match &approval.by {
            Approver::Person { subject, .. } => Some(subject),
            Approver::Rules(_) => None,
        });
        people.collect()
    }
}

impl Grant {
    /// How it stands at `now`.
    pub fn state(&self, now: UnixTime) -> GrantState {
        if self.end_logged {
            // For ever, also where the clock is put back behind its end.
            GrantState::Ended
        } else if self.window.contains(now) {
            GrantState::Active
        } else if now < self.window.start() {
            GrantState::Waiting
        } else {
            GrantState::Ended
        }
    }

    /// The row of this name.
    pub fn row(&self, name: &RowName) -> Option<&Row> {
        self.rows.iter().find(|row| row.name() == *name)
    }
}

impl Event {
    /// The request that the event belongs to.
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Self::RequestMade(event) => Some(event.request),
            Self::ApprovalGiven(event) => Some(event.request),
            Self::RequestDenied(event) => Some(event.request),
            Self::RequestCancelled(event) => Some(event.request),
            Self::RequestLapsed(event) => Some(event.request),
            Self::GrantMade(event) => Some(event.request),
            Self::GrantEnded(event) => Some(event.request),
            _ => None,
        }
    }
}
