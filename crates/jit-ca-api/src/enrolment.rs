//! Hosts that enrol, and what they get.

use std::collections::BTreeSet;

use jit_ca_core::{Digest, HostName, SubjectId, Text, UnixTime};
use serde::{Deserialize, Serialize};

/// A host is to enrol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostTokenCall {
    /// What it is to be called.
    pub host: HostName,
    /// What it is to be called besides.
    #[serde(default)]
    pub aliases: BTreeSet<HostName>,
    /// For how long the token can be used, up to 24h; an hour if that is not said.
    #[serde(default)]
    pub duration: Option<jit_ca_core::Span>,
}

/// What one host enrols by, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostToken {
    /// The token: base64url of 32 random bytes. It is shown this once.
    pub token: String,
    /// What the host is to be called.
    pub host: HostName,
    /// What it is to be called besides.
    pub aliases: BTreeSet<HostName>,
    /// Until when it can be used.
    pub expires: UnixTime,
}

/// A host enrols, by names that are exactly the token's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolCall {
    /// The token.
    pub token: String,
    /// What the host is called.
    pub host: HostName,
    /// What it is called besides.
    #[serde(default)]
    pub aliases: BTreeSet<HostName>,
    /// The host key, as its `.pub` file has it.
    pub public_key: String,
    /// The host key's signature over the host statement, as `ssh-keygen -Y sign` prints it.
    pub signature: String,
}

/// A host logs in with the host key that it enrolled with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostLoginCall {
    /// What the host is called.
    pub host: HostName,
    /// What `POST /v1/challenges` answered.
    pub challenge: String,
    /// A PKCS#10 request for the login key, as PEM.
    pub csr: String,
    /// The host key's signature over the host login statement, as `ssh-keygen -Y sign` prints it.
    pub signature: String,
}

/// A host's login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostLoginReply {
    /// The login certificate and its issuer's, as PEM.
    pub certificate: String,
    /// When the login ends.
    pub expires: UnixTime,
}

/// A host's SSH certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCertificate {
    /// The certificate, as a `-cert.pub` file has it.
    pub certificate: String,
    /// What the host is called.
    pub host: HostName,
    /// What it is called besides.
    pub aliases: BTreeSet<HostName>,
    /// When it ends.
    pub expires: UnixTime,
}

/// A host that has enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Who it is in the log: `host/` and its name.
    pub subject: SubjectId,
    /// What it is called.
    pub host: HostName,
    /// What it is called besides.
    pub aliases: BTreeSet<HostName>,
    /// SHA-256 of its key, as `ssh-keygen -l` prints it.
    pub key: Digest,
    /// When it enrolled last.
    pub enrolled: UnixTime,
    /// Since when it is revoked, if it is.
    pub revoked: Option<UnixTime>,
}

/// A host is to be believed no more.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostRevokeCall {
    /// Why.
    pub reason: Text,
}
