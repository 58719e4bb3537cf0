//! Every client is a witness: what the log has shown it once, the log has to go on from.
//!
//! ```text
//! kept ── its size ──> the CA ──> the newest checkpoint, and the proof that it goes on from the kept one
//!    signed by the log's key, not smaller, proven ──> the newer one is kept, and the command goes on
//!    anything else ──> both are saved as evidence; nothing more is asked; the kept one stays, so that
//!                      every later contact ends here as well
//! ```
//!
//! The kept checkpoint is a file beside the profile, one for each log, so that a CA that is
//! forgotten and met again is still held to what it has shown. What a log shows first is believed,
//! as the CA's keys are: they come by the same connection, whose root the pin verified. But a log that
//! has to do with one seen before has to be accepted first ([`first`]).

mod evidence;
mod file;
mod first;
mod refusal;
mod successor;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use jit_ca_api::client::Client;
use jit_ca_api::{Consistency, ConsistencyQuery, Trust};
use jit_ca_core::Digest;
use jit_ca_log::tree::verify_consistency;
use jit_ca_log::{Checkpoint, LogKey, SignedCheckpoint};

use crate::error::{Error, Result};
use crate::places::Places;

use file::KeptFile;
use refusal::{Fault, Refusal};

pub(crate) use first::must_be_expected;
pub(crate) use successor::{Accepted, Successor};

/// Who has seen a log, and holds it to that.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    key: LogKey,
    kept: KeptFile,
    evidence: PathBuf,
}

/// Whoever shows a log: the CA, by its API.
pub(crate) trait Log {
    fn consistency(&self, query: &ConsistencyQuery) -> Result<Consistency>;
    fn trust(&self) -> Result<Trust>;
}

impl Log for Client {
    fn consistency(&self, query: &ConsistencyQuery) -> Result<Consistency> {
        Ok(Self::consistency(self, query)?)
    }

    fn trust(&self) -> Result<Trust> {
        Ok(Self::trust(self)?)
    }
}

/// A checkpoint that the log's key has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    note: SignedCheckpoint,
    checkpoint: Checkpoint,
}

impl Seen {
    fn open(note: &str, key: &LogKey) -> Result<Self, jit_ca_log::Error> {
        let note: SignedCheckpoint = note.parse()?;
        Ok(Self { checkpoint: note.open(key)?, note })
    }

    fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// Whether `newer` goes on from this one.
    fn is_beginning_of(&self, newer: &Self, proof: &[Digest]) -> Result<(), Fault> {
        let (old, new) = (&self.checkpoint, &newer.checkpoint);
        verify_consistency(old.size, old.root, new.size, new.root, proof).map_err(|error| match old
            .size
            == new.size
            && old.root != new.root
        {
            true => Fault::TwoRoots,
            false => Fault::Unproven(error),
        })
    }
}

impl Witness {
    /// What is kept here of the log with this key.
    pub(crate) fn new(places: &Places, key: LogKey) -> Self {
        let kept = KeptFile::new(places, &key);
        Self { key, kept, evidence: places.evidence() }
    }

    /// The newest checkpoint that is kept, if one is.
    pub(crate) fn newest(&self) -> Result<Option<SignedCheckpoint>> {
        Ok(self.kept.read(&self.key)?.map(|seen| seen.note))
    }

    /// Has the log show that it goes on from what is kept, and keeps the newest checkpoint, which it gives.
    ///
    /// This comes first in every contact: one call, and a write only where there is something new.
    ///
    /// INVARIANT (append only): the CA keeps it; that it does is seen here, from outside.
    pub(crate) fn meet(&self, log: &impl Log) -> Result<SignedCheckpoint> {
        let kept = self.kept.read(&self.key)?;
        let from = kept.as_ref().map_or(0, Seen::size);
        let answer = log.consistency(&ConsistencyQuery { from, to: None })?;
        let refuse = |fault| {
            let shown = (answer.checkpoint.as_str(), None);
            self.refuse(kept.as_ref(), shown, &answer.proof, fault)
        };
        let shown = match Seen::open(&answer.checkpoint, &self.key) {
            Ok(shown) => shown,
            Err(error) => {
                return Err(match successor::named_by(log, &self.key, &answer.checkpoint) {
                    Some(successor) => successor.unaccepted(self, kept.as_ref()),
                    None => refuse(Fault::Unsigned(error)),
                });
            }
        };
        if let Some(kept) = &kept {
            let follows = match shown.size() < kept.size() {
                true => Err(Fault::Lost),
                false => kept.is_beginning_of(&shown, &answer.proof),
            };
            follows.map_err(|fault| {
                let shown = (answer.checkpoint.as_str(), Some(shown.size()));
                self.refuse(Some(kept), shown, &answer.proof, fault)
            })?;
        }
        self.keep(log, kept.as_ref(), &shown)?;
        Ok(shown.note)
    }

    /// The same for a checkpoint that came with something else: a certificate's proof.
    pub(crate) fn admit(&self, log: &impl Log, note: &SignedCheckpoint) -> Result<()> {
        let kept = self.kept.read(&self.key)?;
        let shown = Seen::open(note.as_str(), &self.key).map_err(|error| {
            self.refuse(kept.as_ref(), (note.as_str(), None), &[], Fault::Unsigned(error))
        })?;
        self.link(log, kept.as_ref(), &shown)?;
        self.keep(log, kept.as_ref(), &shown)
    }

    /// Has the log show that of two checkpoints the older one is the beginning of the newer one.
    fn link(&self, log: &impl Log, kept: Option<&Seen>, shown: &Seen) -> Result<()> {
        let Some(kept) = kept else {
            return Ok(());
        };
        let (older, newer) =
            if kept.size() <= shown.size() { (kept, shown) } else { (shown, kept) };
        let proof = match older.size() == newer.size() {
            true => Vec::new(),
            false => {
                let query = ConsistencyQuery { from: older.size(), to: Some(newer.size()) };
                log.consistency(&query)?.proof
            }
        };
        older.is_beginning_of(newer, &proof).map_err(|fault| {
            self.refuse(Some(kept), (shown.note.as_str(), Some(shown.size())), &proof, fault)
        })
    }

    /// Keeps the newer of two checkpoints, of which `shown` has been linked to `kept`.
    ///
    /// Another process of this person's may have kept a newer one since. That one has to be linked
    /// as well: the CA could have shown each of the two another way to go on.
    fn keep(&self, log: &impl Log, kept: Option<&Seen>, shown: &Seen) -> Result<()> {
        let is_newer = |than: Option<&Seen>| than.is_none_or(|than| than.size() < shown.size());
        if !is_newer(kept) {
            return Ok(());
        }
        let locked = self.kept.lock()?;
        let now = self.kept.read(&self.key)?;
        if now.as_ref() != kept {
            self.link(log, now.as_ref(), shown)?;
        }
        match is_newer(now.as_ref()) {
            true => locked.write(&shown.note),
            false => Ok(()),
        }
    }

    fn refuse(
        &self,
        kept: Option<&Seen>,
        (note, size): (&str, Option<u64>),
        proof: &[Digest],
        fault: Fault,
    ) -> Error {
        Refusal { key: &self.key, kept, note, size, proof, fault }.save(&self.evidence)
    }
}
