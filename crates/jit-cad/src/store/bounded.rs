//! A copy that leaves room for what is written beside it.
//!
//! A full disk ends the daemon. So no copy is begun that may not fit, and none goes on that something else takes the
//! room from: every write of its file passes here.
//!
//! ```text
//! begin   free >= what the store's file takes, an eighth more, and what is left free    else it is not begun
//! write   free >= what is left free                                                     else it ends, and is removed
//! ```

use std::fmt;
use std::io;
use std::ops::Bound as End;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use redb::StorageBackend;

use super::disk::{Disk, folder_of};
use super::{Store, StoreError, rewrite};

/// What a copy leaves free beside what is to be kept free: for what others write between two looks, also where nothing
/// is to be kept.
const LEFT_BESIDE: u64 = 1 << 20;
/// The part of what the file takes that a copy may take more: its pages are not filled alike.
const MORE: u64 = 8;
/// How much a copy writes between two looks at the disk.
const LOOK_EVERY: u64 = 64 << 10;

/// A copy would take room that is to be left free, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// What the disk has.
    pub free: u64,
    /// What a copy may take; nothing if it had been begun.
    pub takes: Option<u64>,
    /// What it leaves.
    pub left: u64,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let up = |bytes: u64| bytes.div_ceil(1 << 20);
        let (free, left) = (self.free >> 20, up(self.left));
        match self.takes.map(up) {
            Some(takes) => write!(
                f,
                "a copy of the store was not begun: it takes up to {takes} MiB and leaves {left} MiB free, and the disk has \
                 {free} MiB"
            ),
            None => write!(
                f,
                "the copy of the store was not finished: it leaves {left} MiB free, and the disk has {free} MiB"
            ),
        }
    }
}

impl std::error::Error for NoRoom {}

/// The room that a copy leaves. It binds the copy's file for as long as this is kept.
#[derive(Debug)]
pub(super) struct Bound {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    left: u64,
    /// Bytes written since the last look.
    unlooked: AtomicU64,
}

impl Store {
    /// The room that a copy in this file has to leave.
    ///
    /// # Errors
    /// If there may not be enough of it.
    pub(super) fn bound(&self, copy: &Path) -> Result<Arc<Bound>, StoreError> {
        let (disk, folder) = (Arc::clone(&self.disk), folder_of(copy).to_owned());
        let left = self.room.keep.saturating_add(LEFT_BESIDE);
        let taken = self.room_taken()?;
        let takes = taken.saturating_add(taken / MORE);
        let free = disk.free(&folder).map_err(rewrite::io)?;
        if free < left.saturating_add(takes) {
            return Err(StoreError::NoRoom(NoRoom { free, takes: Some(takes), left }));
        }
        Ok(Arc::new(Bound { disk, folder, left, unlooked: AtomicU64::new(LOOK_EVERY) }))
    }
}

impl Bound {
    fn must_leave(&self, bytes: usize) -> io::Result<()> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.unlooked.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) < LOOK_EVERY {
            return Ok(());
        }
        self.unlooked.store(0, Ordering::Relaxed);
        let (free, left) = (self.disk.free(&self.folder)?, self.left);
        if free < left {
            let no_room = NoRoom { free, takes: None, left };
            return Err(io::Error::new(io::ErrorKind::StorageFull, no_room));
        }
        Ok(())
    }
}

/// A database's file that is bound while it is a copy, and free once it is the store.
#[derive(Debug)]
pub(super) struct Bounded {
    pub(super) file: Box<dyn StorageBackend>,
    pub(super) bound: Weak<Bound>,
}

type Locked = Result<bool, redb::BackendError>;
type Done = Result<(), redb::BackendError>;

impl StorageBackend for Bounded {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Some(bound) = self.bound.upgrade() {
            bound.must_leave(bytes.len())?;
        }
        self.file.write(offset, bytes)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: End<u64>, end: End<u64>) -> Locked {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: End<u64>, end: End<u64>) -> Locked {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: End<u64>, end: End<u64>) -> Done {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: End<u64>, end: End<u64>) -> Done {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: End<u64>, end: End<u64>) -> Done {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: End<u64>, end: End<u64>) -> Locked {
        self.file.query_lock_range(start, end)
    }
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        let no_room = match &error {
            redb::Error::Io(error) => error.get_ref().and_then(|error| error.downcast_ref()),
            _ => None,
        };
        no_room.copied().map_or(Self::Redb(error), Self::NoRoom)
    }
}
