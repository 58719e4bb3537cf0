//! Which certificates are in the CA's log, by proofs that this host has checked: on a strict host nothing else opens an
//! account, so that a stolen CA key opens none.
//!
//! ```text
//! GET /v1/host/feed ──answer──> take ──log's signature, nothing lost, each leaf in the tree──> the folder `feed`
//!                                                                                                  │
//! sshd ──certificate──> principals ──SHA-256 of what is signed of it──> must_be_logged <───────────┘
//! ```
//!
//! The CA is not believed in anything: an answer holds by the log's key, which is kept with the first one. What was taken
//! stays while the CA is away.

mod kept;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use jit_ca_api::Feed;
use jit_ca_core::Digest;
use jit_ca_log::tree::{leaf_hash, verify_consistency, verify_inclusion};
use jit_ca_log::{Checkpoint, Leaf, LogKey, SignedCheckpoint};

use crate::certificate::{self, Accepted};
use crate::config::Config;
use kept::{Kept, Logged};

/// How long a certificate is waited for that may have been issued a moment ago.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often is looked meanwhile.
const PAUSE: Duration = Duration::from_millis(50);

/// Why an answer is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// It is not of the shape of one.
    #[error("the feed's answer can't be read: {0}")]
    Unreadable(String),
    /// The log's key has not signed it, or has signed another log's.
    #[error("the feed is not of this host's log: {0}")]
    Signature(#[source] jit_ca_log::Error),
    /// Another key is said to be the log's than before.
    #[error("the log's key was {kept}, and is said to be {given}")]
    Key {
        /// The key that came with the first answer.
        kept: String,
        /// The key that is to be it now.
        given: String,
    },
    /// The log is shorter than it was.
    #[error(
        "THE LOG HAS LOST ENTRIES: it had {kept} and has {found}; both checkpoints are in {evidence}"
    )]
    Lost {
        /// How many entries were seen.
        kept: u64,
        /// How many there are.
        found: u64,
        /// Where they are kept.
        evidence: PathBuf,
    },
    /// The log is another than it was.
    #[error("THE LOG HAS TWO HISTORIES: {source}; both checkpoints are in {evidence}")]
    Forked {
        /// What does not hold.
        source: jit_ca_log::Error,
        /// Where they are kept.
        evidence: PathBuf,
    },
    /// A leaf is not in the log.
    #[error("the feed names a leaf that is not in the log: {0}")]
    Leaf(#[source] jit_ca_log::Error),
    /// A leaf is not one that was asked for.
    #[error("the feed names entry {0}, which is no intent or not between where it begins and ends")]
    Place(u64),
    /// What is kept can't be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, #[source] io::Error),
}

/// Takes an answer in, if it all holds; otherwise nothing of it. Says how many certificates are new.
///
/// # Errors
/// If it does not hold, or can't be kept.
pub(crate) fn take(folder: &Path, key: &LogKey, answer: &Feed) -> Result<usize, Refused> {
    let at = |error| Refused::Io(folder.to_owned(), error);
    let _lock = kept::lock(folder).map_err(at)?;
    let before = Kept::read(folder).map_err(at)?;
    let signed: SignedCheckpoint = answer.checkpoint.parse().map_err(Refused::Signature)?;
    let checkpoint = signed.open(key).map_err(Refused::Signature)?;
    let mut kept = match before {
        None => Kept::new(key, &signed),
        Some(kept) => {
            must_go_on(folder, &kept, key, &signed, &checkpoint, answer)?;
            kept
        }
    };
    let new = proven(&kept, &checkpoint, answer)?;
    let count = new.len();
    kept.take(&signed, answer.next, new);
    kept.write(folder).map_err(at)?;
    Ok(count)
}

/// What was seen must be the beginning of what there is.
fn must_go_on(
    folder: &Path,
    kept: &Kept,
    key: &LogKey,
    signed: &SignedCheckpoint,
    checkpoint: &Checkpoint,
    answer: &Feed,
) -> Result<(), Refused> {
    if kept.key != key.to_string() {
        return Err(Refused::Key { kept: kept.key.clone(), given: key.to_string() });
    }
    let seen = kept.checkpoint().and_then(|seen| seen.open(key)).map_err(Refused::Signature)?;
    let evidence = || {
        kept.keep_evidence(folder, signed).map_err(|error| Refused::Io(folder.to_owned(), error))
    };
    if checkpoint.size < seen.size {
        let (kept, found) = (seen.size, checkpoint.size);
        return Err(Refused::Lost { kept, found, evidence: evidence()? });
    }
    let proof = &answer.consistency;
    let holds = verify_consistency(seen.size, seen.root, checkpoint.size, checkpoint.root, proof);
    holds.or_else(|source| Err(Refused::Forked { source, evidence: evidence()? }))
}

