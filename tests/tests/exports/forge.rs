//! A log that somebody has in hand who can change everything in it: the tool of the tamperer, no verifier.
//!
//! ```text
//! export ──Log::read──> entries ──change, cut, insert, remove──> Log::archive ──> an export, whole and consistent
//! ```

use std::io::Cursor;

use jit_ca_core::event::{Event, Resetter};
use jit_ca_core::{Digest, Origin};
use jit_ca_log::archive::{self, Archive, ArchiveWriter, Copies};
use jit_ca_log::hash::sha256;
use jit_ca_log::tree::{leaf_hash, node_hash};
use jit_ca_log::{Checkpoint, Ids, Leaf, LogKey, Part, PartKind, entry, part, payload};

/// A log's entries.
#[derive(Clone)]
pub(super) struct Log {
    pub(super) entries: Vec<Entry>,
}

/// An entry as it is stored.
#[derive(Clone)]
pub(super) struct Entry {
    /// The leaf's bytes.
    pub(super) leaf: Vec<u8>,
    /// Salt and payload; empty where they are erased.
    pub(super) record: Vec<u8>,
}

impl Log {
    /// The log in an export.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut archive = Archive::open(Cursor::new(bytes)).unwrap();
        let (mut leaves, mut records) = (Vec::new(), Vec::new());
        for member in archive.members().to_vec() {
            let Ok(part) = member.name.parse::<Part>() else { continue };
            let bytes = archive.read(&member).unwrap();
            let owned = |(found, _): (Vec<&[u8]>, &[u8])| -> Vec<Vec<u8>> {
                found.into_iter().map(<[u8]>::to_vec).collect()
            };
            match part.kind {
                PartKind::Hashes(_) => {}
                PartKind::Entries => leaves.extend(owned(part::read_entries(&bytes))),
                PartKind::Payloads => records.extend(owned(part::read_payloads(&bytes))),
            }
        }
        let entries = leaves.into_iter().zip(records);
        Self { entries: entries.map(|(leaf, record)| Entry { leaf, record }).collect() }
    }

    /// Its first entries.
    pub(super) fn cut(&self, size: usize) -> Self {
        Self { entries: self.entries[..size].to_vec() }
    }

    /// What a checkpoint of it says.
    pub(super) fn checkpoint(&self, origin: Origin) -> Checkpoint {
        let root = tree_hash(&self.hashes());
        Checkpoint { origin, size: self.entries.len().try_into().unwrap(), root }
    }

    /// The export of it under this checkpoint.
    pub(super) fn archive(&self, note: &str, key: &LogKey) -> Vec<u8> {
        let mut to = ArchiveWriter::new(Vec::new());
        to.member(archive::CHECKPOINT, note.as_bytes()).unwrap();
        to.member(archive::LOG_KEY, format!("{key}\n").as_bytes()).unwrap();
        let mut levels = vec![self.hashes()];
        for part in archive::parts(self.entries.len().try_into().unwrap()) {
            let (first, end) = part.range();
            let range = usize::try_from(first).unwrap()..usize::try_from(end).unwrap();
            let bytes = match part.kind {
                PartKind::Hashes(level) => {
                    while levels.len() <= usize::from(level) {
                        let below = levels.last().unwrap().chunks_exact(256);
                        levels.push(below.map(tree_hash).collect());
                    }
                    let hashes = &levels[usize::from(level)][range];
                    hashes.iter().flat_map(|hash| hash.as_bytes().to_vec()).collect()
                }
                PartKind::Entries => part::write_entries(
                    self.entries[range].iter().map(|entry| entry.leaf.as_slice()),
                )
                .unwrap(),
                PartKind::Payloads => {
                    let records = self.entries[range].iter().map(|entry| &entry.record);
                    part::write_payloads(
                        records.map(|record| (!record.is_empty()).then_some(record.as_slice())),
                    )
                    .unwrap()
                }
            };
            to.member(&part.to_string(), &bytes).unwrap();
        }
        let mut copies = Copies::default();
        for at in 0..self.entries.len() {
            if let Ok(leaf) = Leaf::decode(&self.entries[at].leaf) {
                copies.push(&leaf, self.event(at).as_ref());
            }
        }
        copies.members().for_each(|(name, bytes)| to.member(name, bytes).unwrap());
        to.finish().unwrap()
    }

    fn hashes(&self) -> Vec<Digest> {
        self.entries.iter().map(|entry| leaf_hash(&entry.leaf)).collect()
    }

    pub(super) fn leaf(&self, at: usize) -> Leaf {
        Leaf::decode(&self.entries[at].leaf).unwrap()
    }

    /// What an entry's payload says, if it is there and can be read.
    pub(super) fn event(&self, at: usize) -> Option<Event> {
        let Entry { leaf, record } = &self.entries[at];
        let leaf = Leaf::decode(leaf).ok()?;
        payload::decode_event(&leaf, record.get(32..)?).ok()?
    }

    /// The index of the entry of which this holds, counted from 0 among all such; places are spread over the log.
    pub(super) fn find(&self, place: usize, holds: impl Fn(&Event) -> bool) -> Option<usize> {
        self.find_where(place, |_, event| holds(event))
    }

    /// The same, where it depends on where the entry stands.
    pub(super) fn find_where(
        &self,
        place: usize,
        holds: impl Fn(usize, &Event) -> bool,
    ) -> Option<usize> {
        let found: Vec<usize> = (0..self.entries.len())
            .filter(|&at| self.event(at).is_some_and(|event| holds(at, &event)))
            .collect();
        // The first, the last, and then one between the others.
        match (place, found.len()) {
            (_, count) if place >= count => None,
            (0, _) => Some(found[0]),
            (1, count) => Some(found[count - 1]),
            (place, count) => Some(found[(place * 7) % (count - 2) + 1]),
        }
    }

    /// The first entry from here on of which this holds.
    pub(super) fn find_from(&self, from: usize, holds: impl Fn(&Event) -> bool) -> Option<usize> {
        (from..self.entries.len()).find(|&at| self.event(at).is_some_and(|event| holds(&event)))
    }

    /// Changes what an entry says, and makes its leaf anew: ids, hash of the to-be-signed bytes, commitment.
    pub(super) fn change(&mut self, at: usize, change: impl FnOnce(&mut Leaf, &mut Event)) {
        let mut leaf = self.leaf(at);
        let mut event = self.event(at).unwrap();
        change(&mut leaf, &mut event);
        leaf.entry_type = event.entry_type().parse().unwrap();
        leaf.ids = Ids::of(&event);
        leaf.tbs = match &event {
            Event::CertificateIntended(intended) => Some(sha256(intended.tbs.as_slice())),
            _ => None,
        };
        self.put(at, leaf, &payload::encode(&event).unwrap());
    }

    /// Changes a leaf alone.
    pub(super) fn change_leaf(&mut self, at: usize, change: impl FnOnce(&mut Leaf)) {
        let mut leaf = self.leaf(at);
        change(&mut leaf);
        self.entries[at].leaf = leaf.encode();
    }

    /// Puts a payload behind a leaf, under a salt of its own.
    pub(super) fn put(&mut self, at: usize, mut leaf: Leaf, payload: &[u8]) {
        let salt = *sha256(payload).as_bytes();
        leaf.commit = entry::commit(&salt, payload);
        self.entries[at] = Entry { leaf: leaf.encode(), record: [&salt, payload].concat() };
    }

    /// Takes an entry out, as if it had never been.
    pub(super) fn remove(&mut self, at: usize) -> Entry {
        let entry = self.entries.remove(at);
        self.number_anew(at, |index| index - 1);
        entry
    }

    /// Puts an entry in, as of the time of the one before.
    pub(super) fn insert(&mut self, at: usize, entry: Entry) {
        self.entries.insert(at, entry);
        self.number_anew(at + 1, |index| index + 1);
        let (before, in_force) = (self.leaf(at - 1), self.bundle_before(at));
        self.change_leaf(at, |leaf| {
            leaf.idx = before.idx + 1;
            leaf.ts_ms = before.ts_ms;
            leaf.bundle = in_force.filter(|_| names_bundle(leaf));
        });
    }

    /// Puts in a copy of an entry, of which this is changed.
    pub(super) fn insert_like(&mut self, at: usize, like: usize, change: impl FnOnce(&mut Event)) {
        self.insert(at, self.entries[like].clone());
        self.change(at, |_, event| change(event));
    }

    /// The bundle in force at an entry.
    pub(super) fn bundle_before(&self, at: usize) -> Option<Digest> {
        let before = (0..at).rev().find(|&at| names_bundle(&self.leaf(at)))?;
        match self.event(before) {
            Some(Event::BundleActivated(activated)) => Some(activated.hash),
            _ => self.leaf(before).bundle,
        }
    }

    /// All entries from here on have moved by one, and so have those that an erasure or a reset names.
    fn number_anew(&mut self, from: usize, moved: impl Fn(u64) -> u64) {
        for at in from..self.entries.len() {
            if let Some(Event::Erased(_)) = self.event(at) {
                let from = u64::try_from(from).unwrap();
                self.change(at, |_, event| {
                    let Event::Erased(erased) = event else { return };
                    for (first, last) in &mut erased.entries {
                        [first, last]
                            .into_iter()
                            .filter(|end| **end >= from.min(moved(from)))
                            .for_each(|end| {
                                *end = moved(*end);
                            });
                    }
                });
            }
            if let Some(Event::MfaReset(_) | Event::MfaResetWithdrawn(_)) = self.event(at) {
                let from = u64::try_from(from).unwrap();
                // From the entry on that was put in, or behind the one that was taken out.
                let has_moved = |index: u64| match moved(from) > from {
                    true => index + 1 >= from,
                    false => index > from,
                };
                self.change(at, |_, event| {
                    let asked = match event {
                        Event::MfaResetWithdrawn(withdrawn) => &mut withdrawn.asked,
                        Event::MfaReset(reset) => match &mut reset.by {
                            Resetter::Person { asked, .. } => asked,
                            Resetter::Machine { .. } => return,
                        },
                        _ => return,
                    };
                    if has_moved(*asked) {
                        *asked = moved(*asked);
                    }
                });
            }
            self.change_leaf(at, |leaf| leaf.idx = moved(leaf.idx));
        }
    }
}

/// Whether an entry of this type says which bundle is in force.
fn names_bundle(leaf: &Leaf) -> bool {
    !["issue.done", "issue.failed"].contains(&leaf.entry_type.as_str())
}

/// RFC 6962 section 2.1.
fn tree_hash(hashes: &[Digest]) -> Digest {
    match hashes {
        [] => sha256(b""),
        [only] => *only,
        _ => {
            let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
            node_hash(&tree_hash(left), &tree_hash(right))
        }
    }
}
