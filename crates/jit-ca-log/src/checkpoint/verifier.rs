//! A log's key that checks each checkpoint's signature once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Checkpoint, LogKey, SignedCheckpoint};
use crate::Error;

/// A log's key, and the checkpoints that it last found to hold.
///
/// A batch's proofs come under one checkpoint, the same to the byte, and a signature takes longer to check than all
/// else in a proof. So it is checked for the first of them. What is remembered are the very bytes that were checked,
/// under the one key that this has for life: whether they hold can't have changed. What did not hold is not remembered.
#[derive(Debug)]
pub struct LogVerifier {
    key: LogKey,
    /// The newest at the back.
    pub(super) known: Mutex<VecDeque<Known>>,
}

type Known = (SignedCheckpoint, Arc<Checkpoint>);

impl LogVerifier {
    /// A verifier that knows no checkpoint yet.
    pub fn new(key: LogKey) -> Self {
        Self { key, known: Mutex::default() }
    }

    /// As [`SignedCheckpoint::open`].
    ///
    /// # Errors
    /// If it bears no signature of this key or a wrong one, or is another log's.
    pub fn open(&self, signed: &SignedCheckpoint) -> Result<Arc<Checkpoint>, Error> {
        // Held while the signature is checked: who comes with the same checkpoint meanwhile waits for the answer rather
        // than working it out once more. A panic leaves nothing half done.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, checkpoint)) = known.iter().rev().find(|(note, _)| note == signed) {
            return Ok(Arc::clone(checkpoint));
        }
        let checkpoint = Arc::new(signed.open(&self.key)?);
        if known.len() == REMEMBERED {
            known.pop_front();
        }
        known.push_back((signed.clone(), Arc::clone(&checkpoint)));
        Ok(checkpoint)
    }
}

/// While a batch's certificates are signed, the next batch's checkpoint comes, and an older one is asked for again.
pub(super) const REMEMBERED: usize = 4;