/// The certificates that an answer proves to be in the log.
fn proven(kept: &Kept, checkpoint: &Checkpoint, answer: &Feed) -> Result<Vec<Logged>, Refused> {
    let mut first = kept.next;
    let mut found = Vec::new();
    if answer.next < first || answer.next > checkpoint.size {
        return Err(Refused::Place(answer.next));
    }
    for intent in &answer.intents {
        let bytes = intent.leaf.as_slice();
        let leaf = Leaf::decode(bytes).map_err(Refused::Leaf)?;
        let Some(tbs) = leaf.tbs.filter(|_| (first..answer.next).contains(&leaf.idx)) else {
            return Err(Refused::Place(leaf.idx));
        };
        let (size, root) = (checkpoint.size, checkpoint.root);
        verify_inclusion(leaf_hash(bytes), leaf.idx, size, &intent.proof, root)
            .map_err(Refused::Leaf)?;
        first = leaf.idx + 1;
        found.push(Logged { time: leaf.ts_ms / 1_000, tbs });
    }
    Ok(found)
}

/// What to ask for next: from which index on, and how many entries were seen.
///
/// # Errors
/// If what is kept can't be read.
pub(crate) fn state(folder: &Path) -> Result<Option<(u64, u64)>, Refused> {
    let at = |error| Refused::Io(folder.to_owned(), error);
    let Some(kept) = Kept::read(folder).map_err(at)? else { return Ok(None) };
    let seen = kept.checkpoint().and_then(|seen| seen.unverified()).map_err(Refused::Signature)?;
    Ok(Some((kept.next, seen.size)))
}

/// When an answer was taken last; none if none was.
///
/// # Errors
/// If what is kept can't be read.
pub(crate) fn taken(folder: &Path) -> Result<Option<SystemTime>, Refused> {
    let file = kept::file(folder);
    match state(folder)? {
        Some(_) => fs::metadata(&file)
            .and_then(|found| found.modified())
            .map(Some)
            .map_err(|error| Refused::Io(file, error)),
        None => Ok(None),
    }
}

/// Where two checkpoints are kept that can't both be the log's.
pub(crate) fn evidence(folder: &Path) -> PathBuf {
    folder.join("evidence")
}

/// Why a certificate opens nothing on a strict host.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unlogged {
    /// It can't be read.
    #[error(transparent)]
    Certificate(#[from] certificate::Refused),
    /// The feed does not have it.
    #[error(
        "the certificate {key_id} (serial {serial}, CA {ca}) is not known to be in the CA's log, and this host is strict"
    )]
    Unknown {
        /// Its key id, in one line.
        key_id: String,
        /// Its serial.
        serial: u64,
        /// The key that signed it.
        ca: Digest,
    },
    /// There is no feed.
    #[error("this host is strict and has no feed of the CA's log yet: jit-ca-host feed")]
    NoFeed,
    /// The feed can't be read.
    #[error("the feed of the CA's log: {0}: {1}")]
    Io(PathBuf, #[source] io::Error),
}

/// The certificate (base64) must be in the log; one that was issued a moment ago is waited for.
///
/// # Errors
/// If it isn't, or that can't be said.
pub(crate) fn must_be_logged(config: &Config, certificate: &str) -> Result<(), Unlogged> {
    let folder = &config.places.feed;
    let accepted = Accepted::of_base64(certificate)?;
    let deadline = Instant::now() + PATIENCE;
    let mut seen = None;
    loop {
        // Read again only where something was taken in.
        let changed = fs::metadata(kept::file(folder)).and_then(|file| file.modified()).ok();
        if seen.is_none() || seen != Some(changed) {
            let kept = Kept::read(folder).map_err(|error| Unlogged::Io(folder.clone(), error))?;
            if kept.ok_or(Unlogged::NoFeed)?.holds(&accepted.tbs) {
                return Ok(());
            }
            seen = Some(changed);
        }
        if Instant::now() >= deadline {
            return Err(Unlogged::Unknown {
                key_id: accepted.key_id.escape_debug().to_string(),
                serial: accepted.serial,
                ca: accepted.ca,
            });
        }
        sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests;
