//! Roles, requests and approvals.

use jit_ca_core::workflow::{Approver, GrantState, Start};
use jit_ca_core::{
    Digest, GrantId, GroupName, HostName, Hosts, PersonName, RequestId, RoleName, Row, Span,
    SubjectId, Text, UnixTime, Window,
};
use serde::{Deserialize, Serialize};

/// A role that the caller may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: RoleName,
    /// What it is for.
    pub description: String,
    /// What it gives.
    pub rows: Vec<Row>,
    /// For how long, if nothing is said.
    pub default: Span,
    /// For how long at most.
    pub longest: Span,
    /// How many people have to approve.
    pub approvals: u8,
    /// Of which groups.
    pub approvers: Vec<GroupName>,
    /// Whether a rule would approve the caller's request at once.
    pub approved_by_rule: bool,
    /// How old the caller's second factor may be.
    pub mfa_max_age: Option<Span>,
    /// Whether a ticket has to be named.
    pub ticket_required: bool,
}

/// A wish for a role.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestCall {
    /// The role.
    pub role: RoleName,
    /// On which hosts; all of the role's if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostName>,
    /// For how long; the role's default if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
    /// Why.
    pub reason: Text,
    /// The ticket that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Text>,
}

/// A request, as the one who asked and those who may approve see it.
///
/// Everything that the request statement says is here, so that a client makes the statement, and
/// its hash, by itself.
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
    /// The rows asked for.
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
    /// The bundle in force when it was made.
    pub bundle: Digest,
    /// The hash of its statement.
    pub hash: Digest,
    /// When it was made.
    pub made: UnixTime,
    /// When it lapses if it is still pending.
    pub lapses: UnixTime,
    /// How it stands.
    pub status: RequestStatus,
    /// How many people have to approve.
    pub approvals_needed: u8,
    /// Who approved so far.
    pub approvals: Vec<ApprovalView>,
    /// Who can approve it, by name; in the answer about one pending request alone.
    pub approvers: Vec<PersonName>,
    /// Who denied it and why, if somebody did.
    pub denied: Option<ApprovalView>,
    /// The grant that it became.
    pub grant: Option<GrantView>,
}

/// How a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestStatus {
    /// It waits for approvals.
    Pending,
    /// It became a grant.
    Approved,
    /// Somebody said no.
    Denied,
    /// The requester took it back.
    Cancelled,
    /// It waited for too long.
    Lapsed,
}

impl std::fmt::Display for RequestStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
            Self::Lapsed => "lapsed",
        })
    }
}

/// Somebody's yes or no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalView {
    /// Who.
    pub by: Approver,
    /// For how long; none in a no.
    pub duration: Option<Span>,
    /// The rows kept; none in a no.
    pub rows: Vec<Row>,
    /// What was said with it.
    pub comment: Option<Text>,
}

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantView {
    /// Its id.
    pub id: GrantId,
    /// The rows that it gives.
    pub rows: Vec<Row>,
    /// For which time.
    pub window: Window,
    /// How it stands at the time of the answer.
    pub state: GrantState,
}

/// Which requests to list.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateFilter {
    /// Those of this status alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RequestStatus>,
    /// The caller's own alone.
    #[serde(default)]
    pub mine: bool,
}

/// How long to wait for a pending request to change.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitQuery {
    /// In seconds, at most [`crate::LONGEST_WAIT`]. The answer comes as soon as the request is no longer
    /// pending or has more approvals than `approvals`.
    #[serde(default)]
    pub wait: u64,
    /// How many approvals the caller has seen.
    #[serde(default)]
    pub approvals: usize,
}

/// An approval: exactly what the approval statement says, and its signature.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveCall {
    /// The hash of the request, made by the approver's client from what it showed.
    pub hash: Digest,
    /// For how long.
    pub duration: Span,
    /// The rows kept.
    pub rows: Vec<Row>,
    /// What the approver has to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Text>,
    /// The SSHSIG over the approval statement, armoured.
    pub signature: String,
}

/// A no.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenyCall {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}
