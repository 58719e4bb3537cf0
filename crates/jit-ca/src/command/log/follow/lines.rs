//! The file that entries are appended to: each once, in order, whatever ends the program.
//!
//! ```text
//! append lines ── sync ──> replace the cursor: (next entry, length)
//!              killed here: the file is longer than the cursor says, and is cut back
//! ```
//!
//! The cursor's length is right where the line that ends there is the entry before the next. Otherwise somebody has
//! moved, emptied or copied the file: then it is read, and what it holds from the next entry on is cut off.

use std::fs::{self, File};
use std::io::{
    self, BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _,
};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::files::fault;
use crate::output::sync_folder;

/// A file of lines, each an entry.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Lines {
    /// A file of which nothing is known yet: a new or an empty one.
    ///
    /// # Errors
    /// If there is something in it, or another process follows into it.
    pub(super) fn new(path: &Path) -> Result<Self> {
        let (file, length) = open(path)?;
        match length {
            0 => Ok(Self { path: path.to_owned(), file, length }),
            _ => Err(Error::usage(
                format!("{} holds something already, and there is no cursor of it", path.display()),
                "name its cursor with --cursor, or move the file away",
            )),
        }
    }

    /// The file that held the entries before `next` when it was `length` bytes long.
    ///
    /// # Errors
    /// If it holds something else, or another process follows into it.
    pub(super) fn resume(path: &Path, next: u64, length: u64) -> Result<Self> {
        let (file, found) = open(path)?;
        let mut lines = Self { path: path.to_owned(), file, length };
        lines.go_on(next, found)?;
        Ok(lines)
    }

    /// How long the file is.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Appends whole lines, of which the first is the entry `next`. They are on the disk when this returns.
    pub(super) fn append(&mut self, lines: &[u8], next: u64) -> Result<()> {
        match self.found()? {
            // Moved away: what is there now, or what we make there, is another file.
            None => *self = Self::resume(&self.path, next, self.length)?,
            Some(found) if found != self.length => self.go_on(next, found)?,
            Some(_) => {}
        }
        self.file
            .write_all(lines)
            .and_then(|()| self.file.sync_data())
            .map_err(|source| fault(&self.path, "written", source))?;
        self.length += u64::try_from(lines.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// How long the file is that lies at the path; none if that is not ours any more.
    fn found(&self) -> Result<Option<u64>> {
        let read = |source| fault(&self.path, "read", source);
        let ours = self.file.metadata().map_err(read)?;
        match fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (ours.dev(), ours.ino()) => {
                Ok(Some(found.len()))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(read(source)),
        }
    }

    /// Cuts the file, which is `found` bytes long, back to where the entry `next` belongs.
    fn go_on(&mut self, next: u64, found: u64) -> Result<()> {
        if self.length > found || !self.last_is(next, self.length)? {
            self.length = self.length_before(next)?;
        }
        if self.length < found {
            let cut = self.file.set_len(self.length).and_then(|()| self.file.sync_all());
            cut.map_err(|source| fault(&self.path, "cut back", source))?;
        }
        Ok(())
    }

    /// Whether the line that ends at `length` is the entry before `next`.
    fn last_is(&self, next: u64, length: u64) -> Result<bool> {
        let mut window = 64 * 1024;
        loop {
            let start = length.saturating_sub(window);
            let mut bytes = Vec::new();
            let mut file = &self.file;
            file.seek(SeekFrom::Start(start))
                .and_then(|_| file.take(length - start).read_to_end(&mut bytes))
                .map_err(|source| fault(&self.path, "read", source))?;
            let Some((b'\n', line)) = bytes.split_last() else {
                return Ok(false);
            };
            let begin = line.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
            match begin.or((start == 0).then_some(0)) {
                Some(begin) => {
                    let index = index(line.get(begin..).unwrap_or_default());
                    return Ok(index.is_some_and(|index| Some(index) == next.checked_sub(1)));
                }
                None => window *= 2,
            }
        }
    }

    /// How far the file's lines are entries before `next`, of which the one before it is the last.
    fn length_before(&self, next: u64) -> Result<u64> {
        let read = |source| fault(&self.path, "read", source);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0)).map_err(read)?;
        let mut reader = BufReader::new(file);
        let (mut line, mut length, mut last) = (Vec::new(), 0, None);
        loop {
            line.clear();
            let taken = reader.read_until(b'\n', &mut line).map_err(read)?;
            // Half a line is what a crash left.
            let Some((b'\n', text)) = line.split_last() else {
                break;
            };
            match (index(text), last) {
                (Some(index), _) if index >= next => break,
                (Some(index), Some(last)) if Some(index) != u64::checked_add(last, 1) => {
                    return Err(self.alien(&format!("entry {index} follows entry {last} in it")));
                }
                (Some(index), _) => last = Some(index),
                (None, _) => return Err(self.alien("a line of it is no entry")),
            }
            length += u64::try_from(taken).unwrap_or_default();
        }
        match last {
            Some(last) if last.checked_add(1) != Some(next) => {
                Err(self.alien(&format!("it ends with entry {last}, and the cursor is at {next}")))
            }
            _ => Ok(length),
        }
    }

    fn alien(&self, why: &str) -> Error {
        Error::usage(
            format!("{} is not the file that was followed into: {why}", self.path.display()),
            "move it away: a new one is begun at the cursor's entry",
        )
    }
}

/// Opens the file for ourselves alone, and tells its length.
fn open(path: &Path) -> Result<(File, u64)> {
    let opened = || -> io::Result<(File, u64)> {
        let mut options = File::options();
        let file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => io::Error::other("another process follows into it"),
            other => other.into(),
        })?;
        sync_folder(path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    };
    opened().map_err(|source| fault(path, "written", source))
}

/// The index of the entry that a line is.
fn index(line: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Line {
        index: u64,
    }
    serde_json::from_slice::<Line>(line).ok().map(|line| line.index)
}

#[cfg(test)]
mod tests;
