//! Who calls: a person with a login that is open now.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use jit_ca_core::workflow::Refusal;
use jit_ca_core::{ActorRef, RefusalCode, SubjectId, SubjectKind, UnixTime};
use jit_ca_log::hash::sha256;
use jit_ca_policy::{Person, SshKey};
use ssh_key::HashAlg;

use super::Fault;
use crate::app::App;
use crate::clock;
use crate::policy::Policy;
use crate::store::{LoginRecord, Snapshot};

/// A person with an open login. Made from a login certificate whose key TLS has proven, or from the page's cookie.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The policy that the call goes by.
    pub policy: Arc<Policy>,
    /// The person, as that policy has it.
    pub person: Person,
    /// The person's pseudonym.
    pub actor: ActorRef,
    /// The login.
    pub login: Arc<LoginRecord>,
    /// The login certificate's serial; of a login to the page, the SHA-256 of its cookie.
    pub serial: Vec<u8>,
    /// Where the call came from.
    pub address: IpAddr,
    /// When the login ends if it is not used from now on.
    pub idle_ends: UnixTime,
}

impl Caller {
    /// The caller with the login certificate of this serial, which the TLS handshake has verified.
    ///
    /// The handshake may be hours old, so the login's window, its end and its use are checked on every call.
    ///
    /// # Errors
    /// If the login is over, or the user file no longer has the person, or the key that they logged in with.
    pub fn identify(
        app: &App,
        serial: &[u8],
        address: IpAddr,
        now: UnixTime,
    ) -> Result<Self, Fault> {
        // Before the snapshot, which then knows everybody in it.
        let policy = app.policy();
        let snapshot = app.store.read()?;
        let login = snapshot.login(serial)?.ok_or(Fault::login_ended())?;
        if login.subject.is_host() {
            return Err(Fault::Unauthenticated {
                detail: "the login is a host's, which makes calls of hosts alone",
                hint: "log in yourself: jit-ca login",
            });
        }
        if login.ended || !login.window.contains(now) {
            return Err(Fault::login_ended());
        }
        let (last, _) = idle_end(app, &snapshot, serial, &login)?;
        // Also where the clock has been put back since.
        if now.since(last).max(last.since(now)) >= app.config.login_idle {
            return Err(Fault::Unauthenticated {
                detail: "the login has ended, as it was not used for a while",
                hint: "log in again: jit-ca login",
            });
        }
        // Who logged in with a token may have been vouched for since that policy was made.
        let is_behind = login.key.is_none() && snapshot.policy()?.vouching != policy.vouching;
        let policy = if is_behind { app.policy_with_vouched()? } else { policy };
        let person = person(&policy, &snapshot, &login)?;
        let subject = snapshot.subject(&login.subject)?.ok_or(Fault::login_ended())?;
        app.last_uses.note(serial, now);
        let idle_ends = now.plus(app.config.login_idle).min(login.window.end());
        Ok(Self {
            policy,
            person,
            actor: subject.actor,
            login,
            serial: serial.to_vec(),
            address,
            idle_ends,
        })
    }

    /// The same by the policy in force now, which may have been exchanged since the call began.
    ///
    /// # Errors
    /// If the user file no longer has the person, or the key that they logged in with.
    pub fn today(&self, app: &App) -> Result<Cow<'_, Self>, Fault> {
        let policy = app.policy();
        if Arc::ptr_eq(&policy, &self.policy) {
            return Ok(Cow::Borrowed(self));
        }
        let person = person(&policy, &app.store.read()?, &self.login)?;
        Ok(Cow::Owned(Self { policy, person, ..self.clone() }))
    }

    /// The same, if the login has a second factor. All but enrolling one needs it; workloads have none.
    ///
    /// # Errors
    /// If it has none.
    pub fn with_mfa(self) -> Result<Self, Fault> {
        let what = match (self.login.mfa_at, self.person.kind) {
            (Some(_), _) | (None, SubjectKind::Workload) => return Ok(self),
            (None, SubjectKind::Person) if self.login.key.is_none() => {
                "the issuer did not say that it saw a second factor at this login, and when"
            }
            (None, SubjectKind::Person) => "this login can only enrol a second factor",
        };
        Err(Fault::Refused(Refusal::new(RefusalCode::MfaRequired, what)))
    }

    /// The serial as people and statements write it.
    pub fn serial_hex(&self) -> String {
        hex(&self.serial)
    }
}

/// When a login was last used, and when it ends if it is not used again.
pub(super) fn idle_end(
    app: &App,
    snapshot: &Snapshot,
    serial: &[u8],
    login: &LoginRecord,
) -> Result<(UnixTime, UnixTime), Fault> {
    let kept = || snapshot.last_use(serial).map(|last| last.unwrap_or(login.window.start()));
    let last = app.last_uses.last(serial).map_or_else(kept, Ok)?;
    Ok((last, last.plus(app.config.login_idle).min(login.window.end())))
}

/// Whose login it is, as the policy has that subject. Whoever lost a key has it taken out of the user file, and whoever
/// found it may have logged in with it before.
pub(super) fn person(
    policy: &Policy,
    snapshot: &Snapshot,
    login: &LoginRecord,
) -> Result<Person, Fault> {
    let person = policy.bundle.person(&login.subject).ok_or(Fault::login_ended())?;
    let Some(made_with) = login.key else { return Ok(person.clone()) };
    let is_the_logins = |key: &SshKey| {
        let key = ssh_key::PublicKey::from_openssh(key.as_str());
        let fingerprint = key.ok().and_then(|key| key.fingerprint(HashAlg::Sha256).sha256());
        fingerprint.is_some_and(|fingerprint| fingerprint == *made_with.as_bytes())
    };
    if person.ssh_keys.iter().any(is_the_logins) {
        return Ok(person.clone());
    }
    let own = snapshot.passkeys(&person.id)?;
    let is_by_passkey =
        own.iter().any(|(_, known)| sha256(known.passkey.key.as_slice()) == made_with);
    match is_by_passkey && is_vouched_for(snapshot, &person.id)? {
        true => Ok(person.clone()),
        false => Err(Fault::Unauthenticated {
            detail: "the login has ended, as the policy no longer has the SSH key that it was made with, or the passkey was given up",
            hint: "log in again with a key that it has: jit-ca login --key FILE",
        }),
    }
}

/// Whether it is somebody of the user file, or has a login that an issuer vouched for, which is asked again: by a passkey
/// alone it never would be.
pub(super) fn is_vouched_for(snapshot: &Snapshot, subject: &SubjectId) -> Result<bool, Fault> {
    let now = clock::now();
    let is_by_token = |login: &LoginRecord| login.key.is_none() && login.window.contains(now);
    let mut open = snapshot.open_logins(subject)?.into_iter();
    Ok(subject.is_local() || open.any(|(_, login)| is_by_token(&login)))
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
