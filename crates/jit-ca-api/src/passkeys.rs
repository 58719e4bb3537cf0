//! Passkeys: the link that adds one, and those that there are.

use jit_ca_core::{Text, UnixTime};
use serde::{Deserialize, Serialize};

/// Asks for a link to the CA's page, on which the caller adds a passkey.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyCall {
    /// What the passkey is to be called.
    pub label: Text,
}

/// A link to the CA's page. Whoever follows it adds a passkey for the caller: it is for no one else, and works once.
#[derive(Clone, Serialize, Deserialize)]
pub struct PasskeyLink {
    /// The address.
    pub url: String,
    /// Until when it can be followed.
    pub expires: UnixTime,
}

/// A passkey of the caller's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// Its id, as base64url without padding.
    pub id: String,
    /// What it is called.
    pub label: Text,
    /// The host whose page it is for.
    pub host: String,
    /// When it was added.
    pub added: UnixTime,
    /// Whether it can be backed up, and so be on several devices.
    pub can_be_backed_up: bool,
}
