//! An anchor that is a file: on a network mount, or a disk that is not backed up and restored with the store.
//!
//! Others may write to its folder. What they leave there is read only if it is a file of the folder's own, and is
//! never written through.

use std::fs::{self, File, Permissions};
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jit_ca_core::Origin;
use rustix::fs::{Mode, OFlags};

use super::LARGEST_NOTE;

/// How many checkpoints of one log are put aside: each time that an anchor which held the next log is put back.
const MOST_ASIDE: u32 = 100;

/// A file that holds one checkpoint. Its folder is never made: a mount that is not there must not look like an
/// anchor that is empty.
#[derive(Debug)]
pub(super) struct AnchorFile {
    path: PathBuf,
}

impl AnchorFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Whether it lies on the same disk as the store.
    pub(super) fn is_beside(&self, store: &Path) -> bool {
        let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
        device(store).is_some_and(|device_of_store| device(self.folder()) == Some(device_of_store))
    }

    pub(super) fn newest(&self) -> Result<Option<String>> {
        match read_note(&self.path) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::metadata(self.folder()).map(|_| None)
            }
            Err(error) => Err(error),
        }
    }

    /// The notes that were put aside, and whatever else has such a name and can be read.
    pub(super) fn aside(&self) -> Result<Vec<String>> {
        let begin = self.with_ending("");
        let begin = begin.file_name().unwrap_or_default().as_encoded_bytes();
        let mut notes = Vec::new();
        for entry in fs::read_dir(self.folder())? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(begin) {
                notes.extend(read_note(&entry.path()));
            }
        }
        Ok(notes)
    }

    /// Whole or not at all: whoever reads it meanwhile reads the one before. It is written to a file that is made
    /// for it, under a name that nobody foresees, and so neither through a link nor into what another daemon writes.
    pub(super) fn keep(&self, note: &str) -> Result<()> {
        let mut new = tempfile::Builder::new().prefix(".checkpoint-").tempfile_in(self.folder())?;
        new.write_all(note.as_bytes())?;
        // A checkpoint is public, whatever the daemon's umask is.
        new.as_file().set_permissions(Permissions::from_mode(0o644))?;
        new.as_file().sync_all()?;
        new.persist(&self.path)?;
        File::open(self.folder())?.sync_all()
    }

    /// Renames it after the log that it is of. Nothing is overwritten: where there is one already, both stay.
    pub(super) fn set_aside(&self, origin: &Origin) -> Result<()> {
        let name = origin.as_str().replace('/', "_");
        let numbered = (2..=MOST_ASIDE).map(|number| format!("{name}.{number}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        let free = names.find_map(|name| {
            let aside = self.with_ending(&name);
            let found = fs::symlink_metadata(&aside);
            found.is_err_and(|error| error.kind() == ErrorKind::NotFound).then_some(aside)
        });
        let aside = free.ok_or_else(|| {
            let base = self.with_ending(&name);
            let message =
                format!("{} and all numbers after it exist; move them away", base.display());
            Error::new(ErrorKind::AlreadyExists, message)
        })?;
        fs::rename(&self.path, aside)?;
        File::open(self.folder())?.sync_all()
    }

    fn with_ending(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{ending}"));
        name.into()
    }

    fn folder(&self) -> &Path {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }
}

/// What a file holds, as far as a note can be long. A link is not followed, a pipe not waited for: another file's
/// bytes are none of an anchor's.
fn read_note(path: &Path) -> Result<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // What open(2) says of a link, and of a socket or a device that nobody serves.
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => return Err(no_file(path)),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(no_file(path));
    }
    let mut note = Vec::new();
    file.take(LARGEST_NOTE).read_to_end(&mut note)?;
    // What is no text is no checkpoint either, and is found to be none.
    Ok(String::from_utf8_lossy(&note).into_owned())
}

fn no_file(path: &Path) -> Error {
    let message = format!("{} is no regular file; find out who put it there", path.display());
    Error::new(ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests;
