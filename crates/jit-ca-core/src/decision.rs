//! Decisions: what was asked of the policy, and what it answered, in a form that the log keeps.
//!
//! A decision is a function of a bundle and of [`Facts`], so it can be made again years later.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Hosts, Means, RoleName, Span, SubjectId, Text, UnixTime};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Ask for a role.
    Request,
    /// Have a request approved by a rule, without a person.
    SkipApproval,
    /// Approve or deny somebody's request.
    Approve,
    /// Take a certificate under a grant.
    Issue,
    /// Take a role at once, without asking anybody, in an emergency.
    BreakGlass,
    /// Look at somebody's emergency afterwards.
    Review,
    /// Take somebody's grant away.
    Revoke,
    /// Watch what was recorded of a session, and see others' sessions.
    Watch,
    /// Lock and unlock subjects, roles and everything.
    Lock,
    /// Read the log's entries and payloads.
    ReadLog,
    /// Have what the log says of a subject erased.
    Erase,
    /// Have a policy that is proposed come into force.
    Administer,
    /// Have a host enrol under some names.
    EnrolHost,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Request => "request",
            Self::SkipApproval => "skip-approval",
            Self::Approve => "approve",
            Self::Issue => "issue",
            Self::BreakGlass => "break-glass",
            Self::Review => "review",
            Self::Revoke => "revoke",
            Self::Watch => "watch",
            Self::Lock => "lock",
            Self::ReadLog => "read-log",
            Self::Erase => "erase",
            Self::Administer => "administer",
            Self::EnrolHost => "enrol-host",
        })
    }
}

/// Everything that a decision rests on, beside the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// What is to be done.
    pub action: Action,
    /// Who wants to do it.
    pub subject: SubjectId,
    /// When.
    pub now: UnixTime,
    /// The address that the call came from.
    pub address: IpAddr,
    /// When the subject last gave a second factor; `None` if the login has none.
    pub mfa_at: Option<UnixTime>,
    /// By which means the subject has logged in.
    pub means: Means,
    /// The role asked for; `None` for actions that concern no role.
    pub role: Option<RoleName>,
    /// Who asked for the role; the subject itself unless it approves, reviews or revokes.
    pub requester: Option<SubjectId>,
    /// The hosts asked for; of [`Action::EnrolHost`], the names that the host is to have.
    pub hosts: Option<Hosts>,
    /// How long.
    pub duration: Option<Span>,
    /// Why.
    pub reason: Option<Text>,
    /// The ticket that it is about.
    pub ticket: Option<Text>,
}

/// Whether the policy agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A rule permits it, no rule forbids it, and the role's requirements are met.
    Allow,
    /// Anything else.
    Deny,
}

/// What the policy answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Whether the policy agrees.
    pub outcome: Outcome,
    /// The rules that made it so: the permits of an allow, the forbids of a deny. Sorted.
    pub rules: Vec<String>,
    /// Why not, for a person; empty where the outcome is an allow.
    pub reasons: Vec<Reason>,
}

/// One reason for a denial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The kind of reason, stable for programs.
    pub code: RefusalCode,
    /// The same for a person, in one sentence without a full stop.
    pub text: String,
}

/// Why something that was understood is not done. Stable: programs and the log name these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCode {
    /// No rule permits it.
    NotPermitted,
    /// A rule forbids it.
    Forbidden,
    /// A rule could not be evaluated; then nothing is permitted.
    RuleError,
    /// The login has no second factor.
    MfaRequired,
    /// The second factor is older than the role accepts.
    MfaTooOld,
    /// The duration is longer than the role's longest.
    TooLong,
    /// There is no such role.
    UnknownRole,
    /// The role gives no such host.
    UnknownHost,
    /// The role wants a ticket.
    TicketRequired,
    /// The ticket is not one that the role takes.
    TicketRefused,
    /// It starts too late, or at a time that is over.
    StartOutOfBounds,
    /// The role knows no emergencies.
    NoBreakGlass,
    /// The subject has as many open requests as it may.
    TooManyRequests,
    /// The subject has had the role as often today as it may.
    TooManyGrants,
    /// As many certificates were issued under the grant as may be.
    TooManyCertificates,
    /// The subject, the role or everything is locked.
    Locked,
    /// Nobody approves their own request.
    SelfApproval,
    /// The subject is in none of the groups that the role names for approval.
    NotAnApprover,
    /// The approval gives more than was asked for, or nothing.
    Widening,
    /// What takes something away says why.
    ReasonRequired,
    /// An approval of the role counts only if it is signed.
    SignatureRequired,
    /// The approver's signature does not cover this request.
    WrongStatement,
    /// The request is no longer pending.
    NotPending,
    /// The person has approved this request before, and that counts.
    AlreadyApproved,
    /// Of those who approved, too few may today.
    TooFewApprovals,
    /// The CA enrols no host of that name, another host has it, or the key is revoked.
    HostRefused,
    /// The host is revoked already, or there is none.
    HostUnchanged,
    /// The policy of today no longer lets the requester have it.
    NoLongerPermitted,
    /// Only the requester may do that.
    NotYours,
    /// The grant's window is over.
    GrantEnded,
    /// The grant's window has not begun.
    GrantWaiting,
    /// The grant was taken away.
    GrantRevoked,
    /// Something follows on the grant already.
    AlreadyExtended,
    /// There is nothing to review, or not yet, or no longer.
    NotToReview,
    /// It is locked already, or not locked.
    LockUnchanged,
    /// There is no second factor to reset, that is asked for already, or it is not, or no longer.
    ResetUnchanged,
    /// The grant gives no such row.
    UnknownRow,
    /// Today's role no longer gives what was granted.
    RoleChanged,
    /// The key is of a kind that is not certified, or belongs to somebody else.
    KeyRefused,
    /// The key's owner did not sign for this certificate.
    NoPossession,
    /// No such policy is proposed, or no longer.
    NotProposed,
    /// Only people do that, and it is a workload.
    NotAPerson,
    /// The login was refused; it is not said why.
    LoginRefused,
    /// Too many attempts failed.
    TooManyAttempts,
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name on the wire is the one name.
        self.serialize(f)
    }
}

impl Decision {
    /// Whether the outcome is an allow.
    pub fn allows(&self) -> bool {
        self.outcome == Outcome::Allow
    }
}
