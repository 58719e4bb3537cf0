//! Issuances that were recorded before, to be answered with again.

use jit_ca_core::event::Event;
use jit_ca_core::{ActorRef, IssuanceId, RowName};
use jit_ca_log::Leaf;

use super::Fault;
use crate::app::App;
use crate::hold::hold;
use crate::issuer::{Issuance, PastIntent};
use crate::sequencer::CommitError;
use crate::store::{Snapshot, StoreError};

/// Reads what the log holds of an issuance, and the row if it was issued under a grant.
///
/// # Errors
/// If it is not in the log, or its payload is gone.
pub(super) fn past(
    app: &App,
    actor: ActorRef,
    id: IssuanceId,
) -> Result<(PastIntent, Option<RowName>), Fault> {
    let snapshot = app.store.read()?;
    let damaged = || StoreError::Damaged(format!("the intent of {id} is missing"));
    let record = snapshot.issuance(id)?.ok_or_else(damaged)?;
    let Some(Event::CertificateIntended(intended)) = event_at(&snapshot, record.intent)? else {
        return Err(damaged().into());
    };
    let signature = match record.outcome {
        Some(outcome) => match event_at(&snapshot, outcome)? {
            Some(Event::CertificateIssued(issued)) => Some(issued.signature.into_vec()),
            _ => {
                return Err(
                    StoreError::Damaged(format!("the outcome of {id} is no certificate")).into()
                );
            }
        },
        None => None,
    };
    let issuance = Issuance { id, grant: record.grant, actor };
    let row = intended.under.map(|under| under.row);
    Ok((
        PastIntent {
            issuance,
            index: record.intent,
            to_be_signed: intended.tbs.into_vec(),
            signature,
        },
        row,
    ))
}

/// Whatever keeps new certificates from being signed keeps old intents from it.
///
/// # Errors
/// If none is issued now.
pub(super) fn must_not_be_held(app: &App) -> Result<(), Fault> {
    hold(&app.store).map_or(Ok(()), |hold| Err(Fault::Commit(CommitError::Held(hold))))
}

fn event_at(snapshot: &Snapshot, index: u64) -> Result<Option<Event>, StoreError> {
    let leaf = snapshot.leaf(index)?;
    let leaf = leaf.ok_or_else(|| StoreError::Damaged(format!("entry {index} is missing")))?;
    snapshot.event(&Leaf::decode(&leaf)?)
}
