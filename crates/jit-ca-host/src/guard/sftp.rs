//! Files that were used over sftp, out of what OpenSSH's `sftp-server` says it does.
//!
//! It is run as `sftp-server -e -l VERBOSE`: then it says on its stderr what it is asked for before it does it, and how much
//! it read and wrote of a file when that is closed. Its bytes go past the guard, which costs them nothing.
//!
//! It escapes most of what is in names (`vis(3)`: backslashes, and bytes above 126 in octal), but neither quotes nor, on stderr,
//! line ends. So a name can hold what looks like another message. What bounds a message is that each is one `write`: its stderr is
//! a socket that keeps them apart ([`pair`]). Within a message a name ends with the last quote that the message can end its name
//! with. Where two names leave more than one way to read it, it is reported as unclear, word by word, rather than guessed at.
//!
//! Messages are cut at 1 KiB: names longer than that are unclear, too. What is reported as used was asked for; if it was refused,
//! that follows.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::recording::{FileName, FileUse};

/// What sftp-server is told.
pub const ARGUMENTS: [&str; 3] = ["-e", "-l", "VERBOSE"];

/// No message is longer, in bytes (`MSGBUFSIZ` of OpenSSH's log.c).
pub const LONGEST: usize = 1024;

/// Of more files that are open at once the first are forgotten. The server has fewer, as each is a descriptor.
const MOST_OPEN: usize = 4096;

/// A socket pair, on which each write of the server's is one read of ours: ours, and its stderr.
///
/// # Errors
/// If there are no more descriptors.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// What a server said so far.
#[derive(Debug, Default)]
pub struct Watch {
    /// What is open, and whether to be written.
    open: Vec<(FileName, bool)>,
    /// What was asked for last, which a refusal is about.
    last: Option<FileName>,
}

impl Watch {
    /// What a message tells of: mostly one use, or none. A message is what one read gave.
    pub fn message(&mut self, message: &[u8]) -> Vec<FileUse> {
        let message = message.strip_suffix(b"\r\n").unwrap_or(message);
        if let Some(status) = message.strip_prefix(b"sent status ") {
            return self.status(status);
        }
        self.last = None;
        let message = message.strip_prefix(b"forced ").unwrap_or(message);
        match Message::read(message) {
            Some(read) => self.read(read),
            None => Vec::new(),
        }
    }

    /// The server is gone: what was not closed by then.
    pub fn end(self) -> Vec<FileUse> {
        self.open.into_iter().map(|(name, _)| FileUse::Opened(name)).collect()
    }

    fn read(&mut self, message: Message) -> Vec<FileUse> {
        let (about, done) = match message {
            Message::Open { name, writes } => {
                if self.open.len() >= MOST_OPEN {
                    self.open.remove(0);
                }
                self.open.push((name.clone(), writes));
                (name, vec![])
            }
            Message::Close { name, read, written } => {
                return self.closed(name, read, written);
            }
            // Asked for all the time, and of no consequence: but a refusal that follows isn't about what was before it.
            Message::Look => return Vec::new(),
            Message::One(done, name) => (name.clone(), vec![done(name)]),
            Message::Two(done, from, to) => (from.clone(), vec![done(from, to)]),
            Message::Unclear(text) => (text.clone(), vec![FileUse::Unclear(text)]),
        };
        self.last = Some(about);
        done
    }

    fn closed(&mut self, name: FileName, read: u64, written: u64) -> Vec<FileUse> {
        let found = self.open.iter().position(|(open, _)| *open == name);
        let writes = found.is_some_and(|found| self.open.remove(found).1);
        match (read, written) {
            (0, 0) if writes => vec![FileUse::Written(name, 0)],
            (read, 0) => vec![FileUse::Read(name, read)],
            (0, written) => vec![FileUse::Written(name, written)],
            _ => vec![FileUse::Read(name.clone(), read), FileUse::Written(name, written)],
        }
    }

    fn status(&mut self, status: &[u8]) -> Vec<FileUse> {
        let Some(name) = self.last.take() else { return Vec::new() };
        if matches!(status, b"Success" | b"End of file") {
            return Vec::new();
        }
        if self.open.last().is_some_and(|(open, _)| *open == name) {
            self.open.pop();
        }
        vec![FileUse::Refused(name)]
    }
}

/// What is done to a file,
type OfOne = fn(FileName) -> FileUse;
/// and what is done with two names.
type OfTwo = fn(FileName, FileName) -> FileUse;

