//! What a host keeps of the log: its key, its newest checkpoint, and the certificates of the last 25 hours.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jit_ca_core::Digest;
use jit_ca_log::{LogKey, SignedCheckpoint};
use serde::{Deserialize, Serialize};

/// For how long an intent is kept, by the log's own time: no person's certificate is valid for longer than a day.
const KEPT: u64 = 25 * 60 * 60;

/// The file's contents. It is replaced as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// The log's key, as `/v1/trust` has it.
    pub(super) key: String,
    checkpoint: String,
    /// From which index on to ask next.
    pub(super) next: u64,
    logged: Vec<Logged>,
}

/// An intent to issue a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Logged {
    /// When it was logged, in seconds since 1970.
    pub(super) time: u64,
    /// The SHA-256 of what is signed.
    pub(super) tbs: Digest,
}

impl Kept {
    pub(super) fn new(key: &LogKey, checkpoint: &SignedCheckpoint) -> Self {
        let (key, checkpoint) = (key.to_string(), checkpoint.to_string());
        Self { key, checkpoint, next: 0, logged: Vec::new() }
    }

    /// Reads it; none if nothing was taken yet.
    pub(super) fn read(folder: &Path) -> io::Result<Option<Self>> {
        match fs::read(file(folder)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes it, durably and whole.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        put(&file(folder), &serde_json::to_vec(self)?)
    }

    /// The checkpoint that was seen last.
    pub(super) fn checkpoint(&self) -> Result<SignedCheckpoint, jit_ca_log::Error> {
        self.checkpoint.parse()
    }

    /// Takes in what was proven, and forgets what is over.
    pub(super) fn take(&mut self, checkpoint: &SignedCheckpoint, next: u64, new: Vec<Logged>) {
        (self.checkpoint, self.next) = (checkpoint.to_string(), next);
        self.logged.extend(new);
        // By the log's own time: a clock of this host's that is set forward and back loses nothing.
        let newest = self.logged.iter().map(|logged| logged.time).max().unwrap_or_default();
        self.logged.retain(|logged| logged.time + KEPT >= newest);
    }

    /// Whether a certificate is in the log.
    pub(super) fn holds(&self, tbs: &Digest) -> bool {
        self.logged.iter().any(|logged| logged.tbs == *tbs)
    }

    /// Keeps the checkpoint that was seen beside one that does not go on from it: whoever has both has the proof.
    pub(super) fn keep_evidence(
        &self,
        folder: &Path,
        other: &SignedCheckpoint,
    ) -> io::Result<PathBuf> {
        let path = super::evidence(folder);
        put(&path, format!("{}\n{other}", self.checkpoint).as_bytes())?;
        Ok(path)
    }
}

/// Where it lies.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("logged.json")
}

/// Makes the folder if need be, and keeps others from taking something in meanwhile.
pub(super) fn lock(folder: &Path) -> io::Result<File> {
    DirBuilder::new().mode(0o755).recursive(true).create(folder)?;
    let lock =
        OpenOptions::new().create(true).append(true).mode(0o600).open(folder.join("lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// Puts a file that all may read in its place, whole or not at all.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_added_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
