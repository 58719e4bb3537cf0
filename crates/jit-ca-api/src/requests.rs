//! Roles, requests and approvals.

use std::collections::BTreeSet;

use jit_ca_core::workflow::{Approver, Emergency, GrantState, Over, Quorum, Start, Term};
use jit_ca_core::{
    Digest, GrantId, GroupName, HostName, Hosts, KeyType, PersonName, RequestId, RoleName, Row,
    Span, SubjectId, Text, UnixTime, Window,
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
    /// Who has to approve.
    pub approvals: Vec<Quorum>,
    /// Whether a rule would approve the caller's request at once.
    pub approved_by_rule: bool,
    /// How old the caller's second factor may be.
    pub mfa_max_age: Option<Span>,
    /// What a ticket has to match that has to be named: a regular expression.
    pub ticket: Option<String>,
    /// Within what time a grant has to be used, where it begins with its first certificate.
    pub start_within: Option<Span>,
    /// How far ahead a start may be asked for.
    pub schedule_ahead: Span,
    /// For how long a certificate is valid at most, where that is not the grant's whole window.
    pub certificate_max: Option<Span>,
    /// The types of keys that are certified.
    pub keys: BTreeSet<KeyType>,
    /// For how long the caller may have it at once in an emergency.
    pub break_glass: Option<Span>,
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
    /// From when; as the role says if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<UnixTime>,
    /// Why.
    pub reason: Text,
    /// The ticket that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Text>,
}

/// A role is needed at once, and nobody can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlassCall {
    /// The role.
    pub role: RoleName,
    /// On which hosts; all of the role's if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostName>,
    /// For how long; as long as the role lets an emergency last, but no longer than its default, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
    /// Why.
    pub reason: Text,
    /// The ticket that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Text>,
}

/// A grant is to go on for longer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtendCall {
    /// For how much longer; the role's default if left out.
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
    #[serde(with = "crate::hosts")]
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
    /// Who has to approve: whom it asked for and, while it is pending, whom its role asks for today.
    pub quorums: Vec<Quorum>,
    /// How many people still have to.
    pub still_needed: usize,
    /// Who approved so far.
    pub approvals: Vec<ApprovalView>,
    /// Who can approve it by today's policy, by name; nobody, once it is no longer pending.
    pub approvers: Vec<PersonName>,
    /// Who denied it and why, if somebody did.
    pub denied: Option<DenialView>,
    /// The grant that it became.
    pub grant: Option<GrantView>,
    /// Where nobody was asked: who was told, and who looked at it afterwards.
    pub emergency: Option<Emergency>,
}

/// Requests that were looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestList {
    /// The newest of them, newest first. Where there are too many for one answer, those that are not over go first.
    pub requests: Vec<Request>,
    /// Whether there may be more.
    pub more: bool,
    /// Where there are none: what the filter names that neither the policy nor the log knows, in words.
    pub unknown: Vec<String>,
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

/// Somebody's yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalView {
    /// When.
    pub at: UnixTime,
    /// Who.
    pub by: Approver,
    /// The groups by which it counts.
    pub groups: BTreeSet<GroupName>,
    /// Whether it is signed.
    pub signed: bool,
    /// For how long.
    pub duration: Span,
    /// The rows kept.
    pub rows: Vec<Row>,
    /// The hosts kept.
    #[serde(with = "crate::hosts")]
    pub hosts: Hosts,
    /// What was said with it; there, where it is for less than was asked for.
    pub comment: Option<Text>,
}

/// Somebody's no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DenialView {
    /// When.
    pub at: UnixTime,
    /// Who.
    pub by: SubjectId,
    /// What that person is called.
    pub name: PersonName,
    /// Why.
    pub reason: Option<Text>,
}

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantView {
    /// Its id.
    pub id: GrantId,
    /// The rows that it gives.
    pub rows: Vec<Row>,
    /// On which hosts.
    #[serde(with = "crate::hosts")]
    pub hosts: Hosts,
    /// For which time, and what begins it.
    pub term: Term,
    /// The same as a window, once that is known.
    pub window: Option<Window>,
    /// How it stands at the time of the answer.
    pub state: GrantState,
    /// What ended it before its window did, or with it.
    pub over: Option<Over>,
    /// How many certificates may be issued under it; any number if it does not say.
    pub certificates: Option<u32>,
}

impl GrantView {
    /// Whether certificates can be had of it: its window is open, or the first one opens it.
    pub fn is_usable(&self) -> bool {
        let begins_with_use = matches!(self.term, Term::FirstUse { .. });
        self.state == GrantState::Active || self.state == GrantState::Waiting && begins_with_use
    }

    /// Whether nothing can be had of it any more.
    pub fn is_over(&self) -> bool {
        matches!(self.state, GrantState::Ended | GrantState::Revoked)
    }

    /// When it is over at the latest, as far as is known.
    pub fn last_end(&self) -> UnixTime {
        match self.term {
            Term::Open(window) | Term::Scheduled(window) => window.end(),
            Term::FirstUse { duration, by } => by.plus(duration),
        }
    }
}

/// Which requests to list.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFilter {
    /// Those of this status alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RequestStatus>,
    /// Those alone whose grant stands so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<GrantState>,
    /// The caller's own alone.
    #[serde(default)]
    pub mine: bool,
    /// Emergencies alone that somebody still has to look at.
    #[serde(default)]
    pub to_review: bool,
    /// Those of a person, by id, by today's name, or by the name that the person had then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Those for a role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Those that a person approved, named in the same way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<String>,
    /// Those made at or after this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<UnixTime>,
    /// Those made before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UnixTime>,
    /// Those with this in what people wrote of them, in whatever case: reason, ticket, comments, and why they were
    /// denied or revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Those made before this one: to go on where an answer ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<RequestId>,
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
    /// The hosts kept.
    #[serde(with = "crate::hosts")]
    pub hosts: Hosts,
    /// What the approver has to say; has to be there, where it is for less than was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Text>,
    /// The SSHSIG over the approval statement, armoured. Some roles count no approval without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// A no.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenyCall {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}

/// What somebody found who looked at an emergency.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewCall {
    /// It.
    pub comment: Text,
}
