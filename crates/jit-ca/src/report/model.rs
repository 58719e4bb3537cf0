//! What a report says, as plain values: `--format json` is these, field by field.
//!
//! ```text
//! Report
//! ├─ period, log             what it is about, and the checkpoint that it rests on
//! ├─ figures                 counted from what follows
//! ├─ policies                who could: each bundle in force, its roles, and what changed
//! ├─ requests, certificates  who asked, who agreed, what was issued
//! ├─ exceptions              what an auditor asks about first
//! └─ people, controls        who is who; where the evidence for a control stands
//! ```
//!
//! Times are RFC 3339 in UTC, durations as in `1h30m`. People are shown by name; `people` says who
//! each is. What is null was not there, or its payload has been erased.

mod access;
mod exceptions;
mod policy;

use jit_ca_core::{Digest, Origin, Span, UnixTime};
use serde::Serialize;

pub(crate) use access::{
    ApprovalRow, ApprovedBy, CertificateKind, CertificateOutcome, CertificateRow, EmergencyRow,
    GrantEndRow, GrantRow, RequestOutcome, RequestRow, ReviewRow,
};
pub(crate) use exceptions::{
    DaemonEvent, DaemonRun, EnrolmentCode, Erasure, Exceptions, FailedIssuance, LockRow, Orphan,
    Pair, RefusalCount, ResetRow, ResetStep, RuleCount, SecondFactor, UnknownEntries,
};
pub(crate) use policy::{
    Changes, Permission, PersonChange, PersonListing, PolicyFile, PolicyInForce, PolicyState,
    Powers, RoleRow,
};

use super::controls::Control;

/// A report for an auditor.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// `jit-ca report v1`: fields are added to it, and none changes its meaning.
    pub(crate) format: &'static str,
    /// Which time it is about.
    pub(crate) period: Period,
    /// The log that it was made from.
    pub(crate) log: LogBasis,
    /// What can be counted.
    pub(crate) figures: Figures,
    /// The bundles in force during the period, in order.
    pub(crate) policies: Vec<PolicyInForce>,
    /// Requests of which anything happened in the period, by entry.
    pub(crate) requests: Vec<RequestRow>,
    /// Certificates issued under grants in the period, by entry.
    pub(crate) certificates: Vec<CertificateRow>,
    /// Certificates that the CA issued to itself and for logins in the period, by purpose.
    pub(crate) other_certificates: Vec<PurposeCount>,
    /// What is out of the ordinary.
    pub(crate) exceptions: Exceptions,
    /// Everybody who did something in the period, by name.
    pub(crate) people: Vec<PersonRow>,
    /// Where evidence for controls stands.
    pub(crate) controls: &'static [Control],
}

/// The time from `from` on and before `to`: half-open, as all windows are.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Period {
    /// The first second inside.
    pub(crate) from: UnixTime,
    /// The first second after.
    pub(crate) to: UnixTime,
}

impl Period {
    /// Whether a moment, in milliseconds since 1970, lies inside.
    pub(crate) fn contains(self, ts_ms: u64) -> bool {
        !self.is_after(ts_ms) && ts_ms < millis(self.to)
    }

    /// Whether the period begins after a moment.
    pub(crate) fn is_after(self, ts_ms: u64) -> bool {
        ts_ms < millis(self.from)
    }

    /// Whether a moment lies before the period's end.
    pub(crate) fn ends_after(self, ts_ms: u64) -> bool {
        ts_ms < millis(self.to)
    }
}

fn millis(time: UnixTime) -> u64 {
    time.secs().saturating_mul(1_000)
}

