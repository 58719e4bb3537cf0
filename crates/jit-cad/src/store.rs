//! The store: the log's leaves, payloads and tiles, the tables that are their fold, and a few things beside.
//!
//! Everything is one redb file. One task writes ([`crate::sequencer`]); reads are snapshots that never wait for it.
//! Nothing else of the daemon knows redb.
//!
//! ```text
//! log      leaves, payloads, tiles, head        written once, in the order of the log
//! fold     accesses, subjects, logins, …        what the entries add up to; can be made again from them
//! beside   sealed secrets, last uses, replies   not in the log, and never needed to check it
//! ```

mod beside;
mod check;
mod fold;
mod log;
mod query;
mod record;
mod snapshot;
mod write;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use redb::{Builder, Database, Durability, ReadableDatabase as _};

pub use beside::{Reply, Resource};
pub use fold::Clash;
pub use query::Filter;
pub use record::{AccessRecord, LoginRecord};
pub use snapshot::Snapshot;
pub use write::{Head, Write};

/// The store's file, open. Another process that opens it is refused by the file's lock.
#[derive(Debug)]
pub struct Store {
    database: Database,
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
    /// What is stored can't be read, or does not hold together.
    #[error("the log is damaged: {0}")]
    Damaged(String),
    /// A part of the log does not decode or hold.
    #[error("the log is damaged")]
    Log(#[from] jit_ca_log::Error),
}

macro_rules! from_redb {
    ($($error:ty),*) => {
        $(impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Redb(error.into())
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
        if path.exists() {
            return Err(StoreError::Exists(path.to_owned()));
        }
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| StoreError::Redb(redb::Error::Io(error)))?;
        let backend = redb::backends::FileBackend::new(file)?;
        let builder = &mut Builder::new();
        let database = builder.set_cache_size(CACHE_BYTES).create_with_backend(backend)?;
        let store = Self { database };
        // All tables exist from the first commit on, so that a snapshot finds them.
        store.write()?.commit()?;
        Ok(store)
    }

    /// Opens a store that was made before. A wrong path is an error and never a new, empty log.
    ///
    /// # Errors
    /// If there is none, another process has it open, or it can't be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing(path.to_owned()));
        }
        Ok(Self { database: Builder::new().set_cache_size(CACHE_BYTES).open(path)? })
    }

    /// A store in memory: for the fold to be made again and compared.
    ///
    /// # Errors
    /// If redb fails.
    pub fn in_memory() -> Result<Self, StoreError> {
        let backend = redb::backends::InMemoryBackend::new();
        let store = Self { database: Builder::new().create_with_backend(backend)? };
        store.write()?.commit()?;
        Ok(store)
    }

    /// The state as the last commit left it.
    ///
    /// # Errors
    /// If redb fails.
    pub fn read(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot::new(self.database.begin_read()?))
    }

    /// Begins a transaction; [`crate::sequencer`] alone does.
    ///
    /// Quick repair implies two-phase commit: a crash at any point leaves the last commit whole, and the file opens
    /// in milliseconds afterwards.
    ///
    /// # Errors
    /// If redb fails.
    pub fn write(&self) -> Result<Write, StoreError> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_quick_repair(true);
        Write::new(transaction)
    }
}
