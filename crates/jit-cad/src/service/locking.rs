//! Locks: what is stopped at once, and by whom.

use jit_ca_api::{Lock, LockCall};
use jit_ca_core::event::{Event, LockLifted, LockSet, Locked, Officer};
use jit_ca_core::workflow::Refusal;
use jit_ca_core::{Action, ActorRef, PersonName, RefusalCode, RoleName, SubjectId, Text};

use super::{ATTEMPTS, Again, CallKey, Caller, Fault, again};
use crate::app::App;
use crate::clock;
use crate::sequencer::{CommitError, Proposal};
use crate::store::{Clash, LockRecord, Resource, Snapshot};

/// Whether to lock or to unlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// From here on it is stopped.
    Lock,
    /// It is stopped no longer.
    Unlock,
}

/// The locks that hold.
///
/// # Errors
/// If they can't be read.
pub fn held(app: &App) -> Result<Vec<Lock>, Fault> {
    let snapshot = app.store.read()?;
    let mut locks = Vec::new();
    for record in snapshot.locks()? {
        let name = match &record.lock {
            Locked::Subject(subject) => snapshot.subject(subject)?.map(|known| known.name.clone()),
            Locked::All | Locked::Role(_) => None,
        };
        let (lock, by, reason) = (record.lock, record.by, record.reason);
        locks.push(Lock { lock, name, by, reason, since: record.since, entry: record.entry });
    }
    Ok(locks)
}

