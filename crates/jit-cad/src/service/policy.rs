//! A policy that waits for a second administrator: seen, and brought into force.

use std::sync::Arc;

use jit_ca_core::event::BundleApproved;
use jit_ca_core::workflow::Refusal;
use jit_ca_core::{Action, Digest, RefusalCode};

use super::{CallKey, Caller, Fault, locking};
use crate::app::App;
use crate::clock;
use crate::policy::Policy;
use crate::reload::{self, Proposed, Ready};
use crate::sequencer::CommitError;
use crate::store::{Clash, Resource};

/// Whether the caller may bring a policy into force, by the one that is in force.
///
/// # Errors
/// If the policy does not let the caller.
pub fn may_administer(app: &App, caller: &Caller) -> Result<(), Fault> {
    app.ask(caller, caller.facts(Action::Administer, clock::now())).map(drop)
}

/// Brings the policy with this hash into force, which must be the one that is proposed.
///
/// # Errors
/// If the policy in force does not let the caller, or a lock, another one or none is proposed, or the log can't be written.
pub async fn activate(
    app: &Arc<App>,
    caller: &Caller,
    hash: Digest,
    key: CallKey,
) -> Result<Digest, Fault> {
    let (app, caller) = (Arc::clone(app), caller.clone());
    // Whoever hangs up does not stop it half way.
    let done = tokio::spawn(async move { approved(&app, &caller, hash, &key).await }).await;
    done.map_err(|error| Fault::Internal(Box::new(error)))?
}

async fn approved(
    app: &App,
    caller: &Caller,
    hash: Digest,
    key: &CallKey,
) -> Result<Digest, Fault> {
    let mut proposed = app.proposed.lock().await;
    // Nothing changes the policy in force while this is held.
    app.policy_with_vouched()?;
    let caller = &*caller.today(app)?;
    if app.repeated(caller, key)?.is_some() {
        return Ok(hash);
    }
    let now = clock::now();
    let decided = app.ask(caller, caller.facts(Action::Administer, now))?;
    locking::must_not_be_locked(app, caller, Some(Action::Administer))?;
    let Some(waits) = proposed.take_if(|waits| waits.hash() == hash) else {
        let text = match proposed.as_ref() {
            Some(waits) => format!("{hash} is not proposed; {} is", waits.hash()),
            None => format!("{hash} is not proposed, and nothing else is"),
        };
        let refusal = Refusal::new(RefusalCode::NotProposed, text);
        return Err(app.refused(caller, Some(Action::Administer), refusal, Some(decided)));
    };
    let approval = BundleApproved {
        hash,
        by: caller.person.id.clone(),
        name: caller.person.name.clone(),
        login: caller.serial.clone().into(),
        decision: decided,
    };
    let (policy, asked): (Arc<Policy>, _) = (Arc::clone(&waits.policy), waits.asked);
    let ready = Ready {
        approval: Some((now, caller.actor, approval.into())),
        vouching: Some(caller.policy.vouching),
        reply: Some(caller.reply(key, Resource::Policy, now)),
        proposed: Some(&waits),
    };
    let done: Result<u64, Fault> = reload::activate(app, policy, asked, ready).await;
    // What would change something else by now is proposed no longer; all else can be tried again.
    if !matches!(done, Ok(_) | Err(Fault::Commit(CommitError::Clash(Clash::Bundle)))) {
        *proposed = Some::<Proposed>(waits);
    }
    match done {
        Ok(_) => Ok(hash),
        Err(Fault::Commit(CommitError::Clash(Clash::Login))) => Err(Fault::login_ended()),
        Err(fault @ Fault::Commit(CommitError::Clash(Clash::Lock))) => {
            locking::must_not_be_locked(app, caller, Some(Action::Administer))?;
            Err(fault)
        }
        Err(fault) => Err(fault),
    }
}
