//! Where the parts of a log lie, in a URL as in an export: the paths of C2SP tlog-tiles.
//!
//! ```text
//! tile/<level>/<index>[.p/<width>]     hashes: 32 bytes each
//! tile/entries/<index>[.p/<width>]     leaves: each behind its length in 2 bytes, big endian
//! payloads/<index>[.p/<width>]         ours: each behind its length in 4 bytes, big endian;
//!                                      salt (32 bytes) and payload, or nothing where it is erased
//! ```
//!
//! A part holds 256 of its kind; the last one may hold fewer, and says how many. An index is written
//! in groups of three digits, all but the last with an `x` before them: `x001/x234/067`.

use std::fmt;
use std::str::FromStr;

use crate::Error;
use crate::tree::TileId;

/// How many hashes, leaves or payloads a full part holds.
pub const WIDTH: u16 = 256;

/// What a part of the log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartKind {
    /// Hashes of complete subtrees of `2^(8·level)` leaves.
    Hashes(u8),
    /// Leaves.
    Entries,
    /// Payloads.
    Payloads,
}

/// A part of the log, and its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// What it holds.
    pub kind: PartKind,
    /// Its place among the parts of its kind, from 0.
    pub index: u64,
    /// How many it holds: 1 to 256.
    pub width: u16,
}

impl Part {
    /// The parts of a kind that a log of `size` entries has, in order; the last may not be full.
    pub fn all(kind: PartKind, size: u64) -> impl Iterator<Item = Self> {
        let held = match kind {
            // Level by level a full tile becomes one hash.
            PartKind::Hashes(level) => size.checked_shr(8 * u32::from(level)).unwrap_or(0),
            PartKind::Entries | PartKind::Payloads => size,
        };
        let width = move |index: u64| u16::try_from((held - 256 * index).min(256)).unwrap_or(WIDTH);
        (0..held.div_ceil(256)).map(move |index| Self { kind, index, width: width(index) })
    }

    /// The tile that it is a part of, if it holds hashes.
    pub fn tile(&self) -> Option<TileId> {
        match self.kind {
            PartKind::Hashes(level) => Some(TileId { level, index: self.index }),
            PartKind::Entries | PartKind::Payloads => None,
        }
    }

    /// The index of the first that it holds, and the one after its last.
    pub fn range(&self) -> (u64, u64) {
        let first = self.index.saturating_mul(u64::from(WIDTH));
        (first, first.saturating_add(u64::from(self.width)))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            PartKind::Hashes(level) => write!(f, "tile/{level}")?,
            PartKind::Entries => f.write_str("tile/entries")?,
            PartKind::Payloads => f.write_str("payloads")?,
        }
        let digits = self.index.to_string();
        let digits = format!("{digits:0>width$}", width = digits.len().next_multiple_of(3));
        let groups = digits.len() / 3;
        for group in 0..groups {
            let mark = if group + 1 < groups { "x" } else { "" };
            let digits = digits.get(3 * group..3 * group + 3).unwrap_or_default();
            write!(f, "/{mark}{digits}")?;
        }
        if self.width == WIDTH { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(path: &str) -> Result<Self, Error> {
        let fault = || Error::Part(path.chars().take(120).collect());
        let (kind, rest) = if let Some(rest) = path.strip_prefix("payloads/") {
            (PartKind::Payloads, rest)
        } else if let Some(rest) = path.strip_prefix("tile/entries/") {
            (PartKind::Entries, rest)
        } else {
            let rest = path.strip_prefix("tile/").and_then(|rest| rest.split_once('/'));
            let (level, rest) = rest.ok_or_else(fault)?;
            (PartKind::Hashes(level.parse().map_err(|_| fault())?), rest)
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().map_err(|_| fault())?),
            None => (rest, WIDTH),
        };
        let digits: String = index.chars().filter(char::is_ascii_digit).collect();
        let part = Self { kind, index: digits.parse().map_err(|_| fault())?, width };
        // One form: every other way to write it is refused. Tiles reach up to level 7 (2^64 leaves).
        let level_exists = !matches!(kind, PartKind::Hashes(8..));
        if (1..=WIDTH).contains(&width) && level_exists && part.to_string() == path {
            Ok(part)
        } else {
            Err(fault())
        }
    }
}

