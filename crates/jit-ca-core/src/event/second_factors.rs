//! Second factors: what enrols them.

use serde::{Deserialize, Serialize};

use crate::{Bytes, Digest, SubjectId, UnixTime};

/// An administrator made a one-use code for a first second factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MfaCodeMade {
    /// For whom.
    pub subject: SubjectId,
    /// SHA-256 of the code.
    pub code: Digest,
    /// Until when it can be used.
    pub expires: UnixTime,
}

/// A subject has proven a new second factor; it replaces one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MfaEnrolled {
    /// Who.
    pub subject: SubjectId,
    /// The login that enrolled it.
    pub login: Bytes,
    /// The RFC 6238 step of the code that proved it, used up by this.
    pub step: u64,
}

/// A subject keeps the second factor that it had in the log before; only where `log.init` names one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MfaKept {
    /// Who.
    pub subject: SubjectId,
    /// The newest RFC 6238 step of which a code may have been used, used up by this.
    pub step: u64,
}
