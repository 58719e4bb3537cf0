//! Logging in.

mod by_certificate;
mod by_issuer;
mod device;
mod entry;

use std::net::IpAddr;
use std::sync::Arc;

use jit_ca_api::LoginCall;
use jit_ca_cert::x509::LoginCertificate;
use jit_ca_cert::{Intent, SubjectKey, pkcs10};
use jit_ca_core::event::Refused;
use jit_ca_core::workflow::Refusal;
use jit_ca_core::{KeyType, PersonName, RefusalCode, Span, SubjectId, UnixTime};

use self::entry::Accepted;
use super::certificate::csr_der;
use super::past::{must_not_be_held, past};
use super::{ATTEMPTS, CallKey, Caller, Fault, locking};
use crate::app::App;
use crate::clock;
use crate::identity::{Authenticated, Network, UnverifiedLogin, Verdict, verify};
use crate::issuer::{Issuance, IssueError, x509_serial};
use crate::page::Page;
use crate::policy::Policy;
use crate::sequencer::{CommitError, Proposal};
use crate::store::{Clash, LockRecord, Resource, Snapshot};

pub use by_certificate::log_in_by_certificate;
pub use by_issuer::{log_in_by_issuer, no_such_issuer, provider};
pub use device::{begin_device, confirm_device, deny_device, find_device};

/// A login certificate, and the serial that the login goes by.
#[derive(Debug)]
pub struct Login {
    /// The certificate, as PEM.
    pub certificate: String,
    /// Its serial.
    pub serial: Vec<u8>,
}

