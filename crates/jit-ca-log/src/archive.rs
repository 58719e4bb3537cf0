//! An export's archive: the log in one file, read again exactly as it was written.
//!
//! ```text
//! checkpoint, log.key, (tile/0/N, tile/entries/N, payloads/N)…, tile/1/N…, ca/…, bundles/…
//!     ArchiveWriter ──> POSIX ustar ──open──> Archive ──entries──> leaf and event, one after the other
//! ```
//!
//! An archive has one form: each header follows from its member's name and size, and the members
//! from the log. [`Archive::open`] writes each header again and compares, so that no bit of the file can change
//! unseen. That is why the 512 bytes of a header are written here and not by a library, which would read much more
//! than it writes.

mod copies;
mod entries;
mod header;

use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom, Write};

pub use copies::Copies;
pub use entries::{Entries, Entry, Payload};

use crate::part::{Part, PartKind};
use crate::{Checkpoint, LogKey, SignedCheckpoint};
use header::BLOCK;

/// The member that holds the checkpoint.
pub const CHECKPOINT: &str = "checkpoint";
/// The member that holds the log key.
pub const LOG_KEY: &str = "log.key";
/// No member is larger: 256 payloads of a megabyte each.
pub const LARGEST_MEMBER: u64 = 1 << 28;

/// An archive that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file itself can't be read.
    #[error("the archive can't be read")]
    Io(#[from] io::Error),
    /// It is not exactly what an export of this log is.
    #[error("it is no export of a log: {0}")]
    Malformed(String),
    /// A part of the log in it is none.
    #[error(transparent)]
    Log(#[from] crate::Error),
}

// === writing ===

/// Writes an archive, member by member, in the order of the export.
#[derive(Debug)]
pub struct ArchiveWriter<W> {
    to: W,
}

impl<W: Write> ArchiveWriter<W> {
    /// An archive without members.
    pub fn new(to: W) -> Self {
        Self { to }
    }

    /// Adds a member.
    ///
    /// # Errors
    /// If it can't be written, its name has no form in ustar, or it is larger than [`LARGEST_MEMBER`].
    pub fn member(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let header = header::write(name, size).filter(|_| size <= LARGEST_MEMBER);
        let header = header.ok_or_else(|| {
            let text = format!("{name:?} is too long for an archive, or has too long a name");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
        self.to.write_all(&header)?;
        self.to.write_all(bytes)?;
        self.nothing(padding(size))
    }

    /// Ends the archive and gives back what it was written to.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.nothing(2 * BLOCK)?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn nothing(&mut self, length: u64) -> io::Result<()> {
        io::copy(&mut io::repeat(0).take(length), &mut self.to).map(drop)
    }
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK) - size
}

// === reading ===

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its path.
    pub name: String,
    /// How many bytes it holds.
    pub size: u64,
    /// Where they begin.
    offset: u64,
}

/// An archive whose form is that of an export; what its members hold is not checked.
#[derive(Debug)]
pub struct Archive<R> {
    source: R,
    members: Vec<Member>,
    /// What the checkpoint says, where it can be read. Nothing is verified.
    claimed: Option<Checkpoint>,
}

impl<R: Read + Seek> Archive<R> {
    /// Goes over all headers, and compares each with the one that its member has.
    ///
    /// # Errors
    /// If the file is no archive of this form, or its members are not those that its checkpoint asks for.
    pub fn open(mut source: R) -> Result<Self, ArchiveError> {
        let members = members(&mut source)?;
        let mut archive = Self { source, members, claimed: None };
        if archive.names(0, 2) != [CHECKPOINT, LOG_KEY] {
            return Err(malformed("it does not begin with checkpoint and log.key"));
        }
        // A checkpoint that can't be read is for its reader to say.
        if let Ok(checkpoint) = archive.checkpoint() {
            let claimed = checkpoint.unverified()?;
            archive.must_hold_the_parts(claimed.size)?;
            archive.claimed = Some(claimed);
        }
        Ok(archive)
    }

    /// All members, in their order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The bytes of a member.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn read(&mut self, member: &Member) -> io::Result<Vec<u8>> {
        self.source.seek(SeekFrom::Start(member.offset))?;
        let mut bytes = vec![0; usize::try_from(member.size).map_err(io::Error::other)?];
        self.source.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The checkpoint, of which no signature is checked.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn checkpoint(&mut self) -> Result<SignedCheckpoint, ArchiveError> {
        Ok(self.text(0)?.parse()?)
    }

