//! Verifying a whole log from its export.
//!
//! ```text
//! archive ──its form──> checkpoint ──log key──> entries ──leaf hash, payload, what is known──> fold
//!                                                  │                                            │
//!                           root, tiles, pins <────┘               erasures, copies, orphans <──┘
//! ```
//!
//! The verdict is the first check that fails, in the order of `docs/log-format.md`, "Verifying a log"; a second
//! verifier that shares no code with this one comes to the same. Memory holds what later entries rest on (ids,
//! serials, open requests, bundles' texts), never the log: a part of 256 entries at a time is read.

mod agreement;
mod approvals;
mod clock;
mod entries;
mod erasures;
mod fault;
mod grants;
mod hosts;
mod issuances;
mod keys;
mod levels;
mod locks;
mod log;
mod logins;
mod observed;
mod passkeys;
mod people;
mod requests;
mod resets;
mod scope;
mod sequence;
mod sessions;
mod signatures;
mod ssh;
mod state;
mod terms;
mod under;
mod verdict;
mod vouching;
mod x509;

use std::io::{self, Read, Seek};
use std::thread;

use jit_ca_core::Use;
pub use observed::{Mismatch, Mismatched, Observed};
pub use verdict::{Code, Counts, Finding, Verdict};

use crate::archive::{self, Archive, ArchiveError, Copies};
use crate::part::{Part, PartKind};
use crate::{Checkpoint, LogKey, SignedCheckpoint};
use levels::Levels;
use logins::Logins;
use observed::Uses;
use passkeys::Passkeys;
use people::People;
use signatures::Signatures;
use state::State;

/// What the reader of an export brings along.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The log key; the export's own if the reader has none.
    pub key: Option<LogKey>,
    /// Checkpoints that the reader kept from before.
    pub pins: Vec<SignedCheckpoint>,
    /// Certificates that hosts saw, to be held against the log.
    pub uses: Option<Vec<Use>>,
}

/// Verifies an export; `progress` is told how many entries are done, and of how many.
///
/// # Errors
/// If the file can't be read. All that is wrong with what it holds is in the verdict.
pub fn verify(
    archive: impl Read + Seek,
    options: &Options,
    progress: &mut dyn FnMut(u64, u64),
) -> io::Result<Verdict> {
    let mut verdict = Verdict {
        finding: None,
        origin: None,
        size: None,
        root: None,
        counts: None,
        observed: None,
        pins: options.pins.len(),
    };
    let mut archive = match Archive::open(archive) {
        Ok(archive) => archive,
        Err(ArchiveError::Io(error)) => return Err(error),
        Err(error) => {
            verdict.finding = Some(Finding::new(Code::Archive, None, error.to_string()));
            return Ok(verdict);
        }
    };
    if let Some(claimed) = archive.claimed().cloned() {
        verdict.origin = Some(claimed.origin);
        (verdict.size, verdict.root) = (Some(claimed.size), Some(claimed.root));
    }
    match whole(&mut archive, options, progress) {
        Ok((counts, observed)) => {
            verdict.counts = Some(counts);
            verdict.observed = options.uses.is_some().then_some(observed);
        }
        Err(Stop::Finding(finding)) => verdict.finding = Some(finding),
        Err(Stop::Io(error)) => return Err(error),
    }
    Ok(verdict)
}