/// Logs a person in: verifies who it is, and certifies the login key.
///
/// # Errors
/// If it is not the person (never saying what was wrong), or too many attempts failed before.
pub async fn log_in(
    app: &App,
    call: &LoginCall,
    address: IpAddr,
    key: &CallKey,
) -> Result<Login, Fault> {
    let arrived = clock::now();
    must_not_wait(app.failed_addresses.wait(&Network::of(address), arrived))?;
    if let Some(login) = again(app, &call.name, address, key).await? {
        return Ok(login);
    }
    let login_key = login_key(&csr_der(&call.csr)?).inspect_err(|_| {
        refuse_stranger(app, address, arrived);
    })?;

    // The code was right when it came: where the log takes too long, or the policy changes, who it is is asked again
    // about that time.
    let login = UnverifiedLogin { call, login_key: &login_key };
    for _ in 0..ATTEMPTS {
        // 1. Who is it?
        let policy = app.policy();
        let snapshot = app.store.read()?;
        let authenticated = authenticate(app, &policy, &snapshot, &login, (address, arrived))?;
        let person = authenticated.person();
        if let Some(lock) = snapshot.lock_on(&[&person.id], None)? {
            return Err(refuse_locked(app, &person.id, address, &lock)?);
        }

        // 2. The login, and the certificate of its key.
        must_not_be_many(app, &person.id)?;
        let known = snapshot.subject(&person.id)?.ok_or(Fault::NotFound("subject"))?;
        let accepted = Accepted::new(authenticated, &login_key, (known.actor, address));
        let (issuance, intent, mut proposal) =
            accepted.propose(app, (clock::now_millis(), app.config.login_longest), key)?;
        proposal.rest_on(&policy);
        match write(app, &policy, (issuance, intent, proposal), address).await? {
            Written::Login(login) => return Ok(login),
            Written::Twice => {
                return again(app, &call.name, address, key).await?.ok_or_else(login_refused);
            }
            Written::Used => {
                app.failed_codes.failed(&person.id, arrived);
                return Err(refuse_known(app, &person.id, address, arrived)?);
            }
            Written::Anew => {}
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// What became of a login that was to be written.
enum Written {
    Login(Login),
    /// The same call came in twice at once, and the other was first.
    Twice,
    /// Somebody was faster with the same code, challenge or token.
    Used,
    /// What it rested on is not so any more: it is decided anew.
    Anew,
}

/// Writes a login, and signs its certificate.
async fn write(
    app: &App,
    policy: &Arc<Policy>,
    (issuance, intent, proposal): (Issuance, Intent<LoginCertificate>, Proposal),
    address: IpAddr,
) -> Result<Written, Fault> {
    let id = issuance.id;
    let clash = match app.issuer.issue(issuance, intent, &app.keys.logins, proposal).await {
        Ok((signed, _)) => {
            app.failed_addresses.succeeded(&Network::of(address));
            let serial = x509_serial(id);
            return Ok(Written::Login(Login { certificate: signed.text(), serial }));
        }
        Err(IssueError::Commit(CommitError::Clash(clash))) => clash,
        Err(error) => return Err(error.into()),
    };
    match clash {
        Clash::Call => Ok(Written::Twice),
        Clash::Code | Clash::Challenge | Clash::Passkey => Ok(Written::Used),
        Clash::Bundle => {
            app.policy_after(policy).await?;
            Ok(Written::Anew)
        }
        Clash::Late | Clash::Lock | Clash::Access | Clash::Login | Clash::Reset | Clash::Host => {
            Ok(Written::Anew)
        }
        clash => Err(Fault::Commit(CommitError::Clash(clash))),
    }
}

/// Each login is an entry, and costs time of everybody's.
pub(super) fn must_not_be_many(app: &App, subject: &SubjectId) -> Result<(), Fault> {
    app.logins.take(subject, clock::now()).map_err(|wait| Fault::SlowDown { wait })
}

/// The key that is to be used from here on. It is made for each login, so that no other than the usual types is needed.
pub(super) fn login_key(csr: &[u8]) -> Result<SubjectKey, jit_ca_cert::Error> {
    let key = pkcs10::public_key(csr)?;
    match key.key_type() {
        usual if KeyType::USUAL.contains(&usual) => Ok(key),
        other => Err(jit_ca_cert::Error::KeyType { kind: other.to_string() }),
    }
}

/// Who it is, by a policy. A refusal is counted, and is an entry where it is a known subject's.
fn authenticate<'p>(
    app: &App,
    policy: &'p Policy,
    snapshot: &Snapshot,
    login: &UnverifiedLogin<'_>,
    (address, arrived): (IpAddr, UnixTime),
) -> Result<Authenticated<'p>, Fault> {
    let party = app.page.get().map(Page::party);
    let ca = (&app.config.origin, &app.pin(), party);
    let (challenges, kek) = (&app.challenges, &app.keys.kek);
    let verdict = verify(login, &policy.bundle, snapshot, challenges, kek, ca, arrived)?;
    let subject = match &verdict {
        Verdict::Accepted(authenticated) => &authenticated.person().id,
        Verdict::WrongFactor(subject) => subject,
        Verdict::Stranger => return Err(refuse_stranger(app, address, arrived)),
    };
    // Asked of right and wrong codes alike: the answer to a guess must not say that it was right.
    app.failed_codes.attempt(subject, arrived).map_err(|wait| Fault::SlowDown { wait })?;
    match verdict {
        Verdict::Accepted(authenticated) => {
            // It was no guess, whatever comes of the call.
            app.failed_codes.succeeded(&authenticated.person().id);
            Ok(authenticated)
        }
        Verdict::WrongFactor(subject) => Err(refuse_known(app, &subject, address, arrived)?),
        Verdict::Stranger => Err(refuse_stranger(app, address, arrived)),
    }
}

/// The login that the same call made before; its answer may not have arrived.
async fn again(
    app: &App,
    name: &PersonName,
    address: IpAddr,
    key: &CallKey,
) -> Result<Option<Login>, Fault> {
    let policy = app.policy();
    let Some(person) = policy.bundle.person_named(name) else { return Ok(None) };
    again_by(app, &person.id, address, key).await
}

/// The same of a subject that is known. If no daemon has signed it yet, it is only signed while it could be used, and the
/// subject could log in anew.
async fn again_by(
    app: &App,
    subject: &SubjectId,
    address: IpAddr,
    key: &CallKey,
) -> Result<Option<Login>, Fault> {
    let snapshot = app.store.read()?;
    let Some(subject) = snapshot.subject(subject)? else { return Ok(None) };
    let reply = snapshot.reply(subject.actor, key.key)?;
    let reply = reply.filter(|reply| reply.call == key.call);
    let Some(Resource::Issuance(issuance)) = reply.map(|reply| reply.resource) else {
        return Ok(None);
    };
    let (past, _) = past(app, subject.actor, issuance)?;
    let serial = x509_serial(issuance);
    if past.signature.is_none() {
        let caller = Caller::identify(app, &serial, address, clock::now())?;
        locking::must_not_be_locked(app, &caller, None)?;
        must_not_be_held(app)?;
    }
    let issuer = (&app.keys.logins, &app.authorities.logins);
    let (signed, _) = app.issuer.issue_again::<LoginCertificate>(past, issuer).await?;
    Ok(Some(Login { certificate: signed.text(), serial }))
}

pub(super) fn must_not_wait(wait: Span) -> Result<(), Fault> {
    if wait.is_zero() { Ok(()) } else { Err(Fault::SlowDown { wait }) }
}

/// One answer for everything that can be wrong with a login.
fn login_refused() -> Fault {
    Fault::Refused(Refusal::new(RefusalCode::LoginRefused, "the login was refused"))
}

fn refuse_known(
    app: &App,
    subject: &SubjectId,
    address: IpAddr,
    now: UnixTime,
) -> Result<Fault, Fault> {
    app.failed_addresses.failed(&Network::of(address), now);
    let detail = "the SSH key was right, the second factor or the challenge was not";
    record_refusal(app, subject, address, (RefusalCode::LoginRefused, detail))?;
    Ok(login_refused())
}

/// Who has proven who they are is told why not.
pub(super) fn refuse_locked(
    app: &App,
    subject: &SubjectId,
    address: IpAddr,
    lock: &LockRecord,
) -> Result<Fault, Fault> {
    let refusal = locking::refusal(lock);
    record_refusal(app, subject, address, (refusal.code, &refusal.text))?;
    Ok(Fault::Refused(refusal))
}

fn record_refusal(
    app: &App,
    subject: &SubjectId,
    address: IpAddr,
    (code, detail): (RefusalCode, &str),
) -> Result<(), Fault> {
    let (subject, detail) = (subject.clone(), detail.to_owned());
    if let Some(known) = app.store.read()?.subject(&subject)? {
        let (action, decision, bundle) = (None, None, None);
        let refused = Refused { subject, action, code, detail, address, decision, bundle };
        app.sequencer.commit_soon(Proposal::new(vec![(known.actor, refused.into())]));
    }
    Ok(())
}

pub(super) fn refuse_stranger(app: &App, address: IpAddr, now: UnixTime) -> Fault {
    app.failed_addresses.failed(&Network::of(address), now);
    app.count_stranger(now);
    login_refused()
}

/// Whose word, or whose certificate, it was is no secret to whoever brought it.
fn said_no(what: &str) -> Fault {
    let hint = "log in again, or bring another token; if it stays so, ask whoever runs the CA";
    Fault::NotVouched { detail: what.to_owned(), hint }
}
