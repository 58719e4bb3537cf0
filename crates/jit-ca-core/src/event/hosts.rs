//! Hosts: who may enrol, who has, and who is believed no more.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Decided;
use crate::{Bytes, Digest, HostName, PersonName, SubjectId, Text, UnixTime, Window};

/// Somebody whom the policy lets made a one-use token, by which one host enrols.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostTokenMade {
    /// SHA-256 of the token. The token itself is shown once, and kept nowhere.
    pub token: Digest,
    /// What the host is to be called.
    pub host: HostName,
    /// What it is to be called besides.
    pub aliases: BTreeSet<HostName>,
    /// Until when it can be used.
    pub expires: UnixTime,
    /// Who made it.
    pub by: SubjectId,
    /// What that subject is called.
    pub name: PersonName,
    /// The serial of the login certificate of the call.
    pub login: Bytes,
    /// What the policy was asked and said.
    pub decision: Decided,
}

/// A host enrolled: from here on these are its names, and this is its key, in place of what it had before.
///
/// It names no person, and is never erased: all that the host gets rests on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostEnrolled {
    /// Which.
    pub subject: SubjectId,
    /// What it is called.
    pub host: HostName,
    /// What it is called besides.
    pub aliases: BTreeSet<HostName>,
    /// The host key, in its SSH wire form.
    pub key: Bytes,
    /// SHA-256 of the token, used up by this.
    pub token: Digest,
    /// The signature of the host key over the host statement, as an SSHSIG blob.
    pub signature: Bytes,
    /// The address that it came from.
    pub address: IpAddr,
}

/// A host logged in with its host key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostLoggedIn {
    /// Which.
    pub subject: SubjectId,
    /// What it is called.
    pub host: HostName,
    /// What the CA had sent to be answered, used up by this.
    pub challenge: String,
    /// SHA-256 of the login key's SubjectPublicKeyInfo.
    pub login_key: Digest,
    /// The signature of the host key over the host login statement, as an SSHSIG blob.
    pub signature: Bytes,
    /// The address that it came from.
    pub address: IpAddr,
    /// The login certificate's serial.
    pub serial: Bytes,
    /// The login certificate's window.
    pub window: Window,
}

/// A host is believed no more: its logins end, it gets no certificate, and clients are told to refuse its key. Only by
/// another key and another token it enrols again.
///
/// The leaf's actor is the host, and not who revokes it: so it stays revoked also where the payload is erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostRevoked {
    /// Which.
    pub subject: SubjectId,
    /// Why.
    pub reason: Text,
    /// Who revokes it.
    pub by: SubjectId,
    /// What that person is called.
    pub name: PersonName,
    /// The serial of the login certificate of the call.
    pub login: Bytes,
    /// What the policy was asked and said.
    pub decision: Decided,
}
