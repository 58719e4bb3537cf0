//! What a call answers that was not done: a problem detail (RFC 9457).

use serde::{Deserialize, Serialize};

/// The media type of a [`Problem`] (RFC 9457, section 3).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Why a call was not done, for a program and for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URI that names the kind of problem: see [`problem_type`].
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The kind in a few words, the same for all problems of it.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, in one sentence.
    pub detail: String,
    /// The kind, for programs: `mfa-too-old`, `bad-request`.
    pub code: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The `type` of problems of this kind. A name, not an address: nothing is to be fetched.
pub fn problem_type(code: &str) -> String {
    format!("urn:jit-ca:problem:{code}")
}
