//! Second factors: what enrols them, and what takes them away from who has lost them.

use serde::{Deserialize, Serialize};

use super::Decided;
use crate::{Bytes, Digest, PersonName, SubjectId, Text, UnixTime};

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

/// An administrator asks that somebody's second factors are reset: another administrator confirms it, or nothing changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MfaResetAsked {
    /// Whose second factors.
    pub subject: SubjectId,
    /// Why.
    pub reason: Text,
    /// Who asks; never the subject.
    pub by: SubjectId,
    /// What that person is called.
    pub name: PersonName,
    /// The serial of the login certificate of the call.
    pub login: Bytes,
    /// What the policy was asked and said.
    pub decision: Decided,
    /// Until when it can be confirmed.
    pub lapses: UnixTime,
}

/// An administrator took back that a reset was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MfaResetWithdrawn {
    /// Whose second factors stay.
    pub subject: SubjectId,
    /// The index of the entry that asked for it.
    pub asked: u64,
    /// Who took it back; never the subject.
    pub by: SubjectId,
    /// What that person is called.
    pub name: PersonName,
    /// The serial of the login certificate of the call.
    pub login: Bytes,
    /// What the policy was asked and said.
    pub decision: Decided,
}

/// A subject's second factors count no more: no code of the authenticator that was enrolled, none of the passkeys. All
/// logins of the subject end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MfaReset {
    /// Whose.
    pub subject: SubjectId,
    /// Who resets them.
    pub by: Resetter,
    /// The one-use code for the next second factor, in place of any before. None for whom an issuer vouches: the second
    /// factor is the issuer's.
    pub code: Option<ResetCode>,
}

/// Who resets a second factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Resetter {
    /// The second of two administrators.
    Person {
        /// Who; neither the subject nor who asked for it.
        subject: SubjectId,
        /// What that person is called.
        name: PersonName,
        /// The serial of the login certificate of the call.
        login: Bytes,
        /// What the policy was asked and said.
        decision: Box<Decided>,
        /// The index of the entry by which another administrator asked for it.
        asked: u64,
    },
    /// Whoever may, on the daemon's machine: the way out where no two administrators can log in.
    Machine {
        /// The account.
        uid: u32,
        /// Why.
        reason: Text,
    },
}

/// What of a reset's one-use code is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetCode {
    /// SHA-256 of the code.
    pub code: Digest,
    /// Until when it can be used.
    pub expires: UnixTime,
}
