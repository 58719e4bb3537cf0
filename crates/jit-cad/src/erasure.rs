//! Erasure: what the log says of a subject, or has said for too long, is forgotten, and every proof stays valid.
//!
//! ```text
//! plan      which payloads, and whether anything stands against it
//! order     somebody whom the policy lets, by SSH key and second factor: an entry
//! erase     an entry that names what is gone; its commit deletes the payloads
//! rewrite   the store's file is written anew, so that no page of it holds them any more
//! ```
//!
//! Leaves stay: they hold hashes over salts that are gone as well, and a random pseudonym.

pub mod command;
mod locks;
mod mention;
mod plan;
mod resets;

use std::sync::Arc;

use jit_ca_core::event::{Decided, Erased, ErasureCause, ErasureOrdered, Refused};
use jit_ca_core::statement::{Erasure, Kind};
use jit_ca_core::workflow::Refusal;
use jit_ca_core::{
    Action, ActorRef, Digest, Facts, Means, PersonName, RefusalCode, Span, Text, UnixTime,
};
use jit_ca_log::sshsig;
use jit_ca_policy::Person;
use serde::{Deserialize, Serialize};

use plan::Aged;
pub use plan::Plan;

use crate::app::App;
use crate::clock;
use crate::identity::totp_step;
use crate::sequencer::{CommitError, Proposal};
use crate::service::{ATTEMPTS, Fault, blocking, locking, sessions, signed_by};
use crate::store::{Clash, StoreError, SubjectRecord};
use crate::upkeep;

/// An order to erase, as it was given on the CA's machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Whom it is about: a subject's id, or the name that it had last.
    pub subject: String,
    /// Who gives it.
    pub by: PersonName,
    /// Why.
    pub reason: Text,
    /// The entries whose payloads are to go, as they were shown.
    pub entries: Vec<(u64, u64)>,
    /// That person's SSHSIG over the erasure statement, armoured.
    pub signature: String,
    /// A code of that person's second factor; none where the signature is one of its own.
    pub code: Option<String>,
}

/// What would be erased of a subject.
///
/// # Errors
/// If the log knows no such subject, or something stands against it.
pub async fn plan(app: &Arc<App>, subject: &str) -> Result<Plan, Fault> {
    let (app, subject) = (Arc::clone(app), subject.to_owned());
    blocking(move || {
        let snapshot = app.store.read()?;
        let subject = known(&app, &subject)?;
        Plan::of_subject(&snapshot, &app.policy().listed, subject, clock::now())
    })
    .await
}

