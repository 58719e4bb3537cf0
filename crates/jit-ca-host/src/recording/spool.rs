//! All that waits on this host to be fetched.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jit_ca_core::{Digest, SessionId};
use serde::{Deserialize, Serialize};

use super::bounds::{BLOCK, Counts};
use super::chunks::{file_of, header_of, present, put_json, read_end, read_json, read_list};
use super::disk;
use super::fault::At as _;
use super::{Bounds, Fault, Header, Recording, Sealed, SessionClosed, SessionOpened};

/// `<state>/sessions`: what waits to be fetched. One process has it open.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: PathBuf,
    counts: Arc<Counts>,
    _lock: Arc<File>,
}

/// What `closed.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// Why and when.
    pub closed: SessionClosed,
    /// The recordings of its channels, by number.
    pub channels: BTreeMap<u32, Sealed>,
}

/// A chunk that waits to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Of which session.
    pub session: SessionId,
    /// Of which channel.
    pub channel: u32,
    /// Which one, from 0.
    pub chunk: u64,
    /// Its hash as a leaf.
    pub hash: Digest,
    /// How many bytes it holds.
    pub bytes: u64,
    /// Its file.
    pub file: PathBuf,
}

impl Spool {
    /// Opens it, makes it if need be, and sweeps away what was being made or removed when the last process ended.
    ///
    /// # Errors
    /// If another process has it open, or the disk takes or gives it not.
    pub fn open(state: &Path, bounds: Bounds) -> Result<Self, Fault> {
        let folder = state.join("sessions");
        disk::make_folder(&folder).at(&folder)?;
        let path = folder.join("lock");
        let lock =
            OpenOptions::new().create(true).append(true).mode(0o600).open(&path).at(&path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Fault::InUse(folder)),
            Err(TryLockError::Error(error)) => return Err(error).at(&path),
        }
        let mut waiting = BTreeMap::new();
        for entry in fs::read_dir(&folder).at(&folder)? {
            let path = entry.at(&folder)?.path();
            if path.extension().is_some_and(|end| end == "new" || end == "gone") {
                disk::remove_all(&path).at(&path)?;
            } else if let Some(id) = number_of::<SessionId>(&path) {
                waiting.insert(id, bytes_of(&path)?);
            }
        }
        let counts = Arc::new(Counts::new(bounds, waiting));
        Ok(Self { folder, counts, _lock: Arc::new(lock) })
    }

    /// A connection was let in.
    ///
    /// # Errors
    /// If as much waits as may, there is such a session already, or the disk takes it not.
    pub fn open_session(&self, opened: &SessionOpened) -> Result<(), Fault> {
        let folder = self.session(&opened.id);
        if folder.exists() {
            return Err(Fault::State(folder, "there is such a session already"));
        }
        self.counts.begin(opened.id)?;
        let made = Self::make(&folder, opened);
        if made.is_err() {
            self.counts.forget(opened.id);
        }
        made
    }

    fn make(folder: &Path, opened: &SessionOpened) -> Result<(), Fault> {
        let beside = folder.with_added_extension("new");
        if beside.exists() {
            disk::remove_all(&beside).at(&beside)?;
        }
        disk::make_folder(&beside).at(&beside)?;
        put_json(&beside.join("open.json"), opened)?;
        disk::rename(&beside, folder).at(folder)
    }

    /// It is over. What was not ended of its channels, as the process was killed, ends with it. Closing it again changes nothing.
    ///
    /// # Errors
    /// If one of its channels is still being written, or the disk takes it not.
    pub fn close_session(&self, id: &SessionId, closed: &SessionClosed) -> Result<(), Fault> {
        let folder = self.session(id);
        if self.closed(id)?.is_some() {
            return Ok(());
        }
        let mut channels = BTreeMap::new();
        for number in self.channels(id)? {
            let path = folder.join(number.to_string());
            if self.counts.is_taken(*id, number) {
                return Err(Fault::State(path, "it is being written"));
            }
            let sealed = match read_end(&path)? {
                Some(sealed) => sealed,
                None => self.resume(id, number)?.end(closed.closed_ms)?,
            };
            channels.insert(number, sealed);
        }
        put_json(&folder.join("closed.json"), &Closed { closed: closed.clone(), channels })
    }

    /// A channel of it is opened.
    ///
    /// # Errors
    /// If the session isn't open, there is such a channel already, as much waits as may, or the disk takes it not.
    pub fn channel(
        &self,
        id: &SessionId,
        number: u32,
        header: &Header,
    ) -> Result<Recording, Fault> {
        let folder = self.session(id);
        if !folder.exists() || self.closed(id)?.is_some() {
            return Err(Fault::State(folder, "there is no such session that is open"));
        }
        Recording::begin(&self.counts, (*id, number), folder.join(number.to_string()), header)
    }

    /// A channel's recording, where it was left when the process was killed: it goes on behind the last whole event.
    ///
    /// # Errors
    /// If there is none, it is over or being written, isn't what was recorded, or the disk takes or gives it not.
    pub fn resume(&self, id: &SessionId, number: u32) -> Result<Recording, Fault> {
        Recording::resume(&self.counts, (*id, number), self.session(id).join(number.to_string()))
    }

    /// The sessions that are here, oldest first.
    ///
    /// # Errors
    /// If the disk doesn't give it.
    pub fn sessions(&self) -> Result<Vec<SessionId>, Fault> {
        numbered(&self.folder)
    }

    /// A session's channels.
    ///
    /// # Errors
    /// If the disk doesn't give it.
    pub fn channels(&self, id: &SessionId) -> Result<Vec<u32>, Fault> {
        numbered(&self.session(id))
    }

    /// What was said when a session was opened.
    ///
    /// # Errors
    /// If there is no such session, or the disk doesn't give it.
    pub fn opened(&self, id: &SessionId) -> Result<SessionOpened, Fault> {
        let path = self.session(id).join("open.json");
        read_json(&path)?.ok_or(Fault::State(path, "there is no such session"))
    }

    /// What was said when it was closed. None: it wasn't.
    ///
    /// # Errors
    /// If the disk doesn't give it.
    pub fn closed(&self, id: &SessionId) -> Result<Option<Closed>, Fault> {
        read_json(&self.session(id).join("closed.json"))
    }

    /// What a channel is.
    ///
    /// # Errors
    /// If there is no such channel, or the disk doesn't give it.
    pub fn header(&self, id: &SessionId, channel: u32) -> Result<Header, Fault> {
        let path = header_of(&self.folder(id, channel));
        read_json(&path)?.ok_or(Fault::State(path, "there is no such channel"))
    }

    /// The folder of a channel, as [`super::verify`] takes it.
    pub fn folder(&self, id: &SessionId, channel: u32) -> PathBuf {
        self.session(id).join(channel.to_string())
    }

    /// How many bytes wait, of all sessions.
    pub fn bytes(&self) -> u64 {
        self.counts.all()
    }

    /// The sealed chunks that are here: by session, oldest first, by channel, and in order.
    ///
    /// # Errors
    /// If the disk doesn't give them, or a list isn't what was recorded.
    pub fn waiting(&self) -> Result<Vec<Waiting>, Fault> {
        let mut waiting = Vec::new();
        for session in self.sessions()? {
            for channel in self.channels(&session)? {
                let folder = self.folder(&session, channel);
                let files = present(&folder)?;
                for (chunk, listed) in (0..).zip(read_list(&folder)?.0) {
                    if files.binary_search(&chunk).is_ok() {
                        let (hash, bytes) = (listed.hash, listed.bytes);
                        let file = file_of(&folder, chunk);
                        waiting.push(Waiting { session, channel, chunk, hash, bytes, file });
                    }
                }
            }
        }
        Ok(waiting)
    }

    /// A chunk was fetched, and is kept elsewhere: it is deleted here, its hash is not. Chunks are fetched in order.
    ///
    /// # Errors
    /// If it isn't sealed, an earlier one is still here, or the disk takes it not. It is gone already: nothing to do.
    pub fn fetched(&self, id: &SessionId, channel: u32, chunk: u64) -> Result<(), Fault> {
        let folder = self.folder(id, channel);
        let path = file_of(&folder, chunk);
        let (list, _) = read_list(&folder)?;
        let listed = usize::try_from(chunk).ok().and_then(|chunk| list.get(chunk));
        let Some(listed) = listed else {
            return Err(Fault::State(path, "it isn't sealed"));
        };
        match present(&folder)?.first() {
            Some(&first) if first < chunk => {
                Err(Fault::State(path, "an earlier one wasn't fetched"))
            }
            Some(&first) if first == chunk => {
                disk::remove(&path).at(&path)?;
                self.counts.subtract(*id, BLOCK + listed.bytes);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Removes a session of which all was fetched.
    ///
    /// # Errors
    /// If it isn't closed, something of it waits, or the disk takes it not.
    pub fn remove_session(&self, id: &SessionId) -> Result<(), Fault> {
        let folder = self.session(id);
        if self.closed(id)?.is_none() {
            return Err(Fault::State(folder, "it isn't closed"));
        }
        for number in self.channels(id)? {
            let channel = self.folder(id, number);
            if !present(&channel)?.is_empty() {
                return Err(Fault::State(channel, "not all of it was fetched"));
            }
        }
        let gone = folder.with_added_extension("gone");
        disk::rename(&folder, &gone).at(&folder)?;
        self.counts.forget(*id);
        disk::remove_all(&gone).at(&gone)
    }

    fn session(&self, id: &SessionId) -> PathBuf {
        self.folder.join(id.to_string())
    }
}

/// What a file's name says, if it says such a thing.
fn number_of<T: std::str::FromStr>(path: &Path) -> Option<T> {
    path.file_name()?.to_str()?.parse().ok()
}

/// What the names in a folder say that say such things, in order.
fn numbered<T: std::str::FromStr + Ord>(folder: &Path) -> Result<Vec<T>, Fault> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).at(folder)? {
        found.extend(number_of::<T>(&entry.at(folder)?.path()));
    }
    found.sort_unstable();
    Ok(found)
}

/// How much of a session waits, as it was counted while it was written.
fn bytes_of(session: &Path) -> Result<u64, Fault> {
    let mut bytes = BLOCK;
    for channel in numbered::<u32>(session)? {
        let folder = session.join(channel.to_string());
        bytes += BLOCK;
        for chunk in present(&folder)? {
            let path = file_of(&folder, chunk);
            bytes += BLOCK + fs::metadata(&path).at(&path)?.len();
        }
    }
    Ok(bytes)
}
