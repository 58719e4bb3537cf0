//! Passkeys, and what they hand over (W3C WebAuthn Level 3), byte for byte as it came: `jit-ca-log` reads and checks it.

use serde::{Deserialize, Serialize};

use super::Signature;
use crate::{Bytes, SubjectId, Text};

/// A subject has a new passkey. It logs in to the CA's page and approves there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyAdded {
    /// Who.
    pub subject: SubjectId,
    /// What the subject calls it.
    pub label: Text,
    /// The RP ID that it is for: the page's host.
    pub party: String,
    /// The serial of the login certificate of the call that asked for it.
    pub login: Bytes,
    /// What the CA had sent with that call, used up by this.
    pub challenge: String,
    /// The passkey, made in answer to the SHA-256 of the passkey statement.
    pub registration: Registration,
    /// The answer to the same of a passkey that the subject had; none if this is the first.
    pub consent: Option<Assertion>,
}

/// A subject gave a passkey up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyRemoved {
    /// Who.
    pub subject: SubjectId,
    /// The passkey's id.
    pub passkey: Bytes,
    /// The serial of the login certificate of the call.
    pub login: Bytes,
}

/// What a browser and an authenticator say of a passkey that they have made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The browser's client data: JSON.
    pub client_data: Bytes,
    /// The authenticator's data, with the passkey's id and public key.
    pub authenticator_data: Bytes,
}

/// A passkey's answer to a challenge, which is the SHA-256 of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The passkey's id.
    pub passkey: Bytes,
    /// The browser's client data: JSON.
    pub client_data: Bytes,
    /// The authenticator's data.
    pub authenticator_data: Bytes,
    /// The passkey's signature over the latter and the SHA-256 of the former.
    pub signature: Bytes,
}

/// What an approver has signed an approval with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Consent {
    /// An SSH key.
    Ssh(Signature),
    /// A passkey, on the CA's page.
    Passkey(Assertion),
}
