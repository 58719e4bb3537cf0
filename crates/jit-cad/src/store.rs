//! The store: the log's leaves, payloads and tiles, the tables that are their fold, and a few things beside.
//!
//! Everything is one redb file. One task writes ([`crate::sequencer`]); reads are snapshots that never wait for it.
//! Nothing else of the daemon knows redb.
//!
//! ```text
//! log      leaves, payloads, tiles, head        written once, in the order of the log
//! fold     accesses, subjects, logins, …        what the entries add up to; can be made again from them
//! beside   sealed secrets, replies, outbox, …   not in the log, and never needed to check it
//! ```

mod beside;
mod bounded;
mod check;
mod decoded;
mod disk;
mod fold;
mod format;
mod log;
mod outbox;
mod parts;
mod query;
mod record;
mod requests;
mod rewrite;
mod room;
mod sessions;
mod sizes;
mod snapshot;
mod tiles;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use jit_ca_log::tree::{TileId, TileReader};
use redb::{Builder, Database, Durability};

pub use beside::{KeyName, Reply, Resource};
pub use bounded::NoRoom;
use bounded::{Bound, Bounded};
use decoded::Decoded;

pub use disk::{Disk, FileSystem};
pub use fold::{Between, Clash, Exceeded, Limits, Most, Phase, SessionsOf, Whose};
pub use outbox::{Delivery, Due, Letter};
pub use query::Filter;
pub use record::{
    AccessRecord, AskedReset, DoneReset, EnrolmentCode, HostRecord, HostTokenRecord, LockRecord,
    LoginRecord, PasskeyRecord, PolicyVersion, ResetRecord, SessionRecord, SubjectRecord,
};
pub use requests::{Found, Group, Search};
pub use rewrite::Rewriting;
pub use room::Low;
pub use sizes::TableSize;
pub use snapshot::Snapshot;
pub use write::{Head, Tables, Write};

/// The store's file, open. Another process that opens it is refused by the file's lock.
#[derive(Debug)]
pub struct Store {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Another one once the file was written anew ([`Store::replace`]); snapshots keep the one that they are of.
    open: RwLock<Open>,
    room: room::Room,
}

/// A file that is open, and what was read of it.
#[derive(Clone, Debug)]
struct Open {
    database: Arc<Database>,
    decoded: Arc<Decoded>,
}

/// The store can't be used. Whoever gets this while writing ends the process and does not try again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is none at this path, where one is expected.
    #[error("there is no log at {}", .0.display())]
    Missing(PathBuf),
    /// There is one already, where none may be.
    #[error("there is a log already at {}", .0.display())]
    Exists(PathBuf),
    /// redb can't do what it is for.
    #[error("the store failed")]
    Redb(#[source] redb::Error),
    /// A copy would take room that is to be left free.
    #[error(transparent)]
    NoRoom(NoRoom),
    /// Another version wrote it.
    #[error(
        "the store is of format {found}, and this jit-cad reads {own}: use the version that wrote it"
    )]
    Format {
        /// The format's number; 0 where there is none.
        found: u32,
        /// The one that this version reads.
        own: u32,
    },
    /// What is stored can't be read, or does not hold together.
    #[error("the log is damaged: {0}")]
    Damaged(String),
    /// The file still holds what was erased.
    #[error("an erasure was not finished: start the daemon, which finishes it")]
    Unfinished,
    /// A part of the log does not decode or hold.
    #[error("the log is damaged")]
    Log(#[from] jit_ca_log::Error),
}

macro_rules! from_redb {
    ($($error:ty),*) => {
        $(impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                redb::Error::from(error).into()
            }
        })*
    };
}
from_redb!(
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError
);

/// redb's page cache. The hot pages of the trees are few; the rest is the operating system's to cache.
const CACHE_BYTES: usize = 8 << 20;

