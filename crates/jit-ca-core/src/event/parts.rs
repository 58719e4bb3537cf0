//! What payloads are made of.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Assertion, ids};
use crate::{
    ActorRef, Bytes, Decision, Digest, Facts, GrantId, Hosts, Means, PersonName, RoleName, Row,
    RowName, Span, SubjectId, Text, UnixTime, Window,
};

/// One of the CA's public keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    /// What it signs.
    pub purpose: String,
    /// The key: a SubjectPublicKeyInfo in DER.
    pub spki: Bytes,
}

/// The log that a new one goes on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Succession {
    /// Its last checkpoint that the CA still held the entries of: a signed note.
    pub checkpoint: String,
    /// Why it could not go on.
    pub reason: Text,
}

/// What payloads were erased for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ErasureCause {
    /// A subject, by its pseudonym: the entry before is the order.
    Subject(ActorRef),
    /// Age: entries written before this time have been kept for as long as the configuration says.
    Retention(UnixTime),
}

/// What was given beside the SSH key at a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Factor {
    /// A code of RFC 6238, by its time step, which is used up by this.
    Totp {
        /// The time step.
        step: u64,
    },
    /// Nothing: the SSH key is a security key's, which says in its signature that it has verified its user.
    SecurityKey,
    /// A passkey's answer to the SHA-256 of the login statement, which the SSH key has signed as well.
    Passkey(Assertion),
    /// A one-use enrolment code, used up by this; the login can do nothing but enrol.
    EnrolmentCode {
        /// SHA-256 of the code.
        code: Digest,
    },
}

impl Factor {
    /// By which means somebody has logged in who gave this beside a key.
    pub fn means(&self) -> Means {
        match self {
            Self::Totp { .. } => Means::code(),
            Self::SecurityKey | Self::Passkey(_) => Means::verified_user(),
            Self::EnrolmentCode { .. } => Means::key(),
        }
    }
}

/// What the policy was asked, and what it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// The question.
    pub facts: Facts,
    /// The answer.
    pub decision: Decision,
}

/// A signature over a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The key that made it, in its SSH wire form.
    pub key: Bytes,
    /// The SSHSIG blob.
    pub sshsig: Bytes,
}

/// When a certificate is valid: `[from, until)`, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// The first second.
    pub from: UnixTime,
    /// The first second after.
    pub until: UnixTime,
}

/// What a certificate under a grant rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuedUnder {
    /// The grant.
    #[serde(skip, default = "ids::no_grant")]
    pub grant: GrantId,
    /// The row of it.
    pub row: RowName,
    /// The serial of the login certificate of the call.
    pub login: Bytes,
    /// The call's idempotency key.
    pub idempotency_key: String,
    /// That the caller has the key.
    pub possession: ProofOfPossession,
    /// That the policy allows it.
    pub decision: Allowed,
}

/// Of a decision that allows an issuance, what the entries before do not say.
///
/// All other facts are those of the grant's request: whose it is, role, hosts, duration, reason and ticket; and of the
/// login: by which means it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// When.
    pub now: UnixTime,
    /// The address that the call came from.
    pub address: IpAddr,
    /// When the caller last gave a second factor.
    pub mfa_at: Option<UnixTime>,
    /// The rules that permit it.
    pub rules: Vec<String>,
}

/// A signature by the key to be certified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ProofOfPossession {
    /// Of an SSHSIG over the possession statement, hashed with SHA-256, the bytes that can't be made again: the 64 of
    /// ed25519, r and s of ECDSA at the curve's full width, or RSA's (PKCS #1 v1.5 with SHA-512).
    Sha256(Bytes),
    /// The same, hashed with SHA-512.
    Sha512(Bytes),
    /// A PKCS#10 request in DER, for X.509.
    Pkcs10(Bytes),
}

/// Why a grant ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum EndCause {
    /// Its window was over.
    Over,
    /// Nobody used it in the time there was for it.
    Unused,
    /// When it was to start, the policy said no.
    Policy,
    /// The holder gave it back.
    GivenBack,
}

impl fmt::Display for EndCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Over => "its time was over",
            Self::Unused => "it was not used in time",
            Self::Policy => "the policy no longer allowed it when it was to start",
            Self::GivenBack => "its holder gave it back",
        })
    }
}

/// All that a request or a grant was about, told once more where it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Who asked.
    pub subject: SubjectId,
    /// What the subject is called.
    pub name: PersonName,
    /// For which role.
    pub role: RoleName,
    /// The rows asked for, or given.
    pub rows: Vec<Row>,
    /// On which hosts.
    pub hosts: Hosts,
    /// The grant's window, if there was one.
    pub window: Option<Window>,
    /// For how long it was asked for.
    pub duration: Span,
    /// Why.
    pub reason: Text,
    /// The ticket that it was about.
    pub ticket: Option<Text>,
}

/// What a lock is on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Locked {
    /// Everybody and everything.
    All,
    /// What this subject does.
    Subject(SubjectId),
    /// What is done for this role.
    Role(RoleName),
}

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::Subject(subject) => write!(f, "the subject {subject}"),
            Self::Role(role) => write!(f, "the role {role}"),
        }
    }
}

/// Who locks or unlocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Officer {
    /// A person whom the policy lets.
    Person {
        /// Who.
        subject: SubjectId,
        /// What that person is called.
        name: PersonName,
        /// What the policy was asked and said.
        decision: Box<Decided>,
    },
    /// Whoever may, on the daemon's machine: the way out where nobody can log in.
    Machine {
        /// The account.
        uid: u32,
    },
}
