//! A person's passkeys: added on the page, by a link that the command line asked for, listed and removed.

use jit_ca_core::event::{Assertion, PasskeyAdded, PasskeyRemoved, Registration};
use jit_ca_core::statement;
use jit_ca_core::workflow::Refusal;
use jit_ca_core::{Bytes, Digest, RefusalCode, Span, Text, UnixTime};
use jit_ca_log::hash::sha256;
use jit_ca_log::webauthn;

use super::caller::hex;
use super::{ATTEMPTS, CallKey, Caller, Fault, locking};
use crate::app::App;
use crate::clock;
use crate::identity::{LINK_LIFE, Link};
use crate::page::Page;
use crate::sequencer::{CommitError, Committed, Proposal};
use crate::store::{Clash, PasskeyRecord, Resource, Snapshot};

/// How old the second factor of a call may be that changes which passkeys there are.
const FRESH: Span = Span::from_secs(10 * 60);
/// How many passkeys a person may have.
const MOST: usize = 16;

/// A one-use link to the page, on which the caller adds a passkey; and until when it can be followed.
///
/// # Errors
/// If no page is served, the caller is locked or gave the second factor long ago, or has as many passkeys as may be.
pub fn link(app: &App, caller: &Caller, label: &Text) -> Result<(String, UnixTime), Fault> {
    let page = page(app)?;
    must_be_fresh(app, caller)?;
    locking::must_not_be_locked(app, caller, None)?;
    must_have_room(&app.store.read()?, caller)?;
    let now = clock::now();
    let link = Link {
        subject: caller.person.id.clone(),
        login: caller.serial.clone(),
        label: label.clone(),
        challenge: app.challenges.make(now)?.0,
        expires: now.plus(LINK_LIFE),
    };
    let expires = link.expires;
    // Behind the `#`: no server is sent it, and no log of one has it.
    Ok((format!("{}/#enrol={}", page.origin(), app.links.make(link)?), expires))
}

/// Who follows a link: whoever asked for it, whose login is still open.
///
/// # Errors
/// If the link can't be followed, or the login is over.
pub fn follow(app: &App, secret: &str) -> Result<(Link, Caller), Fault> {
    let now = clock::now();
    let link = app.links.find(secret, now).ok_or_else(|| {
        Fault::no_such("the link has been used, or is too old", "make another: jit-ca passkey add")
    })?;
    let address = std::net::Ipv4Addr::UNSPECIFIED.into();
    let caller = Caller::identify(app, &link.login, address, now)?.with_mfa()?;
    Ok((link, caller))
}

/// What the new passkey answers.
pub fn statement(app: &App, link: &Link) -> String {
    statement::Passkey {
        origin: &app.config.origin,
        subject: &link.subject,
        label: &link.label,
        login: &hex(&link.login),
        challenge: &link.challenge,
    }
    .text()
}

