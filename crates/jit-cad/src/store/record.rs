//! What the fold's tables hold, beside the workflow's own [`Access`].

use std::collections::BTreeSet;
use std::net::IpAddr;

use jit_ca_core::event::{Locked, ResetCode};
use jit_ca_core::workflow::Access;
use jit_ca_core::{
    ActorRef, Bytes, Digest, GrantId, HostName, Means, PersonName, SessionId, SubjectId, Text,
    UnixTime, Window,
};
use jit_ca_log::webauthn::Passkey;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// A request with all that came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRecord {
    /// The index of the last entry that changed it.
    pub generation: u64,
    /// When the entry was written that made it, or its grant, or that started it.
    pub began: Millis,
    /// The request.
    pub access: Access,
}

/// A subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectRecord {
    /// Who.
    pub subject: SubjectId,
    /// What it is called.
    pub name: PersonName,
    /// The pseudonym in the leaves.
    pub actor: ActorRef,
    /// The one-use enrolment code that has not been used.
    pub enrolment_code: Option<EnrolmentCode>,
    /// The last RFC 6238 step used, once a second factor is enrolled.
    pub totp_step: Option<u64>,
}

/// A one-use code that lets in whoever has no second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentCode {
    /// Its digest.
    pub code: Digest,
    /// When the entry was written that made it.
    pub made: Millis,
    /// Until when it can be used.
    pub expires: UnixTime,
}

/// A login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRecord {
    /// Whose.
    pub subject: SubjectId,
    /// The fingerprint of the SSH key that it was made with, or of a login to the page the SHA-256 of the passkey's; none
    /// where an issuer vouched instead.
    pub key: Option<Digest>,
    /// From when to when at the longest.
    pub window: Window,
    /// The address that it was made from.
    pub address: IpAddr,
    /// When a second factor was given.
    pub mfa_at: Option<UnixTime>,
    /// When a token last said whose it is, of a login that rests on one.
    pub vouched_at: Option<UnixTime>,
    /// By which means it was made.
    pub means: Means,
    /// When its entry was written.
    pub began: Millis,
    /// Whether the subject ended it, a lock or a reset of the subject did, the clock was put back behind it, or the subject logged in
    /// once more when its window was over.
    pub ended: bool,
}

/// Which policy it is: its bundle, and whom issuers vouch for beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// The bundle in force; none before the first.
    pub bundle: Option<Digest>,
    /// The index of the last entry that says of somebody for whom an issuer vouches; 0 while there is none.
    pub vouching: u64,
}

/// A passkey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyRecord {
    /// Whose.
    pub subject: SubjectId,
    /// What the subject calls it.
    pub label: Text,
    /// The RP ID that it is for.
    pub party: String,
    /// When it was added.
    pub added: UnixTime,
    /// What it is checked by.
    pub passkey: PasskeyKey,
}

/// What of a passkey its assertions are checked by; its id is the record's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyKey {
    /// The public key, as COSE.
    pub key: Bytes,
    /// What its counter said last.
    pub counter: u32,
    /// Whether it can be backed up.
    pub is_backup_eligible: bool,
}

impl From<Passkey> for PasskeyKey {
    fn from(passkey: Passkey) -> Self {
        let Passkey { id: _, key, counter, is_backup_eligible } = passkey;
        Self { key, counter, is_backup_eligible }
    }
}

impl PasskeyRecord {
    /// The passkey, whose id is this.
    pub fn with_id(&self, id: Bytes) -> Passkey {
        let PasskeyKey { key, counter, is_backup_eligible } = self.passkey.clone();
        Passkey { id, key, counter, is_backup_eligible }
    }
}

/// A certificate, or the attempt to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuanceRecord {
    /// The grant that it is issued under.
    pub grant: Option<GrantId>,
    /// The index of the intent.
    pub intent: u64,
    /// The index of the outcome; none if the daemon died before, and then it counts as issued.
    pub outcome: Option<u64>,
}

/// Resets of a subject's second factors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetRecord {
    /// Whose.
    pub subject: SubjectId,
    /// The one that was asked for, and has neither been confirmed nor withdrawn. It may have lapsed.
    pub asked: Option<AskedReset>,
    /// The last one, while nothing has been enrolled since.
    pub done: Option<DoneReset>,
}

/// A reset that waits for another administrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedReset {
    /// The index of the entry that asks for it.
    pub entry: u64,
    /// Who asks.
    pub by: SubjectId,
    /// What that person is called.
    pub name: PersonName,
    /// Why.
    pub reason: Text,
    /// When its entry was written.
    pub made: Millis,
    /// Until when it can be confirmed.
    pub lapses: UnixTime,
}

/// A reset after which the subject has a code and no second factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneReset {
    /// The index of its entry.
    pub entry: u64,
    /// What the person is called who asked for it; none where nobody had to.
    pub asked_by: Option<PersonName>,
    /// What the person is called who confirmed it; none where it was done on the daemon's machine.
    pub by: Option<PersonName>,
    /// Why; none where that is erased.
    pub reason: Option<Text>,
    /// When its entry was written.
    pub made: Millis,
    /// The one-use code.
    pub code: ResetCode,
}

/// A host that has enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// Which.
    pub subject: SubjectId,
    /// Its pseudonym in the leaves.
    pub actor: ActorRef,
    /// What it is called.
    pub host: HostName,
    /// What it is called besides.
    pub aliases: BTreeSet<HostName>,
    /// Its key, in the SSH wire form.
    pub key: Bytes,
    /// When it enrolled last.
    pub enrolled: UnixTime,
    /// Since when it is revoked, if it is.
    pub revoked: Option<UnixTime>,
}

impl HostRecord {
    /// All its names.
    pub fn names(&self) -> impl Iterator<Item = &HostName> {
        std::iter::once(&self.host).chain(&self.aliases)
    }

    /// Whether it is believed, by this key.
    pub fn is_known_by(&self, key: &[u8]) -> bool {
        self.revoked.is_none() && self.key.as_slice() == key
    }
}

/// A token by which a host can enrol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostTokenRecord {
    /// What the host is to be called.
    pub host: HostName,
    /// What it is to be called besides.
    pub aliases: BTreeSet<HostName>,
    /// When its entry was written.
    pub made: Millis,
    /// Until when it can be used.
    pub expires: UnixTime,
}

/// A lock that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRecord {
    /// On what.
    pub lock: Locked,
    /// What the person is called who locked it; none where that was done on the daemon's machine.
    pub by: Option<PersonName>,
    /// Why.
    pub reason: Text,
    /// Since when.
    pub since: UnixTime,
    /// The index of the entry that says so.
    pub entry: u64,
}

/// A session that a host told of. What it said stands in the two entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Which.
    pub session: SessionId,
    /// The host.
    pub host: SubjectId,
    /// The grant that the certificate was issued under; none if the log has no such certificate.
    pub grant: Option<GrantId>,
    /// The index of the entry that opened it.
    pub open: u64,
    /// That of the one that closed it.
    pub close: Option<u64>,
}
