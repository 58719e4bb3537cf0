//! A host enrols: a token says that it may, its key that it is the one.

use std::net::IpAddr;

use jit_ca_api::{EnrolCall, HostCertificate};
use jit_ca_cert::SubjectKey;
use jit_ca_core::event::{Event, HostEnrolled, SubjectKnown};
use jit_ca_core::statement::{self, Kind};
use jit_ca_core::workflow::Refusal;
use jit_ca_core::{ActorRef, PersonName, RefusalCode, SubjectId, UnixTime};
use jit_ca_log::hash::sha256;

use super::certificate::{self, Certified};
use super::{must_be_enrolled_here, must_be_free, signed_by};
use crate::app::App;
use crate::clock;
use crate::identity::Network;
use crate::issuer::IssueError;
use crate::sequencer::{CommitError, Proposal};
use crate::service::login::{must_not_be_many, must_not_wait, refuse_locked, refuse_stranger};
use crate::service::{ATTEMPTS, CallKey, Fault};
use crate::store::{Clash, HostRecord, Reply, Resource, Snapshot};

/// Enrols a host by a token, and certifies its key. It takes the place of what the host had before.
///
/// # Errors
/// If the token is none that can be used; it is for other names; the key is of a kind that is not certified, was given up
/// or revoked, or did not sign; or a name is another host's.
pub async fn enrol(
    app: &App,
    call: &EnrolCall,
    address: IpAddr,
    key: &CallKey,
) -> Result<HostCertificate, Fault> {
    let arrived = clock::now();
    must_not_wait(app.failed_addresses.wait(&Network::of(address), arrived))?;
    let public_key = SubjectKey::from_openssh(&call.public_key)
        .inspect_err(|_| drop(refuse_stranger(app, address, arrived)))?;
    for _ in 0..ATTEMPTS {
        if let Some(certificate) = again(app, &public_key, key).await? {
            return Ok(certificate);
        }
        let (snapshot, begins) = (app.store.read()?, clock::now_millis());
        let enrolled = verify(app, &snapshot, (call, &public_key), address, begins.time())?;
        app.failed_addresses.succeeded(&Network::of(address));
        if let Some(lock) = snapshot.lock_on(&[&enrolled.subject], None)? {
            return Err(refuse_locked(app, &enrolled.subject, address, &lock)?);
        }
        must_not_be_many(app, &enrolled.subject)?;

        let (actor, known) = actor(&snapshot, &enrolled)?;
        let host = HostRecord {
            subject: enrolled.subject.clone(),
            actor,
            host: enrolled.host.clone(),
            aliases: enrolled.aliases.clone(),
            key: enrolled.key.clone(),
            enrolled: begins.time(),
            revoked: None,
        };
        let Certified { issuance, intent, intention } = certificate::certify(app, &host, begins)?;
        let entries = known.into_iter().chain([(actor, enrolled.into()), (actor, intention)]);
        let mut proposal = Proposal::decided_at(begins.time(), entries.collect());
        let (resource, at) = (Resource::Issuance(issuance.id), begins.time());
        proposal.reply = Some(Reply { actor, key: key.key, call: key.call, resource, at });
        match app.issuer.issue(issuance, intent, &app.keys.ssh_host, proposal).await {
            Ok((signed, _)) => return Ok(certificate::answer(&signed)),
            Err(IssueError::Commit(CommitError::Clash(
                Clash::Late | Clash::Lock | Clash::Host | Clash::Code | Clash::Taken | Clash::Call,
            ))) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// What the enrolment's entry says, if all of it holds.
fn verify(
    app: &App,
    snapshot: &Snapshot,
    (call, public_key): (&EnrolCall, &SubjectKey),
    address: IpAddr,
    now: UnixTime,
) -> Result<HostEnrolled, Fault> {
    let EnrolCall { token, host, aliases, signature, .. } = call;
    let token = sha256(token.trim().as_bytes());
    let known = snapshot.host_token(&token)?.filter(|known| now < known.expires);
    let Some(known) = known else {
        drop(refuse_stranger(app, address, now));
        let detail = "the token is none of this CA, was used, or is too old".to_owned();
        let hint = "have another made: jit-ca host token NAME. It works once";
        return Err(Fault::NotVouched { detail, hint });
    };
    if known.host != *host || known.aliases != *aliases {
        let aliases: Vec<String> = known.aliases.iter().map(ToString::to_string).collect();
        let detail = match aliases.is_empty() {
            true => format!("the token is for {} without aliases", known.host),
            false => {
                format!("the token is for {} with the aliases {}", known.host, aliases.join(", "))
            }
        };
        return Err(Fault::bad(detail, "enrol by exactly these names, or have another token made"));
    }
    must_be_enrolled_here(app, (host, aliases))?;
    must_be_free(snapshot, (host, aliases))?;

    let key = public_key.ssh_blob();
    let other = snapshot.host_with_key(&key)?;
    if other.is_some_and(|other| other.host != *host || !other.is_known_by(&key)) {
        let text = "the key is another host's, was given up for another, or is revoked";
        return Err(Refusal::new(RefusalCode::HostRefused, text).into());
    }
    // The statement is made anew from what is acted on; only the signature comes from the caller.
    let statement = statement::Host {
        origin: &app.config.origin,
        pin: &app.pin(),
        host,
        aliases,
        token: &token,
        key: &sha256(&key),
    };
    let signature = signed_by(&key, Kind::Host, &statement.text(), signature);
    let signature = signature.ok_or_else(|| {
        let text = "the host key did not sign for this enrolment";
        Refusal::new(RefusalCode::NoPossession, text)
    })?;
    Ok(HostEnrolled {
        subject: SubjectId::of_host(host),
        host: host.clone(),
        aliases: aliases.clone(),
        key: key.into(),
        token,
        signature,
        address,
    })
}

/// The host's pseudonym; where it has none yet, with the entry that gives it one.
fn actor(
    snapshot: &Snapshot,
    enrolled: &HostEnrolled,
) -> Result<(ActorRef, Option<(ActorRef, Event)>), Fault> {
    if let Some(known) = snapshot.subject(&enrolled.subject)? {
        return Ok((known.actor, None));
    }
    let actor = ActorRef::from_bytes(clock::random()?);
    let name = PersonName::of_host(&enrolled.host);
    let name = name.map_err(|error| Fault::Internal(Box::new(error)))?;
    let known = SubjectKnown { subject: enrolled.subject.clone(), name, actor };
    Ok((actor, Some((actor, known.into()))))
}

/// The certificate that the same call made before; its answer may not have arrived.
async fn again(
    app: &App,
    public_key: &SubjectKey,
    key: &CallKey,
) -> Result<Option<HostCertificate>, Fault> {
    let snapshot = app.store.read()?;
    let blob = public_key.ssh_blob();
    let host = snapshot.host_with_key(&blob)?.filter(|host| host.is_known_by(&blob));
    match host {
        Some(host) => certificate::again(app, &host, key).await,
        None => Ok(None),
    }
}
