//! Grants, the certificates under them, and their end.

use jit_ca_core::{
    Action, GrantId, IssuanceId, Outcome, RequestId, RowName, SubjectId, Text, UnixTime,
};
use serde::{Deserialize, Serialize};

use crate::Request;

/// A wish for an SSH user certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshCall {
    /// The row; may be left out where the grant has one SSH row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<RowName>,
    /// The key to be certified, as in an authorized keys file.
    pub public_key: String,
    /// That key's SSHSIG over the possession statement, armoured.
    pub signature: String,
}

/// An SSH user certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshCertificate {
    /// The issuance.
    pub issuance: IssuanceId,
    /// The grant.
    pub grant: GrantId,
    /// The row.
    pub row: RowName,
    /// The certificate, as in a `-cert.pub` file.
    pub certificate: String,
    /// Its serial, in decimal.
    pub serial: String,
    /// The first second in which it is no longer valid.
    pub expires: UnixTime,
    /// The index of the log entry that recorded it before it was signed.
    pub entry: u64,
    /// The proof that the log holds that entry: C2SP tlog-proof, with the leaf as its extra data.
    pub proof: String,
}

/// A wish for an X.509 client certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct X509Call {
    /// The row; may be left out where the grant has one X.509 row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<RowName>,
    /// A PKCS#10 request as PEM, of which the public key and the signature are read.
    pub csr: String,
}

/// An X.509 client certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct X509Certificate {
    /// The issuance.
    pub issuance: IssuanceId,
    /// The grant.
    pub grant: GrantId,
    /// The row.
    pub row: RowName,
    /// The certificate, as PEM.
    pub certificate: String,
    /// Its issuer's certificate, as PEM: what a TLS client sends behind its own.
    pub chain: String,
    /// Its serial, as lower-case hexadecimal.
    pub serial: String,
    /// The first second in which it is no longer valid.
    pub expires: UnixTime,
    /// The index of the log entry that recorded it before it was signed.
    pub entry: u64,
    /// The proof that the log holds that entry: C2SP tlog-proof, with the leaf as its extra data.
    pub proof: String,
}

/// A grant is taken away from its holder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeCall {
    /// Why.
    pub reason: Text,
}

/// A grant with all that led to it and was done with it, as far as the CA knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantFile {
    /// The request, its approvals, and how the grant stands.
    pub request: Request,
    /// What the policy was asked and said on the way, in the order of the log.
    pub decisions: Vec<DecisionView>,
    /// Every certificate, in the order of the log.
    pub certificates: Vec<CertificateView>,
    /// What asks for more time after it.
    pub extensions: Vec<ExtensionView>,
}

/// A request for more time after a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtensionView {
    /// The request.
    pub request: RequestId,
    /// The grant that it became.
    pub grant: Option<GrantId>,
    /// Whether it waits to be decided, or what it became is not over.
    pub goes_on: bool,
}

/// What the policy was asked and said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionView {
    /// The log entry that holds it.
    pub entry: u64,
    /// When.
    pub at: UnixTime,
    /// What was to be done.
    pub action: Action,
    /// Who wanted to do it.
    pub subject: SubjectId,
    /// Whether the policy agreed.
    pub outcome: Outcome,
    /// The rules that made it so.
    pub rules: Vec<String>,
}

/// A certificate that was issued, or may have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateView {
    /// Its id.
    pub issuance: IssuanceId,
    /// The log entry that recorded it before it was signed.
    pub entry: u64,
    /// When.
    pub at: UnixTime,
    /// The CA's key that signs it: `ssh-user` or `x509-clients`.
    pub issuer: String,
    /// The row that it is of.
    pub row: RowName,
    /// Its serial: a decimal number for SSH, hexadecimal for X.509.
    pub serial: String,
    /// From when it is valid.
    pub from: UnixTime,
    /// The first second in which it is not.
    pub until: UnixTime,
    /// Whether it was not signed, or can't be used.
    pub failed: bool,
}