/// Erases what the log says of a subject. Gives the entry's index and the number of payloads.
///
/// # Errors
/// If the order is not by a person who may, something stands against it, or the log can't be written.
pub async fn order(app: &Arc<App>, order: &Order) -> Result<(u64, u64), Fault> {
    let (_no_copy, _alone) = (app.copying.lock().await, app.erasing.lock().await);
    let arrived = clock::now();
    for _ in 0..ATTEMPTS {
        if let Some(done) = decided(app, order, arrived).await? {
            return Ok(done);
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// Decides on an order and carries it out; nothing if the log took too long for that.
async fn decided(
    app: &Arc<App>,
    order: &Order,
    arrived: UnixTime,
) -> Result<Option<(u64, u64)>, Fault> {
    let policy = app.policy();
    let plan = plan(app, &order.subject).await?;
    if plan.mentions(order.reason.as_str()) {
        return Err(Fault::bad("the reason names the subject", "say why without saying who"));
    }

    // 1. Who orders it: a signature that names the pseudonym, and a code that is used up.
    let person = policy.bundle.person_named(&order.by).ok_or(Fault::NotFound("person"))?;
    let by = app.store.read()?.subject(&person.id)?.ok_or(Fault::NotFound("subject"))?;
    let refuse = |refusal, decision: Option<Decided>| {
        let decision = decision.map(|decided| (decided, policy.hash));
        refused(app, person, by.actor, refusal, decision)
    };
    let entries = plan.ranges();
    if entries != order.entries {
        return Err(Fault::bad(
            "the log says more of the subject than when the order was signed",
            "run the command again",
        ));
    }
    app.failed_codes.attempt(&person.id, arrived).map_err(|wait| Fault::SlowDown { wait })?;
    let statement = Erasure {
        origin: &app.config.origin,
        actor: &plan.actor,
        reason: &order.reason,
        entries: &entries,
    };
    let signature = signed_by(person, Kind::Erasure, &statement.text(), &order.signature);
    let signature = signature.map_err(|refusal| refuse(refusal, None))?;
    let step = match &order.code {
        Some(code) => {
            totp_step(&app.store.read()?, &app.keys.kek, person, code, arrived)?.map(Some)
        }
        None => sshsig::says_user_verified(signature.sshsig.as_slice()).then_some(None),
    };
    let Some(step) = step else {
        let text = "this is not the code that the authenticator shows now, or it was used before";
        return Err(refuse(Refusal::new(RefusalCode::LoginRefused, text), None));
    };
    app.failed_codes.succeeded(&person.id);

    // 2. Whether that person may.
    let now = clock::now();
    let means = step.map_or_else(Means::verified_user, |_| Means::code());
    let facts = facts(person, means, &order.reason, now);
    let decision = jit_ca_policy::decide(&policy.bundle, &facts);
    let decided = Decided { facts, decision };
    if !decided.decision.allows() {
        let reason = decided.decision.reasons.first();
        let refusal = match reason {
            Some(reason) => Refusal::new(reason.code, reason.text.clone()),
            None => Refusal::new(RefusalCode::NotPermitted, "no rule permits it"),
        };
        return Err(refuse(refusal, Some(decided)));
    }

    // 3. Who is locked takes access away and nothing else.
    if let Some(lock) = app.store.read()?.lock_on(&[&person.id], None)? {
        return Err(refuse(locking::refusal(&lock), Some(decided)));
    }

    // 4. The order and the erasure, in one commit.
    let ordered = ErasureOrdered {
        by: person.id.clone(),
        name: person.name.clone(),
        signature,
        step,
        decision: decided,
    };
    let cause = ErasureCause::Subject(plan.actor);
    let count = plan.count();
    let erased = Erased { cause, reason: order.reason.clone(), entries };
    let mut proposal =
        Proposal::decided_at(now, vec![(by.actor, ordered.into()), (by.actor, erased.into())]);
    proposal.rest_on(&policy);
    proposal.forget_secrets_of(std::slice::from_ref(&plan.subject));
    match app.sequencer.commit(proposal).await {
        Ok(committed) => {
            rewrite(app).await?;
            Ok(Some((committed.first + 1, count)))
        }
        Err(CommitError::Clash(Clash::Late | Clash::Lock)) => Ok(None),
        Err(CommitError::Clash(Clash::Code)) => {
            let text = "the code was used before";
            Err(refuse(Refusal::new(RefusalCode::LoginRefused, text), None))
        }
        Err(error) => Err(Fault::Commit(error)),
    }
}

/// Erases what has been kept for as long as the configuration says.
///
/// # Errors
/// If the log can't be read or written.
pub async fn retire(app: &Arc<App>) -> Result<(), Fault> {
    sessions::retire(app).await?;
    let (_no_copy, _alone) = (app.copying.lock().await, app.erasing.lock().await);
    let now = clock::now();
    // A minute longer, so that a clock that steps back does not make it too soon.
    let before = now.minus(app.config.keep_payloads).minus(Span::from_secs(60));
    let plan = {
        let app = Arc::clone(app);
        blocking(move || Plan::of_age(&app.store.read()?, &app.policy().listed, before)).await?
    };
    let Aged { entries, count, forgotten } = plan;
    // If the clock was put back meanwhile they are too young; tomorrow is soon enough.
    if count == 0 || clock::now() < now {
        return finish(app).await;
    }
    let reason: Text = format!("kept for {}", app.config.keep_payloads)
        .parse()
        .map_err(|error| Fault::Internal(Box::new(error)))?;
    let erased = Erased { cause: ErasureCause::Retention(before), reason, entries };
    let mut proposal = Proposal::new(vec![(ActorRef::DAEMON, erased.into())]);
    proposal.forget_secrets_of(&forgotten);
    app.sequencer.commit(proposal).await.map_err(Fault::Commit)?;
    tracing::info!(payloads = count, "payloads were kept for long enough and are erased");
    rewrite(app).await
}

/// Finishes an erasure whose file could not be written anew, or that a daemon before this one did not finish.
///
/// # Errors
/// If the store can't be read or written.
pub async fn finish(app: &Arc<App>) -> Result<(), Fault> {
    match app.store.read()?.unfinished_erasure()? {
        Some(_) => rewrite(app).await,
        None => Ok(()),
    }
}

/// The payloads are gone; their bytes, and what the tables were told by them, are still in the store's file.
#[derive(Debug, thiserror::Error)]
#[error(
    "the payloads are erased, but the store's file can't be written anew. Until then it holds their bytes, and lists \
     still say names. It is tried again once a day, at each start, and by `jit-cad log compact`"
)]
struct Unfinished(#[source] StoreError);

async fn rewrite(app: &Arc<App>) -> Result<(), Fault> {
    let unfinished = |error| Fault::Internal(Box::new(Unfinished(error)));
    upkeep::rewrite(app).await?.map_err(unfinished)?;
    // Of whom an issuer vouched for, and who is erased, nothing is known any more.
    app.forget_vouched().map_err(Fault::from)?;
    // What was recorded of whom nothing is known goes as well.
    sessions::retire(app).await
}

/// The subject of this id, or else the one that had this name last.
fn known(app: &App, text: &str) -> Result<SubjectRecord, Fault> {
    let snapshot = app.store.read()?;
    if let Some(known) =
        text.parse().ok().map(|id| snapshot.subject(&id)).transpose().map(Option::flatten)?
    {
        return Ok(SubjectRecord::clone(&known));
    }
    let mut named = snapshot.subjects()?;
    named.retain(|subject| subject.name.as_str() == text);
    match (named.pop(), named.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(Fault::bad(
            format!("several subjects have been called {text}"),
            "give the id, such as local/u-1001",
        )),
        (None, _) => Err(Fault::NotFound("subject")),
    }
}

/// The socket is on this machine; the code was given just now.
fn facts(person: &Person, means: Means, reason: &Text, now: UnixTime) -> Facts {
    Facts {
        action: Action::Erase,
        subject: person.id.clone(),
        now,
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        mfa_at: Some(now),
        means,
        role: None,
        requester: None,
        hosts: None,
        duration: None,
        reason: Some(reason.clone()),
        ticket: None,
    }
}

fn refused(
    app: &App,
    person: &Person,
    actor: ActorRef,
    refusal: Refusal,
    decision: Option<(Decided, Digest)>,
) -> Fault {
    let (decision, bundle) = decision.unzip();
    let entry = Refused {
        subject: person.id.clone(),
        action: Some(Action::Erase),
        code: refusal.code,
        detail: refusal.text.clone(),
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        decision,
        bundle,
    };
    app.sequencer.commit_soon(Proposal::new(vec![(actor, entry.into())]));
    Fault::Refused(refusal)
}
