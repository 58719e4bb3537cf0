//! What callers can have done: each function is one call, from checked input to written entries.
//!
//! A service reads a snapshot, asks the policy, asks the workflow, proposes entries, and starts again if
//! what it rested on has changed meanwhile. It knows no HTTP.

pub mod access;
pub mod acknowledgement;
pub mod approval;
pub mod asking;
mod caller;
pub mod certificate;
#[cfg(test)]
mod days;
pub mod ending;
mod fault;
pub mod feed;
pub mod grant_file;
mod host_caller;
pub mod hosts;
pub mod locking;
pub mod log;
pub mod login;
pub mod logins;
pub mod page_login;
pub mod passkeys;
mod past;
pub mod policy;
pub mod resets;
pub mod second_factor;
pub mod sessions;
mod signature;
pub mod standing;
pub mod starting;
pub mod step_up;
pub mod vouching;

use std::sync::Arc;

use jit_ca_core::event::{Decided, Refused};
use jit_ca_core::workflow::Refusal;
use jit_ca_core::{Action, ActorRef, Digest, Facts, Outcome, UnixTime};

pub use caller::Caller;
pub use fault::Fault;
pub use host_caller::HostCaller;
pub use signature::signed_by;

use crate::app::App;
use crate::clock;
use crate::sequencer::{CommitError, Committed, Proposal};
use crate::store::{Clash, KeyName, Reply, Resource, Snapshot};

/// How often a call is decided again because something changed under it, or the log took too long.
pub const ATTEMPTS: usize = 8;

/// A call that can be made again: its idempotency key, and what it said, as a hash.
#[derive(Clone, Copy, Debug)]
pub struct CallKey {
    /// The idempotency key.
    pub key: KeyName,
    /// SHA-256 of method, path and body.
    pub call: Digest,
}

/// What the same call had made before in this state; nothing if it is new.
///
/// # Errors
/// If the key was used for another call.
fn repeated(
    snapshot: &Snapshot,
    caller: &Caller,
    call: &CallKey,
) -> Result<Option<Resource>, Fault> {
    repeated_by(snapshot, caller.actor, call)
}

/// The same of whom this pseudonym is.
fn repeated_by(
    snapshot: &Snapshot,
    actor: ActorRef,
    call: &CallKey,
) -> Result<Option<Resource>, Fault> {
    match snapshot.reply(actor, call.key)? {
        Some(reply) if reply.call == call.call => Ok(Some(reply.resource)),
        Some(_) => Err(Fault::KeyReused),
        None => Ok(None),
    }
}

impl App {
    /// What the same call made before; nothing if it is new.
    ///
    /// # Errors
    /// If the key was used for another call.
    fn repeated(&self, caller: &Caller, call: &CallKey) -> Result<Option<Resource>, Fault> {
        repeated(&self.store.read()?, caller, call)
    }

    /// Asks the policy. A no of it is an entry, and a refusal.
    fn ask(&self, caller: &Caller, facts: Facts) -> Result<Decided, Fault> {
        let decision = jit_ca_policy::decide(&caller.policy.bundle, &facts);
        let decided = Decided { facts, decision };
        if decided.decision.outcome == Outcome::Allow {
            return Ok(decided);
        }
        let reason = decided.decision.reasons.first();
        let refusal = match reason {
            Some(reason) => Refusal::new(reason.code, reason.text.clone()),
            None => Refusal::new(jit_ca_core::RefusalCode::NotPermitted, "no rule permits it"),
        };
        Err(self.refused(caller, Some(decided.facts.action), refusal, Some(decided)))
    }

    /// Has the refusal of a known subject recorded.
    fn refused(
        &self,
        caller: &Caller,
        action: Option<Action>,
        refusal: Refusal,
        decision: Option<Decided>,
    ) -> Fault {
        let now = clock::now();
        // Who is refused all the time is slowed down, so that refusals can't fill the log.
        if let Err(wait) = self.refusals.take(&caller.person.id, now) {
            return Fault::SlowDown { wait };
        }
        let entry = Refused {
            subject: caller.person.id.clone(),
            action,
            code: refusal.code,
            detail: refusal.text.clone(),
            address: caller.address,
            bundle: decision.as_ref().map(|_| caller.policy.hash),
            decision,
        };
        self.sequencer.commit_soon(Proposal::new(vec![(caller.actor, entry.into())]));
        Fault::Refused(refusal)
    }
}

/// Reading a whole log takes its time: it is done where no call waits for it.
///
/// # Errors
/// What the work comes to, or that it was not done.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Fault::Internal(Box::new(error)))?
}

/// The same, for a caller who reads much, when it is the caller's turn.
///
/// # Errors
/// As [`blocking`].
pub async fn in_turn<T: Send + 'static>(
    app: &Arc<App>,
    caller: &Caller,
    work: impl FnOnce(&App) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (turns, app) = (&app.turns, Arc::clone(app));
    let done = turns.run(&caller.person.id, move || work(&app)).await;
    done.map_err(|error| Fault::Internal(Box::new(error)))?
}

/// Whether the caller may read the log's entries.
///
/// # Errors
/// If the policy does not let the caller.
pub fn may_read_log(app: &App, caller: &Caller) -> Result<(), Fault> {
    app.ask(caller, caller.facts(Action::ReadLog, clock::now())).map(drop)
}

impl Caller {
    /// The facts of anything that this caller wants to do.
    fn facts(&self, action: Action, now: UnixTime) -> Facts {
        Facts {
            action,
            subject: self.person.id.clone(),
            now,
            address: self.address,
            mfa_at: self.login.mfa_at,
            means: self.login.means.clone(),
            role: None,
            requester: None,
            hosts: None,
            duration: None,
            reason: None,
            ticket: None,
        }
    }

    fn reply(&self, call: &CallKey, resource: Resource, at: UnixTime) -> Reply {
        Reply { actor: self.actor, key: call.key, call: call.call, resource, at }
    }
}

/// What a commit that did not succeed means for the call.
enum Again {
    /// Decide again.
    Decide,
    /// The same call came in twice at once, and the other was first.
    Repeated,
}

/// Whether to decide again, by the policy that is in force then; other errors end the call.
async fn again(
    app: &App,
    caller: &Caller,
    result: Result<Committed, CommitError>,
) -> Result<Result<Committed, Again>, Fault> {
    match result {
        Ok(committed) => Ok(Ok(committed)),
        Err(CommitError::Clash(Clash::Bundle)) => {
            app.policy_after(&caller.policy).await?;
            Ok(Err(Again::Decide))
        }
        Err(CommitError::Clash(Clash::Call)) => Ok(Err(Again::Repeated)),
        Err(CommitError::Clash(Clash::Login)) => Err(Fault::login_ended()),
        Err(CommitError::Clash(_)) => Ok(Err(Again::Decide)),
        Err(error) => Err(Fault::Commit(error)),
    }
}
