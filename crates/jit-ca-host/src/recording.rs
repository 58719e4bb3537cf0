//! Recordings: what was shown in a session, kept on this host until it is fetched, so that no byte of it can be changed
//! unseen afterwards.
//!
//! ```text
//! <state>/sessions/            root's, 0700; files 0600
//!   lock                       held by the one process that has the spool open
//!   s-01m3…/                   a session
//!     open.json                who came in, from where, with what: SessionOpened
//!     1/                       its first channel: a terminal, a command, an sftp
//!       header.json            what it is: Header
//!       000000, 000001, …      its chunks, each of whole lines; together they are one asciicast v3
//!       chunks                 of each chunk that is sealed a line: hash, length, and where the recording stood behind it
//!       sealed.json            once it is over: root, number of chunks, bytes
//!     closed.json              once the session is over: why, when, and what sealed.json says of each channel
//!   s-01m3….new, s-01m3….gone  one that is being made, or removed: swept away when the spool is opened
//! ```
//!
//! A chunk is *sealed* by its line in `chunks`, which is written once the chunk is on the disk, and by nothing else: no file is
//! renamed, so no crash leaves a chunk half sealed. It is sealed before it is longer than 64 KiB, 5 seconds after its first byte, or at the end. Its hash
//! is that of a leaf in the log's tree (RFC 6962 2.1), and the recording's *root* the root over all its chunks: cutting, altering or
//! reordering chunks gives another root. What is sealed and fetched is deleted; its hash stays.
//!
//! A frame is kept once `write` has returned: killing the process loses nothing of it. The machine's own crash may lose what
//! wasn't sealed, five seconds at most, and ends the session anyway.

mod bounds;
mod cast;
mod chunks;
mod disk;
mod fault;
mod file_use;
mod spool;
#[cfg(test)]
mod tests;
mod utf8;
mod verify;
mod writer;

use jit_ca_core::{Digest, HostName, SessionId};
use serde::{Deserialize, Serialize};

pub use bounds::Bounds;
pub use chunks::Chunk;
pub use fault::{Bound, Fault};
pub use file_use::{FileName, FileUse};
pub use spool::{Closed, Spool, Waiting};
pub use verify::{Verified, verify};
pub use writer::Recording;

/// A connection was let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionOpened {
    /// The session.
    pub id: SessionId,
    /// What this host is called.
    pub host: HostName,
    /// The account that it is of.
    pub account: String,
    /// The address that it came from, if sshd said.
    pub from: Option<String>,
    /// The certificate that opened it. None: a key, of an account that is set apart as break-glass.
    pub certificate: Option<Certified>,
    /// When, in milliseconds since 1970.
    pub opened_ms: u64,
}

/// The certificate that opened a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certified {
    /// The CA's key, as OpenSSH writes fingerprints: `SHA256:…`.
    pub ca: String,
    /// Its serial.
    pub serial: u64,
    /// Its key id.
    pub key_id: String,
    /// When it is over, in seconds since 1970.
    pub valid_before: u64,
}

/// A session is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionClosed {
    /// Why.
    pub why: End,
    /// When, in milliseconds since 1970.
    pub closed_ms: u64,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Who had opened it left, or the network did.
    Left,
    /// Its certificate was over.
    Expired,
    /// Its grant was revoked, or its subject locked.
    Revoked,
    /// A guard died, or something ran without one.
    Unguarded,
    /// Its recording was as long as one may be.
    Full,
    /// The host, or hostd, was stopped.
    Stopped,
}

/// What is known of a channel when it is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// When, in milliseconds since 1970.
    pub started_ms: u64,
    /// Its terminal, if it has one.
    pub terminal: Option<Terminal>,
    /// The command, as the user gave it. None: a shell.
    pub command: Option<String>,
}

/// A terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// How wide it is, in characters.
    pub cols: u16,
    /// How high it is, in lines.
    pub rows: u16,
    /// Its type, as `TERM` says it.
    pub term: String,
}

/// A frame of so many bytes of output or input fits into a chunk whatever they are: as JSON each is six at most.
pub const LONGEST_FRAME: usize = 8 * 1024;

/// What happened on a channel. Each is one event of the recording.
#[derive(Clone, Debug)]
pub enum Frame<'a> {
    /// It was shown, or written by a command.
    Output(&'a [u8]),
    /// It was typed.
    Input(&'a [u8]),
    /// The terminal has another size.
    Resize {
        /// How wide it is now, in characters.
        cols: u16,
        /// How high it is now, in lines.
        rows: u16,
    },
    /// A file was read, written, renamed, …
    File(FileUse),
    /// Something that a viewer is to know.
    Mark(&'a str),
    /// The shell or command ended, with this status.
    Exit(i32),
}

/// A recording that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// RFC 6962's root over its chunks.
    pub root: Digest,
    /// How many these are.
    pub chunks: u64,
    /// How many bytes they hold.
    pub bytes: u64,
}