/// A message that is about files.
enum Message {
    Open { name: FileName, writes: bool },
    Close { name: FileName, read: u64, written: u64 },
    Look,
    One(OfOne, FileName),
    Two(OfTwo, FileName, FileName),
    Unclear(FileName),
}

/// How messages begin (sftp-server.c of OpenSSH 9.2 to 10.3), and what they tell of.
const ONE: [(&[u8], OfOne); 4] = [
    (b"remove name \"", FileUse::Removed),
    (b"mkdir name \"", FileUse::FolderMade),
    (b"rmdir name \"", FileUse::FolderRemoved),
    (b"set \"", FileUse::Changed),
];
const TWO: [(&[u8], OfTwo); 4] = [
    (b"posix-rename old \"", FileUse::Renamed),
    (b"rename old \"", FileUse::Renamed),
    (b"hardlink old \"", FileUse::Linked),
    (b"symlink old \"", FileUse::Pointed),
];

impl Message {
    /// Reads one. None: it is about no file.
    fn read(message: &[u8]) -> Option<Self> {
        // Where it is cut depends on what had to be escaped there, by up to three bytes. Two more are for the line's end.
        let whole = message.len() < LONGEST - 5;
        match Self::parse(message)? {
            Self::Look => Some(Self::Look),
            _ if !whole => Some(Self::Unclear(unescaped(message))),
            read => Some(read),
        }
    }

    fn parse(message: &[u8]) -> Option<Self> {
        let unclear = || Self::Unclear(unescaped(message));
        if let Some(rest) = message.strip_prefix(b"open \"") {
            return Some(open(rest).unwrap_or_else(unclear));
        }
        if let Some(rest) = message.strip_prefix(b"close \"") {
            return Some(close(rest).unwrap_or_else(unclear));
        }
        for (verb, done) in ONE {
            if let Some(rest) = message.strip_prefix(verb) {
                // What follows the name, a mode or an owner, has no quote.
                let name = last_split(rest, b"\"").map(|(name, _)| name);
                return Some(name.map_or_else(unclear, |name| Self::One(done, unescaped(name))));
            }
        }
        for (verb, done) in TWO {
            if let Some(rest) = message.strip_prefix(verb) {
                let both = rest.strip_suffix(b"\"").and_then(|both| only_split(both, b"\" new \""));
                return Some(both.map_or_else(unclear, |(from, to)| {
                    Self::Two(done, unescaped(from), unescaped(to))
                }));
            }
        }
        let looks: [&[u8]; 10] = [
            b"stat name",
            b"lstat name",
            b"opendir",
            b"closedir",
            b"realpath",
            b"readlink",
            b"statvfs",
            b"fsync",
            b"expand",
            b"Refusing",
        ];
        looks.iter().any(|look| message.starts_with(look)).then_some(Self::Look)
    }
}

/// `NAME" flags READ,WRITE mode 0666`
fn open(rest: &[u8]) -> Option<Message> {
    let (name, how) = last_split(rest, b"\" flags ")?;
    let (flags, mode) = last_split(how, b" mode 0")?;
    let whole = !mode.is_empty() && mode.iter().all(u8::is_ascii_digit);
    let writes = flags.split(|&byte| byte == b',').any(|flag| flag == b"WRITE");
    whole.then(|| Message::Open { name: unescaped(name), writes })
}

/// `NAME" bytes read 5 written 0`
fn close(rest: &[u8]) -> Option<Message> {
    let (name, counts) = last_split(rest, b"\" bytes read ")?;
    let (read, written) = last_split(counts, b" written ")?;
    let number = |digits| str::from_utf8(digits).ok()?.parse().ok();
    Some(Message::Close { name: unescaped(name), read: number(read)?, written: number(written)? })
}

/// What is before and behind the last place where these bytes stand.
fn last_split<'a>(all: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = all.windows(at.len()).rposition(|window| window == at)?;
    Some((all.get(..place)?, all.get(place + at.len()..)?))
}

/// The same, if they stand in one place only.
fn only_split<'a>(all: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut places = all.windows(at.len()).enumerate().filter(|(_, window)| *window == at);
    let (place, _) = places.next()?;
    places.next().is_none().then_some((all.get(..place)?, all.get(place + at.len()..)?))
}

/// Undoes `vis(3)` as OpenSSH calls it: `\\`, and three octal digits.
fn unescaped(name: &[u8]) -> FileName {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    loop {
        rest = match rest {
            [] => return bytes.into(),
            [b'\\', b'\\', rest @ ..] => {
                bytes.push(b'\\');
                rest
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests;
