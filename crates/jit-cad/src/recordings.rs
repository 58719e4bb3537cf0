//! Recordings, as hosts send them: files beside the store, that anybody can compare with the log.
//!
//! ```text
//! <dir>/s-…/<channel>/<chunk>     its bytes as they came, 0600, in folders of 0700
//! ```
//!
//! A chunk is whole or not there: it is written under another name, synced, and renamed. It is never written a second time.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jit_ca_core::{Digest, SessionId};
use jit_ca_log::tree::{Frontier, leaf_hash};

/// The folder of all recordings.
#[derive(Debug)]
pub struct Recordings {
    dir: PathBuf,
    /// The most bytes of one session.
    session: u64,
    /// Held while a chunk is written: so none is written twice, and no session grows beyond its bound.
    writing: Mutex<()>,
}

/// Why a chunk is not kept.
#[derive(Debug, thiserror::Error)]
pub enum ChunkFault {
    /// Others are there under its number.
    #[error("chunk {0} is there with other bytes")]
    Differs(u64),
    /// The session has as many bytes as it may.
    #[error("the recordings of the session are larger than {0} bytes")]
    TooLarge(u64),
    /// The disk.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Recordings {
    /// Takes a folder, which is made if there is none.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn open(dir: PathBuf, session: u64) -> io::Result<Self> {
        make_dir(&dir)?;
        Ok(Self { dir, session, writing: Mutex::new(()) })
    }

    /// Keeps a chunk; one that is there with these bytes stays.
    ///
    /// # Errors
    /// If it is there with others, the session is too large, or the disk fails.
    pub fn put(
        &self,
        session: SessionId,
        channel: u32,
        chunk: u64,
        bytes: &[u8],
    ) -> Result<(), ChunkFault> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = self.chunk(session, channel, chunk)? {
            return if there == bytes { Ok(()) } else { Err(ChunkFault::Differs(chunk)) };
        }
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.size(session)?.saturating_add(length) > self.session {
            return Err(ChunkFault::TooLarge(self.session));
        }
        let folder = self.folder(session, channel);
        make_dir(&folder)?;
        let (file, new) = (folder.join(chunk.to_string()), folder.join("new"));
        let mut options = OpenOptions::new();
        let mut written = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        written.write_all(bytes)?;
        written.sync_all()?;
        fs::rename(&new, &file)?;
        File::open(&folder)?.sync_all()?;
        Ok(())
    }

    /// The bytes of a chunk, if it has come.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn chunk(
        &self,
        session: SessionId,
        channel: u32,
        chunk: u64,
    ) -> io::Result<Option<Vec<u8>>> {
        found(fs::read(self.folder(session, channel).join(chunk.to_string())))
    }

    /// The channels of which something has come, and how many chunks of each from the first on without a gap.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn channels(&self, session: SessionId) -> io::Result<BTreeMap<u32, u64>> {
        let mut channels = BTreeMap::new();
        let Some(folders) = found(fs::read_dir(self.dir.join(session.to_string())))? else {
            return Ok(channels);
        };
        for folder in folders {
            let name = folder?.file_name();
            if let Some(number) = name.to_str().and_then(|name| name.parse().ok()) {
                let folder = self.folder(session, number);
                let chunks =
                    (0..).take_while(|chunk: &u64| folder.join(chunk.to_string()).exists());
                channels.insert(number, u64::try_from(chunks.count()).unwrap_or(u64::MAX));
            }
        }
        Ok(channels)
    }

    /// The root over the first `chunks` of a channel; none while one of them is missing.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn root(
        &self,
        session: SessionId,
        channel: u32,
        chunks: u64,
    ) -> io::Result<Option<Digest>> {
        let mut tree = Frontier::default();
        for chunk in 0..chunks {
            let Some(bytes) = self.chunk(session, channel, chunk)? else { return Ok(None) };
            tree.push(leaf_hash(&bytes));
        }
        Ok(Some(tree.root()))
    }

    /// Removes what `is_kept` does not keep. Gives how many sessions that were.
    ///
    /// # Errors
    /// If the disk fails, or `is_kept` does.
    pub fn sweep(
        &self,
        mut is_kept: impl FnMut(SessionId) -> io::Result<bool>,
    ) -> io::Result<usize> {
        let mut removed = 0;
        for folder in fs::read_dir(&self.dir)? {
            let folder = folder?;
            let session = folder.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(session) = session else { continue };
            if !is_kept(session)? {
                fs::remove_dir_all(folder.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn folder(&self, session: SessionId, channel: u32) -> PathBuf {
        self.dir.join(session.to_string()).join(channel.to_string())
    }

    fn size(&self, session: SessionId) -> io::Result<u64> {
        let mut size = 0;
        for (channel, _) in self.channels(session)? {
            for file in fs::read_dir(self.folder(session, channel))? {
                size += file?.metadata()?.len();
            }
        }
        Ok(size)
    }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn found<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_kept_once_and_a_session_within_its_bound() {
        let dir = tempfile::tempdir().unwrap();
        let recordings = Recordings::open(dir.path().join("recordings"), 10).unwrap();
        let (one, two) = (SessionId::new(1, [1; 10]), SessionId::new(2, [2; 10]));
        recordings.put(one, 1, 1, b"lo!\n").unwrap();
        assert_eq!(recordings.root(one, 1, 2).unwrap(), None);
        recordings.put(one, 1, 0, b"hel\n").unwrap();
        recordings.put(one, 1, 0, b"hel\n").unwrap();
        let differs = recordings.put(one, 1, 0, b"hey\n").unwrap_err();
        assert!(matches!(differs, ChunkFault::Differs(0)), "{differs}");
        let large = recordings.put(one, 2, 0, b"abc").unwrap_err();
        assert!(matches!(large, ChunkFault::TooLarge(10)), "{large}");
        recordings.put(two, 2, 0, b"abc").unwrap();

        let mut tree = Frontier::default();
        tree.push(leaf_hash(b"hel\n"));
        tree.push(leaf_hash(b"lo!\n"));
        assert_eq!(recordings.root(one, 1, 2).unwrap(), Some(tree.root()));
        assert_eq!(recordings.channels(one).unwrap(), BTreeMap::from([(1, 2)]));
        let removed = recordings.sweep(|session| Ok(session == two)).unwrap();
        assert_eq!((removed, recordings.channels(one).unwrap().len()), (1, 0));
        assert_eq!(recordings.chunk(two, 2, 0).unwrap().as_deref(), Some(b"abc".as_slice()));
    }
}
