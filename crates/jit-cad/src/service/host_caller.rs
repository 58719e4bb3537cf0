//! Who calls, where it is a host.

use jit_ca_core::UnixTime;
use jit_ca_log::hash::sha256;

use super::Fault;
use crate::app::App;
use crate::store::HostRecord;

/// A host with an open login. It is no [`Caller`](super::Caller), so that no call of a person's or a workload's takes it.
#[derive(Clone, Debug)]
pub struct HostCaller {
    /// The host, as it has enrolled.
    pub host: HostRecord,
    /// The serial of the login that it calls by.
    pub login: Vec<u8>,
}

impl HostCaller {
    /// The host with the login certificate of this serial, which the TLS handshake has verified.
    ///
    /// # Errors
    /// If the login is not a host's, or is over; or the host is revoked, or enrolled by another key since.
    pub fn identify(app: &App, serial: &[u8], now: UnixTime) -> Result<Self, Fault> {
        let ended = |detail| Fault::Unauthenticated { detail, hint: AGAIN };
        let snapshot = app.store.read()?;
        let login = snapshot.login(serial)?.ok_or(ended("the login has ended"))?;
        if !login.subject.is_host() {
            return Err(Fault::Unauthenticated {
                detail: "the login is not a host's, and only hosts make this call",
                hint: "call from the host: jit-ca-host renew",
            });
        }
        if login.ended || !login.window.contains(now) {
            return Err(ended("the login has ended"));
        }
        let known = snapshot.subject(&login.subject)?.ok_or(ended("the login has ended"))?;
        let host = snapshot.host(known.actor)?.filter(|host| host.revoked.is_none());
        let host = host.ok_or(ended("the host is revoked"))?;
        if login.key != Some(sha256(host.key.as_slice())) {
            return Err(ended("the host has enrolled by another key since"));
        }
        Ok(Self { host, login: serial.to_vec() })
    }
}

const AGAIN: &str = "log in with the host key: jit-ca-host renew; once the host is revoked, enrol it by another key";
