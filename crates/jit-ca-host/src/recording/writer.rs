//! A channel's recording, while it is written.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jit_ca_core::SessionId;
use jit_ca_log::tree::{Frontier, leaf_hash};

use super::bounds::{BLOCK, Counts, LAST_WORDS};
use super::cast::{Line, Standing, header_line};
use super::chunks::{
    Chunk, end_of, file_of, header_of, list_of, present, put_json, read_end, read_list,
};
use super::disk::{self, Growing};
use super::fault::At as _;
use super::{Fault, Frame, Header, Sealed};

/// No chunk is longer, as the CA takes none: it is sealed before an event that would make it so,
pub(super) const LENGTH: u64 = 64 * 1024;
/// and so many milliseconds after its first byte.
const AGE_MS: u64 = 5000;

/// A channel's recording, while it is written.
#[derive(Debug)]
pub struct Recording {
    claim: Claim,
    folder: PathBuf,
    standing: Standing,
    list: Growing,
    sealed: u64,
    bytes: u64,
    tree: Frontier,
    open: Option<Open>,
}

/// The chunk that isn't sealed yet.
#[derive(Debug)]
struct Open {
    file: Growing,
    /// When its first byte was written, in milliseconds since the recording's start.
    since_ms: u64,
}

/// Nobody else writes this channel meanwhile.
#[derive(Debug)]
struct Claim {
    counts: Arc<Counts>,
    session: SessionId,
    channel: u32,
}

impl Claim {
    fn of(
        counts: &Arc<Counts>,
        session: SessionId,
        channel: u32,
        at: &Path,
    ) -> Result<Self, Fault> {
        match counts.take(session, channel) {
            true => Ok(Self { counts: Arc::clone(counts), session, channel }),
            false => Err(Fault::State(at.to_owned(), "it is being written")),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.counts.release(self.session, self.channel);
    }
}

impl Recording {
    /// A new one, in a folder that isn't there yet.
    pub(super) fn begin(
        counts: &Arc<Counts>,
        (session, channel): (SessionId, u32),
        folder: PathBuf,
        header: &Header,
    ) -> Result<Self, Fault> {
        let claim = Claim::of(counts, session, channel, &folder)?;
        if folder.exists() {
            return Err(Fault::State(folder, "there is a recording of this channel already"));
        }
        let line = header_line(session, channel, header);
        bounded(&line, &folder)?;
        counts.add(session, BLOCK + BLOCK + length_of(&line), 0)?;
        let made = Self::make(&folder, header, &line);
        if made.is_err() {
            counts.subtract(session, BLOCK + BLOCK + length_of(&line));
        }
        let (list, file) = made?;
        Ok(Self {
            claim,
            folder,
            standing: Standing::at_start(header.started_ms),
            list,
            sealed: 0,
            bytes: 0,
            tree: Frontier::default(),
            open: Some(Open { file, since_ms: 0 }),
        })
    }

    /// Makes the folder, which has its header as soon as it has its name.
    fn make(folder: &Path, header: &Header, line: &str) -> Result<(Growing, Growing), Fault> {
        let beside = folder.with_added_extension("new");
        if beside.exists() {
            disk::remove_all(&beside).at(&beside)?;
        }
        disk::make_folder(&beside).at(&beside)?;
        put_json(&header_of(&beside), header)?;
        let list = Growing::create(&list_of(&beside)).at(&beside)?;
        let mut first = Growing::create(&file_of(&beside, 0)).at(&beside)?;
        first.append(line.as_bytes()).at(&beside)?;
        first.sync().at(&beside)?;
        disk::sync_folder(&beside).at(&beside)?;
        disk::rename(&beside, folder).at(folder)?;
        Ok((list, first))
    }

    /// One that was left: what isn't whole at its end is cut off.
    pub(super) fn resume(
        counts: &Arc<Counts>,
        (session, channel): (SessionId, u32),
        folder: PathBuf,
    ) -> Result<Self, Fault> {
        let claim = Claim::of(counts, session, channel, &folder)?;
        if read_end(&folder)?.is_some() {
            return Err(Fault::State(folder, "the recording is over"));
        }
        let (chunks, whole) = read_list(&folder)?;
        let list = Growing::reopen(&list_of(&folder), whole).at(&folder)?;
        let mut recording = Self {
            claim,
            standing: chunks.last().map(|chunk| chunk.behind.clone()).unwrap_or_default(),
            list,
            sealed: 0,
            bytes: 0,
            tree: Frontier::default(),
            open: None,
            folder,
        };
        for chunk in &chunks {
            recording.count(chunk);
        }
        if present(&recording.folder)?.contains(&recording.sealed) {
            recording.open = Some(recording.reopen()?);
        }
        Ok(recording)
    }

    /// Reads the open chunk up to its last whole event.
    fn reopen(&mut self) -> Result<Open, Fault> {
        let path = file_of(&self.folder, self.sealed);
        let bytes = fs::read(&path).at(&path)?;
        let (mut length, mut read, mut since_ms) = (0, 0, None);
        let mut standing = self.standing.clone();
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else { break };
            read += line.len() + 1;
            let kind = standing.replay(line);
            match kind.ok_or_else(|| Fault::Altered(path.clone(), "a line of it is no event"))? {
                Line::Announces => {}
                Line::Whole => {
                    length = read;
                    since_ms = since_ms.or(Some(standing.elapsed_ms));
                    self.standing = standing.clone();
                }
            }
        }
        let cut = u64::try_from(bytes.len() - length).unwrap_or(u64::MAX);
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let file = Growing::reopen(&path, length).at(&path)?;
        self.claim.counts.subtract(self.claim.session, cut);
        Ok(Open { file, since_ms: since_ms.unwrap_or(self.standing.elapsed_ms) })
    }