/// Takes a passkey in that answers a link's statement; where the person has one already, by that one's leave.
///
/// # Errors
/// If it can't be followed, or what was sent does not hold.
pub async fn add(
    app: &App,
    secret: &str,
    registration: &Registration,
    consent: Option<&Assertion>,
) -> Result<(), Fault> {
    let page = page(app)?;
    for _ in 0..ATTEMPTS {
        let (link, caller) = follow(app, secret)?;
        locking::must_not_be_locked(app, &caller, None)?;
        let challenge = sha256(statement(app, &link).as_bytes());
        let snapshot = app.store.read()?;
        must_have_room(&snapshot, &caller)?;
        webauthn::registered(&page.party(), &challenge, registration)
            .map_err(|fault| refused(&fault))?;
        let others = snapshot.passkeys(&caller.person.id)?;
        match consent {
            Some(consent) => must_hold(app, &snapshot, &caller, &challenge, consent)?,
            None if others.is_empty() => {}
            None => {
                let text = "you have a passkey, and a further one needs its leave";
                return Err(Fault::Refused(Refusal::new(RefusalCode::MfaRequired, text)));
            }
        }
        let now = clock::now();
        let added = PasskeyAdded {
            subject: caller.person.id.clone(),
            label: link.label.clone(),
            party: page.host().to_owned(),
            login: link.login.clone().into(),
            challenge: link.challenge.clone(),
            registration: registration.clone(),
            consent: consent.cloned(),
        };
        let mut proposal = Proposal::decided_at(now, vec![(caller.actor, added.into())]);
        proposal.rest_on(&caller.policy);
        let result = app.sequencer.commit(proposal).await;
        if written(app, &caller, result).await? {
            app.links.used(&link);
            return Ok(());
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// The caller's passkeys, with their ids; the oldest first.
///
/// # Errors
/// If the store fails.
pub fn list(app: &App, caller: &Caller) -> Result<Vec<(Bytes, PasskeyRecord)>, Fault> {
    let mut found = app.store.read()?.passkeys(&caller.person.id)?;
    found.sort_by_key(|(_, record)| record.added);
    Ok(found)
}

/// Gives a passkey of the caller's up. Logins to the page that it made end with it.
///
/// # Errors
/// If it is not one of the caller's, or the caller gave the second factor long ago.
pub async fn remove(app: &App, caller: &Caller, id: &Bytes, key: &CallKey) -> Result<(), Fault> {
    for _ in 0..ATTEMPTS {
        if app.repeated(caller, key)?.is_some() {
            return Ok(());
        }
        let caller = &*caller.today(app)?;
        must_be_fresh(app, caller)?;
        let known = app.store.read()?.passkey(id.as_slice())?;
        if known.is_none_or(|known| known.subject != caller.person.id) {
            return Err(Fault::NotFound("passkey"));
        }
        let now = clock::now();
        let removed = PasskeyRemoved {
            subject: caller.person.id.clone(),
            passkey: id.clone(),
            login: caller.serial.clone().into(),
        };
        let mut proposal = Proposal::decided_at(now, vec![(caller.actor, removed.into())]);
        proposal.rest_on(&caller.policy);
        proposal.reply = Some(caller.reply(key, Resource::Login, now));
        let result = app.sequencer.commit(proposal).await;
        if written(app, caller, result).await? {
            return Ok(());
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// Checks that it was signed with a passkey of the caller's, on the page.
///
/// # Errors
/// If it was not.
pub fn must_hold(
    app: &App,
    snapshot: &Snapshot,
    caller: &Caller,
    challenge: &Digest,
    assertion: &Assertion,
) -> Result<(), Fault> {
    let known = snapshot.passkey(assertion.passkey.as_slice())?;
    let known = known.filter(|known| known.subject == caller.person.id);
    let known = known.ok_or_else(|| {
        Refusal::new(RefusalCode::WrongStatement, "this passkey is not one of yours")
    })?;
    let passkey = known.with_id(assertion.passkey.clone());
    let party = page(app)?.party();
    match passkey.verify_next(&party, challenge, assertion) {
        Ok(_) => Ok(()),
        // It may be a copy's, of which somebody has to be told.
        Err(fault) => {
            let refusal = Refusal::new(RefusalCode::WrongStatement, fault.to_string());
            Err(app.refused(caller, None, refusal, None))
        }
    }
}

/// The page, if one is served.
///
/// # Errors
/// If none is.
pub fn page(app: &App) -> Result<&Page, Fault> {
    app.page.get().ok_or_else(|| {
        Fault::no_such("this CA serves no page", "have the administrator set [web] in jit-cad.toml")
    })
}

fn refused(fault: &webauthn::Fault) -> Fault {
    Fault::Refused(Refusal::new(RefusalCode::WrongStatement, fault.to_string()))
}

fn must_be_fresh(app: &App, caller: &Caller) -> Result<(), Fault> {
    let age = caller.login.mfa_at.map(|at| clock::now().since(at));
    if age.is_some_and(|age| age <= FRESH) {
        return Ok(());
    }
    let text = format!("passkeys are changed within {FRESH} of a login, with its second factor");
    Err(app.refused(caller, None, Refusal::new(RefusalCode::MfaTooOld, text), None))
}

fn must_have_room(snapshot: &Snapshot, caller: &Caller) -> Result<(), Fault> {
    match snapshot.passkeys(&caller.person.id)?.len() < MOST {
        true => Ok(()),
        false => Err(Fault::bad(
            format!("you have {MOST} passkeys, and nobody has more"),
            "remove one: jit-ca passkey remove",
        )),
    }
}

/// Whether it is in the log; if not, it is decided again.
pub(super) async fn written(
    app: &App,
    caller: &Caller,
    result: Result<Committed, CommitError>,
) -> Result<bool, Fault> {
    match result {
        Ok(_) => Ok(true),
        Err(CommitError::Clash(Clash::Bundle)) => {
            app.policy_after(&caller.policy).await?;
            Ok(false)
        }
        Err(CommitError::Clash(Clash::Login)) => Err(Fault::login_ended()),
        Err(CommitError::Clash(_)) => Ok(false),
        Err(error) => Err(Fault::Commit(error)),
    }
}
