//! A disk that loses power: it knows what was synced, and of everything else it keeps what chance says.
//!
//! What is assumed of real disks and of the file system is all here, in [`Machine::lose`]; `docs/RELIABILITY.md` has
//! it in words.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use redb::{Builder, Database, DatabaseError, StorageBackend, StorageError};

use super::chance::Chance;
use super::pages::Pages;
use crate::store::Disk;

/// What a disk writes or does not: never a part of one without the rest being old or new, byte by byte.
const SECTOR: usize = 512;

/// What was done to the disk, in order.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Bytes were written.
    Write { file: usize, at: usize, bytes: Arc<[u8]> },
    /// A file was made longer, with zeros, or shorter.
    Length { file: usize, length: usize },
    /// A file's sync has returned.
    Synced { file: usize },
    /// A name was given, moved or removed: these are the names from now on.
    Names(Names),
    /// The sync of the folder has returned.
    NamesSynced,
    /// Not the disk's: somebody was told that this version of the log is durable.
    Told(usize),
}

/// Names and the files that they are of.
type Names = BTreeMap<PathBuf, usize>;

/// A file: what is durable of it, and what was done to it since.
#[derive(Clone, Debug, Default)]
struct File {
    durable: Pages,
    unsynced: Vec<Change>,
}

/// Files and names, with what is durable of them and what is not.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    files: Vec<File>,
    names: Names,
    unsynced_names: Vec<Names>,
}

impl Machine {
    /// Goes on by one change.
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { file, .. } | Change::Length { file, .. } => {
                if self.files.len() <= *file {
                    self.files.resize_with(file + 1, File::default);
                }
                self.files[*file].unsynced.push(change.clone());
            }
            Change::Synced { file } => {
                if let Some(file) = self.files.get_mut(*file) {
                    let changes = std::mem::take(&mut file.unsynced);
                    changes.iter().for_each(|change| keep(&mut file.durable, change));
                }
            }
            Change::Names(names) => self.unsynced_names.push(names.clone()),
            Change::NamesSynced => {
                if let Some(last) = self.unsynced_names.drain(..).next_back() {
                    self.names = last;
                }
            }
            Change::Told(_) => {}
        }
    }

    /// What is left after the power was lost: all that is durable, and of the rest what chance keeps.
    pub(super) fn lose(&self, chance: &mut Chance) -> Self {
        let loss = Loss::by(chance);
        // A file system's journal keeps names in their order.
        let kept = match loss {
            Loss::Everything => 0,
            Loss::Nothing => self.unsynced_names.len(),
            _ => chance.below(self.unsynced_names.len() + 1),
        };
        let names = kept.checked_sub(1).map_or(&self.names, |last| &self.unsynced_names[last]);
        let files = self.files.iter().map(|file| File {
            durable: loss.of(&file.durable, &file.unsynced, chance),
            unsynced: Vec::new(),
        });
        Self { files: files.collect(), names: names.clone(), unsynced_names: Vec::new() }
    }

    /// The files by their names, as a process sees them.
    pub(super) fn seen(&self) -> impl Iterator<Item = (&Path, Pages)> {
        let names = self.unsynced_names.last().unwrap_or(&self.names);
        names.iter().map(|(name, file)| (name.as_path(), self.file(*file)))
    }

    fn file(&self, file: usize) -> Pages {
        let Some(file) = self.files.get(file) else {
            return Pages::default();
        };
        let mut bytes = file.durable.clone();
        file.unsynced.iter().for_each(|change| keep(&mut bytes, change));
        bytes
    }
}

/// How much is lost. Every kind is drawn often, so that none of them hides behind another.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Everything,
    Nothing,
    /// Each write is lost with this chance, of 16.
    Writes(usize),
    /// Each sector of each write is, and some that are not are torn: writes out of order are among them, as a sector's
    /// older bytes stand where its newer ones were lost.
    Sectors(usize),
    /// All after some write, which is torn.
    Tail,
    /// One write alone, of all.
    One,
    /// All writes but one.
    AllButOne,
}

impl Loss {
    fn by(chance: &mut Chance) -> Self {
        match chance.below(16) {
            0 => Self::Everything,
            1 => Self::Nothing,
            2..=4 => Self::Writes([2, 8, 14][chance.below(3)]),
            5..=9 => Self::Sectors([1, 4, 8, 12, 15][chance.below(5)]),
            10 | 11 => Self::Tail,
            12 | 13 => Self::One,
            _ => Self::AllButOne,
        }
    }

    fn of(self, durable: &Pages, unsynced: &[Change], chance: &mut Chance) -> Pages {
        let mut bytes = durable.clone();
        let one = chance.below(unsynced.len().max(1));
        for (nth, change) in unsynced.iter().enumerate() {
            match self {
                Self::Everything => {}
                Self::Nothing => keep(&mut bytes, change),
                Self::Writes(of_16) => {
                    if chance.below(16) >= of_16 {
                        keep(&mut bytes, change);
                    }
                }
                Self::Sectors(of_16) => tear(&mut bytes, change, of_16, chance),
                Self::Tail if nth < one => keep(&mut bytes, change),
                Self::Tail if nth == one => tear(&mut bytes, change, 8, chance),
                Self::Tail => {}
                Self::One if nth == one => keep(&mut bytes, change),
                Self::One => {}
                Self::AllButOne if nth == one => {}
                Self::AllButOne => keep(&mut bytes, change),
            }
        }
        bytes
    }
}

