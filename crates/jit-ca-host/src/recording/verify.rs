//! Whether a recording on this host is what was recorded.

use std::fs;
use std::path::Path;

use jit_ca_core::Digest;
use jit_ca_log::tree::{Frontier, leaf_hash};

use super::Fault;
use super::chunks::{end_of, file_of, list_of, present, read_end, read_list};
use super::fault::At as _;

/// What a recording's chunks add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The root over them.
    pub root: Digest,
    /// How many are sealed.
    pub chunks: u64,
    /// How many of these, the first ones, are not here any longer, as they were fetched.
    pub fetched: u64,
    /// Whether the recording is over, and its root the one that was written down then.
    pub ended: bool,
}

/// Computes the root over the chunks in a channel's folder, from their bytes; of those that were fetched, from their hashes.
///
/// Who may write here may write a whole other recording, too: compare the root with the log's.
///
/// # Errors
/// If a chunk was altered, cut, swapped, removed or put in, or a file can't be read.
pub fn verify(channel: &Path) -> Result<Verified, Fault> {
    let (list, _) = read_list(channel)?;
    let end = read_end(channel)?;
    let sealed = u64::try_from(list.len())
        .map_err(|_| Fault::Altered(list_of(channel), "it is too long"))?;
    let files = present(channel)?;
    let fetched = files.first().map_or(sealed, |&first| first.min(sealed));
    // One more may be open while the recording goes on.
    let last = files.last().map_or(fetched, |&last| last + 1);
    let complete = files.iter().copied().eq(fetched..last);
    if !complete || last < sealed || last > sealed + u64::from(end.is_none()) {
        return Err(Fault::Altered(channel.to_owned(), "its chunks aren't those of its list"));
    }
    let mut tree = Frontier::default();
    for (number, chunk) in (0..).zip(&list) {
        if number >= fetched {
            let path = file_of(channel, number);
            let bytes = fs::read(&path).at(&path)?;
            if leaf_hash(&bytes) != chunk.hash || u64::try_from(bytes.len()) != Ok(chunk.bytes) {
                return Err(Fault::Altered(path, "it isn't what was sealed"));
            }
        }
        tree.push(chunk.hash);
    }
    let root = tree.root();
    let bytes = list.iter().map(|chunk| chunk.bytes).sum::<u64>();
    match end {
        Some(end) if (end.root, end.chunks, end.bytes) != (root, sealed, bytes) => {
            Err(Fault::Altered(end_of(channel), "its root isn't that of the chunks"))
        }
        end => Ok(Verified { root, chunks: sealed, fetched, ended: end.is_some() }),
    }
}
