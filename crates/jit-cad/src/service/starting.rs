//! The start of a grant that was made for a time to come.

use jit_ca_core::event::{Decided, Event};
use jit_ca_core::{Action, ActorRef, Decision, Facts, Outcome, Reason, RefusalCode};
use jit_ca_policy::{Bundle, decide};

use super::Fault;
use crate::app::App;
use crate::clock;
use crate::sequencer::{CommitError, Proposal};
use crate::store::{AccessRecord, Filter, Snapshot, StoreError};

/// Asks the policy once more whether the requester may have it, and writes that the grant starts, or that it ends.
///
/// # Errors
/// If the log can't be written. Where somebody was faster or a lock stops it, nothing is: it is looked at again.
pub async fn start(app: &App, record: &AccessRecord) -> Result<(), Fault> {
    let (policy, now) = (app.policy(), clock::now());
    let snapshot = app.store.read()?;
    let request = &record.access.request;
    if snapshot.lock_on(&[&request.subject], Some(&request.role))?.is_some() {
        return Ok(());
    }
    let decision = decided(&snapshot, &policy.bundle, record, now)?;
    let Ok(event) = record.access.start(decision, now) else { return Ok(()) };
    let mut proposal = Proposal::decided_at(now, vec![(ActorRef::DAEMON, event)]);
    proposal.bundle = Some(policy.hash);
    proposal.access = Some((request.id, record.generation));
    match app.sequencer.commit(proposal).await {
        Ok(_) | Err(CommitError::Clash(_) | CommitError::Busy) => Ok(()),
        Err(error) => Err(Fault::Commit(error)),
    }
}

/// What the policy says today of what was asked for then. A second factor was given then, and is asked for again with
/// each certificate; who calls from where is known from then.
fn decided(
    snapshot: &Snapshot,
    bundle: &Bundle,
    record: &AccessRecord,
    now: jit_ca_core::UnixTime,
) -> Result<Decided, Fault> {
    let access = &record.access;
    let asked = asked(snapshot, record)?;
    let facts = Facts { action: Action::Request, now, mfa_at: Some(now), ..asked };
    let mut decision = decide(bundle, &facts);
    let role = bundle.role(&access.request.role);
    let rows = access.grant().map(|grant| grant.rows.as_slice()).unwrap_or_default();
    let gone = rows
        .iter()
        .find(|row| !role.is_some_and(|role| role.rows.iter().any(|today| row.is_within(today))));
    if let (Some(row), Outcome::Allow) = (gone, decision.outcome) {
        let text = format!("the role {} no longer gives {row}", access.request.role);
        let reasons = vec![Reason { code: RefusalCode::RoleChanged, text }];
        decision = Decision { outcome: Outcome::Deny, rules: Vec::new(), reasons };
    }
    Ok(Decided { facts, decision })
}

/// The facts that the request was made with.
fn asked(snapshot: &Snapshot, record: &AccessRecord) -> Result<Facts, Fault> {
    let request = Some(record.access.request.id);
    let filter = Filter { request, end: u64::MAX, limit: 1, ..Filter::default() };
    let first = snapshot.find(&filter)?.into_iter().next();
    let event = first.map(|(leaf, _)| snapshot.event(&leaf)).transpose()?.flatten();
    match event {
        Some(Event::RequestMade(made)) => Ok(made.decision.facts),
        _ => Err(StoreError::Damaged("a grant is to start whose request is missing".into()).into()),
    }
}
