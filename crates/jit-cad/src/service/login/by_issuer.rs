//! Logging in with what an issuer says.

use std::net::IpAddr;
use std::sync::Arc;

use jit_ca_api::{Credential, IssuerLoginCall};
use jit_ca_cert::SubjectKey;
use jit_ca_core::UnixTime;
use jit_ca_policy::{Issuer, Vouches};

use super::entry::Accepted;
use super::{
    Login, Written, again_by, device, login_key, login_refused, must_not_be_many, must_not_wait,
    refuse_locked, said_no, write,
};
use crate::app::App;
use crate::clock::{self, Millis};
use crate::identity::{Brought, Network, NothingSaid, Proof, Said};
use crate::issuer::x509_serial;
use crate::provider::Doing;
use crate::providers::Reached;
use crate::recheck;
use crate::sequencer::CommitError;
use crate::service::certificate::csr_der;
use crate::service::vouching::vouch;
use crate::service::{ATTEMPTS, CallKey, Fault, blocking};

/// Logs a person or a workload in for whom an issuer vouches: asks it, and certifies the login key.
///
/// # Errors
/// If the issuer is not reached, or says nothing that counts; whoever brings a token is told what is wrong with it.
pub async fn log_in_by_issuer(
    app: &App,
    call: &IssuerLoginCall,
    address: IpAddr,
    key: &CallKey,
) -> Result<Login, Fault> {
    let arrived = clock::now();
    must_not_wait(app.failed_addresses.wait(&Network::of(address), arrived))?;
    let login_key = login_key(&csr_der(&call.csr)?)?;
    let issuer = app.policy().bundle.issuer(&call.issuer).cloned();
    let issuer = issuer.ok_or_else(|| no_such_issuer(call.issuer.as_str()))?;
    let digest = login_key.spki_digest();
    let statement = |challenge| device::sign_on(app, &issuer.name, challenge, &digest);
    let (brought, sign_on) = match &call.credential {
        Credential::Code { challenge, code, verifier, redirect_uri } => {
            must_be_open(app, challenge, address, arrived)?;
            let brought = Brought::Code {
                challenge: challenge.clone(),
                code: code.clone(),
                verifier: verifier.clone(),
                redirect_uri: redirect_uri.clone(),
            };
            (brought, statement(challenge))
        }
        Credential::Device { challenge } => {
            let (of, from) = ((&issuer.name, &digest), (address, arrived));
            if let Some(login) = device::again(app, challenge, of, from, key).await? {
                return Ok(login);
            }
            must_be_open(app, challenge, address, arrived)?;
            (device::brought(app, challenge, (&issuer, &digest), from)?, statement(challenge))
        }
        Credential::Token(token) => (Brought::Token(token.clone()), String::new()),
    };

    // 1. What does the issuer say?
    let said = ask(app, &issuer, brought, sign_on, arrived).await?;
    if let Credential::Device { challenge } = &call.credential {
        device::settle(app, challenge, &said)?;
    }
    let said = said.map_err(|nothing| match nothing {
        NothingSaid::Provider(fault) if fault.doing() == Doing::Provider => Fault::Issuer(fault),
        nothing => {
            let _counted = refuse(app, address, arrived, "");
            match nothing {
                NothingSaid::Provider(fault) => Fault::Issuer(fault),
                nothing => said_no(&nothing.to_string()),
            }
        }
    })?;
    if let Some(login) = again_by(app, &said.subject, address, key).await? {
        return Ok(login);
    }
    if let Proof::Token { token, .. } = said.proof()
        && app.store.read()?.is_used(token)?
    {
        return Err(refuse(app, address, arrived, "the token was used before"));
    }

    // 2. The log knows whose login it is to be.
    vouch(app, &issuer, (&said.subject, &said.vouched)).await?;
    let login = log_in(app, &issuer, &said, &login_key, (address, key)).await?;
    if let Credential::Device { challenge } = &call.credential {
        app.devices.logged_in(challenge, &said.subject);
    }
    Ok(login)
}

