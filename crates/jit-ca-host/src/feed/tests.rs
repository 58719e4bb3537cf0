use super::*;
use jit_ca_api::FeedIntent;
use jit_ca_core::ActorRef;
use jit_ca_log::Ids;
use jit_ca_log::tree::node_hash;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

const START: u64 = 1_795_338_000;

/// A log of one entry or two, of which each is an intent.
struct Log {
    pair: Ed25519KeyPair,
    leaves: [Vec<u8>; 2],
}

impl Log {
    fn new(seed: u8, certificates: [u8; 2]) -> Self {
        let leaf = |idx: u64, certificate: u8| {
            let leaf = Leaf {
                entry_type: "issue.intent".parse().unwrap(),
                idx,
                ts_ms: 1_000 * (START + 26 * 3_600 * idx),
                actor: ActorRef::DAEMON,
                ids: Ids::default(),
                bundle: None,
                tbs: Some(tbs(certificate)),
                commit: tbs(0),
            };
            leaf.encode()
        };
        let [first, second] = certificates;
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        Self { pair, leaves: [leaf(0, first), leaf(1, second)] }
    }

    fn key(&self) -> LogKey {
        let public: [u8; 32] = self.pair.public_key().as_ref().try_into().unwrap();
        LogKey::new("ca.test/jit-ca".parse().unwrap(), public)
    }

    fn checkpoint(&self, size: u64) -> String {
        let [first, second] = self.leaves.each_ref().map(|leaf| leaf_hash(leaf));
        let root = if size == 1 { first } else { node_hash(&first, &second) };
        let checkpoint = Checkpoint { origin: self.key().origin().clone(), size, root };
        let signature = self.pair.sign(checkpoint.to_string().as_bytes());
        let signature = signature.as_ref().try_into().unwrap();
        checkpoint.with_signature(&self.key(), &signature).unwrap().to_string()
    }

    /// The answer to a host that has seen nothing, at a time when there was one entry.
    fn first(&self) -> Feed {
        let intents = vec![self.intent(0, vec![])];
        Feed { checkpoint: self.checkpoint(1), consistency: vec![], intents, next: 1 }
    }

    /// The answer to one that has seen that.
    fn second(&self) -> Feed {
        let [first, second] = self.leaves.each_ref().map(|leaf| leaf_hash(leaf));
        let intents = vec![self.intent(1, vec![first])];
        Feed { checkpoint: self.checkpoint(2), consistency: vec![second], intents, next: 2 }
    }

    fn intent(&self, index: usize, proof: Vec<Digest>) -> FeedIntent {
        FeedIntent { leaf: self.leaves[index].as_slice().into(), proof }
    }
}

fn tbs(certificate: u8) -> Digest {
    Digest::from_bytes([certificate; 32])
}

fn holds(folder: &Path, certificate: u8) -> bool {
    Kept::read(folder).unwrap().unwrap().holds(&tbs(certificate))
}

#[test]
fn what_is_proven_is_taken_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let folder = &folder.path().join("feed");
    let log = Log::new(1, [1, 2]);
    assert_eq!(state(folder).unwrap(), None);
    assert_eq!(take(folder, &log.key(), &log.first()).unwrap(), 1);
    assert_eq!(state(folder).unwrap(), Some((1, 1)));
    assert!(holds(folder, 1) && !holds(folder, 2));
    assert_eq!(take(folder, &log.key(), &log.second()).unwrap(), 1);
    // By the log's time the first one is over for long.
    assert!(!holds(folder, 1) && holds(folder, 2));
    // Nothing new is taken as well.
    let quiet = Feed { consistency: vec![], intents: vec![], ..log.second() };
    assert_eq!(take(folder, &log.key(), &quiet).unwrap(), 0);
    assert_eq!(state(folder).unwrap(), Some((2, 2)));
}

/// What is wrong with an answer, after the first one was taken.
fn refused(log: &Log, key: &LogKey, answer: &Feed) -> Refused {
    let folder = tempfile::tempdir().unwrap();
    let folder = &folder.path().join("feed");
    let honest = Log::new(1, [1, 2]);
    take(folder, &honest.key(), &honest.first()).unwrap();
    let before = Kept::read(folder).unwrap();
    let refused = take(folder, key, answer).unwrap_err();
    assert_eq!(Kept::read(folder).unwrap(), before, "nothing of it is taken");
    if let Refused::Lost { evidence, .. } | Refused::Forked { evidence, .. } = &refused {
        let evidence = fs::read_to_string(evidence).unwrap();
        assert!(evidence.contains(&honest.checkpoint(1)), "{evidence}");
        assert!(evidence.contains(&answer.checkpoint), "{evidence} of {:?}", log.key());
    }
    refused
}

#[test]
fn what_is_not_proven_is_refused() {
    let log = Log::new(1, [1, 2]);
    let of = |answer: &Feed| refused(&log, &log.key(), answer);
    let wrong_place = |answer: &Feed| assert!(matches!(of(answer), Refused::Place(_)));
    // A certificate that the tree does not hold, or that is said to be at another place.
    let stranger = Log::new(1, [1, 3]);
    let mut answer = log.second();
    answer.intents = stranger.second().intents;
    assert!(matches!(of(&answer), Refused::Leaf(_)));
    answer = log.second();
    answer.intents.clear();
    answer.next = 3;
    wrong_place(&answer);
    answer.next = 0;
    wrong_place(&answer);
    answer = log.second();
    answer.intents.push(answer.intents[0].clone());
    wrong_place(&answer);
    answer.intents = log.first().intents;
    wrong_place(&answer);
    answer = log.second();
    answer.intents[0].leaf = b"leaf".as_slice().into();
    assert!(matches!(of(&answer), Refused::Leaf(_)));
    answer.checkpoint.push('x');
    assert!(matches!(of(&answer), Refused::Signature(_)));
}

#[test]
fn a_log_that_is_another_or_shorter_is_refused_and_both_checkpoints_are_kept() {
    let log = Log::new(1, [1, 2]);
    // Another history, by the log's own key.
    let fork = Log::new(1, [4, 5]);
    for answer in [fork.second(), Feed { consistency: vec![], ..fork.first() }] {
        let said = refused(&fork, &log.key(), &answer);
        assert!(matches!(said, Refused::Forked { .. }), "{said}");
    }
    let unproven = Feed { consistency: vec![], ..log.second() };
    assert!(matches!(refused(&log, &log.key(), &unproven), Refused::Forked { .. }));
    // Another key: nobody's, or one that is said to be the log's now.
    let other = Log::new(9, [1, 2]);
    assert!(matches!(refused(&other, &log.key(), &other.second()), Refused::Signature(_)));
    assert!(matches!(refused(&other, &other.key(), &other.second()), Refused::Key { .. }));

    let folder = tempfile::tempdir().unwrap();
    let folder = &folder.path().join("feed");
    take(folder, &log.key(), &log.first()).unwrap();
    take(folder, &log.key(), &log.second()).unwrap();
    let said = take(folder, &log.key(), &log.first()).unwrap_err();
    assert!(matches!(said, Refused::Lost { kept: 2, found: 1, .. }), "{said}");
    assert!(holds(folder, 2));
}
