//! Logging in to the page, by a passkey.

use std::net::IpAddr;

use jit_ca_core::event::{Assertion, PageLoggedIn, Refused};
use jit_ca_core::statement;
use jit_ca_core::workflow::Refusal;
use jit_ca_core::{ActorRef, Bytes, RefusalCode, Span, UnixTime, Window};
use jit_ca_log::hash::sha256;
use jit_ca_log::webauthn;

use super::caller::is_vouched_for;
use super::login::must_not_be_many;
use super::{ATTEMPTS, Fault, locking, passkeys};
use crate::app::App;
use crate::clock;
use crate::identity::Network;
use crate::sequencer::{CommitError, Proposal};
use crate::store::{Clash, PasskeyRecord};

/// How long a login to the page lasts at most. It is begun by one touch.
const LONGEST: Span = Span::from_secs(60 * 60);

/// What whoever logs in sends.
#[derive(Debug)]
pub struct PageLogin<'a> {
    /// What was sent to be answered.
    pub challenge: &'a str,
    /// The passkey's answer.
    pub assertion: &'a Assertion,
    /// Whose it is, as the authenticator has it: the person's pseudonym.
    pub user: &'a Bytes,
}

/// What a passkey answers to log in.
pub fn statement(app: &App, challenge: &str) -> String {
    statement::PageLogin { origin: &app.config.origin, challenge }.text()
}

/// Logs a person in to the page. Gives the secret that the login is known by from here on, of which the log has the hash
/// alone.
///
/// # Errors
/// If the passkey is nobody's or what it signed does not hold (without saying which), or too many attempts failed before.
pub async fn log_in(app: &App, login: &PageLogin<'_>, address: IpAddr) -> Result<[u8; 32], Fault> {
    let page = passkeys::page(app)?;
    let arrived = clock::now();
    let wait = app.failed_addresses.wait(&Network::of(address), arrived);
    if !wait.is_zero() {
        return Err(Fault::SlowDown { wait });
    }
    let secret = clock::random::<32>()?;
    for _ in 0..ATTEMPTS {
        // 1. Who is it?
        let (policy, snapshot) = (app.policy(), app.store.read()?);
        let stranger = || refuse_stranger(app, address, arrived);
        let is_open = app.challenges.knows(login.challenge, arrived)
            && !snapshot.is_spent(login.challenge)?;
        let known = snapshot.passkey(login.assertion.passkey.as_slice())?.filter(|_| is_open);
        let known = known.ok_or_else(stranger)?;
        let person = policy.bundle.person(&known.subject).ok_or_else(stranger)?;
        let subject = snapshot.subject(&known.subject)?.ok_or_else(stranger)?;
        // Section 7.2, step 6: the passkey is the one of whom the authenticator says it is.
        if login.user.as_slice() != subject.actor.as_bytes() {
            return Err(stranger());
        }
        let answered = sha256(statement(app, login.challenge).as_bytes());
        let passkey = known.with_id(login.assertion.passkey.clone());
        match passkey.verify_next(&page.party(), &answered, login.assertion) {
            Ok(_) => {}
            // It was signed by the passkey, or by a copy of it: somebody has to be told.
            Err(fault @ webauthn::Fault::Counter { .. }) => {
                record_refusal(app, &known, subject.actor, address, &fault.to_string());
                return Err(refused_login(app, address, arrived));
            }
            Err(_) => return Err(stranger()),
        }
        if !is_vouched_for(&snapshot, &person.id)? {
            let text = "the issuer that vouches for you has to be asked first: jit-ca login";
            return Err(Fault::Refused(Refusal::new(RefusalCode::LoginRefused, text)));
        }
        if let Some(lock) = snapshot.lock_on(&[&person.id], None)? {
            let refusal = locking::refusal(&lock);
            record_refusal(app, &known, subject.actor, address, &refusal.text);
            return Err(Fault::Refused(refusal));
        }

        // 2. The login.
        must_not_be_many(app, &person.id)?;
        let now = clock::now();
        let end = now.plus(LONGEST.min(app.config.login_longest));
        let window = Window::new(now, end).map_err(|error| Fault::Internal(Box::new(error)))?;
        let logged_in = PageLoggedIn {
            subject: person.id.clone(),
            name: person.name.clone(),
            challenge: login.challenge.to_owned(),
            assertion: login.assertion.clone(),
            address,
            serial: sha256(&secret).as_bytes().as_slice().into(),
            window,
        };
        let mut proposal = Proposal::decided_at(now, vec![(subject.actor, logged_in.into())]);
        proposal.rest_on(&policy);
        match app.sequencer.commit(proposal).await {
            Ok(_) => {
                app.failed_addresses.succeeded(&Network::of(address));
                return Ok(secret);
            }
            Err(CommitError::Clash(Clash::Bundle)) => {
                app.policy_after(&policy).await?;
            }
            Err(CommitError::Clash(Clash::Challenge)) => return Err(stranger()),
            Err(CommitError::Clash(_)) => {}
            Err(error) => return Err(Fault::Commit(error)),
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// Who had the passkey, or a copy of it, was refused: that is an entry, if there are not too many already.
fn record_refusal(
    app: &App,
    known: &PasskeyRecord,
    actor: ActorRef,
    address: IpAddr,
    detail: &str,
) {
    if app.refusals.take(&known.subject, clock::now()).is_err() {
        return;
    }
    let refused = Refused {
        subject: known.subject.clone(),
        action: None,
        code: RefusalCode::LoginRefused,
        detail: detail.to_owned(),
        address,
        decision: None,
        bundle: None,
    };
    app.sequencer.commit_soon(Proposal::new(vec![(actor, refused.into())]));
}

fn refuse_stranger(app: &App, address: IpAddr, now: UnixTime) -> Fault {
    app.count_stranger(now);
    refused_login(app, address, now)
}

/// One answer for everything that can be wrong.
fn refused_login(app: &App, address: IpAddr, now: UnixTime) -> Fault {
    app.failed_addresses.failed(&Network::of(address), now);
    Fault::Refused(Refusal::new(RefusalCode::LoginRefused, "the login was refused"))
}
