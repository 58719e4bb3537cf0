//! A host logs in with the key that it enrolled with.

use std::net::IpAddr;

use jit_ca_api::HostLoginCall;
use jit_ca_cert::x509::LoginCertificate;
use jit_ca_cert::{BACKDATE, Intent};
use jit_ca_core::event::HostLoggedIn;
use jit_ca_core::statement::{HostLogin, Kind};
use jit_ca_core::{IssuanceId, PersonName, UnixTime, Window};

use super::signed_by;
use crate::app::App;
use crate::clock;
use crate::identity::Network;
use crate::issuer::{Issuance, IssueError, intended, x509_serial};
use crate::sequencer::{CommitError, Proposal};
use crate::service::certificate::{called, csr_der};
use crate::service::login::{
    login_key, must_not_be_many, must_not_wait, refuse_locked, refuse_stranger,
};
use crate::service::past::{must_not_be_held, past};
use crate::service::{ATTEMPTS, CallKey, Fault, HostCaller, repeated_by};
use crate::store::{Clash, HostRecord, Reply, Resource};

/// A host's login.
#[derive(Debug)]
pub struct Login {
    /// The certificate, as PEM.
    pub certificate: String,
    /// When it ends.
    pub expires: UnixTime,
}

/// Logs a host in, and certifies its login key.
///
/// # Errors
/// If it is not the host, or the host is revoked or locked.
pub async fn log_in(
    app: &App,
    call: &HostLoginCall,
    address: IpAddr,
    key: &CallKey,
) -> Result<Login, Fault> {
    let arrived = clock::now();
    must_not_wait(app.failed_addresses.wait(&Network::of(address), arrived))?;
    let stranger = || refuse_stranger(app, address, arrived);
    let login_key = login_key(&csr_der(&call.csr)?).inspect_err(|_| drop(stranger()))?;
    for _ in 0..ATTEMPTS {
        let (snapshot, begins) = (app.store.read()?, clock::now_millis());
        // An alias is no name to log in by.
        let host = snapshot.host_named(&call.host)?.filter(|host| host.host == call.host);
        let host = host.ok_or_else(stranger)?;
        if let Some(login) = again(app, &host, key).await? {
            return Ok(login);
        }
        // The statement is made anew from what is acted on; only the signature comes from the caller.
        let statement = HostLogin {
            origin: &app.config.origin,
            pin: &app.pin(),
            host: &host.host,
            challenge: &call.challenge,
            login_key: &login_key.spki_digest(),
        };
        let key_of_host = host.key.as_slice();
        let signature = signed_by(key_of_host, Kind::HostLogin, &statement.text(), &call.signature);
        let is_asked = app.challenges.knows(&call.challenge, arrived);
        let signature = signature.filter(|_| is_asked).ok_or_else(stranger)?;
        if snapshot.is_spent(&call.challenge)? {
            return Err(stranger());
        }
        if let Some(lock) = snapshot.lock_on(&[&host.subject], None)? {
            return Err(refuse_locked(app, &host.subject, address, &lock)?);
        }
        must_not_be_many(app, &host.subject)?;

        let (now, actor) = (begins.time(), host.actor);
        let end = now.plus(app.config.login_longest).min(app.authorities.logins.end());
        let window = Window::new(now, end).map_err(|error| Fault::Internal(Box::new(error)))?;
        let id = IssuanceId::new(begins.0, clock::random()?);
        let name = PersonName::of_host(&host.host);
        let name = name.map_err(|error| Fault::Internal(Box::new(error)))?;
        let content = LoginCertificate {
            key: login_key.clone(),
            issuance: id,
            name: called(app, &name, actor),
            subject: actor,
            trust_domain: app.config.trust_domain.clone(),
            window,
        };
        let intent = Intent::new(content, &app.authorities.logins)?;
        let serial = x509_serial(id);
        let logged_in = HostLoggedIn {
            subject: host.subject.clone(),
            host: host.host.clone(),
            challenge: call.challenge.clone(),
            login_key: login_key.spki_digest(),
            signature,
            address,
            serial: serial.clone().into(),
            window,
        };
        let validity = (window.start().minus(BACKDATE), window.end());
        let intention = intended(id, &intent, serial, validity, None);
        let entries = vec![(actor, logged_in.into()), (actor, intention)];
        let mut proposal = Proposal::decided_at(now, entries);
        let resource = Resource::Issuance(id);
        proposal.reply = Some(Reply { actor, key: key.key, call: key.call, resource, at: now });
        let issuance = Issuance { id, grant: None, actor };
        match app.issuer.issue(issuance, intent, &app.keys.logins, proposal).await {
            Ok((signed, _)) => {
                app.failed_addresses.succeeded(&Network::of(address));
                return Ok(Login { certificate: signed.text(), expires: window.end() });
            }
            Err(IssueError::Commit(CommitError::Clash(
                Clash::Late | Clash::Lock | Clash::Host | Clash::Challenge | Clash::Call,
            ))) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// The login that the same call made before. If no daemon has signed it yet, it is only signed while it could be used.
async fn again(app: &App, host: &HostRecord, key: &CallKey) -> Result<Option<Login>, Fault> {
    let reply = repeated_by(&app.store.read()?, host.actor, key)?;
    let Some(Resource::Issuance(issuance)) = reply else { return Ok(None) };
    let (past, _) = past(app, host.actor, issuance)?;
    if past.signature.is_none() {
        HostCaller::identify(app, &x509_serial(issuance), clock::now())?;
        must_not_be_held(app)?;
    }
    let issuer = (&app.keys.logins, &app.authorities.logins);
    let (signed, _) = app.issuer.issue_again::<LoginCertificate>(past, issuer).await?;
    Ok(Some(Login { certificate: signed.text(), expires: signed.content().window.end() }))
}