    /// Keeps a frame. Once this has returned, killing the process loses nothing of it.
    ///
    /// # Errors
    /// If the frame fits into no chunk (see [`LONGEST_FRAME`](super::LONGEST_FRAME)), the session's bound is reached (marks and the exit
    /// may go over it by 4 KiB), or the disk takes no more. Nothing is kept of the frame then.
    pub fn write(&mut self, at_ms: u64, frame: Frame<'_>) -> Result<(), Fault> {
        let over = match frame {
            Frame::Mark(_) | Frame::Exit(_) => LAST_WORDS,
            _ => 0,
        };
        let mut then = self.standing.clone();
        let line = then.line(at_ms, frame);
        self.put(&line, then, over)
    }

    /// How many frames are kept, also before the process was killed.
    pub fn frames(&self) -> u64 {
        self.standing.frames
    }

    /// Seals the open chunk if it is old enough: to be called every second or so, as nothing else does it when nothing is written.
    ///
    /// # Errors
    /// If the disk takes it not.
    pub fn seal_due(&mut self, at_ms: u64) -> Result<(), Fault> {
        let elapsed = at_ms.saturating_sub(self.standing.started_ms);
        match &self.open {
            Some(open) if elapsed.saturating_sub(open.since_ms) >= AGE_MS => self.seal(),
            _ => Ok(()),
        }
    }

    /// The recording is over: seals what is left.
    ///
    /// # Errors
    /// If the disk takes it not. It can be resumed, and ended again.
    pub fn end(mut self, at_ms: u64) -> Result<Sealed, Fault> {
        let mut then = self.standing.clone();
        let lines = then.last_lines(at_ms);
        if !lines.is_empty() {
            self.put(&lines, then, u64::MAX)?;
        }
        self.seal()?;
        let sealed = Sealed { root: self.tree.root(), chunks: self.sealed, bytes: self.bytes };
        let path = end_of(&self.folder);
        disk::put(&path, &serde_json::to_vec(&sealed).map_err(Into::into).at(&path)?).at(&path)?;
        Ok(sealed)
    }

    /// Writes lines, behind which the recording stands elsewhere; seals the chunk before them if they don't fit into it.
    fn put(&mut self, lines: &str, then: Standing, over: u64) -> Result<(), Fault> {
        bounded(lines, &self.folder)?;
        let length = self.open.as_ref().map_or(0, |open| open.file.length());
        if length + length_of(lines) > LENGTH {
            self.seal()?;
        }
        let (counts, session) = (&self.claim.counts, self.claim.session);
        let new = if self.open.is_some() { 0 } else { BLOCK };
        counts.add(session, new + length_of(lines), over)?;
        let written = Self::append(&mut self.open, &self.folder, self.sealed, lines, &then);
        if written.is_err() {
            counts.subtract(session, new + length_of(lines));
        }
        written?;
        self.standing = then;
        Ok(())
    }

    /// Appends to the open chunk, which is opened if need be.
    fn append(
        open: &mut Option<Open>,
        folder: &Path,
        number: u64,
        lines: &str,
        then: &Standing,
    ) -> Result<(), Fault> {
        let path = file_of(folder, number);
        let open = match open {
            Some(open) => open,
            None => {
                let file = Growing::create(&path).at(&path)?;
                open.insert(Open { file, since_ms: then.elapsed_ms })
            }
        };
        open.file.append(lines.as_bytes()).at(&path)
    }

    /// Seals the open chunk, if there is one: on the disk first, then in the list.
    fn seal(&mut self) -> Result<(), Fault> {
        let Some(open) = &self.open else { return Ok(()) };
        let path = file_of(&self.folder, self.sealed);
        if open.file.length() == 0 {
            // It was opened, and the first write to it failed or was killed.
            disk::remove(&path).at(&path)?;
            self.open = None;
            self.claim.counts.subtract(self.claim.session, BLOCK);
            return Ok(());
        }
        open.file.sync().at(&path)?;
        disk::sync_folder(&self.folder).at(&self.folder)?;
        let bytes = fs::read(&path).at(&path)?;
        let length = open.file.length();
        if u64::try_from(bytes.len()) != Ok(length) {
            return Err(Fault::Altered(path, "it isn't as long as what was written"));
        }
        let chunk = Chunk { hash: leaf_hash(&bytes), bytes: length, behind: self.standing.clone() };
        let list = list_of(&self.folder);
        let mut line = serde_json::to_vec(&chunk).map_err(Into::into).at(&list)?;
        line.push(b'\n');
        self.list.append(&line).at(&list)?;
        self.open = None;
        self.count(&chunk);
        self.list.sync().at(&list)
    }

    /// A chunk more is sealed.
    fn count(&mut self, chunk: &Chunk) {
        self.tree.push(chunk.hash);
        self.sealed += 1;
        self.bytes += chunk.bytes;
    }
}

/// Refuses what fits into no chunk.
fn bounded(lines: &str, at: &Path) -> Result<(), Fault> {
    match length_of(lines) > LENGTH {
        true => {
            Err(Fault::State(at.to_owned(), "a command or a frame is longer than can be recorded"))
        }
        false => Ok(()),
    }
}

fn length_of(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}
