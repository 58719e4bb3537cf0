//! A hook's question: may this connection be?

use super::Peer;
use super::connection::Connection;
use super::registry::{Arrival, Registry};
use crate::certificate::Accepted;
use crate::clock;
use crate::passwd::Passwd;
use crate::process::Process;
use crate::protocol::{Login, Proof};

/// How many processes may stand between sshd and a guard.
const DEEPEST: usize = 16;

/// Holds the connection that a hook tells of, or says why it is not to be.
pub(super) fn admit(registry: &Registry, peer: Peer, login: &Login) -> Result<(), String> {
    let parent = peer.process.parent().map_err(|error| format!("who asks is gone: {error}"))?;
    let monitor = registry.monitor(parent)?;
    let account = Passwd::find(&login.account)
        .ok_or_else(|| format!("there is no account {}", login.account))?;
    let (certificate, is_session) = match &login.proof {
        Proof::Methods(_) if peer.user != 0 => {
            return Err("only root tells who is let in".to_owned());
        }
        Proof::Methods(methods) => (Accepted::of_methods(methods), true),
        Proof::Offered(blob) => (Accepted::of_base64(blob).map(Some), false),
    };
    let certificate = certificate.map_err(|refused| format!("the certificate: {refused}"))?;
    match &certificate {
        Some(certificate) if clock::now_ms() >= certificate.end_ms() => {
            return Err("the certificate: it is over".to_owned());
        }
        Some(_) => {}
        None => endless(registry, &account)?,
    }
    let from = login.from.clone();
    registry.hold(monitor, Arrival { account, from, certificate, is_session }).map(|_| ())
}

/// Holds the connection of a guard that no hook has told of: where there is no PAM, somebody has come with a key of the
/// host's own.
pub(super) fn admit_unannounced(registry: &Registry, peer: Peer) -> Result<(), String> {
    let account = Passwd::find(&peer.user.to_string())
        .ok_or_else(|| format!("there is no account of the number {}", peer.user))?;
    endless(registry, &account)?;
    let ancestors =
        std::iter::successors(Some(peer.process), |process: &Process| process.parent().ok());
    let mut between = Vec::new();
    let monitor = ancestors.take(DEEPEST).find_map(|process| {
        let monitor = registry.monitor(process).ok();
        between.push(process);
        monitor
    });
    let monitor = monitor.ok_or("a guard is started by sshd, not by hand")?;
    let arrival = Arrival { account, from: None, certificate: None, is_session: true };
    let id = registry.hold(monitor, arrival)?;
    // What sshd has started before is not in the cgroup yet.
    let connections = registry.lock();
    let group = connections.get(&id).map(Connection::group).ok_or("it is over already")?;
    let moved = between.into_iter().try_for_each(|process| group.take(process));
    moved.map_err(|error| format!("the connection can't be held: {error}"))
}

/// Whether an account may be opened without a certificate, and so without an end.
fn endless(registry: &Registry, account: &Passwd) -> Result<(), String> {
    let config = &registry.config;
    match config.sshd.static_keys || config.is_break_glass(&account.name) {
        true => Ok(()),
        false => {
            let (account, host) = (&account.name, &config.host.name);
            Err(format!(
                "{account}@{host} is opened by certificates alone; get one: jit-ca ssh {account}@{host}"
            ))
        }
    }
}
