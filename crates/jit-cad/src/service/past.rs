//! Issuances that were recorded before, to be answered with again.

use jit_ca_core::event::{CertificateIntended, Event};
use jit_ca_core::{ActorRef, IssuanceId, RowName};
use jit_ca_log::Leaf;

use super::Fault;
use crate::app::App;
use crate::issuer::Issuance;
use crate::store::StoreError;

/// An issuance that was recorded: its intent, by its stored bytes.
#[derive(Debug)]
pub(super) struct PastIssuance {
    /// The index of the intent.
    pub(super) index: u64,
    /// The intent's entry.
    pub(super) intended: CertificateIntended,
    /// The issuance, if its outcome is not in the log.
    pub(super) unfinished: Option<Issuance>,
}

impl PastIssuance {
    /// Reads it.
    ///
    /// # Errors
    /// If it is not in the log, or its payload is gone.
    pub(super) fn read(app: &App, actor: ActorRef, issuance: IssuanceId) -> Result<Self, Fault> {
        let snapshot = app.store.read()?;
        let damaged = || StoreError::Damaged(format!("the intent of {issuance} is missing"));
        let record = snapshot.issuance(issuance)?.ok_or_else(damaged)?;
        let leaf = snapshot.leaf(record.intent)?.ok_or_else(damaged)?;
        let leaf = Leaf::decode(&leaf).map_err(StoreError::from)?;
        let Some(Event::CertificateIntended(intended)) = snapshot.event(&leaf)? else {
            return Err(damaged().into());
        };
        let issuance = Issuance { id: issuance, grant: record.grant, actor };
        let unfinished = record.outcome.is_none().then_some(issuance);
        Ok(Self { index: record.intent, intended: *intended, unfinished })
    }

    /// The row that it was issued for.
    ///
    /// # Errors
    /// If it was issued under no grant.
    pub(super) fn row(&self) -> Result<RowName, Fault> {
        let under = self.intended.under.as_ref();
        let damaged = || {
            StoreError::Damaged(format!("the intent of {} is of no grant", self.intended.issuance))
        };
        Ok(under.map(|under| under.row.clone()).ok_or_else(damaged)?)
    }
}
