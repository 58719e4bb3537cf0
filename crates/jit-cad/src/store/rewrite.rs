//! The store's file written anew: without what was erased, without unused room, or as a backup.
//!
//! A database goes on holding what was deleted from it, in free pages and in the corners of used ones, and its file
//! never becomes smaller. So everything that is left is copied into a new file, its fold made again from what is left
//! of the log. For a backup that is all; after an erasure, and to compact it, the new file takes the old one's place:
//!
//! ```text
//! Store::backup    copies the log as a snapshot has it, and what lies beside; syncs, renames
//! Store::rewrite   copies the log as a snapshot has it, and then what was written meanwhile
//! Store::catch_up  in the sequencer: copies the little that is left, and what lies beside
//! Store::replace   syncs, renames, swaps
//! ```
//!
//! A crash at any point leaves either file whole under the store's name, and after an erasure a note in it whether this
//! is still to be done.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use jit_ca_core::event::Event;
use jit_ca_log::Leaf;
use redb::{Key, ReadableTable as _, TableDefinition, Value};

use super::bounded::Bound;
use super::disk::Disk;
use super::{Head, Snapshot, Store, StoreError, Tables, Write, beside, outbox};
use crate::clock::Millis;

/// How many entries are copied in one transaction.
const BATCH: u64 = 10_000;
/// How many entries the sequencer may be left to copy: some milliseconds' work.
const LITTLE: u64 = 500;
/// How often what was written meanwhile is copied before the sequencer has to do the rest. Each time it is less, unless
/// more is written than can be copied.
const ROUNDS: usize = 16;

/// A new file that holds the log up to some entry. It is removed if it does not take the old one's place.
#[derive(Debug)]
pub struct Rewriting {
    store: Store,
    head: Head,
    erasure: Option<u64>,
    // After the store: it is closed first.
    _file: Unfinished,
}

/// A file that is removed unless it gets another name, and leaves room until then.
#[derive(Debug)]
struct Unfinished {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    _bound: Arc<Bound>,
}

/// What of the entries is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copied {
    /// All of it.
    Everything,
    /// What they add up to, and their hashes.
    FoldAlone,
}

impl Store {
    /// Copies the store as it is now into a new file that can be used as it is. Nothing that was erased is in it. Gives
    /// its head and how large it is. One backup or rewriting at a time.
    ///
    /// # Errors
    /// If there is such a file already, or one of the name that it has until it is whole; there is no room, it can't be
    /// written, or the log does not hold.
    pub fn backup(&self, file: &Path) -> Result<(Head, u64), StoreError> {
        // Before the work is done; the name is given to nothing that came meanwhile, either. What has the other name, and is
        // not in our own folder, may be anybody's.
        for name in [file, &unfinished(file)] {
            if fs::symlink_metadata(name).is_ok() {
                return Err(StoreError::Exists(name.to_owned()));
            }
        }
        let snapshot = self.read()?;
        let (store, unfinished) = self.create_unfinished(file)?;
        let head = snapshot.copy_to(&store, 0, Copied::Everything)?;
        snapshot.copy_beside_to(&store)?;
        // Closed, so that it is opened as after an orderly end.
        drop(store);
        self.disk.rename(&unfinished.path, file).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => StoreError::Exists(file.to_owned()),
            _ => io(error),
        })?;
        Ok((head, size_of(file)?))
    }

    /// Copies the log into a new file, without what was erased, until little is left to copy. One backup or rewriting
    /// at a time.
    ///
    /// # Errors
    /// If there is no room, redb fails, or the log does not hold.
    pub fn rewrite(&self) -> Result<Rewriting, StoreError> {
        let snapshot = self.read()?;
        let erasure = snapshot.unfinished_erasure()?;
        self.disk.remove(&unfinished(&self.path)).map_err(io)?;
        let (store, file) = self.create_unfinished(&self.path)?;
        let mut head = snapshot.copy_to(&store, 0, Copied::Everything)?;
        for _ in 0..ROUNDS {
            let snapshot = self.read()?;
            if snapshot.size()? <= head.size + LITTLE || snapshot.unfinished_erasure()? != erasure {
                break;
            }
            head = snapshot.copy_to(&store, head.size, Copied::Everything)?;
        }
        Ok(Rewriting { store, head, erasure, _file: file })
    }

    /// Copies what was written since, and what lies beside. [`crate::sequencer`] alone calls it, between two batches,
    /// and [`Store::replace`] right after it.
    ///
    /// # Errors
    /// If redb or the file system fails, or payloads were erased since the copy was begun. Nothing has changed then.
    pub fn catch_up(&self, rewriting: &Rewriting) -> Result<(), StoreError> {
        let snapshot = self.read()?;
        if snapshot.unfinished_erasure()? != rewriting.erasure {
            return Err(StoreError::Damaged("two erasures at a time".to_owned()));
        }
        snapshot.copy_to(&rewriting.store, rewriting.head.size, Copied::Everything)?;
        snapshot.copy_beside_to(&rewriting.store)
    }

    /// Puts a copy that has caught up in the old file's place.
    ///
    /// # Errors
    /// If the file system fails. It is then not known which of the two files a restart will find: the process must
    /// end. Inside, if the file system refuses, and nothing has changed.
    pub fn replace(&self, rewriting: &Rewriting) -> Result<Result<(), StoreError>, StoreError> {
        if let Err(error) = self.disk.replace(&rewriting.store.path, &self.path).map_err(io)? {
            return Ok(Err(io(error)));
        }
        // With its own memory of what was read: what was erased is not in that either.
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = rewriting.store.opened();
        Ok(Ok(()))
    }

    /// An empty store beside the path that it will have, where nothing is yet, if there is room for a copy.
    fn create_unfinished(&self, path: &Path) -> Result<(Self, Unfinished), StoreError> {
        let (disk, path) = (Arc::clone(&self.disk), unfinished(path));
        let bound = self.bound(&path)?;
        let store = Self::create_bounded(Arc::clone(&disk), &path, Arc::downgrade(&bound))?;
        // Only now: what was there before is not ours to remove.
        Ok((store, Unfinished { disk, path, _bound: bound }))
    }

    /// How much room the file takes on the disk: its length has holes in it.
    ///
    /// # Errors
    /// If the file system does not say.
    pub fn room_taken(&self) -> Result<u64, StoreError> {
        self.disk.taken(&self.path).map_err(io)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Where it has got another name there is nothing left to remove.
        let _ = self.disk.remove(&self.path);
    }
}

