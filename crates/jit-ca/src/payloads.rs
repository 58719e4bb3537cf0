//! What entries say, held against what their leaves commit to.
//!
//! ```text
//! entries: leaf, payload as JSON ─────────────────────────────┐ the same, or else once more
//! payloads/N: salt ‖ payload ── commit(…) = the leaf's? ── as JSON
//! ```
//!
//! A payload may be erased between the two calls, so that what differs is looked at a second time: then both lack it.

use std::slice;

use jit_ca_api::{Entry, LogQuery};
use jit_ca_log::archive::{self, Payload};
use jit_ca_log::part::{Part, PartKind, WIDTH, read_payloads};
use jit_ca_log::tree::{Tree, leaf_hash, verify_inclusion};
use jit_ca_log::{Checkpoint, entry::commit};

use crate::chain::leaf_bytes;
use crate::error::{Error, Result};
use crate::source::{Source, Tiles, unwrapped};

/// The entries from `start` on, at most `most`, and no further than one part of payloads goes. Waits for so many seconds
/// where there is none yet.
///
/// # Errors
/// If the source gives others, or one that does not say what its leaf commits to.
pub(crate) fn from(source: &impl Source, start: u64, most: u64, wait: u64) -> Result<Vec<Entry>> {
    let width = u64::from(WIDTH);
    let limit = usize::try_from(most.min(width - start % width)).unwrap_or_default();
    let query = LogQuery { start, limit: Some(limit), wait, ..LogQuery::default() };
    let mut entries = source.entries(&query)?;
    if entries.len() > limit {
        return Err(Error::unverified(format!(
            "the CA gives more than the {limit} entries asked for"
        )));
    }
    check(source, start, &mut entries)?;
    Ok(entries)
}

/// One entry, which the newest checkpoint covers and whose payload is the one that its leaf commits to.
///
/// # Errors
/// If it is not.
pub(crate) fn one(
    source: &impl Source,
    index: u64,
    newest: impl FnOnce() -> Result<Checkpoint>,
) -> Result<Entry> {
    let mut entry = source.entry(index)?;
    // Asked for behind the entry, it covers that.
    let checkpoint = newest()?;
    let size = checkpoint.size;
    must_be_at(&entry, index)?;
    let leaf = leaf_hash(&leaf_bytes(&entry)?);
    let proof = Tree::at(Tiles { source, size }, size).inclusion_proof(index).map_err(unwrapped)?;
    verify_inclusion(leaf, index, size, &proof, checkpoint.root).map_err(|error| {
        Error::unverified(format!("entry {index} is not in the CA's log: {error}"))
    })?;
    check(source, index, slice::from_mut(&mut entry))?;
    Ok(entry)
}

/// Checks the payloads of entries that follow each other from `start` on, in one part. One that was erased since is
/// taken as it is now.
fn check(source: &impl Source, start: u64, entries: &mut [Entry]) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    (start..).zip(&*entries).try_for_each(|(index, entry)| must_be_at(entry, index))?;
    let bytes = part(source, start, entries.len())?;
    for (entry, payload) in entries.iter_mut().zip(records(&bytes, start)) {
        if !is_told(entry, payload)? {
            *entry = second_look(source, entry)?;
        }
    }
    Ok(())
}

fn must_be_at(entry: &Entry, index: u64) -> Result<()> {
    match entry.index == index {
        true => Ok(()),
        false => Err(Error::unverified(format!(
            "the CA gives entry {} where entry {index} is due",
            entry.index
        ))),
    }
}

/// The entry as it is now.
fn second_look(source: &impl Source, entry: &Entry) -> Result<Entry> {
    let again = source.entry(entry.index)?;
    let bytes = part(source, entry.index, 1)?;
    let payload = records(&bytes, entry.index).next().unwrap_or_default();
    match again.leaf == entry.leaf && is_told(&again, payload)? {
        true => Ok(again),
        false => Err(Error::unverified(format!(
            "the payload that the CA shows of entry {} is not the one in its log",
            entry.index
        ))),
    }
}

/// The bytes of the part of payloads up to the last of `count` entries from `start` on.
fn part(source: &impl Source, start: u64, count: usize) -> Result<Vec<u8>> {
    let width = u64::from(WIDTH);
    let filled = usize::try_from(start % width).unwrap_or_default() + count;
    let part = Part {
        kind: PartKind::Payloads,
        index: start / width,
        width: u16::try_from(filled).unwrap_or(WIDTH).min(WIDTH),
    };
    let bytes = source.part(part)?;
    let (found, left) = read_payloads(&bytes);
    match found.len() == filled && left.is_empty() {
        true => Ok(bytes),
        false => Err(Error::unverified(format!("the CA's {part} is not whole"))),
    }
}

/// The payloads of a part from that of entry `start` on, each behind its salt; empty where it is erased.
fn records(bytes: &[u8], start: u64) -> impl Iterator<Item = &[u8]> {
    let before = usize::try_from(start % u64::from(WIDTH)).unwrap_or_default();
    read_payloads(bytes).0.into_iter().skip(before)
}

/// Whether the entry tells what the payload says, which its leaf has to commit to.
///
/// What a payload of an unknown type says, this release can't tell: it is as the CA gives it.
fn is_told(entry: &Entry, salt_and_payload: &[u8]) -> Result<bool> {
    let index = entry.index;
    let read = archive::Entry::read(&leaf_bytes(entry)?, salt_and_payload)
        .map_err(|error| Error::unverified(format!("the payload of entry {index}: {error}")))?;
    if let Some((salt, payload)) = salt_and_payload.split_first_chunk()
        && commit(salt, payload) != read.leaf.commit
    {
        return Err(Error::unverified(format!(
            "the payload of entry {index} is not the one that its leaf commits to"
        )));
    }
    let said = match read.payload {
        Payload::Event(event) => Some(serde_json::to_value(event)),
        Payload::Erased => None,
        Payload::OfUnknownType(_) => return Ok(true),
    };
    let said = said.transpose().map_err(|error| Error::unverified(error.to_string()))?;
    Ok(said == entry.payload)
}

#[cfg(test)]
pub(crate) mod tests;
