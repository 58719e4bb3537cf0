//! What an issuance costs in this crate, step by step: `cargo bench -p jit-ca-log`.
//!
//! `fastest` is the column to compare: what else a machine does can only add to it.

fn main() {
    divan::main();
}

#[cfg(test)]
mod possession {
    use base64ct::{Base64, Encoding as _};
    use divan::Bencher;
    use jit_ca_log::sshsig;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use ssh_key::public::{Ed25519PublicKey, KeyData};
    use ssh_key::{Algorithm, HashAlg, Signature, SshSig};

    const NAMESPACE: &str = "possession.v1@jit-ca";
    /// As long as a possession statement.
    const STATEMENT: [u8; 250] = [b'x'; 250];

    fn signed() -> (KeyData, SshSig) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let key = pair.public_key().as_ref().try_into().unwrap();
        let key = KeyData::Ed25519(Ed25519PublicKey(key));
        let data = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, &STATEMENT).unwrap();
        let signature = Signature::new(Algorithm::Ed25519, pair.sign(&data).as_ref()).unwrap();
        let signature = SshSig::new(key.clone(), NAMESPACE, HashAlg::Sha512, signature).unwrap();
        (key, signature)
    }

    #[divan::bench]
    fn verify_ed25519_sshsig(bencher: Bencher<'_, '_>) {
        let (key, signature) = signed();
        let signature = signature.to_pem(ssh_key::LineEnding::LF).unwrap();
        let statement = std::str::from_utf8(&STATEMENT).unwrap();
        bencher.bench(|| sshsig::prove_possession(&key, statement, &signature).unwrap());
    }

    /// Of which this is what no encoding can save.
    #[divan::bench]
    fn of_which_the_signature(bencher: Bencher<'_, '_>) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let signature = pair.sign(&STATEMENT);
        let key = ring::signature::UnparsedPublicKey::new(
            &ring::signature::ED25519,
            Base64::decode_vec(&Base64::encode_string(pair.public_key().as_ref())).unwrap(),
        );
        bencher.bench(|| key.verify(&STATEMENT, signature.as_ref()).unwrap());
    }
}

#[cfg(test)]
mod entry {
    use divan::Bencher;
    use jit_ca_core::event::{
        Allowed, CertificateIntended, Event, IssuedUnder, ProofOfPossession, Validity,
    };
    use jit_ca_core::{ActorRef, Digest, GrantId, IssuanceId, RequestId, UnixTime};
    use jit_ca_log::entry::commit;
    use jit_ca_log::hash::sha256;
    use jit_ca_log::tree::leaf_hash;
    use jit_ca_log::{Ids, Leaf, payload};

    fn leaf() -> Leaf {
        Leaf {
            entry_type: "issue.intent".parse().unwrap(),
            idx: 4711,
            ts_ms: 1_795_338_000_123,
            actor: ActorRef::from_bytes([0xac; 16]),
            ids: Ids {
                request: Some(RequestId::from_bytes([0x11; 16])),
                grant: Some(GrantId::from_bytes([0x22; 16])),
                issuance: Some(IssuanceId::from_bytes([0x33; 16])),
            },
            bundle: Some(Digest::from_bytes([0xbb; 32])),
            tbs: Some(Digest::from_bytes([0x44; 32])),
            commit: commit(&[0x55; 32], b"payload"),
        }
    }

    /// The largest payload of an issuance: the intent's.
    fn event() -> Event {
        let now: UnixTime = "2026-07-01T08:00:00Z".parse().unwrap();
        let under = IssuedUnder {
            grant: GrantId::from_bytes([0x22; 16]),
            row: "web-shell".parse().unwrap(),
            login: vec![1; 17].into(),
            idempotency_key: "0123456789abcdef0123456789abcdef".to_owned(),
            possession: ProofOfPossession::Sha512(vec![2; 64].into()),
            decision: Allowed {
                now,
                address: "192.0.2.1".parse().unwrap(),
                mfa_at: Some(now),
                rules: vec!["everybody-issues".to_owned()],
            },
        };
        let event = CertificateIntended {
            issuance: IssuanceId::from_bytes([0x33; 16]),
            purpose: "ssh-user".to_owned(),
            serial: vec![1; 8].into(),
            tbs: vec![3; 420].into(),
            validity: Validity { from: now, until: now.plus("1h".parse().unwrap()) },
            under: Some(under),
        };
        event.into()
    }

    #[divan::bench]
    fn a_encode_payload(bencher: Bencher<'_, '_>) {
        let event = event();
        bencher.bench(|| payload::encode(&event).unwrap());
    }

    #[divan::bench]
    fn b_commit_to_payload(bencher: Bencher<'_, '_>) {
        let bytes = payload::encode(&event()).unwrap();
        bencher.bench(|| commit(&[7; 32], &bytes));
    }

    #[divan::bench]
    fn c_encode_leaf(bencher: Bencher<'_, '_>) {
        let leaf = leaf();
        bencher.bench(|| leaf.encode());
    }

    #[divan::bench]
    fn d_hash_leaf(bencher: Bencher<'_, '_>) {
        let bytes = leaf().encode();
        bencher.bench(|| leaf_hash(&bytes));
    }

