//! Hosts: people make tokens for them and revoke them; they enrol, log in, and get certificates.

mod certificate;
mod enrolment;
mod login;

use std::collections::BTreeSet;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_api::{Host, HostRevokeCall, HostToken, HostTokenCall};
use jit_ca_cert::SubjectKey;
use jit_ca_core::event::{HostRevoked, HostTokenMade};
use jit_ca_core::statement::Kind;
use jit_ca_core::workflow::Refusal;
use jit_ca_core::{Action, HostName, Hosts, PersonName, RefusalCode, Span};
use jit_ca_log::hash::sha256;
use jit_ca_log::sshsig;

pub use certificate::renew;
pub use enrolment::enrol;
pub use login::log_in;

use super::{ATTEMPTS, Again, CallKey, Caller, Fault, again, locking};
use crate::app::App;
use crate::clock;
use crate::config;
use crate::sequencer::{CommitError, Proposal};
use crate::store::{HostRecord, Resource, Snapshot};

/// How long a token can be used where nothing else is said, and at most.
const TOKEN_LIFE: Span = Span::from_secs(60 * 60);
const LONGEST_TOKEN_LIFE: Span = Span::from_secs(24 * 60 * 60);
/// A certificate may have 256 principals (SSHKEY_CERT_MAX_PRINCIPALS); nobody means that many.
const MOST_ALIASES: usize = 32;

/// All hosts that have enrolled, by name.
///
/// # Errors
/// If they can't be read.
pub fn list(app: &App) -> Result<Vec<Host>, Fault> {
    let host = |record: HostRecord| Host {
        key: sha256(record.key.as_slice()),
        subject: record.subject,
        host: record.host,
        aliases: record.aliases,
        enrolled: record.enrolled,
        revoked: record.revoked,
    };
    let mut hosts: Vec<Host> = app.store.read()?.hosts()?.into_iter().map(host).collect();
    hosts.sort_by(|a, b| a.host.cmp(&b.host));
    Ok(hosts)
}

/// The keys of hosts that clients are to refuse, as in an authorized keys file.
///
/// # Errors
/// If they can't be read.
pub fn revoked_keys(app: &App) -> Result<Vec<String>, Fault> {
    let keys = app.store.read()?.revoked_host_keys()?;
    let lines = keys.iter().map(|key| Ok(SubjectKey::from_ssh_blob(key)?.to_openssh("revoked")));
    lines.collect()
}