/// The bytes of a part of leaves.
///
/// # Errors
/// If a leaf is longer than any can be.
pub fn write_entries<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    for leaf in leaves {
        let length = u16::try_from(leaf.len()).map_err(|_| Error::Leaf(TOO_LONG))?;
        bytes.extend(length.to_be_bytes());
        bytes.extend_from_slice(leaf);
    }
    Ok(bytes)
}

/// The leaves in the bytes of a part, as far as they go: what is left behind the last whole one comes with them.
pub fn read_entries(bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    read(bytes, |bytes| {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        rest.split_at_checked(u16::from_be_bytes(*length).into())
    })
}

/// The bytes of a part of payloads: salt and payload together, or none where they are erased.
///
/// # Errors
/// If a payload is longer than 4 GiB.
pub fn write_payloads<'a>(
    payloads: impl IntoIterator<Item = Option<&'a [u8]>>,
) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    for payload in payloads {
        let payload = payload.unwrap_or_default();
        let length = u32::try_from(payload.len()).map_err(|_| Error::Leaf(TOO_LONG))?;
        bytes.extend(length.to_be_bytes());
        bytes.extend_from_slice(payload);
    }
    Ok(bytes)
}

/// The payloads in the bytes of a part, empty where they are erased, as far as they go; and what is left.
pub fn read_payloads(bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    read(bytes, |bytes| {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
    })
}

fn read<'b>(
    mut bytes: &'b [u8],
    next: impl Fn(&'b [u8]) -> Option<(&'b [u8], &'b [u8])>,
) -> (Vec<&'b [u8]>, &'b [u8]) {
    let mut records = Vec::new();
    while let Some((record, rest)) = next(bytes) {
        records.push(record);
        bytes = rest;
    }
    (records, bytes)
}

const TOO_LONG: &str = "it is too long for a part of the log";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_a_cut_one_is_left_over() {
        let leaves: [&[u8]; 3] = [b"one", b"", b"three"];
        let bytes = write_entries(leaves).unwrap();
        assert_eq!(read_entries(&bytes), (leaves.to_vec(), &[][..]));
        let (whole, left) = read_entries(&bytes[..bytes.len() - 1]);
        assert_eq!((whole.len(), left.len()), (2, 6));

        let bytes = write_payloads([Some(b"salt".as_slice()), None]).unwrap();
        assert_eq!(read_payloads(&bytes), (vec![b"salt".as_slice(), b""], &[][..]));
    }

    #[test]
    fn paths_have_one_form() {
        for (path, kind, index, width) in [
            ("tile/0/000", PartKind::Hashes(0), 0, 256),
            ("tile/2/x001/x234/067.p/17", PartKind::Hashes(2), 1_234_067, 17),
            ("tile/entries/x001/000", PartKind::Entries, 1_000, 256),
            ("payloads/999.p/255", PartKind::Payloads, 999, 255),
        ] {
            let part = Part { kind, index, width };
            assert_eq!(part.to_string(), path);
            assert_eq!(path.parse::<Part>().unwrap(), part);
        }
        for path in [
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x000/001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/257",
            "tile/0/001.p/+5",
            "tile/8/000",
            "tile/00/000",
            "tile/-1/000",
            "tile/0/x001/x2/067",
            "tile/0/001/002",
            "tile/entries",
            "payloads/",
            "",
            "checkpoint",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
        ] {
            assert!(path.parse::<Part>().is_err(), "{path}");
        }
    }

    #[test]
    fn a_log_has_the_parts_that_its_size_asks_for() {
        let all = |kind, size| Part::all(kind, size).map(|p| p.to_string()).collect::<Vec<_>>();
        assert_eq!(all(PartKind::Entries, 0), Vec::<String>::new());
        assert_eq!(all(PartKind::Entries, 256), ["tile/entries/000"]);
        assert_eq!(all(PartKind::Payloads, 257), ["payloads/000", "payloads/001.p/1"]);
        assert_eq!(all(PartKind::Hashes(1), 255), Vec::<String>::new());
        assert_eq!(all(PartKind::Hashes(1), 70_000), ["tile/1/000", "tile/1/001.p/17"]);
        assert_eq!(all(PartKind::Hashes(2), 70_000), ["tile/2/000.p/1"]);
    }
}
