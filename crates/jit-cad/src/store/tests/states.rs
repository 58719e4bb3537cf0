//! Every point of a recording at which the power may go, and what a start then finds.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::thread::{available_parallelism, scope};

use jit_ca_log::tree::Tree;
use redb::WriteTransaction;
use ring::digest::{Context, SHA256};

use super::chance::Chance;
use super::disk::{Change, Machine, Recorder};
use super::record::{LOG, Recording, Version, commit};
use super::workload::one_more;
use crate::store::{Store, StoreError};

/// How many states are opened before one of them is checked from its first entry on.
const SAMPLE: usize = 64;

/// Looks at states of a recording until so many distinct ones have held.
pub(super) struct Search<'r> {
    pub(super) recording: &'r Recording,
    pub(super) seed: u64,
    pub(super) wanted: usize,
    /// The settings of the transactions that the log goes on with.
    pub(super) settings: fn(&mut WriteTransaction),
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// At how many points the power went.
    pub(super) points: usize,
    /// How often something was opened.
    pub(super) opened: usize,
    /// Of them, with other bytes than any before.
    pub(super) distinct: usize,
    /// Of them, left by a second crash: while the first was recovered from, or after.
    pub(super) second: usize,
    /// Of them, where the log went on.
    pub(super) went_on: usize,
    /// Of them, where everything was checked from the first entry on.
    pub(super) checked: usize,
}

/// A state that does not hold.
#[derive(Debug)]
pub(super) struct Fault {
    seed: u64,
    round: u64,
    point: usize,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, round, point, what } = self;
        write!(f, "seed {seed:#x}, round {round}, after change {point}: {what}")
    }
}

/// What is shared by those who look.
#[derive(Default)]
struct Shared {
    /// What was opened before, and the contents that were found; none where there was no log yet.
    seen: HashMap<u128, Option<[u8; 32]>>,
    counts: Counts,
    fault: Option<Fault>,
}

impl Search<'_> {
    /// One state of each point, again and again with other chance, until there are enough.
    pub(super) fn run(&self) -> Result<Counts, Fault> {
        let shared = Mutex::new(Shared::default());
        let workers = available_parallelism().map_or(1, NonZero::get);
        scope(|scope| {
            for worker in 0..workers {
                let shared = &shared;
                scope.spawn(move || {
                    for round in (worker as u64..).step_by(workers) {
                        if !self.round(round, shared) {
                            break;
                        }
                    }
                });
            }
        });
        let Shared { counts, fault, .. } = shared.into_inner().unwrap();
        fault.map_or(Ok(counts), Err)
    }

    /// Whether another round is wanted.
    fn round(&self, round: u64, shared: &Mutex<Shared>) -> bool {
        let (mut machine, mut told) = (Machine::default(), None);
        let before = shared.lock().unwrap().counts.distinct;
        for (point, change) in self.recording.changes.iter().enumerate() {
            machine.apply(change);
            if let Change::Told(version) = change {
                told = Some(*version);
                continue;
            }
            let number = round << 32 | point as u64;
            let mut state = State { search: self, chance: Chance::new(self.seed, number), shared };
            // redb's panic would end the daemon.
            let held = catch_unwind(AssertUnwindSafe(|| state.hold(&machine, told)));
            let held = held.unwrap_or_else(|_| Err("a panic".to_owned()));
            let mut shared = shared.lock().unwrap();
            shared.counts.points = shared.counts.points.max(point + 1);
            if let Err(what) = held {
                shared.fault.get_or_insert(Fault { seed: self.seed, round, point, what });
            }
            if shared.fault.is_some() || shared.counts.distinct >= self.wanted {
                return false;
            }
        }
        let after = shared.lock().unwrap().counts.distinct;
        assert!(after > before, "there are no more than {after} states");
        true
    }
}

/// One crash, what is recovered from it, and a second crash.
struct State<'s> {
    search: &'s Search<'s>,
    chance: Chance,
    shared: &'s Mutex<Shared>,
}