/// Makes a one-use token by which a host enrols under these names.
///
/// # Errors
/// If this CA enrols no such host, the policy does not let the caller, or a name is another host's. If the same call made
/// one before: it is not known any more.
pub async fn make_token(
    app: &App,
    caller: &Caller,
    call: &HostTokenCall,
    key: &CallKey,
) -> Result<HostToken, Fault> {
    let HostTokenCall { host, aliases, duration } = call;
    let life = duration.unwrap_or(TOKEN_LIFE);
    if life.is_zero() || life > LONGEST_TOKEN_LIFE {
        let detail = format!("a token can't be used for {life}");
        return Err(Fault::bad(detail, "write up to 24h, such as 1h"));
    }
    PersonName::of_host(host).map_err(|error| Fault::bad(error.to_string(), NAME_HINT))?;
    if aliases.len() > MOST_ALIASES || aliases.contains(host) {
        let detail = format!("{host} can't have these aliases");
        return Err(Fault::bad(detail, "name up to 32, and not the host's name itself"));
    }
    let action = Action::EnrolHost;
    for _ in 0..ATTEMPTS {
        if app.repeated(caller, key)?.is_some() {
            let detail = "this call has made a token before, and a token is shown once";
            return Err(Fault::bad(detail, "make another: jit-ca host token NAME"));
        }
        let caller = &*caller.today(app)?;
        let now = clock::now();
        let names: BTreeSet<HostName> = std::iter::once(host).chain(aliases).cloned().collect();
        let mut facts = caller.facts(action, now);
        facts.hosts = Some(Hosts::Named(names));
        let decision = app.ask(caller, facts)?;
        locking::must_not_be_locked(app, caller, Some(action))?;
        let names = (host, aliases);
        must_be_enrolled_here(app, names)
            .and_then(|_| must_be_free(&app.store.read()?, names))
            .map_err(|fault| match fault {
                Fault::Refused(refusal) => {
                    app.refused(caller, Some(action), refusal, Some(decision.clone()))
                }
                fault => fault,
            })?;
        let token = Base64UrlUnpadded::encode_string(&clock::random::<32>()?);
        let expires = now.plus(life);
        let made = HostTokenMade {
            token: sha256(token.as_bytes()),
            host: host.clone(),
            aliases: aliases.clone(),
            expires,
            by: caller.person.id.clone(),
            name: caller.person.name.clone(),
            login: caller.serial.clone().into(),
            decision,
        };
        let mut proposal = Proposal::decided_at(now, vec![(caller.actor, made.into())]);
        proposal.rest_on(&caller.policy);
        proposal.reply = Some(caller.reply(key, Resource::Host, now));
        match again(app, caller, app.sequencer.commit(proposal).await).await? {
            Ok(_) => {
                let (host, aliases) = (host.clone(), aliases.clone());
                return Ok(HostToken { token, host, aliases, expires });
            }
            Err(Again::Decide | Again::Repeated) => {}
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// Revokes a host, by its name or an alias. Whoever may `lock` may: it takes access away, also while everything is locked.
///
/// # Errors
/// If the policy does not let the caller, or there is no such host.
pub async fn revoke(
    app: &App,
    caller: &Caller,
    name: &str,
    call: &HostRevokeCall,
    key: &CallKey,
) -> Result<(), Fault> {
    for _ in 0..ATTEMPTS {
        if app.repeated(caller, key)?.is_some() {
            return Ok(());
        }
        let caller = &*caller.today(app)?;
        let now = clock::now();
        let mut facts = caller.facts(Action::Lock, now);
        facts.reason = Some(call.reason.clone());
        let decision = app.ask(caller, facts)?;
        let named = name.parse().ok().map(|name: HostName| app.store.read()?.host_named(&name));
        let Some(host) = named.transpose()?.flatten() else {
            let text = format!("no host is called {name}, or it is revoked already");
            let refusal = Refusal::new(RefusalCode::HostUnchanged, text);
            return Err(app.refused(caller, Some(Action::Lock), refusal, Some(decision)));
        };
        let revoked = HostRevoked {
            subject: host.subject,
            reason: call.reason.clone(),
            by: caller.person.id.clone(),
            name: caller.person.name.clone(),
            login: caller.serial.clone().into(),
            decision,
        };
        let mut proposal = Proposal::decided_at(now, vec![(host.actor, revoked.into())]);
        proposal.rest_on(&caller.policy);
        proposal.reply = Some(caller.reply(key, Resource::Host, now));
        match again(app, caller, app.sequencer.commit(proposal).await).await? {
            Ok(_) => return Ok(()),
            Err(Again::Decide | Again::Repeated) => {}
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

type Names<'a> = (&'a HostName, &'a BTreeSet<HostName>);

/// All names must be such as this CA enrols today.
fn must_be_enrolled_here<'a>(
    app: &'a App,
    (host, aliases): Names<'_>,
) -> Result<&'a config::Hosts, Fault> {
    let Some(hosts) = &app.config.hosts else {
        let text = "this CA enrols no hosts: its jit-cad.toml has no [hosts]";
        return Err(Refusal::new(RefusalCode::HostRefused, text).into());
    };
    match std::iter::once(host).chain(aliases).find(|name| !hosts.may_be_called(name)) {
        None => Ok(hosts),
        Some(name) => {
            let text = format!("this CA enrols no host that is called {name}");
            Err(Refusal::new(RefusalCode::HostRefused, text).into())
        }
    }
}

/// No name may be another host's.
fn must_be_free(snapshot: &Snapshot, (host, aliases): Names<'_>) -> Result<(), Fault> {
    for name in std::iter::once(host).chain(aliases) {
        if let Some(other) = snapshot.host_named(name)?.filter(|other| other.host != *host) {
            let text = format!("{name} is a name of the host {}", other.host);
            return Err(Refusal::new(RefusalCode::HostRefused, text).into());
        }
    }
    Ok(())
}

/// The signature without its armour, if it is by the key over the statement.
fn signed_by(
    key: &[u8],
    kind: Kind,
    statement: &str,
    signature: &str,
) -> Option<jit_ca_core::Bytes> {
    let key = ssh_key::PublicKey::from_bytes(key).ok()?;
    let namespace = kind.namespace();
    let blob = sshsig::verify(key.key_data(), &namespace, statement.as_bytes(), signature).ok()?;
    Some(blob.into())
}

const NAME_HINT: &str = "enrol it by another name, and have this one as an alias";
