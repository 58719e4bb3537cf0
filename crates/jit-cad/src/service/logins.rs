//! A person's logins: which are open, and their end.

use jit_ca_api::{OpenLogin, Which};
use jit_ca_core::event::LoggedOut;
use jit_ca_core::{Action, PersonName, UnixTime};

use super::caller::{hex, idle_end, person};
use super::{ATTEMPTS, Again, CallKey, Caller, Fault, again, repeated_by};
use crate::app::App;
use crate::clock;
use crate::sequencer::Proposal;
use crate::store::{Resource, Snapshot};

/// The logins that something can be done with now: the caller's, or with the policy's leave another person's. The newest
/// is the first.
///
/// # Errors
/// If there is no such person, the policy does not let the caller administer, or the store fails.
pub fn list(app: &App, caller: &Caller, of: Option<&PersonName>) -> Result<Vec<OpenLogin>, Fault> {
    let now = clock::now();
    let subject = match of.filter(|name| **name != caller.person.name) {
        None => &caller.person.id,
        Some(name) => {
            app.ask(caller, caller.facts(Action::Administer, now))?;
            let person = caller.policy.bundle.person_named(name);
            &person.ok_or(Fault::NotFound("person"))?.id
        }
    };
    let snapshot = app.store.read()?;
    let mut logins = Vec::new();
    for (serial, login) in snapshot.open_logins(subject)? {
        let (last_used, idle_ends) = idle_end(app, &snapshot, &serial, &login)?;
        let is_used = last_used <= now && now < idle_ends;
        // As the next call by it would be judged.
        if !login.window.contains(now)
            || !is_used
            || person(&caller.policy, &snapshot, &login).is_err()
        {
            continue;
        }
        logins.push(OpenLogin {
            serial: hex(&serial),
            since: login.window.start(),
            address: login.address,
            key: login.key,
            mfa_at: login.mfa_at,
            last_used,
            idle_ends,
            expires: login.window.end(),
            is_this: serial == caller.serial,
        });
    }
    Ok(logins)
}

/// Ends logins of the caller's.
///
/// # Errors
/// If the caller has no such login that is open, or the log can't be written.
pub async fn end(app: &App, caller: &Caller, which: &Which, key: &CallKey) -> Result<(), Fault> {
    for _ in 0..ATTEMPTS {
        if app.repeated(caller, key)?.is_some() {
            return Ok(());
        }
        let now = clock::now();
        let ended = |login: Vec<u8>| {
            let ended = LoggedOut { subject: caller.person.id.clone(), login: login.into() };
            (caller.actor, ended.into())
        };
        let serials = serials(&app.store.read()?, caller, which, now)?;
        // Whoever wants to be logged out wants that also later.
        let mut proposal = Proposal::new(serials.into_iter().map(ended).collect());
        proposal.reply = Some(caller.reply(key, Resource::Login, now));
        match again(app, caller, app.sequencer.commit(proposal).await).await {
            Ok(Ok(_) | Err(Again::Repeated)) => return Ok(()),
            // One of them has ended meanwhile: that of the call, if it is the only one.
            Ok(Err(Again::Decide)) => {}
            Err(Fault::Unauthenticated { .. }) if *which != Which::This => {
                Caller::identify(app, &caller.serial, caller.address, now)?;
            }
            Err(Fault::Unauthenticated { .. }) => return Ok(()),
            Err(fault) => return Err(fault),
        }
    }
    Err(Fault::Commit(crate::sequencer::CommitError::Busy))
}

/// Whether the same call was made by this login before, which ended it: the answer may have been lost.
///
/// # Errors
/// If the key was used for another call, or the store fails.
pub fn had_ended(app: &App, serial: &[u8], key: &CallKey) -> Result<bool, Fault> {
    let snapshot = app.store.read()?;
    let Some(login) = snapshot.login(serial)?.filter(|login| login.ended) else {
        return Ok(false);
    };
    let Some(subject) = snapshot.subject(&login.subject)? else { return Ok(false) };
    Ok(repeated_by(&snapshot, subject.actor, key)?.is_some())
}

fn serials(
    snapshot: &Snapshot,
    caller: &Caller,
    which: &Which,
    now: UnixTime,
) -> Result<Vec<Vec<u8>>, Fault> {
    let open = snapshot.open_logins(&caller.person.id)?.into_iter();
    let open = open.filter(|(_, login)| login.window.contains(now)).map(|(serial, _)| serial);
    let found: Vec<Vec<u8>> = match which {
        Which::This => vec![caller.serial.clone()],
        Which::All => open.collect(),
        Which::One(serial) => open.filter(|known| hex(known) == *serial).collect(),
    };
    if found.is_empty() { Err(Fault::NotFound("login")) } else { Ok(found) }
}
