//! Who asked, who agreed, and what was issued.

use jit_ca_core::event::EndCause;
use jit_ca_core::workflow::Quorum;
use jit_ca_core::{GrantId, Hosts, IssuanceId, RequestId, Row, Span, UnixTime, Window};
use serde::Serialize;

/// One request and what came of it, as the log had it at the period's end.
#[derive(Debug, Serialize)]
pub(crate) struct RequestRow {
    /// The index of its entry.
    pub(crate) entry: u64,
    /// Its id.
    pub(crate) request: RequestId,
    /// When it was made.
    pub(crate) made: UnixTime,
    /// Who asked.
    pub(crate) requester: String,
    /// For which role.
    pub(crate) role: Option<String>,
    /// What the role gave, row by row.
    pub(crate) rows: Vec<Row>,
    /// On which hosts.
    pub(crate) hosts: Option<Hosts>,
    /// For how long.
    pub(crate) duration: Option<Span>,
    /// Why.
    pub(crate) reason: Option<String>,
    /// The ticket that it is about.
    pub(crate) ticket: Option<String>,
    /// Who had to agree.
    pub(crate) quorums: Vec<Quorum>,
    /// Who agreed.
    pub(crate) approvals: Vec<ApprovalRow>,
    /// What came of it.
    pub(crate) outcome: RequestOutcome,
    /// The grant that it became.
    pub(crate) grant: Option<GrantRow>,
    /// Where nobody was asked, as it was an emergency.
    pub(crate) emergency: Option<EmergencyRow>,
    /// Whether its payload has been erased.
    pub(crate) erased: bool,
}

/// One yes.
#[derive(Debug, Serialize)]
pub(crate) struct ApprovalRow {
    /// The index of its entry.
    pub(crate) entry: u64,
    /// When.
    pub(crate) at: UnixTime,
    /// How long after the request.
    pub(crate) after: Span,
    /// Whose.
    pub(crate) by: ApprovedBy,
    /// For how long.
    pub(crate) duration: Option<Span>,
    /// What the approver had to say.
    pub(crate) comment: Option<String>,
}

/// Who agreed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ApprovedBy {
    /// A person, whose signature the verifier has checked.
    Person(String),
    /// Rules of the policy; none named where the payload has been erased.
    Rules(Vec<String>),
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RequestOutcome {
    /// Nobody had decided.
    Pending,
    /// It became a grant.
    Granted,
    /// A person said no.
    Denied {
        /// The index of the entry.
        entry: u64,
        /// When.
        at: UnixTime,
        /// Who.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// The requester took it back.
    Cancelled {
        /// The index of the entry.
        entry: u64,
        /// When.
        at: UnixTime,
    },
    /// It waited for too long, or the clock was put back behind it.
    Lapsed {
        /// The index of the entry.
        entry: u64,
        /// When that was written.
        at: UnixTime,
    },
}

/// A grant.
#[derive(Debug, Serialize)]
pub(crate) struct GrantRow {
    /// Its id.
    pub(crate) grant: GrantId,
    /// The index of its entry.
    pub(crate) entry: u64,
    /// When it was made.
    pub(crate) at: UnixTime,
    /// What it gives, row by row.
    pub(crate) rows: Vec<Row>,
    /// On which hosts: all that were asked for, unless somebody who agreed took some away.
    pub(crate) hosts: Option<Hosts>,
    /// Its window, as far as it was known by the period's end.
    pub(crate) window: Option<Window>,
    /// How many certificates were issued under it, before the period's end.
    pub(crate) certificates: u64,
    /// What ended it, if that was before the period's end.
    pub(crate) end: Option<GrantEndRow>,
}

/// The end of a grant.
#[derive(Debug, Serialize)]
pub(crate) struct GrantEndRow {
    /// The index of the entry.
    pub(crate) entry: u64,
    /// When that was written.
    pub(crate) at: UnixTime,
    /// What for; null where that has been erased.
    pub(crate) cause: Option<EndCause>,
    /// Who revoked it, if somebody did, and why.
    pub(crate) revoked: Option<(String, Option<String>)>,
}

/// Access at once, looked at afterwards.
#[derive(Debug, Serialize)]
pub(crate) struct EmergencyRow {
    /// The index of the entry.
    pub(crate) entry: u64,
    /// The groups that were told.
    pub(crate) told: Vec<String>,
    /// Who looked at it; null if nobody had by the period's end.
    pub(crate) review: Option<ReviewRow>,
}

/// What somebody found who looked at an emergency.
#[derive(Debug, Serialize)]
pub(crate) struct ReviewRow {
    /// The index of the entry.
    pub(crate) entry: u64,
    /// When.
    pub(crate) at: UnixTime,
    /// Who.
    pub(crate) by: String,
    /// What was found; null where that has been erased.
    pub(crate) comment: Option<String>,
}

/// One certificate under a grant.
#[derive(Debug, Serialize)]
pub(crate) struct CertificateRow {
    /// The index of its intent, which holds the hash of the bytes that were signed.
    pub(crate) entry: u64,
    /// When.
    pub(crate) at: UnixTime,
    /// SSH or X.509.
    pub(crate) kind: Option<CertificateKind>,
    /// Its id.
    pub(crate) issuance: IssuanceId,
    /// Its serial, as sshd logs it (decimal) or OpenSSL prints it (hexadecimal).
    pub(crate) serial: Option<String>,
    /// What it calls itself: an SSH key id, or an X.509 subject.
    pub(crate) key_id: Option<String>,
    /// Who holds it.
    pub(crate) holder: String,
    /// The grant.
    pub(crate) grant: GrantId,
    /// From when it is valid.
    pub(crate) from: Option<UnixTime>,
    /// Until when: the first second after.
    pub(crate) until: Option<UnixTime>,
    /// Whether it was signed.
    pub(crate) outcome: CertificateOutcome,
}

/// SSH or X.509.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CertificateKind {
    /// An OpenSSH user certificate.
    Ssh,
    /// An X.509 client certificate.
    X509,
}

/// What came of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CertificateOutcome {
    /// It was signed, and its signature is in the log.
    Issued,
    /// It was not signed, or the signed one was not handed out.
    Failed,
    /// The log does not say; it counts as issued.
    Unknown,
}
