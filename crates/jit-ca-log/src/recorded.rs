//! The witness that something stands in the log, with the proof of it.

use std::sync::Arc;

use crate::{Error, Leaf, LogVerifier, Proof};

/// A `T` of which the log holds an entry, durably.
///
/// INVARIANT (log before sign): a CA key signs only what comes as a `Recorded`, after
/// [`Recorded::verify`]. The proof travels with the value, so that the signer need not trust the
/// process that it comes from. It is used up by signing, so it can be neither cloned nor read from
/// bytes.
#[derive(Debug)]
pub struct Recorded<T> {
    value: T,
    proof: Arc<Proof>,
}

impl<T> Recorded<T> {
    /// Asserts that the entry of `value` has been committed, as the proof shows.
    ///
    /// The log's sequencer alone calls this, after its store has answered that the commit is
    /// durable.
    pub fn assertion(value: T, proof: Proof) -> Self {
        Self { value, proof: Arc::new(proof) }
    }

    /// Checks the proof against the log's key and gives the leaf. Inclusion is checked each time; the checkpoint's
    /// signature, unless the verifier knows that checkpoint.
    ///
    /// Whether the leaf is about the value is for the caller to check: the leaf's digests say what
    /// it is about.
    ///
    /// # Errors
    /// If the checkpoint is not signed by this key, or the leaf is not canonical, says another
    /// index or is not in the tree.
    pub fn verify(&self, log: &LogVerifier) -> Result<Leaf, Error> {
        let checkpoint = log.open(&self.proof.checkpoint)?;
        self.proof.leaf_in(&checkpoint)
    }

    /// What is recorded.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The leaf's index in the log.
    pub fn index(&self) -> u64 {
        self.proof.index
    }

    /// The proof, to be kept beside what comes of it.
    pub fn proof(&self) -> Arc<Proof> {
        Arc::clone(&self.proof)
    }

    /// What is recorded, for the one use that it was recorded for.
    pub fn into_inner(self) -> T {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;
    use crate::tree::{Frontier, leaf_hash};
    use jit_ca_core::Digest;

    use crate::{Checkpoint, Ids, LogKey, SignedCheckpoint, entry};

    fn leaf(idx: u64) -> Vec<u8> {
        Leaf {
            entry_type: "issue.intent".parse().unwrap(),
            idx,
            ts_ms: 1,
            actor: jit_ca_core::ActorRef::DAEMON,
            ids: Ids::default(),
            bundle: None,
            tbs: Some(Digest::from_bytes([7; 32])),
            commit: entry::commit(&[0; 32], b""),
        }
        .encode()
    }

    struct Log(Ed25519KeyPair, LogKey);

    impl Log {
        fn new(seed: u8) -> Self {
            let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
            let public_key = pair.public_key().as_ref().try_into().unwrap();
            Self(pair, LogKey::new("log.test".parse().unwrap(), public_key))
        }

        /// A signed tree of these two leaves.
        fn sign(&self, leaves: [&[u8]; 2]) -> SignedCheckpoint {
            let mut tree = Frontier::default();
            leaves.iter().for_each(|leaf| tree.push(leaf_hash(leaf)));
            let (size, root) = (tree.size(), tree.root());
            let checkpoint = Checkpoint { origin: self.1.origin().clone(), size, root };
            let signature = self.0.sign(checkpoint.to_string().as_bytes());
            let signature = signature.as_ref().try_into().unwrap();
            checkpoint.with_signature(&self.1, &signature).unwrap()
        }
    }

    #[test]
    fn holds_only_for_the_leaf_in_the_signed_tree() {
        let log = Log::new(1);
        let (first, second) = (leaf(0), leaf(1));
        let checkpoint = log.sign([&first, &second]);
        let proof = vec![leaf_hash(&first)];
        let recorded = |leaf: &[u8], index, hashes: &[Digest], checkpoint: &SignedCheckpoint| {
            let (leaf, hashes, checkpoint) = (leaf.to_vec(), hashes.to_vec(), checkpoint.clone());
            Recorded::assertion("intent", Proof { leaf, index, hashes, checkpoint })
        };

        let verifier = LogVerifier::new(log.1.clone());
        let good = recorded(&second, 1, &proof, &checkpoint);
        assert_eq!(good.verify(&verifier).unwrap().encode(), second);
        assert_eq!(good.into_inner(), "intent");

        // That the verifier knows the checkpoint by now helps none of these.
        let fault = |recorded: Recorded<_>| recorded.verify(&verifier).unwrap_err();
        assert!(matches!(
            fault(recorded(&first, 1, &proof, &checkpoint)),
            Error::Index { expected: 1, found: 0 }
        ));
        assert!(matches!(
            fault(recorded(&leaf(2), 2, &proof, &checkpoint)),
            Error::OutOfRange { .. }
        ));
        assert!(matches!(fault(recorded(&second, 1, &[], &checkpoint)), Error::ProofLength));
        assert!(matches!(
            fault(recorded(&second, 1, &[leaf_hash(b"")], &checkpoint)),
            Error::Root { .. }
        ));
        assert!(matches!(fault(recorded(b"second", 1, &proof, &checkpoint)), Error::Cbor(_)));
        // A leaf in the tree that says another place than its own: the log's author lied.
        let lying = log.sign([&first, &first]);
        assert!(matches!(fault(recorded(&first, 1, &proof, &lying)), Error::Index { .. }));
        // A tree that another signed in the log's name.
        let other = Log::new(2).sign([&first, &second]);
        assert!(matches!(fault(recorded(&second, 1, &proof, &other)), Error::Unsigned(_)));
    }
}
