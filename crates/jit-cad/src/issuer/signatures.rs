//! What was signed a moment ago, until the log has it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use jit_ca_core::IssuanceId;

/// How many are kept. Outcomes are in the log some milliseconds later: many more than are on their way there at once.
const KEPT: usize = 4_096;

/// The signature of an issuance, once there is one. Whoever makes it holds the lock.
type Signature = Arc<Mutex<Option<Vec<u8>>>>;

/// The signatures of the newest issuances.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    signatures: HashMap<IssuanceId, Signature>,
    order: VecDeque<IssuanceId>,
}

impl Signatures {
    /// The place for the signature of this issuance.
    pub(super) fn of(&self, issuance: IssuanceId) -> Signature {
        let Inner { signatures, order } =
            &mut *self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let signature = signatures.entry(issuance).or_insert_with(|| {
            order.push_back(issuance);
            Signature::default()
        });
        let signature = Arc::clone(signature);
        if order.len() > KEPT
            && let Some(oldest) = order.pop_front()
        {
            signatures.remove(&oldest);
        }
        signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_kept_for_the_newest() {
        let signatures = Signatures::default();
        let issuance = |number: usize| {
            let mut random = [0; 10];
            random[..8].copy_from_slice(&number.to_be_bytes());
            IssuanceId::new(1, random)
        };
        for number in 0..=KEPT {
            *signatures.of(issuance(number)).lock().unwrap() = Some(vec![1]);
        }
        assert_eq!(*signatures.of(issuance(KEPT)).lock().unwrap(), Some(vec![1]));
        assert_eq!(*signatures.of(issuance(1)).lock().unwrap(), Some(vec![1]));
        assert_eq!(*signatures.of(issuance(0)).lock().unwrap(), None);
        assert_eq!(signatures.inner.lock().unwrap().order.len(), KEPT);
    }
}
