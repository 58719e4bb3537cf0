//! The clock's acknowledgement, and what is written with it. The daemon's clock is one for the whole process, so this
//! is one of its own: this test's program, started again.

use std::env;
use std::process::Command;

use jit_ca_core::event::ClockAcknowledged;
use tokio::sync::watch;

use super::*;
use crate::clock::{Millis, Standing};
use crate::sequencer::signer::CheckpointSigner;
use crate::sequencer::tail::Tail;
use crate::sequencer::{Job, Wanted};

const ALONE: &str = "JIT_CA_TEST_CLOCK";
/// How far the daemon's time is behind the machine's, in microseconds: more than is followed.
const BEHIND: i64 = 8_000_000;

#[test]
fn what_is_kept_of_the_clock_is_what_was_acknowledged() {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "sequencer::tests::standing::the_process_with_a_clock_of_its_own"]);
    let child = child.env(ALONE, "1").output().unwrap();
    let ran = String::from_utf8_lossy(&child.stdout).contains("1 passed");
    assert!(child.status.success() && ran, "{child:?}");
}

/// The other process. Elsewhere it is a test of nothing.
#[test]
fn the_process_with_a_clock_of_its_own() {
    if env::var_os(ALONE).is_none() {
        return;
    }
    let right = clock::read().standing().unwrap();
    let before = Standing { offset: right.offset - BEHIND, ..right.clone() };
    clock::begin(Millis(0), false, Some(before));

    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::create(&folder.path().join("log.redb")).unwrap());
    let (key, _) = Key::<Log>::create(&KeyEncryptionKey::new(Zeroizing::new([7; 32]))).unwrap();
    let signer = Arc::new(CheckpointSigner::new(key, "ca.test/log".parse().unwrap()));
    let (announce, _announced) = watch::channel(Arc::new(signer.sign_head(None).unwrap()));
    let (tell, _) = watch::channel(());
    let mut tail = Tail {
        store: Arc::clone(&store),
        signer,
        head: None,
        announce,
        subscriptions: Vec::new(),
        tell,
    };
    // The fault's own entry; and then, in one batch, its acknowledgement and what is kept every minute.
    tail.write(vec![wanted(keep())]).unwrap();
    let is_near = |expected: i64| (kept(&store) - expected).abs() < BEHIND / 4;
    assert!(is_near(right.offset - BEHIND), "{} {right:?}", kept(&store));
    let reason = "chrony was set up anew".parse().unwrap();
    let ack = (ActorRef::DAEMON, ClockAcknowledged { reason, uid: 0 }.into());
    tail.write(vec![wanted(Proposal::new(vec![ack])), wanted(keep())]).unwrap();
    assert!(clock::fault().is_none());
    assert!(is_near(right.offset), "{} {right:?}", kept(&store));
}

fn keep() -> Proposal {
    Proposal { keep_clock: true, ..Proposal::new(Vec::new()) }
}

fn wanted(proposal: Proposal) -> Wanted {
    match Job::write(proposal, None).unwrap() {
        Job::Write(wanted) => *wanted,
        Job::Replace(..) => panic!("no proposal"),
    }
}

fn kept(store: &Store) -> i64 {
    store.read().unwrap().clock_standing().unwrap().unwrap().offset
}
