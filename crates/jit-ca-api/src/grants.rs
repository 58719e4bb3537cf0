//! Certificates under a grant.

use jit_ca_core::{GrantId, IssuanceId, RowName, UnixTime};
use serde::{Deserialize, Serialize};

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
