//! A host's certificate: for the names and the key that it has enrolled with, and nothing of the call.

use jit_ca_api::HostCertificate as Answer;
use jit_ca_cert::ssh::HostCertificate;
use jit_ca_cert::{BACKDATE, Intent, Signed, SubjectKey};
use jit_ca_core::IssuanceId;
use jit_ca_core::event::Event;

use super::must_be_enrolled_here;
use crate::app::App;
use crate::clock::{self, Millis};
use crate::issuer::{Issuance, IssueError, intended};
use crate::sequencer::{CommitError, Proposal};
use crate::service::certificate::ssh_serial;
use crate::service::login::must_not_be_many;
use crate::service::past::{must_not_be_held, past};
use crate::service::{ATTEMPTS, CallKey, Fault, HostCaller, locking, repeated_by};
use crate::store::{Clash, HostRecord, Reply, Resource};

/// A new certificate of the host that calls.
///
/// # Errors
/// If the host is revoked or locked, this CA enrols no host of its names any more, or the log can't be written.
pub async fn renew(app: &App, caller: &HostCaller, key: &CallKey) -> Result<Answer, Fault> {
    for _ in 0..ATTEMPTS {
        let (snapshot, now) = (app.store.read()?, clock::now_millis());
        // It may have changed since the call began.
        let host = snapshot.host(caller.host.actor)?;
        let host = host.filter(|host| host.is_known_by(caller.host.key.as_slice()));
        let host = host.ok_or(Fault::Unauthenticated {
            detail: "the host is revoked, or has enrolled by another key",
            hint: "enrol it anew: jit-ca host token NAME, and there jit-ca-host enroll",
        })?;
        if let Some(certificate) = again(app, &host, key).await? {
            return Ok(certificate);
        }
        if let Some(lock) = snapshot.lock_on(&[&host.subject], None)? {
            return Err(Fault::Refused(locking::refusal(&lock)));
        }
        must_not_be_many(app, &host.subject)?;
        let Certified { issuance, intent, intention } = certify(app, &host, now)?;
        let mut proposal = Proposal::decided_at(now.time(), vec![(host.actor, intention)]);
        let (resource, at) = (Resource::Issuance(issuance.id), now.time());
        let actor = host.actor;
        proposal.reply = Some(Reply { actor, key: key.key, call: key.call, resource, at });
        match app.issuer.issue(issuance, intent, &app.keys.ssh_host, proposal).await {
            Ok((signed, _)) => return Ok(answer(&signed)),
            Err(IssueError::Commit(CommitError::Clash(
                Clash::Late | Clash::Lock | Clash::Host | Clash::Taken | Clash::Call,
            ))) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// A certificate that is to be issued, and its entry.
pub(super) struct Certified {
    pub(super) issuance: Issuance,
    pub(super) intent: Intent<HostCertificate>,
    pub(super) intention: Event,
}

/// A certificate of the host's key for its names, from now on.
pub(super) fn certify(app: &App, host: &HostRecord, now: Millis) -> Result<Certified, Fault> {
    let hosts = must_be_enrolled_here(app, (&host.host, &host.aliases))?;
    let id = IssuanceId::new(now.0, clock::random()?);
    let serial = ssh_serial(now)?;
    let content = HostCertificate {
        key: SubjectKey::from_ssh_blob(host.key.as_slice())?,
        serial,
        issuance: id,
        host: host.host.clone(),
        aliases: host.aliases.clone(),
        issued: now.time(),
        end: now.time().plus(hosts.certificate),
        nonce: clock::random()?,
    };
    let validity = (content.issued.minus(BACKDATE), content.end);
    let intent = Intent::new(content, app.keys.ssh_host.public())?;
    let serial = serial.as_u64().to_be_bytes().to_vec();
    let intention = intended(id, &intent, serial, validity, None);
    Ok(Certified { issuance: Issuance { id, grant: None, actor: host.actor }, intent, intention })
}

/// What the same call made before. If no daemon has signed it yet, it is only signed while one could be issued.
pub(super) async fn again(
    app: &App,
    host: &HostRecord,
    key: &CallKey,
) -> Result<Option<Answer>, Fault> {
    let snapshot = app.store.read()?;
    let Some(Resource::Issuance(issuance)) = repeated_by(&snapshot, host.actor, key)? else {
        return Ok(None);
    };
    let (past, _) = past(app, host.actor, issuance)?;
    if past.signature.is_none() {
        if let Some(lock) = snapshot.lock_on(&[&host.subject], None)? {
            return Err(Fault::Refused(locking::refusal(&lock)));
        }
        must_not_be_held(app)?;
    }
    let issuer = (&app.keys.ssh_host, app.keys.ssh_host.public());
    let (signed, _) = app.issuer.issue_again::<HostCertificate>(past, issuer).await?;
    Ok(Some(answer(&signed)))
}

pub(super) fn answer(signed: &Signed<HostCertificate>) -> Answer {
    let HostCertificate { host, aliases, end, .. } = signed.content().clone();
    Answer { certificate: signed.text(), host, aliases, expires: end }
}
