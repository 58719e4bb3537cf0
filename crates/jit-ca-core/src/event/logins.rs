//! Who is known, who logs in, and who is refused.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Assertion, Decided, Factor};
use crate::{
    Action, ActorRef, Bytes, Digest, GroupName, IssuanceId, PersonName, RefusalCode, SubjectId,
    SubjectKind, Text, UnixTime, Window,
};

/// A subject is known under a pseudonym from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectKnown {
    /// Who.
    pub subject: SubjectId,
    /// What it is called.
    pub name: PersonName,
    /// The pseudonym in the leaves.
    pub actor: ActorRef,
}

/// An issuer vouches for a subject: what is known of it from here on, in place of what was known before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectVouched {
    /// Who: the issuer, and that issuer's own id.
    pub subject: SubjectId,
    /// What the subject is called.
    pub name: PersonName,
    /// Whether it is a person or a workload.
    pub kind: SubjectKind,
    /// The groups that it is in, by the issuer's file and what the issuer said.
    pub groups: BTreeSet<GroupName>,
}

/// A subject logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedIn {
    /// Who.
    pub subject: SubjectId,
    /// What it is called.
    pub name: PersonName,
    /// The SSH key that signed the statement, in its wire form.
    pub key: Bytes,
    /// What the CA had sent to be answered, used up by this.
    pub challenge: String,
    /// SHA-256 of the login key's SubjectPublicKeyInfo.
    pub login_key: Digest,
    /// The signature over the statement, as an SSHSIG blob.
    pub signature: Bytes,
    /// The second factor given.
    pub factor: Factor,
    /// The address that it came from.
    pub address: IpAddr,
    /// The login certificate's serial.
    pub serial: Bytes,
    /// The login certificate's window.
    pub window: Window,
}

/// A subject logged in with a token of its issuer. What the issuer said stands in the last `subject.vouched`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedInByToken {
    /// Who.
    pub subject: SubjectId,
    /// What it is called.
    pub name: PersonName,
    /// SHA-256 of the token, used up by this. The token itself is not kept: it may open other doors.
    pub token: Digest,
    /// Until when the token could be used at all, by its own word.
    pub expires: UnixTime,
    /// What the CA had sent to be answered, used up by this: a person's token has the hash of the sign-on statement
    /// as its nonce. A workload's has none.
    pub challenge: Option<String>,
    /// Of a login by device code (RFC 8628): from which address somebody said yes to it on the CA's page. Its token need not
    /// have a nonce, and the daemon alone binds it to the login key. None where the person signed on with a browser beside
    /// the login key, or a workload brought the token.
    pub confirmed_from: Option<IpAddr>,
    /// SHA-256 of the login key's SubjectPublicKeyInfo.
    pub login_key: Digest,
    /// When the issuer saw a second factor, if it did.
    pub mfa_at: Option<UnixTime>,
    /// How the issuer says that it saw the subject: its `acr` (OpenID Connect Core 2).
    pub acr: Option<Text>,
    /// The same in methods: its `amr` (RFC 8176).
    pub amr: BTreeSet<Text>,
    /// The address that it came from.
    pub address: IpAddr,
    /// The login certificate's serial.
    pub serial: Bytes,
    /// The login certificate's window.
    pub window: Window,
}

/// A workload logged in with an X.509 certificate of this CA, whose key TLS has proven: it stands in for a token for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedInByCertificate {
    /// Who.
    pub subject: SubjectId,
    /// What it is called.
    pub name: PersonName,
    /// The certificate's issuance, under a grant of the subject's that is open.
    pub certificate: IssuanceId,
    /// When the subject last logged in with a token, from which that certificate comes.
    pub since: UnixTime,
    /// SHA-256 of the login key's SubjectPublicKeyInfo.
    pub login_key: Digest,
    /// The address that it came from.
    pub address: IpAddr,
    /// The login certificate's serial.
    pub serial: Bytes,
    /// The login certificate's window.
    pub window: Window,
}

/// A subject logged in to the CA's page by a passkey. No certificate is issued to such a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageLoggedIn {
    /// Who.
    pub subject: SubjectId,
    /// What it is called.
    pub name: PersonName,
    /// What the CA had sent to be answered, used up by this.
    pub challenge: String,
    /// The answer to the SHA-256 of the page login statement.
    pub assertion: Assertion,
    /// The address that it came from.
    pub address: IpAddr,
    /// SHA-256 of the cookie that the login is known by.
    pub serial: Bytes,
    /// From when to when it lasts.
    pub window: Window,
}

/// A subject gave a second factor for a login that is open: a passkey. From here on the login has one, of now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginSteppedUp {
    /// Who.
    pub subject: SubjectId,
    /// The login certificate's serial.
    pub login: Bytes,
    /// What the CA had sent to be answered, used up by this.
    pub challenge: String,
    /// The answer to the SHA-256 of the step-up statement.
    pub assertion: Assertion,
}

/// A subject ended its login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedOut {
    /// Who.
    pub subject: SubjectId,
    /// The login certificate's serial; of a login to the page, the SHA-256 of its cookie.
    pub login: Bytes,
}

/// The daemon ended a subject's login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginEnded {
    /// Whose.
    pub subject: SubjectId,
    /// The login certificate's serial.
    pub login: Bytes,
    /// What the issuer said, which no longer vouches for the subject.
    pub refusal: String,
}

/// Something that a known subject asked for was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// Who.
    pub subject: SubjectId,
    /// What it wanted to do: a policy action, or none for a login.
    pub action: Option<Action>,
    /// Why not, for programs.
    pub code: RefusalCode,
    /// Why not, for people.
    pub detail: String,
    /// The address that it came from.
    pub address: IpAddr,
    /// What the policy was asked and said, if it was.
    pub decision: Option<Decided>,
    /// The bundle that said it: the one in force then. Another may be by the time that this is written.
    pub bundle: Option<Digest>,
}

/// Logins of strangers that were refused, counted, so that nobody can fill the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrangersRefused {
    /// How many.
    pub count: u64,
    /// Since when.
    pub since: UnixTime,
}