impl State<'_> {
    fn hold(&mut self, machine: &Machine, told: Option<usize>) -> Result<(), String> {
        let mut versions = self.search.recording.versions.clone();
        // A process that is killed loses nothing; but then the power may go.
        let killed = self.chance.below(8) == 0;
        let first = if killed { machine.clone() } else { machine.lose(&mut self.chance) };
        let disk = Recorder::of(&first);
        let Some((found, store)) = self.open(&first, &disk, told, &versions)? else {
            return self.second(&first, &disk.changes(), told, &versions);
        };
        let recovered = disk.changes().len();
        // A start signs a checkpoint of what it has found: it is told, and must not be lost any more.
        disk.tell(found);
        if self.chance.below(2) == 0 {
            versions.truncate(found + 1);
            commit(&store, &one_more(), &self.search.settings)
                .map_err(|error| format!("the log does not go on: {error:?}"))?;
            versions.push(Version::of(&store).map_err(|error| format!("{error:?}"))?);
            disk.tell(found + 1);
            self.shared.lock().unwrap().counts.went_on += 1;
        }
        let went_on = disk.changes().len();
        drop(store);
        // The second crash is while it recovers, or while it goes on, or after a clean stop.
        let mut changes = disk.changes();
        changes.truncate([recovered, went_on, usize::MAX][self.chance.below(3)]);
        self.second(&first, &changes, told, &versions)
    }

    /// The power goes again, at some point of what was done since the first crash.
    fn second(
        &mut self,
        first: &Machine,
        changes: &[Change],
        mut told: Option<usize>,
        versions: &[Version],
    ) -> Result<(), String> {
        let mut machine = first.clone();
        for change in &changes[..self.chance.below(changes.len() + 1)] {
            machine.apply(change);
            if let Change::Told(version) = change {
                told = Some(*version);
            }
        }
        let second = machine.lose(&mut self.chance);
        let seen = self.shared.lock().unwrap().seen.get(&hash(&second)).copied();
        if let Some(contents) = seen {
            return must_hold(contents, told, versions).map(drop);
        }
        self.open(&second, &Recorder::of(&second), told, versions)?;
        self.shared.lock().unwrap().counts.second += 1;
        Ok(())
    }

    /// Opens what is left. What was told is in it, and nothing but whole commits is. None, where nothing was told
    /// and there is no log yet.
    fn open(
        &mut self,
        machine: &Machine,
        disk: &Recorder,
        told: Option<usize>,
        versions: &[Version],
    ) -> Result<Option<(usize, Store)>, String> {
        let opened = Store::open_on(disk.disk(), Path::new(LOG));
        let opened = opened.and_then(|store| Ok((Version::of(&store)?, store)));
        let contents = opened.as_ref().ok().map(|(version, _)| version.contents);
        let number = {
            let Shared { seen, counts, .. } = &mut *self.shared.lock().unwrap();
            counts.opened += 1;
            counts.distinct += usize::from(seen.insert(hash(machine), contents).is_none());
            counts.opened
        };
        let (version, store) = match opened {
            Ok(opened) => opened,
            Err(_) if told.is_none() => return Ok(None),
            Err(error) => return Err(format!("version {told:?} was told, and {error:?}")),
        };
        let Some(at) = must_hold(contents, told, versions)? else {
            return Ok(None);
        };
        if number.is_multiple_of(SAMPLE) && !version.unfinished {
            self.check(&store, &versions[..=at]).map_err(|error| format!("{error:?}"))?;
        }
        Ok(Some((at, store)))
    }

    /// Every entry is read and folded again, and each checkpoint that was told is still of this tree.
    fn check(&self, store: &Store, versions: &[Version]) -> Result<(), StoreError> {
        store.check()?;
        let snapshot = store.read()?;
        for version in versions {
            let root = Tree::at(&snapshot, version.head.size).root()?;
            assert_eq!(root, version.head.root, "at {}", version.head.size);
        }
        self.shared.lock().unwrap().counts.checked += 1;
        Ok(())
    }
}

/// Which version it is that was found, where one must be.
fn must_hold(
    contents: Option<[u8; 32]>,
    told: Option<usize>,
    versions: &[Version],
) -> Result<Option<usize>, String> {
    let at = versions.iter().position(|version| Some(version.contents) == contents);
    match (at, told) {
        (None, None) => Ok(None),
        (None, Some(told)) => {
            Err(format!("version {told} was told, and what is left was never committed"))
        }
        (Some(at), Some(told)) if at < told => {
            Err(format!("version {told} was told, and {at} is left"))
        }
        (Some(at), _) => Ok(Some(at)),
    }
}

/// Names and bytes as a process sees them.
fn hash(machine: &Machine) -> u128 {
    let mut hash = Context::new(&SHA256);
    for (name, bytes) in machine.seen() {
        hash.update(name.as_os_str().as_encoded_bytes());
        bytes.hash_into(&mut hash);
    }
    u128::from_be_bytes(*hash.finish().as_ref().first_chunk().unwrap())
}
