//! Who calls: a person with a login that is open now.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use jit_ca_core::workflow::Refusal;
use jit_ca_core::{ActorRef, RefusalCode, UnixTime};
use jit_ca_policy::{Person, SshKey};
use ssh_key::HashAlg;

use super::Fault;
use crate::app::App;
use crate::policy::Policy;
use crate::store::{LoginRecord, Snapshot};

/// A person with an open login. Made from a login certificate whose key TLS has proven.
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
    /// The login certificate's serial.
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
        let person = person(&policy, &login)?;
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
        let person = person(&policy, &self.login)?;
        Ok(Cow::Owned(Self { policy, person, ..self.clone() }))
    }

    /// The same, if the login has a second factor. All but enrolling one needs it.
    ///
    /// # Errors
    /// If it has none.
    pub fn with_mfa(self) -> Result<Self, Fault> {
        match self.login.mfa_at {
            Some(_) => Ok(self),
            None => Err(Fault::Refused(Refusal::new(
                RefusalCode::MfaRequired,
                "this login can only enrol a second factor",
            ))),
        }
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

/// Whose login it is, as the policy has that person. Whoever lost a key has it taken out of the user file, and whoever
/// found it may have logged in with it before.
pub(super) fn person(policy: &Policy, login: &LoginRecord) -> Result<Person, Fault> {
    let person = policy.bundle.person(&login.subject).ok_or(Fault::login_ended())?;
    let is_the_logins = |key: &SshKey| {
        let key = ssh_key::PublicKey::from_openssh(key.as_str());
        let fingerprint = key.ok().and_then(|key| key.fingerprint(HashAlg::Sha256).sha256());
        fingerprint.is_some_and(|fingerprint| fingerprint == *login.key.as_bytes())
    };
    match person.ssh_keys.iter().any(is_the_logins) {
        true => Ok(person.clone()),
        false => Err(Fault::Unauthenticated {
            detail: "the login has ended, as the policy no longer has the SSH key that it was made with",
            hint: "log in again with a key that it has: jit-ca login --key FILE",
        }),
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
