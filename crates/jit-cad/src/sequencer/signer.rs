//! The log's key, and what it signs: checkpoints of what is durable, and nothing else.

use jit_ca_cert::Key;
use jit_ca_cert::purpose::Log;
use jit_ca_core::Origin;
use jit_ca_log::tree::{Tree, empty_root, verify_consistency};
use jit_ca_log::{Checkpoint, SignedCheckpoint};

use super::Announced;
use crate::store::{Head, Snapshot, StoreError};

/// Signs the checkpoints of one log.
///
/// Ed25519 gives the same signature over the same text, so no checkpoint need be kept: it is signed again when it
/// is asked for.
#[derive(Debug)]
pub(super) struct CheckpointSigner {
    key: Key<Log>,
    origin: Origin,
}

impl CheckpointSigner {
    pub(super) fn new(key: Key<Log>, origin: Origin) -> Self {
        Self { key, origin }
    }

    /// The checkpoint of a head that a commit has made durable.
    pub(super) fn sign_head(&self, head: Option<Head>) -> Result<Announced, StoreError> {
        let (size, root) = head.map_or((0, empty_root()), |head| (head.size, head.root));
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root };
        let note = self.sign(&checkpoint)?;
        Ok(Announced { checkpoint, note })
    }

    /// The checkpoint of the first `size` entries of the log that `newest` is of.
    ///
    /// INVARIANT (append only): only what is proven to be the beginning of an announced tree is signed, so that no
    /// two checkpoints contradict each other, whatever the tiles hold.
    pub(super) fn sign_earlier(
        &self,
        snapshot: &Snapshot,
        size: u64,
        newest: &Checkpoint,
    ) -> Result<SignedCheckpoint, StoreError> {
        let root = Tree::at(snapshot, size).root()?;
        let proof = Tree::at(snapshot, newest.size).consistency_proof(size)?;
        verify_consistency(size, root, newest.size, newest.root, &proof)?;
        self.sign(&Checkpoint { origin: self.origin.clone(), size, root })
    }

    fn sign(&self, checkpoint: &Checkpoint) -> Result<SignedCheckpoint, StoreError> {
        let signed = self.key.sign_checkpoint(checkpoint);
        signed.map_err(|error| StoreError::Damaged(error.to_string()))
    }
}
