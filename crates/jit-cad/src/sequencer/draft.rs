//! Entries before they have their place in the log.

use jit_ca_core::ActorRef;
use jit_ca_core::event::Event;
use jit_ca_log::{Ids, Leaf, entry, payload};

use crate::clock::{self, Millis};
use crate::store::{StoreError, Tables};

/// An entry of which all is made but what only the sequencer knows: its index, its time, and the bundle in force.
#[derive(Debug)]
pub(super) struct Draft {
    leaf: Leaf,
    salt: [u8; 32],
    payload: Vec<u8>,
    event: Event,
}

impl Draft {
    pub(super) fn new(actor: ActorRef, event: Event) -> Result<Self, StoreError> {
        let payload = payload::encode(&event)?;
        let salt = clock::random().map_err(|error| StoreError::Damaged(error.to_string()))?;
        let leaf = Leaf {
            entry_type: event.entry_type().parse()?,
            idx: 0,
            ts_ms: 0,
            actor,
            ids: Ids::of(&event),
            bundle: None,
            tbs: entry::tbs(&event),
            commit: entry::commit(&salt, &payload),
        };
        Ok(Self { leaf, salt, payload, event })
    }

    pub(super) fn actor(&self) -> ActorRef {
        self.leaf.actor
    }

    pub(super) fn event(&self) -> &Event {
        &self.event
    }

    /// Appends the entry, and gives its leaf's bytes.
    pub(super) fn append(
        mut self,
        tables: &mut Tables<'_>,
        index: u64,
        now: Millis,
    ) -> Result<Vec<u8>, StoreError> {
        (self.leaf.idx, self.leaf.ts_ms) = (index, now.0);
        self.leaf.bundle = match self.leaf.entry_type.has_bundle() {
            true => tables.policy()?.bundle,
            false => None,
        };
        tables.append(&self.leaf, &self.salt, &self.payload, &self.event)
    }
}
