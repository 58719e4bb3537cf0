//! Exports: the log as an archive that proves itself (`docs/log-format.md`, "Export"), and its entries for other
//! programs ([`rows`]).

pub(crate) mod rows;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use jit_ca_core::event::Event;
use jit_ca_log::archive::{self, ArchiveWriter, Copies};
use jit_ca_log::part::{PartKind, read_entries, read_payloads};
use jit_ca_log::{Checkpoint, SignedCheckpoint};

use crate::error::{Error, Result};
use crate::files::fault;
use crate::login::Ca;
use crate::progress::Progress;

/// The archive of the log as it is now, in a file without a name, that nobody else sees.
///
/// # Errors
/// As [`to_file`].
pub(crate) fn of_now(ca: &Ca, progress: &Progress) -> Result<File> {
    let unwritten = |source| fault(&std::env::temp_dir(), "written to", source);
    let mut file = BufWriter::new(tempfile::tempfile().map_err(unwritten)?);
    to_file(ca, &newest(ca)?, &mut file, progress)?;
    file.into_inner().map_err(|error| unwritten(error.into_error()))
}

/// Writes the archive of the log as `checkpoint` has it, and says what that says.
///
/// Parts are handed on as they come, so that a log of any length needs little memory. What was erased after that
/// checkpoint is missing from an archive of it, and nothing in it says why: that is an error.
///
/// # Errors
/// If the CA can't be reached or gives no such log, or the archive can't be written.
pub(crate) fn to_file(
    ca: &Ca,
    checkpoint: &SignedCheckpoint,
    out: &mut impl Write,
    progress: &Progress,
) -> Result<Checkpoint> {
    let key = ca.profile.ca.log_key()?;
    let opened = opened(ca, checkpoint)?;
    progress.begin(opened.size);
    let mut archive = ArchiveWriter::new(out);
    archive.member(archive::CHECKPOINT, checkpoint.as_str().as_bytes()).map_err(unwritten)?;
    archive.member(archive::LOG_KEY, format!("{key}\n").as_bytes()).map_err(unwritten)?;
    let (mut leaves, mut beside) = (Vec::new(), Beside::default());
    for part in archive::parts(opened.size) {
        let name = part.to_string();
        let bytes = ca.client.log_part(&name)?;
        archive.member(&name, &bytes).map_err(unwritten)?;
        match part.kind {
            PartKind::Entries => leaves = bytes,
            PartKind::Payloads => {
                beside.read(&leaves, &bytes)?;
                progress.at(part.range().1);
            }
            PartKind::Hashes(_) => {}
        }
    }
    for (name, bytes) in beside.copies.members() {
        archive.member(name, bytes).map_err(unwritten)?;
    }
    archive.finish().map_err(unwritten)?;
    match beside.missing.len() {
        0 => Ok(opened),
        missing => Err(Error::Changed {
            what: format!(
                "{missing} payloads were erased after the checkpoint of {} entries",
                opened.size
            ),
            hint: "try again: the newest checkpoint covers what erased them".to_owned(),
        }),
    }
}

/// The log's newest checkpoint, which goes on from what was seen here before.
///
/// # Errors
/// If the CA can't be reached, or shows another history.
pub(crate) fn newest(ca: &Ca) -> Result<SignedCheckpoint> {
    let note = ca.client.checkpoint()?;
    let note: SignedCheckpoint = note.parse().map_err(|error| unsigned(&error))?;
    ca.witness.admit(&ca.client, &note)?;
    Ok(note)
}

/// What a checkpoint says, if the log's key has signed it.
///
/// # Errors
/// If it has not.
pub(crate) fn opened(ca: &Ca, checkpoint: &SignedCheckpoint) -> Result<Checkpoint> {
    checkpoint.open(&ca.profile.ca.log_key()?).map_err(|error| unsigned(&error))
}

/// What follows from the entries: the copies of keys and bundles, and which payloads are missing.
#[derive(Default)]
struct Beside {
    copies: Copies,
    /// The entries whose payload is erased, and no entry so far says so.
    missing: BTreeSet<u64>,
}

impl Beside {
    fn read(&mut self, leaves: &[u8], payloads: &[u8]) -> Result<()> {
        let ((leaves, _), (payloads, _)) = (read_entries(leaves), read_payloads(payloads));
        for (leaf, payload) in leaves.into_iter().zip(payloads) {
            let entry = archive::Entry::read(leaf, payload)
                .map_err(|error| Error::unverified(format!("the CA's log is not one: {error}")))?;
            if entry.payload == archive::Payload::Erased {
                self.missing.insert(entry.leaf.idx);
            }
            if let Some(Event::Erased(erased)) = entry.event() {
                let of_these = |index: &u64| {
                    erased.entries.iter().any(|(first, last)| (first..=last).contains(&index))
                };
                self.missing.retain(|index| !of_these(index));
            }
            self.copies.push(&entry.leaf, entry.event());
        }
        Ok(())
    }
}

fn unwritten(source: io::Error) -> Error {
    fault(Path::new("the export"), "written", source)
}

fn unsigned(error: &jit_ca_log::Error) -> Error {
    Error::unverified(format!("the checkpoint is not the log's: {error}"))
}
