//! The log that tells a story, and its export.

use std::io::Cursor;

use jit_ca_core::event::{ErasureCause, Event};
use jit_ca_core::{ActorRef, Digest};

use super::story::{START, Story, Teller, origin};
use crate::archive::{CHECKPOINT, Entry, LOG_KEY, parts};
use crate::part::{PartKind, write_entries, write_payloads};
use crate::tree::{Frontier, leaf_hash};
use crate::verify::levels::Levels;
use crate::{
    ArchiveWriter, Checkpoint, Copies, EntryType, Ids, Leaf, Part, SignedCheckpoint, entry, payload,
};

/// Names and bytes of an archive's members.
pub(super) type Members = Vec<(String, Vec<u8>)>;

/// A log's leaves and payloads, which tests change before it is sealed.
#[derive(Clone, Default)]
pub(super) struct Told {
    pub(super) leaves: Vec<Leaf>,
    /// Salt and payload; nothing where it is erased.
    pub(super) records: Vec<Vec<u8>>,
    bundle: Option<Digest>,
    /// The second of the last entry.
    now: Option<u64>,
}

impl Told {
    /// The story as a log; what its erasures name is erased.
    pub(super) fn of(story: &Story) -> Self {
        let mut told = Self::default();
        story.iter().for_each(|(actor, event)| told.push(*actor, event));
        for (place, (_, event)) in story.iter().enumerate() {
            let Event::Erased(erased) = event else { continue };
            let is_named = |index: usize| {
                let index = u64::try_from(index).unwrap();
                erased.entries.iter().any(|&(first, last)| first <= index && index <= last)
            };
            (0..place).filter(|&index| is_named(index)).for_each(|i| told.records[i].clear());
        }
        told
    }

    pub(super) fn push(&mut self, actor: ActorRef, event: &Event) {
        let payload = payload::encode(event).unwrap();
        let salt = [u8::try_from(self.leaves.len() % 251).unwrap(); 32];
        let entry_type: EntryType = event.entry_type().parse().unwrap();
        let now = self.pass(event);
        self.leaves.push(Leaf {
            bundle: self.bundle.filter(|_| entry_type.has_bundle()),
            entry_type,
            idx: u64::try_from(self.leaves.len()).unwrap(),
            ts_ms: 1_000 * now,
            actor,
            ids: Ids::of(event),
            tbs: entry::tbs(event),
            commit: entry::commit(&salt, &payload),
        });
        self.records.push([salt.as_slice(), &payload].concat());
        if let Event::BundleActivated(activated) = event {
            self.bundle = Some(activated.hash);
        }
    }

    /// When it happens: at the beginning, until an entry says that time has passed.
    fn pass(&mut self, event: &Event) -> u64 {
        let now = match event {
            Event::StrangersRefused(refused) => refused.since.secs(),
            event if is_by_age(event) => START + KEPT,
            _ => START,
        };
        *self.now.insert(self.now.unwrap_or(START).max(now))
    }

    /// Puts a leaf's commitment right after its payload was changed.
    pub(super) fn recommit(&mut self, index: usize) {
        let (salt, payload) = self.records[index].split_first_chunk().unwrap();
        self.leaves[index].commit = entry::commit(salt, payload);
    }

    pub(super) fn root(&self) -> Digest {
        let mut tree = Frontier::default();
        self.leaves.iter().for_each(|leaf| tree.push(leaf_hash(&leaf.encode())));
        tree.root()
    }

    pub(super) fn checkpoint(&self, teller: &Teller) -> SignedCheckpoint {
        let size = u64::try_from(self.leaves.len()).unwrap();
        let checkpoint = Checkpoint { origin: origin(), size, root: self.root() };
        let signature = teller.keys.log.raw(checkpoint.to_string().as_bytes());
        checkpoint.with_signature(&teller.log_key(), &signature).unwrap()
    }

    /// All members of the export, which tests change before it is written.
    pub(super) fn members(&self, teller: &Teller) -> Members {
        let leaves: Vec<Vec<u8>> = self.leaves.iter().map(Leaf::encode).collect();
        let (mut copies, mut levels) = (Copies::default(), Levels::new([]));
        for (leaf, record) in leaves.iter().zip(&self.records) {
            if let Ok(entry) = Entry::read(leaf, record) {
                copies.push(&entry.leaf, entry.event());
            }
            levels.push(leaf_hash(leaf));
        }
        let mut above = levels.tiles().into_iter();
        let part = |part: Part| {
            let (from, to) = part.range();
            let range = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
            let bytes = match part.kind {
                PartKind::Hashes(0) => {
                    leaves[range].iter().flat_map(|leaf| *leaf_hash(leaf).as_bytes()).collect()
                }
                PartKind::Hashes(_) => above.next().unwrap(),
                PartKind::Entries => {
                    write_entries(leaves[range].iter().map(Vec::as_slice)).unwrap()
                }
                PartKind::Payloads => {
                    let records = self.records[range].iter();
                    write_payloads(
                        records.map(|record| (!record.is_empty()).then_some(record.as_slice())),
                    )
                    .unwrap()
                }
            };
            (part.to_string(), bytes)
        };
        let mut members = vec![
            (CHECKPOINT.to_owned(), self.checkpoint(teller).to_string().into_bytes()),
            (LOG_KEY.to_owned(), format!("{}\n", teller.log_key()).into_bytes()),
        ];
        members.extend(parts(u64::try_from(leaves.len()).unwrap()).map(part));
        let copies = copies.members().map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
        members.extend(copies.collect::<Vec<_>>());
        members
    }

    pub(super) fn export(&self, teller: &Teller) -> Cursor<Vec<u8>> {
        write(&self.members(teller))
    }
}

/// How long a story is kept before its end is erased by age.
pub(super) const KEPT: u64 = 31 * 24 * 60 * 60;

fn is_by_age(event: &Event) -> bool {
    matches!(event, Event::Erased(erased) if matches!(erased.cause, ErasureCause::Retention(_)))
}

pub(super) fn write(members: &Members) -> Cursor<Vec<u8>> {
    let mut writer = ArchiveWriter::new(Vec::new());
    members.iter().for_each(|(name, bytes)| writer.member(name, bytes).unwrap());
    Cursor::new(writer.finish().unwrap())
}
