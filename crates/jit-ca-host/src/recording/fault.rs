//! Why a recording can't be kept.

use std::io;
use std::path::{Path, PathBuf};

/// Which bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Of what waits of all sessions.
    All,
    /// Of what waits of one.
    Session,
}

/// Why a recording can't be kept, or isn't what was recorded.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// As much waits as may.
    #[error("{}", match .0 {
        Bound::All => "as much waits to be fetched as may, of all sessions: see [recording] spool, and whether the CA is reached",
        Bound::Session => "as much of this session waits to be fetched as may: see [recording] session",
    })]
    Full(Bound),
    /// A file can't be read or written.
    #[error("{0}: {1}")]
    Disk(PathBuf, io::Error),
    /// A file isn't what was recorded.
    #[error("{0}: {1}")]
    Altered(PathBuf, &'static str),
    /// Another process has the spool open.
    #[error("{0}: another process has it open")]
    InUse(PathBuf),
    /// It can't be done to what is in this state.
    #[error("{0}: {1}")]
    State(PathBuf, &'static str),
}

/// Names the file that something failed with.
pub(super) trait At<T> {
    /// The same, with the file's path.
    fn at(self, path: &Path) -> Result<T, Fault>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, Fault> {
        self.map_err(|error| Fault::Disk(path.to_owned(), error))
    }
}
