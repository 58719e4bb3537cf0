//! What is out of the ordinary, and what an auditor asks about first. All of it happened in the period.

use std::fmt;

use jit_ca_core::{GrantId, IssuanceId, UnixTime};
use serde::Serialize;

/// The exceptions, kind by kind.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Exceptions {
    /// Grants that no person agreed to, by rule, role and requester.
    pub(crate) by_rule: Vec<RuleCount>,
    /// Who approved most for whom: the first pairs only.
    pub(crate) pairs: Vec<Pair>,
    /// Refusals of known people.
    pub(crate) refusals: Vec<RefusalCount>,
    /// Refused logins of strangers.
    pub(crate) strangers_refused: u64,
    /// One-use codes that administrators made.
    pub(crate) enrolment_codes: Vec<EnrolmentCode>,
    /// Second factors that were enrolled.
    pub(crate) second_factors: Vec<SecondFactor>,
    /// Second factors that were to be reset, and were.
    pub(crate) resets: Vec<ResetRow>,
    /// What was locked, and unlocked.
    pub(crate) locks: Vec<LockRow>,
    /// How often another bundle came in force.
    pub(crate) policy_changes: u64,
    /// Certificates of which the log does not say whether they were signed; they count as issued.
    pub(crate) orphans: Vec<Orphan>,
    /// Certificates that were not handed out.
    pub(crate) failed_issuances: Vec<FailedIssuance>,
    /// Starts and stops of the daemon.
    pub(crate) daemon: Vec<DaemonRun>,
    /// Erasures of payloads.
    pub(crate) erasures: Vec<Erasure>,
    /// Entries of types that this program does not know.
    pub(crate) unknown_entries: Vec<UnknownEntries>,
}

/// How often rules agreed.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RuleCount {
    /// The rules; none where the payload has been erased.
    pub(crate) rules: Vec<String>,
    /// To which role.
    pub(crate) role: Option<String>,
    /// For whom.
    pub(crate) requester: String,
    /// How often.
    pub(crate) count: u64,
}

/// How often one person approved for another.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Pair {
    /// Who asked.
    pub(crate) requester: String,
    /// Who agreed.
    pub(crate) approver: String,
    /// How often.
    pub(crate) count: u64,
    /// Out of so many approvals that people gave this requester.
    pub(crate) of: u64,
}

/// How often something was refused.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RefusalCount {
    /// To whom.
    pub(crate) name: String,
    /// What they wanted to do; null for a login.
    pub(crate) action: Option<String>,
    /// Why not; null where the payload has been erased.
    pub(crate) code: Option<String>,
    /// How often.
    pub(crate) count: u64,
}

/// Somebody stopped something, or let it go on.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LockRow {
    /// The index of the entry.
    pub(crate) entry: u64,
    /// When.
    pub(crate) at: UnixTime,
    /// What; null where the payload has been erased.
    pub(crate) what: Option<String>,
    /// Whether it was locked, and not unlocked.
    pub(crate) locked: bool,
    /// Who did; the CA where that was done on its machine.
    pub(crate) by: String,
    /// Why.
    pub(crate) reason: Option<String>,
}

/// A reset of somebody's second factors was asked for, withdrawn or made.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ResetRow {
    /// The index of the entry.
    pub(crate) entry: u64,
    /// When.
    pub(crate) at: UnixTime,
    /// What of it.
    pub(crate) what: ResetStep,
    /// Whose; null where the payload has been erased.
    pub(crate) name: Option<String>,
    /// Who did that; the CA where it was done on its machine.
    pub(crate) by: String,
    /// Of one that was made, or withdrawn, who had asked for it; null where nobody did or that is erased.
    pub(crate) asked_by: Option<String>,
    /// Why.
    pub(crate) reason: Option<String>,
}

/// What happened to a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ResetStep {
    /// An administrator asked for it.
    Asked,
    /// It was taken back.
    Withdrawn,
    /// What the person had counts no more.
    Reset,
}

impl fmt::Display for ResetStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "asked for",
            Self::Withdrawn => "withdrawn",
            Self::Reset => "reset",
        })
    }
}

/// A one-use code for a first second factor.
#[derive(Debug, Serialize)]
pub(crate) struct EnrolmentCode {
    /// The index of the entry.
    pub(crate) entry: u64,
    /// When it was made.
    pub(crate) at: UnixTime,
    /// For whom.
    pub(crate) name: Option<String>,
    /// Until when it could be used.
    pub(crate) expires: Option<UnixTime>,
}

/// A second factor that was enrolled.
#[derive(Debug, Serialize)]
pub(crate) struct SecondFactor {
    /// The index of the entry.
    pub(crate) entry: u64,
    /// When.
    pub(crate) at: UnixTime,
    /// Whose.
    pub(crate) name: String,
}

/// An intent without an outcome.
#[derive(Debug, Serialize)]
pub(crate) struct Orphan {
    /// The index of the intent.
    pub(crate) entry: u64,
    /// When.
    pub(crate) at: UnixTime,
    /// Which certificate.
    pub(crate) issuance: Option<IssuanceId>,
    /// Under which grant, if under one.
    pub(crate) grant: Option<GrantId>,
    /// Who asked for it.
    pub(crate) name: String,
}

/// A certificate that was not handed out.
#[derive(Debug, Serialize)]
pub(crate) struct FailedIssuance {
    /// The index of the entry.
    pub(crate) entry: u64,
    /// When.
    pub(crate) at: UnixTime,
    /// Which certificate.
    pub(crate) issuance: Option<IssuanceId>,
    /// Why.
    pub(crate) error: Option<String>,
}

/// A start or a stop of the daemon.
#[derive(Debug, Serialize)]
pub(crate) struct DaemonRun {
    /// The index of the entry.
    pub(crate) entry: u64,
    /// When.
    pub(crate) at: UnixTime,
    /// What happened.
    pub(crate) what: DaemonEvent,
    /// The version that started, or what ended it.
    pub(crate) detail: Option<String>,
}

/// What happened to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DaemonEvent {
    /// It started, after a stop or for the first time.
    Start,
    /// It started though it had not stopped in order: it crashed, was killed, or the power failed.
    StartAfterCrash,
    /// It stopped in order.
    Stop,
}

/// An erasure.
#[derive(Debug, Serialize)]
pub(crate) struct Erasure {
    /// The index of the entry.
    pub(crate) entry: u64,
    /// When.
    pub(crate) at: UnixTime,
    /// Whose data, by pseudonym; null where it was for age.
    pub(crate) actor: Option<String>,
    /// Payloads of entries written before this were erased; null where it was for a subject.
    pub(crate) older_than: Option<UnixTime>,
    /// Who ordered it; null where the configuration did.
    pub(crate) ordered_by: Option<String>,
    /// Why.
    pub(crate) reason: Option<String>,
    /// How many payloads.
    pub(crate) payloads: u64,
}

/// Entries of a type that this program does not know. They are hashed like all others.
#[derive(Debug, Serialize)]
pub(crate) struct UnknownEntries {
    /// The type.
    pub(crate) entry_type: String,
    /// How many.
    pub(crate) count: u64,
}