/// Why a log is not looked at any further.
#[derive(Debug)]
enum Stop {
    Finding(Finding),
    Io(io::Error),
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Finding(finding)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Checks 2 to 10 of an archive of the right form.
fn whole<R: Read + Seek>(
    archive: &mut Archive<R>,
    options: &Options,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(Counts, Observed), Stop> {
    // 2. What the log claims to be, and who says so.
    let (key, checkpoint) = checkpoint(archive, options.key.as_ref())?;
    // 3 to 5. Entries, with signatures beside them.
    let sizes = options.pins.iter().filter_map(|pin| Some(pin.unverified().ok()?.size));
    let mut levels = Levels::new(sizes);
    let passed = thread::scope(|scope| {
        let signatures = Signatures::start(scope);
        let uses = Uses::new(options.uses.as_deref().unwrap_or_default());
        let state = State::new(key.clone(), &signatures, uses);
        let passed = entries::pass(archive, state, checkpoint.size, &mut levels, progress);
        // Of what is found in both, what comes first counts.
        match (passed, signatures.finish()) {
            (Err(Stop::Finding(finding)), failed) => Err(finding.or_earlier(failed).into()),
            (Ok(_), Some(failed)) => Err(failed.into()),
            (passed, _) => passed,
        }
    })?;
    passed.must_be_complete()?;
    // 6 to 10. What they add up to.
    if levels.root() != checkpoint.root {
        let message = "the entries do not give the root of the checkpoint";
        return Err(Finding::new(Code::Root, None, message).into());
    }
    must_have_tiles(archive, checkpoint.size, &levels)?;
    must_extend_pins(&options.pins, &key, &checkpoint, &levels)?;
    must_have_copies(archive, checkpoint.size, &passed.copies)?;
    Ok((passed.counts, passed.observed))
}

/// The key to go by, and the checkpoint that it signed.
fn checkpoint<R: Read + Seek>(
    archive: &mut Archive<R>,
    given: Option<&LogKey>,
) -> Result<(LogKey, Checkpoint), Stop> {
    let own = found(archive.log_key())?;
    let key = given.unwrap_or(&own).clone();
    if own != key {
        let message = "the export is of a log with another key";
        return Err(Finding::new(Code::Checkpoint, None, message).into());
    }
    let checkpoint = found(archive.checkpoint())?.open(&key);
    Ok((key, found(checkpoint.map_err(ArchiveError::from))?))
}

/// What stands in `checkpoint` and `log.key`, if it can be read.
fn found<T>(read: Result<T, ArchiveError>) -> Result<T, Stop> {
    read.map_err(|error| match error {
        ArchiveError::Io(error) => error.into(),
        error => Finding::new(Code::Checkpoint, None, error.to_string()).into(),
    })
}

fn must_have_tiles<R: Read + Seek>(
    archive: &mut Archive<R>,
    size: u64,
    levels: &Levels,
) -> Result<(), Stop> {
    let first = 2 + archive::parts(size).take_while(|part| !is_above(part)).count();
    for (nth, expected) in (first..).zip(levels.tiles()) {
        if !archive.holds(nth, &expected)? {
            let name = archive.members().get(nth).map_or("a tile", |member| &member.name);
            let message = format!("{name} is not what the entries give");
            return Err(Finding::new(Code::Tile, None, message).into());
        }
    }
    Ok(())
}

fn is_above(part: &Part) -> bool {
    matches!(part.kind, PartKind::Hashes(1..))
}

fn must_extend_pins(
    pins: &[SignedCheckpoint],
    key: &LogKey,
    checkpoint: &Checkpoint,
    levels: &Levels,
) -> Result<(), Finding> {
    for pin in pins {
        let seen = pin.unverified().map_or(0, |pin| pin.size);
        if seen > checkpoint.size {
            let message = format!("a checkpoint of {seen} entries was seen before");
            return Err(Finding::new(Code::Stale, None, message));
        }
    }
    for pin in pins {
        let holds = pin.open(key).is_ok_and(|pin| levels.root_at(pin.size) == Some(pin.root));
        if !holds {
            let message = format!("a checkpoint was seen before that is not of this log:\n{pin}");
            return Err(Finding::new(Code::Pin, None, message));
        }
    }
    Ok(())
}

fn must_have_copies<R: Read + Seek>(
    archive: &mut Archive<R>,
    size: u64,
    copies: &Copies,
) -> Result<(), Stop> {
    let first = 2 + archive::parts(size).count();
    let fault =
        |name: &str| Finding::new(Code::Copy, None, format!("{name} is not a copy of the log"));
    let mut nth = first;
    for (name, expected) in copies.members() {
        let is_it = archive.members().get(nth).is_some_and(|member| member.name == name);
        if !is_it || !archive.holds(nth, expected)? {
            return Err(fault(name).into());
        }
        nth += 1;
    }
    match archive.members().get(nth) {
        None => Ok(()),
        Some(surplus) => Err(fault(&surplus.name).into()),
    }
}

#[cfg(test)]
mod tests;