    #[divan::bench]
    fn decode_payload(bencher: Bencher<'_, '_>) {
        let (leaf, bytes) = (leaf(), payload::encode(&event()).unwrap());
        bencher.bench(|| payload::decode_event(&leaf, &bytes).unwrap().unwrap());
    }

    #[divan::bench]
    fn decode_leaf(bencher: Bencher<'_, '_>) {
        let bytes = leaf().encode();
        bencher.bench(|| Leaf::decode(&bytes).unwrap());
    }

    #[divan::bench]
    fn sha256_of_a_certificate(bencher: Bencher<'_, '_>) {
        bencher.bench(|| sha256(divan::black_box(&[7; 420])));
    }
}

/// A batch of 64 entries at the end of a log of a million.
#[cfg(test)]
mod batch_of_64 {
    use std::collections::BTreeMap;
    use std::convert::Infallible;
    use std::sync::LazyLock;

    use divan::Bencher;
    use jit_ca_core::Digest;
    use jit_ca_log::tree::{TileId, TileReader, Tree, leaf_hash};
    use jit_ca_log::{Checkpoint, LogKey, Proof, SignedCheckpoint};
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    const SIZE: u64 = 1_000_000;

    struct Tiles(BTreeMap<TileId, Vec<u8>>);

    impl TileReader for Tiles {
        type Error = Infallible;

        fn tile(&self, id: TileId) -> Result<Vec<u8>, Infallible> {
            Ok(self.0.get(&id).cloned().unwrap_or_default())
        }
    }

    static TILES: LazyLock<Tiles> = LazyLock::new(|| {
        let empty = Tiles(BTreeMap::new());
        let mut tree = Tree::at(&empty, 0);
        (0..SIZE).for_each(|index| tree.append(hash(index)).unwrap());
        Tiles(tree.changed_tiles().map(|(id, _, tile)| (id, tile.to_vec())).collect())
    });

    fn hash(index: u64) -> Digest {
        leaf_hash(&index.to_be_bytes())
    }

    fn grown() -> Tree<&'static Tiles> {
        let mut tree = Tree::at(&*TILES, SIZE);
        (SIZE..SIZE + 64).for_each(|index| tree.append(hash(index)).unwrap());
        tree
    }

    fn pair() -> (Ed25519KeyPair, LogKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let key = pair.public_key().as_ref().try_into().unwrap();
        (pair, LogKey::new("ca.example.org/jit-ca".parse().unwrap(), key))
    }

    fn checkpoint(key: &LogKey) -> Checkpoint {
        Checkpoint { origin: key.origin().clone(), size: SIZE + 64, root: grown().root().unwrap() }
    }

    fn signed() -> (LogKey, SignedCheckpoint) {
        let (pair, key) = pair();
        let checkpoint = checkpoint(&key);
        let signature = pair.sign(checkpoint.to_string().as_bytes());
        let signature = signature.as_ref().try_into().unwrap();
        let signed = checkpoint.with_signature(&key, &signature).unwrap();
        (key, signed)
    }

    fn proof() -> (LogKey, Proof) {
        let (key, checkpoint) = signed();
        let leaf = jit_ca_log::Leaf {
            entry_type: "issue.intent".parse().unwrap(),
            idx: SIZE,
            ts_ms: 1_795_338_000_123,
            actor: jit_ca_core::ActorRef::from_bytes([0xac; 16]),
            ids: jit_ca_log::Ids::default(),
            bundle: Some(hash(1)),
            tbs: Some(hash(2)),
            commit: hash(3),
        };
        let hashes = grown().inclusion_proof(SIZE).unwrap();
        (key, Proof { leaf: leaf.encode(), index: SIZE, hashes, checkpoint })
    }

    #[divan::bench]
    fn a_append(bencher: Bencher<'_, '_>) {
        LazyLock::force(&TILES);
        bencher.bench(grown);
    }

    #[divan::bench]
    fn b_root_and_tiles(bencher: Bencher<'_, '_>) {
        bencher
            .with_inputs(grown)
            .bench_values(|mut tree| (tree.root().unwrap(), tree.changed_tiles().count()));
    }

    #[divan::bench]
    fn c_checkpoint_with_signature(bencher: Bencher<'_, '_>) {
        let (pair, key) = pair();
        let checkpoint = checkpoint(&key);
        let signature = pair.sign(checkpoint.to_string().as_bytes());
        let signature = signature.as_ref().try_into().unwrap();
        bencher.bench(|| checkpoint.with_signature(&key, &signature).unwrap());
    }

    /// For all 64 entries, by one tree.
    #[divan::bench]
    fn d_inclusion_proofs(bencher: Bencher<'_, '_>) {
        bencher.with_inputs(grown).bench_values(|mut tree| {
            (SIZE..SIZE + 64).map(|index| tree.inclusion_proof(index).unwrap()).count()
        });
    }

    #[divan::bench]
    fn one_open_checkpoint(bencher: Bencher<'_, '_>) {
        let (key, signed) = signed();
        bencher.bench(|| signed.open(&key).unwrap());
    }

    #[divan::bench]
    fn one_proof_text(bencher: Bencher<'_, '_>) {
        let (_, proof) = proof();
        bencher.bench(|| proof.to_string());
    }
}
