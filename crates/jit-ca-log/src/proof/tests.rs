use jit_ca_core::ActorRef;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use signed_note::{Note, StandardVerifier, VerifierList};

use super::*;
use crate::tree::{TileId, TileReader, Tree};
use crate::{Ids, entry};

const ORIGIN: &str = "ca.example.org/jit-ca";

/// Nothing is stored: what was appended is in memory.
struct NoTiles;

impl TileReader for NoTiles {
    type Error = std::convert::Infallible;

    fn tile(&self, _: TileId) -> Result<Vec<u8>, Self::Error> {
        Ok(Vec::new())
    }
}

fn signer(seed: u8) -> (Ed25519KeyPair, LogKey) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let public_key = pair.public_key().as_ref().try_into().unwrap();
    (pair, LogKey::new(ORIGIN.parse().unwrap(), public_key))
}

fn leaf(idx: u64) -> Vec<u8> {
    Leaf {
        entry_type: "issue.intent".parse().unwrap(),
        idx,
        ts_ms: 1,
        actor: ActorRef::DAEMON,
        ids: Ids::default(),
        bundle: None,
        tbs: Some(Digest::from_bytes([7; 32])),
        commit: entry::commit(&[0; 32], b""),
    }
    .encode()
}

/// The proof of one of the leaves, at their number.
fn proof(index: u64, size: u64) -> Proof {
    proof_of(index, &(0..size).map(leaf).collect::<Vec<_>>())
}

fn proof_of(index: u64, leaves: &[Vec<u8>]) -> Proof {
    let mut tree = Tree::at(NoTiles, 0);
    leaves.iter().for_each(|leaf| tree.append(leaf_hash(leaf)).unwrap());
    let (pair, key) = signer(1);
    let checkpoint = Checkpoint {
        origin: ORIGIN.parse().unwrap(),
        size: tree.size(),
        root: tree.root().unwrap(),
    };
    let signature = pair.sign(checkpoint.to_string().as_bytes());
    let checkpoint = checkpoint.with_signature(&key, signature.as_ref().try_into().unwrap());
    Proof {
        leaf: leaves[usize::try_from(index).unwrap()].clone(),
        index,
        hashes: tree.inclusion_proof(index).unwrap(),
        checkpoint: checkpoint.unwrap(),
    }
}

fn verify(text: &str) -> Result<(Leaf, Checkpoint), Error> {
    text.parse::<Proof>()?.verify(&signer(1).1)
}

/// The format is for ever: these bytes must never change.
#[test]
fn golden_bytes() {
    let text = proof(1, 3).to_string();
    assert_eq!(text, GOLDEN);
    verify(GOLDEN).unwrap();
}

const GOLDEN: &str = "\
c2sp.org/tlog-proof@v1
extra qGF2AWNpZHOgY2lkeAFjdGJzWCAHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB2R0eXBlbGlzc3VlLmludGVudGVhY3RvclAAAAAAAAAAAAAAAAAAAAAAZXRzX21zAWZjb21taXRYICzk9DCzfKtErDJtwiouOV3OI0c+9jgItmY9EA04f+ms
index 1
nX1s45SWe/YJyXh2kN+xEzL/TBF5AG7ZxrO+xMshZww=
n+6iIu2SRQ0GmSra6MduLW9bkVUBUKeZjaNlTaVuo9M=

ca.example.org/jit-ca
3
RreyF0aHq6jnlkKYK5RrSlIo76rKEI8Hnp1hyUoISe4=

\u{2014} ca.example.org/jit-ca mHoGHOP4ziCn7bylokLj2TgoKvTdMAMp3LBbFIqkIYbDw+KkfPvjJLdEhDcxmuQ2pkSj8+e2KYsfzjdXtshUs0M6HAU=
";

#[test]
fn survives_its_text_wherever_the_leaf_stands() {
    for size in [1, 2, 3, 7, 8, 256, 300] {
        for index in [0, size / 2, size - 1] {
            let proof = proof(index, size);
            let text = proof.to_string();
            assert_eq!(text.parse::<Proof>().unwrap(), proof);
            let (leaf, checkpoint) = verify(&text).unwrap();
            assert_eq!((leaf.idx, checkpoint.size), (index, size));
        }
    }
    // Alone in its tree: no hashes, and still an empty line.
    assert!(proof(0, 1).to_string().contains("\nindex 0\n\nca.example.org/jit-ca\n1\n"));
}