/// Keeps a change. Where the length that it needs was lost, so is what lies behind it.
fn keep(file: &mut Pages, change: &Change) {
    match change {
        Change::Write { at, bytes, .. } => file.write(*at, bytes),
        Change::Length { length, .. } => file.resize(*length),
        _ => {}
    }
}

/// Keeps some sectors of a change. Of some it keeps the beginning only.
fn tear(file: &mut Pages, change: &Change, of_16: usize, chance: &mut Chance) {
    let Change::Write { at, bytes, .. } = change else {
        if chance.below(16) >= of_16 {
            keep(file, change);
        }
        return;
    };
    let mut from = 0;
    while from < bytes.len() {
        let to = (((at + from) / SECTOR + 1) * SECTOR - at).min(bytes.len());
        if chance.below(16) >= of_16 {
            let torn = if chance.below(16) == 0 { from + chance.below(to - from) } else { to };
            file.write(at + from, &bytes[from..torn]);
        }
        from = to;
    }
}

/// The disk of a process: it sees all that was done, synced or not, and everything is remembered.
#[derive(Clone, Debug)]
pub(super) struct Recorder(Arc<Mutex<Recorded>>);

#[derive(Debug, Default)]
struct Recorded {
    names: Names,
    files: Vec<Pages>,
    changes: Vec<Change>,
}

impl Recorder {
    /// A disk in this state.
    pub(super) fn of(machine: &Machine) -> Self {
        let names = machine.unsynced_names.last().unwrap_or(&machine.names).clone();
        let files = (0..machine.files.len()).map(|file| machine.file(file)).collect();
        Self(Arc::new(Mutex::new(Recorded { names, files, changes: Vec::new() })))
    }

    /// Remembers that somebody was told, now.
    pub(super) fn tell(&self, version: usize) {
        self.lock().changes.push(Change::Told(version));
    }

    /// All that was done so far.
    pub(super) fn changes(&self) -> Vec<Change> {
        self.lock().changes.clone()
    }

    /// The disk as a [`Disk`].
    pub(super) fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap()
    }
}

impl Recorded {
    fn rename(&mut self, change: impl FnOnce(&mut Names)) {
        change(&mut self.names);
        let names = self.names.clone();
        self.changes.push(Change::Names(names));
    }
}

impl Disk for Recorder {
    fn exists(&self, path: &Path) -> bool {
        self.lock().names.contains_key(path)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn StorageBackend>, DatabaseError> {
        let mut recorded = self.lock();
        let file = recorded.files.len();
        recorded.files.push(Pages::default());
        recorded.rename(|names| {
            names.insert(path.to_owned(), file);
        });
        recorded.changes.push(Change::NamesSynced);
        drop(recorded);
        Ok(Box::new(OpenFile { disk: self.clone(), file }))
    }

    fn open(&self, path: &Path, builder: &Builder) -> Result<Database, DatabaseError> {
        let file = self.lock().names.get(path).copied();
        let file = file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        if self.lock().files.get(file).is_none_or(|file| file.len() == 0) {
            // redb makes no database in an empty file that it is to open.
            return Err(StorageError::Corrupted("an empty file".into()).into());
        }
        let database = builder.create_with_backend(OpenFile { disk: self.clone(), file })?;
        self.lock().changes.push(Change::NamesSynced);
        Ok(database)
    }

    fn replace(&self, from: &Path, to: &Path) -> io::Result<io::Result<()>> {
        let mut recorded = self.lock();
        let file = recorded.names.get(from).copied().ok_or(io::ErrorKind::NotFound)?;
        recorded.rename(|names| {
            names.remove(from);
            names.insert(to.to_owned(), file);
        });
        recorded.changes.push(Change::NamesSynced);
        Ok(Ok(()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.exists(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.replace(from, to)?
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut recorded = self.lock();
        if recorded.names.contains_key(path) {
            recorded.rename(|names| {
                names.remove(path);
            });
        }
        Ok(())
    }

    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn taken(&self, _: &Path) -> io::Result<u64> {
        Ok(0)
    }
}

#[derive(Debug)]
struct OpenFile {
    disk: Recorder,
    file: usize,
}

impl StorageBackend for OpenFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().files[self.file].len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let recorded = self.disk.lock();
        let there = recorded.files[self.file].read(usize::try_from(offset).unwrap(), out);
        there.then_some(()).ok_or(io::ErrorKind::UnexpectedEof.into())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut recorded = self.disk.lock();
        let length = usize::try_from(length).unwrap();
        recorded.files[self.file].resize(length);
        recorded.changes.push(Change::Length { file: self.file, length });
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.lock().changes.push(Change::Synced { file: self.file });
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut recorded = self.disk.lock();
        let at = usize::try_from(offset).unwrap();
        let file = &mut recorded.files[self.file];
        assert!(at + bytes.len() <= file.len(), "redb sets the length before it writes");
        file.write(at, bytes);
        recorded.changes.push(Change::Write { file: self.file, at, bytes: bytes.into() });
        Ok(())
    }
}
