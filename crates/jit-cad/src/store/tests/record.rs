//! The workload run once, with everything remembered.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use jit_ca_cert::purpose::Log;
use jit_ca_cert::{Key, KeyEncryptionKey};
use jit_ca_core::{Origin, Span};
use jit_ca_log::tree::{Tree, verify_consistency};
use jit_ca_log::{Ids, Leaf, entry, payload};
use redb::WriteTransaction;
use zeroize::Zeroizing;

use super::contents::contents;
use super::disk::{Change, Machine, Recorder};
use super::workload::{Step, steps};
use crate::clock;
use crate::config::{NotifyPlace, NotifyTarget, SecretSource};
use crate::notify::{Kind, Subscription};
use crate::sequencer::{Proposal, Sequencer};
use crate::store::{Head, Store, StoreError};

/// The name of the store's file.
pub(super) const LOG: &str = "log.redb";

/// What was done to the disk, and what the store held after each commit.
pub(super) struct Recording {
    pub(super) changes: Vec<Change>,
    pub(super) versions: Vec<Version>,
}

/// What a commit left.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) contents: [u8; 32],
    pub(super) head: Head,
    /// Whether the file still has to be written anew.
    pub(super) unfinished: bool,
}

impl Version {
    pub(super) fn of(store: &Store) -> Result<Self, StoreError> {
        let snapshot = store.read()?;
        let head = snapshot.verify_head()?;
        let unfinished = snapshot.unfinished_erasure()?.is_some();
        Ok(Self { contents: contents(&snapshot)?, head, unfinished })
    }
}

/// The product: the sequencer writes, and whoever waits for it is told when it says so.
pub(super) fn by_the_sequencer() -> Recording {
    let disk = Recorder::of(&Machine::default());
    let store = Arc::new(Store::create_on(disk.disk(), Path::new(LOG)).unwrap());
    let origin: Origin = "ca.test/log".parse().unwrap();
    let (key, _) = Key::<Log>::create(&KeyEncryptionKey::new(Zeroizing::new([7; 32]))).unwrap();
    // What is to be told is there with the entry that it tells of, or neither is.
    let told = vec![Subscription::of(&target())];
    let sequencer = Sequencer::start_telling(Arc::clone(&store), key, &origin, told).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut versions = Vec::new();
    let told = |versions: &mut Vec<Version>| {
        disk.tell(versions.len());
        let version = Version::of(&store).unwrap();
        let newest = sequencer.newest().checkpoint.clone();
        assert_eq!((newest.size, newest.root), (version.head.size, version.head.root));
        // What states are compared with is the fold of the entries.
        if !version.unfinished {
            store.check().unwrap();
        }
        versions.push(version);
    };
    for step in steps() {
        let (proposal, rewriting) = match step {
            Step::Write(proposal) => (proposal(&store), None),
            Step::Rewrite(proposal) => (proposal(&store), Some(store.rewrite().unwrap())),
        };
        drop(runtime.block_on(sequencer.commit(proposal)).unwrap());
        told(&mut versions);
        if let Some(rewriting) = rewriting {
            runtime.block_on(sequencer.replace(rewriting)).unwrap().unwrap();
            told(&mut versions);
        }
    }
    must_be_consistent(&store, &versions);
    assert_ne!(store.read().unwrap().letters("chat").unwrap(), [], "something is to be told");
    // It stops: the file is closed, which is a thing to be done to a disk as well.
    drop(sequencer);
    while Arc::strong_count(&store) > 1 {
        thread::yield_now();
    }
    drop(store);
    Recording { changes: disk.changes(), versions }
}

/// Who is told of everything.
fn target() -> NotifyTarget {
    NotifyTarget {
        name: "chat".into(),
        place: NotifyPlace::Slack(SecretSource::Env("NONE".into())),
        kinds: Kind::ALL.into(),
        roles: None,
        ending_soon: Span::from_secs(600),
        give_up: Span::from_secs(600),
        ca_file: PathBuf::new(),
        allow_private: BTreeSet::new(),
    }
}

/// When somebody is told that a commit is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Before,
    After,
}

/// A control: the same entries, by transactions with other settings, or announced at another time.
pub(super) fn otherwise(settings: impl Fn(&mut WriteTransaction), when: Told) -> Recording {
    let disk = Recorder::of(&Machine::default());
    let store = Store::create_on(disk.disk(), Path::new(LOG)).unwrap();
    let mut versions = Vec::new();
    for step in steps() {
        let (Step::Write(proposal) | Step::Rewrite(proposal)) = step;
        let proposal = proposal(&store);
        if when == Told::Before {
            disk.tell(versions.len());
        }
        commit(&store, &proposal, &settings).unwrap();
        if when == Told::After {
            disk.tell(versions.len());
        }
        versions.push(Version::of(&store).unwrap());
    }
    drop(store);
    Recording { changes: disk.changes(), versions }
}

/// Writes a batch as the sequencer does, with these settings.
pub(super) fn commit(
    store: &Store,
    proposal: &Proposal,
    settings: &dyn Fn(&mut WriteTransaction),
) -> Result<(), StoreError> {
    let head = store.read()?.head()?;
    let mut write = store.write()?;
    settings(&mut write.transaction);
    let mut tables = write.tables()?;
    let now = clock::now_millis();
    let mut leaves = Vec::new();
    for (idx, (actor, event)) in (head.map_or(0, |head| head.size)..).zip(&proposal.entries) {
        let payload = payload::encode(event)?;
        let salt = clock::random().unwrap();
        let leaf = Leaf {
            entry_type: event.entry_type().parse()?,
            idx,
            ts_ms: now.0,
            actor: *actor,
            ids: Ids::of(event),
            bundle: tables.policy()?.bundle,
            tbs: entry::tbs(event),
            commit: entry::commit(&salt, &payload),
        };
        leaves.push(tables.append(&leaf, &salt, &payload, event)?);
    }
    proposal.reply.iter().try_for_each(|reply| tables.put_reply(reply))?;
    tables.end(head, leaves.iter().map(Vec::as_slice), now, store.read()?)?;
    write.commit()
}

/// Each checkpoint is of a beginning of the last one's log.
fn must_be_consistent(store: &Store, versions: &[Version]) {
    let snapshot = store.read().unwrap();
    let last = snapshot.head().unwrap().unwrap();
    let mut tree = Tree::at(&snapshot, last.size);
    for Version { head, .. } in versions {
        let proof = tree.consistency_proof(head.size).unwrap();
        verify_consistency(head.size, head.root, last.size, last.root, &proof).unwrap();
    }
}