/// What the report rests on.
#[derive(Debug, Serialize)]
pub(crate) struct LogBasis {
    /// The log's name.
    pub(crate) origin: Origin,
    /// The key that its checkpoints are signed with.
    pub(crate) log_key: String,
    /// How many entries were written before the period's end: all that the report rests on.
    pub(crate) size: u64,
    /// The root of the tree over them.
    pub(crate) root: Digest,
    /// The signed note. Where its size is larger, the root above is that of its first `size` entries.
    pub(crate) checkpoint: String,
    /// The size that the signed note says.
    pub(crate) checkpoint_size: u64,
    /// How many of the entries lie in the period.
    pub(crate) entries_in_period: u64,
    /// How many payloads, of all entries before the period's end, have been erased.
    pub(crate) erased_payloads: u64,
    /// When the log began.
    pub(crate) began: Option<UnixTime>,
    /// The CA's public keys, as entry 0 names them.
    pub(crate) ca_keys: Vec<CaKey>,
    /// Why the log goes on from another one, if it does.
    pub(crate) succeeds: Option<String>,
    /// The verifier's verdict: a log that does not hold has no report.
    pub(crate) verdict: &'static str,
    /// The commands that check it again and make the same report.
    pub(crate) commands: Vec<String>,
}

/// One of the CA's public keys.
#[derive(Debug, Serialize)]
pub(crate) struct CaKey {
    /// What it signs.
    pub(crate) purpose: String,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub(crate) digest: Digest,
}

/// What can be counted. All of it happened in the period.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Figures {
    /// Requests made.
    pub(crate) requests: u64,
    /// Grants made.
    pub(crate) grants: u64,
    /// Of the grants, those that people agreed to.
    pub(crate) grants_by_people: u64,
    /// Of the grants, those that a rule agreed to.
    pub(crate) grants_by_rules: u64,
    /// Of the grants, those that nobody was asked for, as they were emergencies.
    pub(crate) emergencies: u64,
    /// Of these, those that nobody had reviewed by the period's end.
    pub(crate) emergencies_not_reviewed: u64,
    /// Grants that somebody took away.
    pub(crate) revoked: u64,
    /// Requests denied by a person.
    pub(crate) denied: u64,
    /// Requests taken back.
    pub(crate) cancelled: u64,
    /// Requests that nobody agreed to in time.
    pub(crate) lapsed: u64,
    /// Requests still pending at the period's end.
    pub(crate) pending: u64,
    /// The longest grant.
    pub(crate) longest_grant: Option<Span>,
    /// The median grant; of an even number the shorter of the two in the middle.
    pub(crate) median_grant: Option<Span>,
    /// The median time from a request to its grant, where people agreed.
    pub(crate) median_wait: Option<Span>,
    /// SSH certificates under grants.
    pub(crate) ssh_certificates: u64,
    /// X.509 certificates under grants.
    pub(crate) x509_certificates: u64,
    /// Certificates under grants of which the log no longer says the kind.
    pub(crate) erased_certificates: u64,
    /// People who took a certificate.
    pub(crate) people_with_access: u64,
    /// Logins.
    pub(crate) logins: u64,
    /// Refusals of known people.
    pub(crate) refusals: u64,
    /// Access without an end: none can be given, as every certificate lies in a grant's window.
    pub(crate) standing_privileges: u64,
    /// Approvals of one's own request. The verifier refuses a log that holds one.
    pub(crate) self_approvals: u64,
}

/// How many certificates of a purpose were issued outside grants.
#[derive(Debug, Serialize)]
pub(crate) struct PurposeCount {
    /// Which of the CA's keys signed.
    pub(crate) purpose: String,
    /// How many.
    pub(crate) count: u64,
}

/// What somebody did in the period.
#[derive(Debug, Default, Serialize)]
pub(crate) struct PersonRow {
    /// What the report calls them: the last name that the log knew.
    pub(crate) name: String,
    /// Who it is; null once erased.
    pub(crate) subject: Option<String>,
    /// The pseudonym in the leaves, which stays.
    pub(crate) actor: String,
    /// Requests made.
    pub(crate) requests: u64,
    /// Grants held.
    pub(crate) grants: u64,
    /// Certificates taken under them.
    pub(crate) certificates: u64,
    /// Approvals given.
    pub(crate) approvals: u64,
    /// Requests denied.
    pub(crate) denials: u64,
    /// Logins.
    pub(crate) logins: u64,
    /// What was refused to them.
    pub(crate) refusals: u64,
}
