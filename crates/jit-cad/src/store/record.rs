//! What the fold's tables hold, beside the workflow's own [`Access`].

use jit_ca_core::workflow::Access;
use jit_ca_core::{ActorRef, Digest, GrantId, PersonName, SubjectId, UnixTime, Window};
use serde::{Deserialize, Serialize};

/// A request with all that came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRecord {
    /// The index of the last entry that changed it.
    pub generation: u64,
    /// The request.
    pub access: Access,
}

/// A subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectRecord {
    /// Who.
    pub subject: SubjectId,
    /// What it is called.
    pub name: PersonName,
    /// The pseudonym in the leaves.
    pub actor: ActorRef,
    /// The one-use enrolment code that has not been used, and until when it can be.
    pub enrolment_code: Option<(Digest, UnixTime)>,
    /// The last RFC 6238 step used, once a second factor is enrolled.
    pub totp_step: Option<u64>,
}

/// A login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRecord {
    /// Whose.
    pub subject: SubjectId,
    /// From when to when at the longest.
    pub window: Window,
    /// When a second factor was given.
    pub mfa_at: Option<UnixTime>,
    /// Whether the subject ended it.
    pub ended: bool,
}

/// A certificate, or the attempt to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuanceRecord {
    /// The grant that it is issued under.
    pub grant: Option<GrantId>,
    /// The index of the intent.
    pub intent: u64,
    /// The index of the outcome; none if the daemon died before, and then it counts as issued.
    pub outcome: Option<u64>,
}