impl Store {
    /// Makes an empty store.
    ///
    /// # Errors
    /// If there is one already, or it can't be made.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        Self::create_on(Arc::new(FileSystem), path)
    }

    /// Makes an empty store on this disk.
    ///
    /// # Errors
    /// If there is one already, or it can't be made.
    pub fn create_on(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, StoreError> {
        Self::create_bounded(disk, path, Weak::new())
    }

    /// Makes an empty store that leaves this room.
    fn create_bounded(
        disk: Arc<dyn Disk>,
        path: &Path,
        bound: Weak<Bound>,
    ) -> Result<Self, StoreError> {
        if disk.exists(path) {
            return Err(StoreError::Exists(path.to_owned()));
        }
        let file = Bounded { file: disk.create(path)?, bound };
        let database = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(file)?;
        let store = Self::of(disk, path, database);
        store.make_tables()?;
        Ok(store)
    }

    /// All tables exist from the first commit on, so that a snapshot finds them.
    fn make_tables(&self) -> Result<(), StoreError> {
        let write = self.write()?;
        drop(write.tables()?);
        write.note_format()?;
        write.commit()
    }

    /// Opens a store that was made before. A wrong path is an error and never a new, empty log. It is the file's own: a
    /// link's place would be taken, and not the file's, when the store is written anew.
    ///
    /// # Errors
    /// If there is none, another process has it open, it is of another format, or it can't be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(FileSystem), path)
    }

    /// Opens a store that was made before on this disk.
    ///
    /// # Errors
    /// If there is none, another process has it open, or it can't be read.
    pub fn open_on(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, StoreError> {
        if !disk.exists(path) {
            return Err(StoreError::Missing(path.to_owned()));
        }
        let database = disk.open(path, Builder::new().set_cache_size(CACHE_BYTES))?;
        format::check(&database)?;
        // Only now: what lies beside the file may be the work of a daemon that has it open.
        disk.remove(&rewrite::unfinished(path)).map_err(rewrite::io)?;
        Ok(Self::of(disk, path, database))
    }

    /// Looks at a store that is kept, as it was left, without changing its file.
    ///
    /// # Errors
    /// If there is none, a process writes to it, or it can't be read.
    pub fn look(path: &Path) -> Result<Snapshot, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing(path.to_owned()));
        }
        let database = Builder::new().set_cache_size(CACHE_BYTES).open_read_only(path)?;
        format::check(&database)?;
        Snapshot::new(Arc::new(database), Arc::default())
    }

    fn of(disk: Arc<dyn Disk>, path: &Path, database: Database) -> Self {
        let open = Open { database: Arc::new(database), decoded: Arc::default() };
        let open = RwLock::new(open);
        Self { disk, path: path.to_owned(), open, room: room::Room::default() }
    }

    fn opened(&self) -> Open {
        self.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A store in memory: for the fold to be made again and compared.
    ///
    /// # Errors
    /// If redb fails.
    pub fn in_memory() -> Result<Self, StoreError> {
        let backend = redb::backends::InMemoryBackend::new();
        let database = Builder::new().create_with_backend(backend)?;
        let store = Self::of(Arc::new(FileSystem), Path::new(""), database);
        store.make_tables()?;
        Ok(store)
    }

    /// The state as the last commit left it.
    ///
    /// # Errors
    /// If redb fails.
    pub fn read(&self) -> Result<Snapshot, StoreError> {
        let Open { database, decoded } = self.opened();
        Snapshot::new(database, decoded)
    }

    /// Begins a transaction; [`crate::sequencer`] alone does.
    ///
    /// Quick repair implies two-phase commit: a crash at any point leaves the last commit whole, and the file opens
    /// in milliseconds afterwards.
    ///
    /// # Errors
    /// If redb fails.
    pub fn write(&self) -> Result<Write, StoreError> {
        let Open { database, decoded } = self.opened();
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_quick_repair(true);
        Ok(Write::new(transaction, decoded))
    }
}

/// As the last commit left them.
impl TileReader for Store {
    type Error = StoreError;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, StoreError> {
        self.read()?.tile(id)
    }
}

#[cfg(test)]
pub(crate) mod tests;
