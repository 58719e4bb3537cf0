//! Origins that were used: a new log has none of them.
//!
//! INVARIANT (append only): the log's key signs one history of an origin. The log before says its own, and the one
//! before that; so do the stores that are kept. Those may be lost, or removed one day, and so `origins` beside the keys
//! names them all: the key and what it has signed are not parted. The anchors have seen what all of these may lack.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use jit_ca_core::Origin;
use jit_ca_core::event::LogInit;

use super::files::{Account, in_name};
use super::kept::{Kept, before};
use crate::anchor::{Anchor, origin_of};
use crate::failure::{Failure, with_causes};

/// Origins, each with who says that it was used.
#[derive(Debug)]
pub(super) struct Used(BTreeMap<Origin, String>);

impl Used {
    /// Those that the file beside the keys names.
    pub(super) fn recorded(keys: &Path) -> Result<Self, Failure> {
        let path = record(keys);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let source = format!("{} names it", path.display());
        let origins = text.lines().map(|line| Ok((line.parse()?, source.clone())));
        let origins: Result<_, jit_ca_core::ValueError> = origins.collect();
        origins.map(Self).map_err(|error| {
            Failure::failed(format!("{}: {error}", path.display()))
                .with_hint("it has an origin a line; put it back from a backup")
        })
    }

    /// The log that is gone on from.
    pub(super) fn add_before(&mut self, origin: &Origin, begin: Option<&LogInit>) {
        self.add(origin.clone(), "it is the log before");
        if let Some(origin) = begin.and_then(before) {
            self.add(origin, "the log before goes on from it");
        }
    }

    /// The stores that are kept.
    pub(super) fn add_kept(&mut self, kept: &[Kept]) {
        for Kept { path, begin, .. } in kept {
            match begin {
                Ok(begin) => {
                    let said = format!("{} is its log, or goes on from it", path.display());
                    before(begin).into_iter().for_each(|origin| self.add(origin, &said));
                    self.add(begin.origin.clone(), &said);
                }
                Err(failure) => tracing::warn!(
                    file = %path.display(), %failure,
                    "this file can't be read as a log: of what origin it is, only its name says",
                ),
            }
        }
    }

    /// The log that has begun.
    pub(super) fn add_new(&mut self, origin: &Origin) {
        self.add(origin.clone(), "it has begun");
    }

    fn add(&mut self, origin: Origin, said: &str) {
        self.0.entry(origin).or_insert_with(|| said.to_owned());
    }

    /// Refuses an origin that is among them, that a kept file's name has, or of which an anchor shows a checkpoint.
    pub(super) async fn must_lack(
        &self,
        origin: &Origin,
        kept: &[Kept],
        anchors: &[Anchor],
    ) -> Result<(), Failure> {
        let used = |said: &str| {
            let message = format!("the origin {origin} was used before: {said}");
            Failure::usage(
                message,
                "the log's key must not sign two histories of one log: choose an origin that was never used, and write it into \
                 jit-cad.toml",
            )
        };
        if let Some(said) = self.0.get(origin) {
            return Err(used(said));
        }
        if let Some(Kept { path, .. }) = kept.iter().find(|kept| has_name_of(kept, origin)) {
            return Err(used(&format!("a store is kept as {}", path.display())));
        }
        for anchor in anchors {
            match anchor.all().await {
                // By what it says alone: who forges one keeps us from an origin, and from nothing else.
                Ok(notes) if notes.iter().any(|note| origin_of(note).as_ref() == Some(origin)) => {
                    return Err(used(&format!("the anchor {anchor} has a checkpoint of it")));
                }
                Ok(_) => {}
                Err(error) => {
                    let error = with_causes(&error);
                    tracing::warn!(%anchor, error, "this anchor is not reached: it can't tell whether the origin was used before");
                }
            }
        }
        Ok(())
    }

    /// Writes them beside the keys, whole or not at all.
    pub(super) fn write(&self, keys: &Path) -> Result<(), Failure> {
        let path = record(keys);
        let write = || -> Result<(), Failure> {
            let mut new = tempfile::Builder::new().prefix(".origins-").tempfile_in(keys)?;
            for origin in self.0.keys() {
                writeln!(new, "{origin}")?;
            }
            Account::of(keys)?.take_open(new.as_file(), new.path())?;
            new.as_file().sync_all()?;
            new.persist(&path).map_err(|error| error.error)?;
            Ok(File::open(keys)?.sync_all()?)
        };
        write().map_err(|failure| {
            Failure::failed(format!("{} can't be written\n{failure}", path.display()))
        })
    }
}

/// The file of origins beside the keys.
fn record(keys: &Path) -> PathBuf {
    keys.join("origins")
}

/// Whether a file's name says that a log of this origin is in it: `<origin>.<size>`.
fn has_name_of(kept: &Kept, origin: &Origin) -> bool {
    let size = kept.ending.strip_prefix(&in_name(origin)).and_then(|rest| rest.strip_prefix('.'));
    size.is_some_and(|size| size.parse::<u64>().is_ok())
}
