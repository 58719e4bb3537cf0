//! Requests, and what is said of them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use super::{Consent, Decided, Scope};
use crate::workflow::{Approver, Quorum, Start};
use crate::{
    Digest, GrantId, GroupName, Hosts, PersonName, RequestId, RoleName, Row, Span, SubjectId, Text,
    UnixTime,
};

/// A subject asks for a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestMade {
    /// The request.
    pub request: RequestId,
    /// Who asks.
    pub subject: SubjectId,
    /// What it is called.
    pub name: PersonName,
    /// For which role.
    pub role: RoleName,
    /// The role's rows, frozen.
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
    /// The bundle in force.
    pub bundle: Digest,
    /// The hash of the request's statement.
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
    /// What the policy was asked and said.
    pub decision: Decided,
}

/// A person or a rule approved a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalGiven {
    /// The request.
    pub request: RequestId,
    /// Its hash, as the approver had it.
    pub hash: Digest,
    /// Who approved.
    pub by: Approver,
    /// Of the groups that have to approve, those that the approver is in.
    pub groups: BTreeSet<GroupName>,
    /// For how long.
    pub duration: Span,
    /// The rows kept.
    pub rows: Vec<Row>,
    /// The hosts kept.
    pub hosts: Hosts,
    /// What the approver has to say.
    pub comment: Option<Text>,
    /// The signature over the approval statement, if it was signed; a rule's is not.
    pub signature: Option<Consent>,
    /// What the policy was asked and said.
    pub decision: Decided,
}

/// A glass was broken: the request becomes a grant at once, as it is an emergency, and is looked at afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlassBroken {
    /// The request.
    pub request: RequestId,
    /// The groups whose members are told.
    pub told: BTreeSet<GroupName>,
    /// What the policy was asked and said.
    pub decision: Decided,
}

/// Somebody looked at an emergency afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewed {
    /// Its request.
    pub request: RequestId,
    /// Who.
    pub by: SubjectId,
    /// What that person is called.
    pub name: PersonName,
    /// What was found.
    pub comment: Text,
    /// What the policy was asked and said.
    pub decision: Decided,
}

/// A person denied a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestDenied {
    /// The request.
    pub request: RequestId,
    /// Who denied it.
    pub by: SubjectId,
    /// What that person is called.
    pub name: PersonName,
    /// Why.
    pub reason: Option<Text>,
    /// What the policy was asked and said.
    pub decision: Decided,
}

/// The requester took a request back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestCancelled {
    /// The request.
    pub request: RequestId,
}

/// A request waited for longer than its role lets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestLapsed {
    /// The request.
    pub request: RequestId,
    /// When its time was over.
    pub lapsed: UnixTime,
    /// What it was about.
    pub scope: Scope,
}
