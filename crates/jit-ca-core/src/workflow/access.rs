//! A request with all that came of it, as the fold of its events.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::workflow::grant::{Grant, Over, Term};
use crate::workflow::{Approver, Quorum, Start};
use crate::{
    Digest, GrantId, GroupName, Hosts, PersonName, RequestId, RoleName, Row, Span, SubjectId, Text,
    UnixTime,
};

/// A request with its approvals, and the grant that it became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// What was asked for.
    pub request: Request,
    /// Who agreed so far, in the order in which they did; of each person the last approval.
    pub approvals: Vec<Approval>,
    /// What came of it.
    pub state: RequestState,
    /// Where nobody was asked, as it was an emergency: who looked at it afterwards.
    pub emergency: Option<Emergency>,
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
    /// The grant that it is to follow on.
    pub extends: Option<GrantId>,
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
    /// Who has to approve it.
    pub approvals: Vec<Quorum>,
    /// Where it starts with the first certificate: within what time.
    pub use_within: Option<Span>,
    /// How many certificates may be issued under it; any number if it does not say.
    pub certificates: Option<u32>,
}

/// One approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// When.
    pub at: UnixTime,
    /// Who approved.
    pub by: Approver,
    /// Of the groups that the role names for approval, those that the approver was in.
    pub groups: BTreeSet<GroupName>,
    /// Whether it was signed.
    pub signed: bool,
    /// For how long.
    pub duration: Span,
    /// The rows kept.
    pub rows: Vec<Row>,
    /// The hosts kept.
    pub hosts: Hosts,
    /// What the approver had to say.
    pub comment: Option<Text>,
}

/// A glass that was broken: access at once, looked at afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emergency {
    /// The groups that were to be told.
    pub told: BTreeSet<GroupName>,
    /// Who looked at it afterwards.
    pub review: Option<Review>,
}

/// What somebody found who looked at an emergency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Who.
    pub by: SubjectId,
    /// What that person is called.
    pub name: PersonName,
    /// What was found.
    pub comment: Text,
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
        /// When.
        at: UnixTime,
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
                    extends: made.extends,
                    reason: made.reason.clone(),
                    ticket: made.ticket.clone(),
                    bundle: made.bundle,
                    hash: made.hash,
                    made: made.made,
                    lapses: made.lapses,
                    approvals: made.approvals.clone(),
                    use_within: made.use_within,
                    certificates: made.certificates,
                },
                approvals: Vec::new(),
                state: RequestState::Pending,
                emergency: None,
            }),
            (Some(access), event) if event.request() == Some(access.request.id) => {
                Some(access.folded(event))
            }
            (access, _) => access,
        }
    }

    pub(super) fn folded(mut self, event: &Event) -> Self {
        match event {
            Event::ApprovalGiven(given) => {
                // Given anew, it takes the place of the earlier one: one person counts once.
                if let Approver::Person { subject, .. } = &given.by {
                    self.approvals.retain(|earlier| !earlier.is_by(subject));
                }
                self.approvals.push(Approval {
                    at: given.decision.facts.now,
                    by: given.by.clone(),
                    groups: given.groups.clone(),
                    signed: given.signature.is_some(),
                    duration: given.duration,
                    rows: given.rows.clone(),
                    hosts: given.hosts.clone(),
                    comment: given.comment.clone(),
                });
            }
            Event::GlassBroken(broken) => {
                self.emergency = Some(Emergency { told: broken.told.clone(), review: None });
            }
            Event::GrantMade(made) => self.state = RequestState::Approved(Grant::new(made)),
            Event::RequestDenied(denied) => {
                self.state = RequestState::Denied {
                    at: denied.decision.facts.now,
                    by: denied.by.clone(),
                    name: denied.name.clone(),
                    reason: denied.reason.clone(),
                };
            }
            Event::RequestCancelled(_) => self.state = RequestState::Cancelled,
            Event::RequestLapsed(_) => self.state = RequestState::Lapsed,
            Event::Reviewed(reviewed) => {
                let (by, name) = (reviewed.by.clone(), reviewed.name.clone());
                let review = Review { by, name, comment: reviewed.comment.clone() };
                if let Some(emergency) = &mut self.emergency {
                    emergency.review = Some(review);
                }
            }
            event => {
                if let RequestState::Approved(grant) = &mut self.state {
                    grant.change(event);
                }
            }
        }
        self
    }

    /// Over for good, where it is not over yet: the clock was put back behind it.
    #[must_use]
    pub fn taken_back(mut self) -> Self {
        match &mut self.state {
            RequestState::Pending => self.state = RequestState::Lapsed,
            RequestState::Approved(grant) => {
                grant.over = grant.over.take().or(Some(Over::TakenBack));
            }
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

    /// Whether it is pending, or a grant that is not over.
    pub fn is_in_force(&self, now: UnixTime) -> bool {
        match &self.state {
            RequestState::Pending => now < self.request.lapses,
            RequestState::Approved(grant) => !grant.is_over(now),
            RequestState::Denied { .. } | RequestState::Cancelled | RequestState::Lapsed => false,
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

    /// Whether somebody still has to look at it.
    pub fn is_to_review(&self) -> bool {
        self.emergency.as_ref().is_some_and(|emergency| emergency.review.is_none())
    }
}

impl Approval {
    /// Whether this person gave it.
    pub fn is_by(&self, who: &SubjectId) -> bool {
        matches!(&self.by, Approver::Person { subject, .. } if subject == who)
    }
}

impl Grant {
    /// What an event makes of it.
    fn change(&mut self, event: &Event) {
        match event {
            Event::GrantStarted(started) => self.term = Term::Open(started.window),
            Event::GrantEnded(ended) => {
                self.over = Some(Over::Ended { at: ended.ended, cause: ended.cause });
            }
            Event::GrantRevoked(revoked) => {
                self.over = Some(Over::Revoked {
                    at: revoked.revoked,
                    by: revoked.by.clone(),
                    name: revoked.name.clone(),
                    reason: revoked.reason.clone(),
                });
            }
            _ => {}
        }
    }
}

impl Event {
    /// The request that the event belongs to.
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Self::RequestMade(event) => Some(event.request),
            Self::ApprovalGiven(event) => Some(event.request),
            Self::GlassBroken(event) => Some(event.request),
            Self::RequestDenied(event) => Some(event.request),
            Self::RequestCancelled(event) => Some(event.request),
            Self::RequestLapsed(event) => Some(event.request),
            Self::GrantMade(event) => Some(event.request),
            Self::GrantStarted(event) => Some(event.request),
            Self::GrantEnded(event) => Some(event.request),
            Self::GrantRevoked(event) => Some(event.request),
            Self::Reviewed(event) => Some(event.request),
            _ => None,
        }
    }
}
