//! Another policy while the daemon runs: read, checked and tested as at its start, and in force from one call to the next.
//!
//! ```text
//! jit-cad reload, SIGHUP, a start ──> read, check, test ──> activate: its entries, then calls go by it
//!                                                      └──> propose: an entry; a second administrator activates it
//! ```
//!
//! What has faults changes nothing, and neither does what is in force already.

mod told;

use std::sync::Arc;

use jit_ca_core::event::{Asker, Event};
use jit_ca_core::{ActorRef, Digest, SubjectId, UnixTime};
use tokio::signal::unix::Signal;

use crate::activation::{Activation, Pseudonyms};
use crate::app::App;
use crate::clock;
use crate::config::{Config, Faults};
use crate::policy::Policy;
use crate::sequencer::{CommitError, Committed, Proposal};
use crate::service::{Fault, blocking};
use crate::store::Clash;

pub use told::{Outcome, Reloaded};

/// A policy that waits for a second administrator.
#[derive(Debug)]
pub struct Proposed {
    /// The policy, as it was read.
    pub policy: Arc<Policy>,
    /// Who had it read.
    pub asked: Asker,
    /// When.
    pub at: UnixTime,
    activation: Activation,
}

/// Why nothing was reloaded. The policy in force goes on being in force.
#[derive(Debug, thiserror::Error)]
pub enum NotReloaded {
    /// What was read has faults.
    #[error("the configuration has faults, and the policy in force stays\n{0}")]
    Faults(Faults),
    /// It could not be done.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Reads the policy again. Activates it, or proposes it where a second administrator is wanted.
///
/// # Errors
/// If it has faults, or the log can't be written.
pub async fn reload(app: &Arc<App>, asked: Asker) -> Result<Reloaded, NotReloaded> {
    let mut proposed = app.proposed.lock().await;
    let file = app.config_file.clone();
    let read = blocking(move || Ok(Config::read_with_policy(&file))).await?;
    let (config, policy) = read.map_err(NotReloaded::Faults)?;
    let restart = config != app.config;
    let (policy, in_force) = (Arc::new(policy), app.policy());
    let done = |outcome, entry| Reloaded::new(outcome, entry, &in_force, &policy, restart);
    if policy.hash == in_force.hash {
        let outcome = match proposed.take() {
            Some(waited) => Outcome::Withdrawn(waited.policy.hash),
            None => Outcome::Unchanged,
        };
        return Ok(done(outcome, None));
    }
    if !app.config.second_administrator {
        let entry = activate(app, Arc::clone(&policy), asked, Ready::default()).await?;
        return Ok(done(Outcome::Activated, Some(entry)));
    }
    if proposed.as_ref().is_some_and(|waits| waits.policy.hash == policy.hash) {
        return Ok(done(Outcome::Waits, None));
    }
    let (waits, entry) = propose(app, Arc::clone(&policy), asked).await?;
    *proposed = Some(waits);
    Ok(done(Outcome::Proposed, Some(entry)))
}

/// What an approval brings to an activation.
#[derive(Debug, Default)]
pub struct Ready<'a> {
    /// What was proposed; the activation has to change exactly that.
    pub proposed: Option<&'a Proposed>,
    /// The entry that says who approved it, and when that was decided.
    pub approval: Option<(UnixTime, ActorRef, Event)>,
    /// Whom issuers vouched for when it was approved.
    pub vouching: Option<u64>,
    /// What the call made.
    pub reply: Option<crate::store::Reply>,
}

/// Has the log say that a policy is in force, and then calls go by it. Gives the index of the entry that says so.
///
/// Whoever calls holds [`App::proposed`], and is not stopped in between: until the new policy is there, whatever was
/// decided by the old one waits for it.
///
/// # Errors
/// If the log can't be written, or what was proposed would change something else by now.
pub async fn activate(
    app: &App,
    policy: Arc<Policy>,
    asked: Asker,
    ready: Ready<'_>,
) -> Result<u64, Fault> {
    // Nobody is erased meanwhile whom it lists.
    let _alone = app.erasing.lock().await;
    let seen = ready.proposed.map(|proposed| &proposed.activation);
    let pseudonyms = seen.map_or_else(Pseudonyms::new, |seen| seen.pseudonyms.clone());
    let Some(activation) = way_to(app, &policy, pseudonyms)? else {
        return Err(Fault::Commit(CommitError::Clash(Clash::Bundle)));
    };
    let is_other = |seen: &Activation| {
        (&seen.changes, &seen.files) != (&activation.changes, &activation.files)
    };
    if seen.is_some_and(is_other) {
        return Err(Fault::Commit(CommitError::Clash(Clash::Bundle)));
    }
    let (decided, approval) = match ready.approval {
        Some((decided, actor, event)) => (Some(decided), Some((actor, event))),
        None => (None, None),
    };
    let mut proposal = Proposal::new(activation.entries(asked, approval));
    proposal.decided = decided;
    proposal.bundle = app.store.read()?.bundle()?;
    proposal.vouching = ready.vouching;
    proposal.reply = ready.reply;
    let last = proposal.entries.len().saturating_sub(1);
    let committed = app.sequencer.commit(proposal).await.map_err(Fault::Commit)?;
    app.exchange_policy(&policy).map_err(Fault::from)?;
    Ok(entry(&committed, last))
}

/// Has the log say that a policy is proposed. Gives the index of the entry that says so.
///
/// # Errors
/// If the log can't be written.
pub async fn propose(
    app: &App,
    policy: Arc<Policy>,
    asked: Asker,
) -> Result<(Proposed, u64), Fault> {
    let Some(activation) = way_to(app, &policy, Pseudonyms::new())? else {
        return Err(Fault::Commit(CommitError::Clash(Clash::Bundle)));
    };
    let proposal = Proposal::new(vec![(ActorRef::DAEMON, activation.proposed(asked))]);
    let committed = app.sequencer.commit(proposal).await.map_err(Fault::Commit)?;
    Ok((Proposed { policy, asked, at: clock::now(), activation }, entry(&committed, 0)))
}

/// The way from the bundle that the log lists to this one.
fn way_to(app: &App, policy: &Policy, pseudonyms: Pseudonyms) -> Result<Option<Activation>, Fault> {
    let snapshot = app.store.read()?;
    let actor = |subject: &SubjectId| -> Result<_, Fault> {
        Ok(snapshot.subject(subject)?.map(|known| known.actor))
    };
    Activation::new(&snapshot.listed()?, &policy.listed, actor, pseudonyms)
}

fn entry(committed: &Committed, nth: usize) -> u64 {
    committed.first.saturating_add(u64::try_from(nth).unwrap_or(u64::MAX))
}

/// Reloads at each SIGHUP. Nobody waits for what comes of it: the daemon's own log says it.
pub async fn on_signal(app: Arc<App>, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        match reload(&app, Asker::Signal).await {
            Ok(reloaded) => tracing::info!("{reloaded}"),
            Err(error) => {
                tracing::error!(error = crate::failure::with_causes(&error), "nothing is reloaded");
            }
        }
    }
    // The runtime hears no signals any more: nothing is left to be done for one.
    std::future::pending::<()>().await;
}

impl Proposed {
    /// The hash that it is approved by.
    pub fn hash(&self) -> Digest {
        self.policy.hash
    }
}