#[test]
fn foreign_verifiers_accept_it() {
    let proof = proof(200, 300);
    let verifier = StandardVerifier::new(&signer(1).1.to_string()).unwrap();
    let note = Note::from_bytes(proof.checkpoint.as_str().as_bytes()).unwrap();
    let (verified, _) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!(verified.len(), 1);

    let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    let hashes = proof.hashes.iter().map(|hash| tlog_tiles::Hash(*hash.as_bytes())).collect();
    let leaf_hash = tlog_tiles::record_hash(&proof.leaf);
    let check = |index| {
        tlog_tiles::check_record(&hashes, checkpoint.size(), *checkpoint.hash(), index, leaf_hash)
    };
    check(proof.index).unwrap();
    assert!(check(proof.index + 1).is_err());
}

/// Each character of each line counts.
#[test]
fn no_line_can_be_changed() {
    let good = proof(2, 5).to_string();
    verify(&good).unwrap();
    for place in 0..good.len() {
        for flip in [0x01, 0x10, 0x20] {
            let mut bytes = good.clone().into_bytes();
            bytes[place] ^= flip;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(verify(&changed).is_err(), "{place} of {}: {changed}", good.len());
        }
        if let Some(cut) = good.get(..place) {
            assert!(verify(cut).is_err(), "cut at {place}");
        }
    }
    let lines: Vec<&str> = good.lines().collect();
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    assert_eq!(joined(&lines), good);
    for place in 0..lines.len() {
        let (mut without, mut twice, mut swapped) = (lines.clone(), lines.clone(), lines.clone());
        without.remove(place);
        twice.insert(place, lines[place]);
        swapped.swap(place, (place + 1) % lines.len());
        // One signature may stand there twice.
        let twice = (place + 1 < lines.len()).then_some(twice);
        for changed in [Some(without), twice, Some(swapped)].into_iter().flatten() {
            assert!(verify(&joined(&changed)).is_err(), "line {place}: {changed:?}");
        }
    }
}

#[test]
fn there_is_one_way_to_write_it() {
    let good = proof(2, 5).to_string();
    let extra = Base64::encode_string(&leaf(2));
    for (fault, text) in [
        ("another version", good.replace("proof@v1", "proof@v2")),
        ("no extra data", good.replace(&format!("extra {extra}\n"), "")),
        ("unpadded", good.replacen("=\n", "\n", 1)),
        ("zero before", good.replace("index 2", "index 02")),
        ("plus sign", good.replace("index 2", "index +2")),
        ("two spaces", good.replace("index 2", "index  2")),
        ("beyond 64 bits", good.replace("index 2", "index 18446744073709551618")),
        ("carriage returns", good.replace('\n', "\r\n")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("another empty line", good.replacen("\n\n", "\n\n\n", 1)),
        ("text behind it", format!("{good}\n")),
        ("nothing", String::new()),
    ] {
        assert_ne!(text, good, "{fault}");
        assert!(text.parse::<Proof>().is_err(), "{fault}");
    }
}

#[test]
fn what_it_says_is_of_this_leaf_in_this_log() {
    let good = proof(2, 5);
    let (_, key) = signer(1);
    let fault = |change: fn(&mut Proof)| {
        let mut proof = good.clone();
        change(&mut proof);
        proof.verify(&key).unwrap_err()
    };
    assert!(matches!(fault(|p| p.leaf = leaf(3)), Error::Index { expected: 2, found: 3 }));
    assert!(matches!(fault(|p| p.leaf.push(0)), Error::Leaf(_)));
    assert!(matches!(fault(|p| p.index = 3), Error::Index { .. }));
    assert!(matches!(fault(|p| p.hashes.truncate(1)), Error::ProofLength));
    assert!(matches!(fault(|p| p.hashes.reverse()), Error::Root { .. }));
    assert!(matches!(fault(|p| p.checkpoint = proof(2, 6).checkpoint), Error::Root { .. }));
    assert!(matches!(good.verify(&signer(2).1), Err(Error::Unsigned(_))));
    // A leaf of another log that says the same place.
    let other = proof_of(2, &[leaf(9), leaf(1), leaf(2), leaf(3), leaf(4)]);
    assert!(matches!(
        Proof { checkpoint: other.checkpoint, ..good }.verify(&key),
        Err(Error::Root { .. })
    ));
}