/// A sign-on answers a challenge of ours, in time and once.
fn must_be_open(app: &App, challenge: &str, address: IpAddr, now: UnixTime) -> Result<(), Fault> {
    match app.challenges.knows(challenge, now) && !app.store.read()?.is_spent(challenge)? {
        true => Ok(()),
        false => Err(refuse(app, address, now, "the sign-on took too long, or was used before")),
    }
}

async fn log_in(
    app: &App,
    issuer: &Issuer,
    said: &Said,
    login_key: &SubjectKey,
    (address, key): (IpAddr, &CallKey),
) -> Result<Login, Fault> {
    let recheck = match &issuer.vouches {
        Vouches::People(people) => people.recheck,
        Vouches::Workloads(_) => None,
    };
    // Whoever can't be asked about again has to come again by then.
    let most = recheck.filter(|_| said.refresh.is_none()).unwrap_or(app.config.login_longest);
    for _ in 0..ATTEMPTS {
        let policy = app.policy_with_vouched()?;
        let snapshot = app.store.read()?;
        let authenticated = said.of(&policy.bundle).ok_or_else(login_refused)?;
        if let Some(lock) = snapshot.lock_on(&[&said.subject], None)? {
            return Err(refuse_locked(app, &said.subject, address, &lock)?);
        }
        must_not_be_many(app, &said.subject)?;
        let known = snapshot.subject(&said.subject)?.ok_or(Fault::NotFound("subject"))?;
        let accepted = Accepted::new(authenticated, login_key, (known.actor, address));
        let (issuance, intent, mut proposal) =
            accepted.propose(app, (clock::now_millis(), most), key)?;
        proposal.rest_on(&policy);
        if let Some(refresh) = said.refresh.as_ref().filter(|_| recheck.is_some()) {
            let serial = x509_serial(issuance.id);
            proposal.secrets = vec![recheck::kept(app, &said.subject, &serial, refresh)?];
        }
        match write(app, &policy, (issuance, intent, proposal), address).await? {
            Written::Login(login) => return Ok(login),
            Written::Twice => {
                let again = again_by(app, &said.subject, address, key).await?;
                return again.ok_or_else(login_refused);
            }
            Written::Used => {
                return Err(refuse(app, address, clock::now(), "the token was used before"));
            }
            Written::Anew => {}
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// What the issuer says, on a thread that may wait for it.
async fn ask(
    app: &App,
    issuer: &Issuer,
    brought: Brought,
    sign_on: String,
    now: UnixTime,
) -> Result<Result<Said, NothingSaid>, Fault> {
    let provider = provider(app, issuer).await?;
    let not_before = app.store.read()?.last_acknowledgement()?.map(Millis::time);
    let issuer = issuer.clone();
    blocking(move || {
        Ok(provider.ask(|asked| Said::ask(asked, &issuer, &brought, &sign_on, (not_before, now))))
    })
    .await
}

/// The issuer as it is asked.
///
/// # Errors
/// If it is set up so that it can't be.
pub async fn provider(app: &App, issuer: &Issuer) -> Result<Arc<Reached>, Fault> {
    let (providers, issuer) = (app.providers.clone(), issuer.clone());
    blocking(move || {
        providers.of(&issuer).map_err(|failure| Fault::Internal(failure.to_string().into()))
    })
    .await
}

/// Nothing is called so that the policy names.
pub fn no_such_issuer(name: &str) -> Fault {
    let hint = "name one that the policy has: GET /v1/issuers lists them";
    Fault::no_such(format!("there is no issuer {name}"), hint)
}

/// Who a stranger's token is from is not known, and so it is no entry of anybody's.
pub(super) fn refuse(app: &App, address: IpAddr, now: UnixTime, what: &str) -> Fault {
    app.failed_addresses.failed(&Network::of(address), now);
    app.count_stranger(now);
    said_no(what)
}
