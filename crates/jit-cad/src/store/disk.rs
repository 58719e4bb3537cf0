//! Where a store's file lies, and what is done to it as a whole.
//!
//! The product's disk is the file system. The tests have another one, which loses what was not synced, and one that
//! fails: that is what the trait is for, and why it says no more than they need.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, StorageBackend};
use rustix::fs::{CWD, RenameFlags, renameat_with, statvfs};
use rustix::io::Errno;

/// A place for the files of a store.
pub trait Disk: Debug + Send + Sync {
    /// Whether there is a file of this name.
    fn exists(&self, path: &Path) -> bool;

    /// Makes a file for a database. When it has returned, no crash undoes the name.
    ///
    /// # Errors
    /// If the file is there already, or can't be made.
    fn create(&self, path: &Path) -> Result<Box<dyn StorageBackend>, DatabaseError>;

    /// Opens the database in a file. It makes none where there is none. When it has returned, no crash undoes that it
    /// is this file which has the name: a process may have been killed before it could see to that.
    ///
    /// # Errors
    /// If it can't be read, or another process has it open.
    fn open(&self, path: &Path, builder: &Builder) -> Result<Database, DatabaseError>;

    /// Puts a file in another one's place. When it has returned, no crash undoes that.
    ///
    /// # Errors
    /// If it is not known which of the two a restart will find; inside, if it is the old one.
    fn replace(&self, from: &Path, to: &Path) -> io::Result<io::Result<()>>;

    /// Gives a file another name, which nothing may have yet. When it has returned, no crash undoes that.
    ///
    /// # Errors
    /// If something has that name, or it can't be given.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file, if there is one.
    ///
    /// # Errors
    /// If it can't be removed.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// How many bytes are free where this file or folder lies.
    ///
    /// # Errors
    /// If that can't be told.
    fn free(&self, path: &Path) -> io::Result<u64>;

    /// How many bytes of the disk a file takes: fewer than its length where nothing was written yet.
    ///
    /// # Errors
    /// If that can't be told.
    fn taken(&self, path: &Path) -> io::Result<u64>;
}

/// The file system's files.
#[derive(Debug)]
pub struct FileSystem;

impl Disk for FileSystem {
    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn create(&self, path: &Path) -> Result<Box<dyn StorageBackend>, DatabaseError> {
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        // A file's own sync does not promise that its name is found again.
        sync_folder_of(path)?;
        Ok(Box::new(FileBackend::new(file)?))
    }

    fn open(&self, path: &Path, builder: &Builder) -> Result<Database, DatabaseError> {
        let database = builder.open(path)?;
        sync_folder_of(path)?;
        Ok(database)
    }

    fn replace(&self, from: &Path, to: &Path) -> io::Result<io::Result<()>> {
        match fs::rename(from, to) {
            // These come before anything is changed, such as of a file that is mounted by itself. After any other one it may
            // have been done: by a disk that fails, or at the other end of a network.
            Err(error)
                if REFUSALS
                    .map(|errno| Some(errno.raw_os_error()))
                    .contains(&error.raw_os_error()) =>
            {
                Ok(Err(error))
            }
            Err(error) => Err(error),
            Ok(()) => sync_folder_of(to).map(Ok),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // NFS knows no such renaming; but it has links, and they replace nothing.
            Err(Errno::INVAL | Errno::NOSYS) => {
                fs::hard_link(from, to)?;
                fs::remove_file(from)?;
            }
            done => done?,
        }
        sync_folder_of(to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        let disk = statvfs(path)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn taken(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.blocks().saturating_mul(BLOCK))
    }
}

/// What a renaming is refused by that has changed nothing.
const REFUSALS: [Errno; 7] =
    [Errno::BUSY, Errno::ACCESS, Errno::PERM, Errno::ROFS, Errno::XDEV, Errno::NOSPC, Errno::DQUOT];

/// What `stat` counts in, whatever the file system does.
const BLOCK: u64 = 512;

fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

pub(super) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_name_is_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let [copy, taken, free] = ["copy", "taken", "free"].map(|name| folder.path().join(name));
        fs::write(&copy, "a copy").unwrap();
        fs::write(&taken, "somebody else's").unwrap();
        let refused = FileSystem.rename(&copy, &taken).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&taken).unwrap(), "somebody else's");
        FileSystem.rename(&copy, &free).unwrap();
        assert_eq!(fs::read_to_string(&free).unwrap(), "a copy");
        assert!(!copy.exists());
    }
}