    /// The log key that the archive brings along, which only its reader can say is the right one.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn log_key(&mut self) -> Result<LogKey, ArchiveError> {
        let text = self.text(1)?;
        let key = text.strip_suffix('\n').ok_or_else(|| malformed("log.key has no line end"))?;
        Ok(key.parse()?)
    }

    /// All entries, in order, for a reader of an archive that was verified.
    ///
    /// # Errors
    /// If the checkpoint can't be read.
    pub fn entries(&mut self) -> Result<Entries<'_, R>, ArchiveError> {
        let size = self.checkpoint()?.unverified()?.size;
        Ok(Entries::new(self, size))
    }

    /// What the checkpoint says, where it can be read; nothing is verified.
    pub(crate) fn claimed(&self) -> Option<&Checkpoint> {
        self.claimed.as_ref()
    }

    /// The bytes of the member at this place.
    pub(crate) fn read_nth(&mut self, nth: usize) -> io::Result<Vec<u8>> {
        let member = self.members.get(nth).cloned().ok_or(io::ErrorKind::NotFound)?;
        self.read(&member)
    }

    /// Whether the member at this place holds exactly these bytes.
    pub(crate) fn holds(&mut self, nth: usize, expected: &[u8]) -> io::Result<bool> {
        let is_as_long = self.members.get(nth).is_some_and(|member| {
            u64::try_from(expected.len()).is_ok_and(|length| length == member.size)
        });
        Ok(is_as_long && self.read_nth(nth)? == expected)
    }

    fn text(&mut self, nth: usize) -> Result<String, ArchiveError> {
        if self.members.get(nth).is_none_or(|member| member.size > LONGEST_TEXT) {
            return Err(malformed("the checkpoint or the log key is too long"));
        }
        let bytes = self.read_nth(nth)?;
        String::from_utf8(bytes).map_err(|_| malformed("the checkpoint or the log key is no text"))
    }

    fn names(&self, from: usize, to: usize) -> Vec<&str> {
        let members = self.members.get(from..to.min(self.members.len())).unwrap_or_default();
        members.iter().map(|member| member.name.as_str()).collect()
    }

    fn must_hold_the_parts(&self, size: u64) -> Result<(), ArchiveError> {
        let mut members = self.members.iter().skip(2);
        for part in parts(size) {
            let (expected, found) = (part.to_string(), members.next());
            if found.is_none_or(|found| found.name != expected) {
                return Err(malformed(format!("{expected} is not at its place")));
            }
        }
        let is_copy = |name: &str| name.starts_with("ca/") || name.starts_with("bundles/");
        match members.find(|member| !is_copy(&member.name)) {
            Some(member) => Err(malformed(format!("{:?} is no part of it", member.name))),
            None => Ok(()),
        }
    }
}

/// All parts of a log of this size, in the order of the export.
pub fn parts(size: u64) -> impl Iterator<Item = Part> {
    let bottom = Part::all(PartKind::Hashes(0), size).flat_map(|part| {
        [PartKind::Hashes(0), PartKind::Entries, PartKind::Payloads]
            .map(|kind| Part { kind, ..part })
    });
    bottom.chain((1..8).flat_map(move |level| Part::all(PartKind::Hashes(level), size)))
}

fn members(source: &mut (impl Read + Seek)) -> Result<Vec<Member>, ArchiveError> {
    let length = source.seek(SeekFrom::End(0))?;
    let (mut members, mut names, mut at) = (Vec::new(), HashSet::new(), 0);
    source.seek(SeekFrom::Start(0))?;
    loop {
        let block = block(source, length.saturating_sub(at))?;
        if block == [0; header::LENGTH] {
            let is_end = length == at + 2 * BLOCK && self::block(source, BLOCK)? == block;
            return if is_end {
                Ok(members)
            } else {
                Err(malformed("it does not end where it should"))
            };
        }
        let (name, size) = header::read(&block).ok_or_else(|| {
            malformed(format!("the header at {at} is not the one of a member of an export"))
        })?;
        let (offset, end) = (at + BLOCK, at + BLOCK + size.next_multiple_of(BLOCK));
        if size > LARGEST_MEMBER || end > length {
            return Err(malformed(format!("{name:?} is too long")));
        }
        if !names.insert(name.clone()) {
            return Err(malformed(format!("{name:?} is there twice")));
        }
        source.seek(SeekFrom::Start(offset + size))?;
        let mut filled = Vec::new();
        source.by_ref().take(padding(size)).read_to_end(&mut filled)?;
        if filled.iter().any(|&byte| byte != 0) {
            return Err(malformed(format!("{name:?} is not filled up with zeros")));
        }
        members.push(Member { name, size, offset });
        at = end;
    }
}

fn block(source: &mut impl Read, left: u64) -> Result<[u8; header::LENGTH], ArchiveError> {
    if left < BLOCK {
        return Err(malformed("it is cut short"));
    }
    let mut block = [0; header::LENGTH];
    source.read_exact(&mut block)?;
    Ok(block)
}

fn malformed(what: impl Into<String>) -> ArchiveError {
    ArchiveError::Malformed(what.into())
}

/// No checkpoint is longer, and no log key.
const LONGEST_TEXT: u64 = 16 * 1024;

#[cfg(test)]
mod tests;
