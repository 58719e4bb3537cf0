//! The start of a grant that waits: for a time, or for its first use.

use jit_ca_core::event::{Event, GrantStarted};
use jit_ca_core::workflow::Term;
use jit_ca_core::{ActorRef, UnixTime};

use super::Fault;
use super::standing::Standing;
use crate::app::App;
use crate::policy::Policy;
use crate::sequencer::Proposal;
use crate::store::AccessRecord;

/// Asks the policy once more whether the requester may have it, and those who agreed may agree. Writes that the grant
/// starts, or that it ends; but the start of a first use is given back, and written with the certificate.
///
/// # Errors
/// If the log can't be written, or something has changed meanwhile. Where a lock stops it, nothing is done.
pub async fn start(
    app: &App,
    policy: &Policy,
    record: &AccessRecord,
    now: UnixTime,
) -> Result<Option<GrantStarted>, Fault> {
    let event = match begun(app, policy, record, now)? {
        Some(Event::GrantStarted(started)) if is_first_use(record) => return Ok(Some(*started)),
        Some(event) => event,
        None => return Ok(None),
    };
    let mut proposal = Proposal::decided_at(now, vec![(ActorRef::DAEMON, event)]);
    proposal.rest_on(policy);
    proposal.access = Some((record.access.request.id, record.generation));
    match app.sequencer.commit(proposal).await {
        Ok(_) => Ok(None),
        Err(error) => Err(Fault::Commit(error)),
    }
}

/// Its start, or its end by the policy of today; nothing where a lock stops it.
fn begun(
    app: &App,
    policy: &Policy,
    record: &AccessRecord,
    now: UnixTime,
) -> Result<Option<Event>, Fault> {
    let (request, snapshot) = (&record.access.request, app.store.read()?);
    if snapshot.lock_on(&[&request.subject], Some(&request.role))?.is_some() {
        return Ok(None);
    }
    let again = Standing::read(&snapshot, &policy.bundle, &record.access, now)?.reconsidered()?;
    Ok(again.and_then(|again| record.access.start(again, now).ok()))
}

fn is_first_use(record: &AccessRecord) -> bool {
    record.access.grant().is_some_and(|grant| matches!(grant.term, Term::FirstUse { .. }))
}
