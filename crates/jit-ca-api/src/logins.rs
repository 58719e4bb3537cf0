//! Logins that are open, and their end.

use std::net::IpAddr;

use jit_ca_core::{Digest, PersonName, UnixTime};
use serde::{Deserialize, Serialize};

/// Whose open logins are asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginsFilter {
    /// A person's name; the caller's own if it does not say. Others' are for who may `administer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<PersonName>,
}

/// A login that something can be done with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenLogin {
    /// The login certificate's serial, as lower-case hexadecimal.
    pub serial: String,
    /// When it was made.
    pub since: UnixTime,
    /// The address that it was made from.
    pub address: IpAddr,
    /// The fingerprint of the SSH key, or of the passkey, that it was made with; none where an issuer vouched.
    pub key: Option<Digest>,
    /// When a second factor was given; none if the login can only enrol one.
    pub mfa_at: Option<UnixTime>,
    /// When it was last used.
    pub last_used: UnixTime,
    /// When it ends if it is not used.
    pub idle_ends: UnixTime,
    /// When it ends at the latest.
    pub expires: UnixTime,
    /// Whether it is the login of this call.
    pub is_this: bool,
}

/// Which logins of the caller's are to end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogoutCall {
    /// Which; that of the call if it does not say.
    #[serde(default)]
    pub which: Which,
}

/// Which logins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Which {
    /// That of the call.
    #[default]
    This,
    /// All.
    All,
    /// The one with this serial, as lower-case hexadecimal.
    One(String),
}
