//! The pass over all entries, part by part.

use std::io::{Read, Seek};

use jit_ca_core::Digest;

use super::clock;
use super::fault::Fault;
use super::levels::Levels;
use super::state::State;
use super::{Code, Counts, Finding, Observed, Stop};
use crate::Leaf;
use crate::archive::{Archive, Copies};
use crate::part::{read_entries, read_payloads};
use crate::tree::leaf_hash;

/// What a pass in which each entry holds comes to.
pub(super) struct Passed {
    pub(super) counts: Counts,
    pub(super) copies: Copies,
    pub(super) observed: Observed,
    /// The first entry whose payload is missing and that no erasure names.
    unnamed: Option<u64>,
    /// Whether a part holds more than its entries.
    has_surplus: bool,
}

impl Passed {
    /// What is missing must have been erased, and nothing may be left over.
    pub(super) fn must_be_complete(&self) -> Result<(), Finding> {
        if self.unnamed.is_some() {
            let message = "the payload is missing, and no erasure names it";
            return Err(Finding::new(Code::Erased, self.unnamed, message));
        }
        if self.has_surplus {
            let message = "a part of the log holds more than its entries";
            return Err(Finding::new(Code::Surplus, None, message));
        }
        Ok(())
    }
}

/// Checks all entries in order; signatures may be checked later.
pub(super) fn pass<R: Read + Seek>(
    archive: &mut Archive<R>,
    mut state: State<'_, '_>,
    size: u64,
    levels: &mut Levels,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Passed, Stop> {
    let (mut has_surplus, mut last_ms) = (false, 0);
    if size == 0 {
        let message = "the log has no entries, not even its first";
        return Err(Finding::new(Code::Init, Some(0), message).into());
    }
    progress(0, size);
    // Three members for each 256 entries, behind checkpoint and log key.
    for (first, nth) in (0..size).step_by(256).zip((2..).step_by(3)) {
        let width = usize::try_from((size - first).min(256)).unwrap_or(256);
        let hashes = archive.read_nth(nth)?;
        let (leaves, payloads) = (archive.read_nth(nth + 1)?, archive.read_nth(nth + 2)?);
        let ((leaves, left_leaf), (payloads, left_payload)) =
            (read_entries(&leaves), read_payloads(&payloads));
        for at in 0..width {
            let index = first + u64::try_from(at).unwrap_or_default();
            let finding = |fault: Fault| Finding::new(fault.code, Some(index), fault.message);
            let (Some(hash), Some(leaf), Some(payload)) =
                (hash_at(&hashes, at), leaves.get(at), payloads.get(at))
            else {
                let fault = Fault::new(Code::Missing, "the part ends before this entry");
                return Err(finding(fault).into());
            };
            let leaf = read(index, hash, leaf, &mut last_ms).map_err(finding)?;
            levels.push(hash);
            state.entry(&leaf, payload).map_err(finding)?;
        }
        has_surplus |= hashes.len() > 32 * width
            || leaves.len().max(payloads.len()) > width
            || !left_leaf.is_empty()
            || !left_payload.is_empty();
        progress(first + u64::try_from(width).unwrap_or_default(), size);
        // All that comes before it was looked at.
        if state.signatures.have_failed() {
            break;
        }
    }
    let unnamed = state.unnamed();
    let (counts, copies, observed) = state.finish();
    Ok(Passed { counts, copies, observed, unnamed, has_surplus })
}

fn hash_at(hashes: &[u8], at: usize) -> Option<Digest> {
    let hash = hashes.get(32 * at..)?.first_chunk()?;
    Some(Digest::from_bytes(*hash))
}

/// The leaf, if it is the one of this hash, at its place and in its time.
fn read(index: u64, hash: Digest, leaf: &[u8], last_ms: &mut u64) -> Result<Leaf, Fault> {
    if leaf_hash(leaf) != hash {
        return Err(Fault::new(Code::Hash, "the leaf does not have the hash of its place"));
    }
    let leaf = Leaf::decode(leaf).map_err(|error| Fault::new(Code::Leaf, error.to_string()))?;
    if leaf.idx != index {
        return Err(Fault::new(Code::Leaf, format!("the leaf is that of entry {}", leaf.idx)));
    }
    if leaf.ts_ms < *last_ms && !clock::may_go_back(&leaf.entry_type) {
        return Err(Fault::new(Code::Leaf, "the entry is older than the one before it"));
    }
    *last_ms = leaf.ts_ms;
    Ok(leaf)
}
