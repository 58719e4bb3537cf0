//! Certificates, before and after they are signed.

use serde::{Deserialize, Serialize};

use super::{IssuedUnder, Validity, ids};
use crate::{Bytes, GrantId, IssuanceId};

/// A certificate is about to be signed; the leaf holds the SHA-256 of `tbs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateIntended {
    /// The issuance.
    #[serde(skip, default = "ids::no_issuance")]
    pub issuance: IssuanceId,
    /// Which of the CA's keys will sign.
    pub purpose: String,
    /// The certificate's serial, big endian.
    pub serial: Bytes,
    /// The bytes to be signed.
    pub tbs: Bytes,
    /// From when to when it is valid, as the certificate says it.
    pub validity: Validity,
    /// The grant that it is issued under, with what only such certificates have.
    pub under: Option<IssuedUnder>,
}

/// A certificate was signed and checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateIssued {
    /// The issuance.
    #[serde(skip, default = "ids::no_issuance")]
    pub issuance: IssuanceId,
    /// The grant, if it was issued under one.
    #[serde(skip)]
    pub grant: Option<GrantId>,
    /// The signature, as the certificate holds it.
    pub signature: Bytes,
}

/// A certificate was not signed, or the signed one was not what was intended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuanceFailed {
    /// The issuance.
    #[serde(skip, default = "ids::no_issuance")]
    pub issuance: IssuanceId,
    /// The grant, if it was to be issued under one.
    #[serde(skip)]
    pub grant: Option<GrantId>,
    /// What went wrong.
    pub error: String,
}