impl Snapshot {
    /// Copies the entries from `start` on into a store that holds those before, and folds them there. That the tree
    /// comes out the same is checked.
    ///
    /// # Errors
    /// If redb fails, or the entries do not hold.
    pub(super) fn copy_to(
        &self,
        store: &Store,
        start: u64,
        what: Copied,
    ) -> Result<Head, StoreError> {
        let damaged = |what: &str| StoreError::Damaged(what.to_owned());
        let head = self.head()?.ok_or_else(|| damaged("it has no entry"))?;
        let mut copied = store.read()?.head()?;
        let batch = usize::try_from(BATCH).unwrap_or(usize::MAX);
        for first in (start..head.size).step_by(batch) {
            let write = store.write()?;
            let mut tables = write.tables()?;
            let mut leaves = Vec::new();
            let mut last = copied.map_or(Millis(0), |copied| copied.last);
            for index in first..head.size.min(first + BATCH) {
                let (leaf, bytes) = self.copy_entry(&mut tables, index, what)?;
                if leaf.ts_ms < last.0 && leaf.entry_type.as_str() != "clock.ack" {
                    return Err(StoreError::Damaged(format!("entry {index} is out of order")));
                }
                last = Millis(leaf.ts_ms);
                leaves.push(bytes);
            }
            let leaves = leaves.iter().map(Vec::as_slice);
            copied = Some(tables.end(copied, leaves, last, self)?.0);
            write.commit()?;
        }
        if copied != Some(head) {
            return Err(damaged("its entries do not give the root of its head"));
        }
        Ok(head)
    }

    fn copy_entry(
        &self,
        tables: &mut Tables<'_>,
        index: u64,
        what: Copied,
    ) -> Result<(Leaf, Vec<u8>), StoreError> {
        let damaged = |what: &str| StoreError::Damaged(format!("entry {index} {what}"));
        let bytes = self.leaf(index)?.ok_or_else(|| damaged("is missing"))?;
        let leaf = Leaf::decode(&bytes)?;
        if leaf.idx != index {
            return Err(damaged("is out of order"));
        }
        let payload = self.payload(index)?;
        let event: Option<Event> = self.event(&leaf)?;
        if what == Copied::Everything {
            tables.restore(index, &bytes, payload.as_deref())?;
        }
        if event.is_some() || payload.is_none() {
            tables.fold(&leaf, event.as_ref())?;
        }
        Ok((leaf, bytes))
    }

    fn copy_beside_to(&self, store: &Store) -> Result<(), StoreError> {
        let write = store.write()?;
        self.copy_table(&write, beside::SECRETS)?;
        self.copy_table(&write, beside::LAST_USES)?;
        self.copy_table(&write, beside::REPLIES)?;
        self.copy_table(&write, beside::CLOCK)?;
        self.copy_table(&write, outbox::OUTBOX)?;
        write.commit()
    }

    fn copy_table<K: Key + 'static, V: Value + 'static>(
        &self,
        write: &Write,
        definition: TableDefinition<'_, K, V>,
    ) -> Result<(), StoreError> {
        let mut to = write.transaction.open_table(definition)?;
        for row in self.transaction.open_table(definition)?.iter()? {
            let (key, value) = row?;
            to.insert(key.value(), value.value())?;
        }
        Ok(())
    }
}

/// The name of a new file that is not finished; the old one says whether it is to be made again.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn size_of(path: &Path) -> Result<u64, StoreError> {
    Ok(fs::metadata(path).map_err(io)?.len())
}

pub(super) fn io(error: std::io::Error) -> StoreError {
    redb::Error::Io(error).into()
}
