//! Resets of second factors: asked for by one administrator, confirmed by another.

use jit_ca_core::{PersonName, SubjectId, Text, UnixTime};
use serde::{Deserialize, Serialize};

/// Somebody's second factors are to be reset.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetCall {
    /// Whose.
    pub name: PersonName,
    /// Why.
    pub reason: Text,
}

/// A reset that was asked for is confirmed, or taken back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetTurn {
    /// Whose second factors.
    pub name: PersonName,
    /// The log entry that asked for it: what was shown is what is confirmed.
    pub entry: u64,
}

/// A reset that waits for another administrator, or whose code waits for the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// What the person is called whose second factors they are; none for who has left.
    pub name: Option<PersonName>,
    /// Who that is.
    pub subject: SubjectId,
    /// What it waits for.
    pub status: ResetStatus,
    /// Who asked for it; none where that was done on the CA's machine alone.
    pub asked_by: Option<PersonName>,
    /// Who confirmed it; none while nobody did, or where that was done on the CA's machine.
    pub confirmed_by: Option<PersonName>,
    /// Why; none where that is erased.
    pub reason: Option<Text>,
    /// Since when it stands so.
    pub since: UnixTime,
    /// Until when it can be confirmed, or the code used.
    pub until: UnixTime,
    /// The log entry that says so.
    pub entry: u64,
}

/// What a reset waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResetStatus {
    /// Another administrator.
    Asked,
    /// The person, who has a code.
    Confirmed,
}

/// A reset that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetDone {
    /// Whose second factors are gone.
    pub name: PersonName,
    /// The one-use code with which that person enrols the next; it is shown this once. None for whom an issuer vouches.
    pub code: Option<String>,
    /// Until when the code can be used.
    pub expires: Option<UnixTime>,
    /// Whether the person has security keys (`sk-…`): these stand in the user file, and no reset changes them.
    pub has_security_keys: bool,
    /// Whether the person of the user file has an SSH key, without which nobody logs in.
    pub can_log_in: bool,
}
