//! The file of the kept checkpoint: it only ever gets newer.
//!
//! ```text
//! checkpoints/<origin, + for />+<key id>         the newest checkpoint of a log
//! checkpoints/<origin, + for />+<key id>.next    the key of the log that was accepted in its place
//! ```

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jit_ca_core::Origin;
use jit_ca_log::{LogKey, SignedCheckpoint};

use super::Seen;
use crate::error::Result;
use crate::files;
use crate::places::Places;

/// Where the newest checkpoint of one log is kept.
#[derive(Clone, Debug)]
pub(super) struct KeptFile {
    places: Places,
    path: PathBuf,
}

/// A checkpoint that is kept of a log that no other was accepted in place of.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) path: PathBuf,
    pub(super) note: SignedCheckpoint,
    pub(super) origin: Origin,
}

/// The right to write the file. Read what it holds once more first.
pub(super) struct Locked<'f> {
    file: &'f KeptFile,
    _lock: File,
}

impl KeptFile {
    pub(super) fn new(places: &Places, key: &LogKey) -> Self {
        // `<origin>+<key id>+<key>`. An origin has no `+`, so that no two logs share a name; two keys
        // of one name and id would, and then the kept checkpoint is not signed by the other.
        let text = key.to_string();
        let mut parts = text.splitn(3, '+');
        let (origin, id) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let name = format!("{}+{id}", origin.replace('/', "+"));
        Self { path: places.checkpoints().join(name), places: places.clone() }
    }

    /// What is kept of all logs, but of those that another was accepted in place of.
    pub(super) fn all(places: &Places) -> Result<Vec<Kept>> {
        let folder = places.checkpoints();
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(files::fault(&folder, "read", source)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.map_err(|source| files::fault(&folder, "read", source))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_kept = name.contains('+') && !name.starts_with('.') && !name.ends_with(NEXT);
            if !is_kept || next(&path).exists() {
                continue;
            }
            let Some(text) = files::read(&path)? else { continue };
            let not_understood = |source| files::fault(&path, "understood", source);
            let note: SignedCheckpoint = text.parse().map_err(not_understood)?;
            let origin = note.unverified().map_err(not_understood)?.origin;
            all.push(Kept { path, note, origin });
        }
        all.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(all)
    }

    /// Whether this is where the checkpoint lies.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.path == path
    }

    /// Remembers that another log was accepted in place of this one.
    pub(super) fn end(&self, successor: &LogKey) -> Result<()> {
        files::write_private(&next(&self.path), format!("{successor}\n").as_bytes())
    }

    /// What is kept, if anything is.
    pub(super) fn read(&self, key: &LogKey) -> Result<Option<Seen>> {
        let Some(note) = files::read(&self.path)? else {
            return Ok(None);
        };
        let kept = Seen::open(&note, key);
        kept.map(Some).map_err(|source| files::fault(&self.path, "understood", source))
    }

    /// Waits until no other process of this person's is about to write it.
    pub(super) fn lock(&self) -> Result<Locked<'_>> {
        files::private_folder(&self.places.config)?;
        files::private_folder(&self.places.checkpoints())?;
        let path = self.path.with_file_name("lock");
        let mut options = File::options();
        let lock = options.create(true).truncate(false).write(true).mode(0o600).open(&path);
        let locked = lock.and_then(|lock| lock.lock().map(|()| lock));
        let lock = locked.map_err(|source| files::fault(&path, "locked", source))?;
        Ok(Locked { file: self, _lock: lock })
    }
}

impl Locked<'_> {
    /// Keeps this one from now on.
    pub(super) fn write(self, note: &SignedCheckpoint) -> Result<()> {
        files::write_private(&self.file.path, note.as_str().as_bytes())
    }
}

/// Where it stands that another log was accepted in place of the one that is kept here.
fn next(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(NEXT);
    name.into()
}

const NEXT: &str = ".next";