/// Locks or unlocks a subject, a role or everything.
///
/// # Errors
/// If there is no such thing, the policy does not let the caller, or it is so already; or to unlock, if the caller is
/// locked.
pub async fn turn(
    app: &App,
    caller: &Caller,
    turn: Turn,
    call: &LockCall,
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
        let snapshot = app.store.read()?;
        let lock = named(caller, &snapshot, &call.what)?;
        if turn == Turn::Unlock {
            must_not_be_locked(app, caller, Some(Action::Lock))?;
        }
        must_change(&snapshot.locks()?, &lock, turn).map_err(|refusal| {
            app.refused(caller, Some(Action::Lock), refusal, Some(decision.clone()))
        })?;
        let by = Officer::Person {
            subject: caller.person.id.clone(),
            name: caller.person.name.clone(),
            decision: Box::new(decision),
        };
        let entry = entry(turn, lock, by, call.reason.clone());
        let mut proposal = Proposal::decided_at(now, vec![(caller.actor, entry)]);
        proposal.rest_on(&caller.policy);
        proposal.reply = Some(caller.reply(key, Resource::Lock, now));
        match again(app, caller, app.sequencer.commit(proposal).await).await? {
            Ok(_) => return Ok(()),
            Err(Again::Decide | Again::Repeated) => {}
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// Lifts a lock on the daemon's machine: the way out where everything is locked, and nobody can log in. Gives the
/// index of the entry.
///
/// # Errors
/// If it is not there.
pub async fn unlock_here(app: &App, call: &LockCall, uid: u32) -> Result<u64, Fault> {
    let LockCall { what, reason } = call;
    for _ in 0..ATTEMPTS {
        let Some(held) = held(app)?.into_iter().find(|held| is_named(held, what)) else {
            let detail = format!("{what} is not locked");
            return Err(Fault::no_such(detail, "`jit-cad unlock` without a name tells what is"));
        };
        let entry = entry(Turn::Unlock, held.lock, Officer::Machine { uid }, reason.clone());
        let proposal = Proposal::new(vec![(ActorRef::DAEMON, entry)]);
        match app.sequencer.commit(proposal).await {
            Ok(committed) => return Ok(committed.first),
            Err(CommitError::Clash(Clash::Lock)) => {}
            Err(error) => return Err(Fault::Commit(error)),
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// Nothing of this may be locked.
///
/// # Errors
/// If it is: the lock's reason, as an entry and a refusal.
pub fn must_be_open(
    app: &App,
    caller: &Caller,
    action: Option<Action>,
    subjects: &[&SubjectId],
    role: Option<&RoleName>,
) -> Result<(), Fault> {
    match app.store.read()?.lock_on(subjects, role)? {
        None => Ok(()),
        Some(lock) => Err(app.refused(caller, action, refusal(&lock), None)),
    }
}

/// Who is locked only takes access away: what else there is to vouch for is for others.
///
/// # Errors
/// If the caller is locked: as [`must_be_open`].
pub fn must_not_be_locked(app: &App, caller: &Caller, action: Option<Action>) -> Result<(), Fault> {
    must_be_open(app, caller, action, &[&caller.person.id], None)
}

/// What somebody is told whom a lock stops.
pub fn refusal(lock: &LockRecord) -> Refusal {
    let LockRecord { lock, reason, since, .. } = lock;
    Refusal::new(RefusalCode::Locked, format!("{lock} is locked since {since}: {reason}"))
}

fn entry(turn: Turn, lock: Locked, by: Officer, reason: Text) -> Event {
    match turn {
        Turn::Lock => LockSet { lock, by, reason }.into(),
        Turn::Unlock => LockLifted { lock, by, reason }.into(),
    }
}

fn must_change(locks: &[LockRecord], lock: &Locked, turn: Turn) -> Result<(), Refusal> {
    let refuse = |text: String| Err(Refusal::new(RefusalCode::LockUnchanged, text));
    match (turn, locks.iter().find(|record| record.lock == *lock)) {
        (Turn::Lock, Some(record)) => {
            refuse(format!("{lock} is locked since {}: {}", record.since, record.reason))
        }
        (Turn::Unlock, None) => refuse(format!("{lock} is not locked")),
        _ => Ok(()),
    }
}

/// What the caller means: everything, a person or a role. Also one that has left the policy, by id or by name, of which
/// there is anything to stop, or a lock to lift.
fn named(caller: &Caller, snapshot: &Snapshot, what: &str) -> Result<Locked, Fault> {
    let bundle = &caller.policy.bundle;
    let person = |text: &str| -> Result<Option<Locked>, Fault> {
        let by_name = text.parse::<PersonName>().ok();
        let by_name = by_name.and_then(|name| bundle.person_named(&name));
        if let Some(person) = by_name {
            return Ok(Some(Locked::Subject(person.id.clone())));
        }
        let Ok(id) = text.parse::<SubjectId>() else { return Ok(None) };
        let known = bundle.person(&id).is_some() || snapshot.subject(&id)?.is_some();
        Ok(known.then_some(Locked::Subject(id)))
    };
    let locks = snapshot.locks()?;
    let role = |text: &str| -> Result<Option<Locked>, Fault> {
        let Ok(role) = text.parse::<RoleName>() else { return Ok(None) };
        let lock = Locked::Role(role.clone());
        let known = bundle.role(&role).is_some()
            || snapshot.roles_asked_for()?.contains(&role)
            || locks.iter().any(|held| held.lock == lock);
        Ok(known.then_some(lock))
    };
    let found = match what.split_once(':') {
        Some(("person", name)) => person(name)?,
        Some(("role", name)) => role(name)?,
        Some(_) => None,
        None if what == "all" => Some(Locked::All),
        None => match (person(what)?, role(what)?) {
            (Some(_), Some(_)) => {
                let detail = format!("a person and a role are called {what}");
                return Err(Fault::bad(detail, "write person:NAME or role:NAME"));
            }
            (person, role) => person.or(role),
        },
    };
    found.ok_or_else(|| {
        let detail = format!("there is no person and no role {what:?}");
        let hint = "name a person, a person's id such as local/u-1001, a role, or all";
        Fault::no_such(detail, hint)
    })
}

/// Whether a lock is what an administrator means by `what`. Also of a person or a role that no policy knows any more.
fn is_named(held: &Lock, what: &str) -> bool {
    let name = |kind: &str| what.strip_prefix(kind).unwrap_or(what);
    match &held.lock {
        Locked::All => what == "all",
        Locked::Subject(subject) => {
            let person = name("person:");
            let is_called = held.name.as_ref().is_some_and(|name| name.as_str() == person);
            is_called || person == subject.to_string()
        }
        Locked::Role(role) => name("role:") == role.as_str(),
    }
}
