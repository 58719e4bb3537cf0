//! Logins: the CA's trust anchors, the challenge, the login itself and the second factor.

use jit_ca_core::event::Assertion;
use jit_ca_core::{Digest, GroupName, HostPattern, Origin, PersonName, SubjectId, UnixTime};
use serde::{Deserialize, Serialize};

/// What a client keeps of a CA. Fetched over TLS that the pin verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// The log's name.
    pub origin: Origin,
    /// The log's key, in the form of C2SP signed-note: `<origin>+<hash>+<key>`.
    pub log_key: String,
    /// The CA's pin: SHA-256 of the X.509 root's SubjectPublicKeyInfo.
    pub pin: Digest,
    /// The key that signs SSH user certificates, as in an authorized keys file.
    pub ssh_user_ca: String,
    /// The key that signs SSH host certificates, as in an authorized keys file.
    pub ssh_host_ca: String,
    /// For which hosts that key is believed: the names that this CA enrols. None, if it enrols none.
    #[serde(default)]
    pub hosts: Vec<HostPattern>,
    /// Host keys that are to be refused, as in an authorized keys file.
    #[serde(default)]
    pub revoked_host_keys: Vec<String>,
    /// The X.509 authorities, the root first.
    pub x509: Vec<X509Authority>,
    /// The SPIFFE trust domain in the names of X.509 certificates.
    pub trust_domain: String,
    /// The origin of the page that the CA serves for browsers, if it serves one.
    #[serde(default)]
    pub page: Option<String>,
    /// The log that this one goes on from, if the CA had one before.
    #[serde(default)]
    pub succeeds: Option<Predecessor>,
}

/// A log that a CA no longer writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predecessor {
    /// Its last checkpoint that the CA still held the entries of: a signed note.
    pub checkpoint: String,
    /// Why it could not go on.
    pub reason: String,
}

/// One X.509 authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct X509Authority {
    /// What it signs: `root`, `clients`, `servers`, `logins`.
    pub purpose: String,
    /// Its certificate, as PEM.
    pub certificate: String,
}

/// What a login answers, once, and soon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The challenge: opaque.
    pub challenge: String,
    /// When it was made, by the CA's clock.
    pub made: UnixTime,
    /// Until when it can be answered.
    pub expires: UnixTime,
}

/// A login: the statement's values, its signature, and a second factor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginCall {
    /// The name that the person goes by.
    pub name: PersonName,
    /// The challenge answered.
    pub challenge: String,
    /// A PKCS#10 request for the login key, as PEM, of which the public key and the signature are read.
    pub csr: String,
    /// The SSHSIG over the login statement, armoured.
    pub signature: String,
    /// What is given beside the SSH key.
    pub factor: Factor,
}

/// What is given beside the SSH key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Factor {
    /// A code of the enrolled authenticator (RFC 6238): six digits.
    Totp(String),
    /// Nothing: the signature is a security key's that has verified its user, and is a second factor of its own.
    SecurityKey,
    /// A passkey's answer to the SHA-256 of the login statement, made on the CA's page.
    Passkey(Assertion),
    /// The one-use code that an administrator made. Such a login can do nothing but enrol.
    EnrolmentCode(String),
}

impl std::fmt::Debug for Factor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Totp(_) => "Totp(hidden)",
            Self::SecurityKey => "SecurityKey",
            Self::Passkey(_) => "Passkey",
            Self::EnrolmentCode(_) => "EnrolmentCode(hidden)",
        })
    }
}

/// A login certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginReply {
    /// The certificate and its issuer's, as PEM.
    pub certificate: String,
    /// Who is logged in.
    pub me: Me,
}

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    /// Who.
    pub subject: SubjectId,
    /// What the subject is called.
    pub name: PersonName,
    /// The groups that the subject is in.
    pub groups: Vec<GroupName>,
    /// The login of this call.
    pub login: LoginView,
    /// Whether the subject has a passkey.
    #[serde(default)]
    pub has_passkey: bool,
}

/// A login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginView {
    /// The login certificate's serial, as lower-case hexadecimal.
    pub serial: String,
    /// When it ends at the latest.
    pub expires: UnixTime,
    /// When it ends if it is not used.
    pub idle_ends: UnixTime,
    /// When a second factor was given; none if the login can only enrol one, or the issuer saw none.
    pub mfa_at: Option<UnixTime>,
}

/// A second factor for the login of the call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepUpCall {
    /// The challenge answered.
    pub challenge: String,
    /// A passkey's answer to the SHA-256 of the step-up statement, made on the CA's page.
    pub assertion: Assertion,
}

/// A new second factor, to be proven by a code.
#[derive(Clone, Serialize, Deserialize)]
pub struct MfaSecret {
    /// The secret in base 32, to be typed.
    pub secret: String,
    /// The same as an `otpauth://` address.
    pub uri: String,
}

/// The proof that an authenticator has the secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MfaConfirm {
    /// The code that it shows: six digits.
    pub code: String,
}
