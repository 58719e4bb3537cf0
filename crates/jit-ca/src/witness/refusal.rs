//! A log that is not what it was: what is said about it, and to whom.

use std::path::Path;

use jit_ca_core::Digest;
use jit_ca_log::LogKey;

use super::Seen;
use super::evidence::Evidence;
use crate::error::Error;

/// What is wrong with a checkpoint that was shown.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is not signed by the log's key, or is another log's.
    Unsigned(jit_ca_log::Error),
    /// It is smaller than the kept one.
    Lost,
    /// It is as large as the kept one and has another root.
    TwoRoots,
    /// That one goes on from the other is not proven.
    Unproven(jit_ca_log::Error),
}

/// A checkpoint that is not taken, and the one that it is held against.
#[derive(Debug)]
pub(super) struct Refusal<'r> {
    pub(super) key: &'r LogKey,
    pub(super) kept: Option<&'r Seen>,
    /// The signed note as it was shown.
    pub(super) note: &'r str,
    /// The size that it says, where it could be opened.
    pub(super) size: Option<u64>,
    pub(super) proof: &'r [Digest],
    pub(super) fault: Fault,
}

impl Refusal<'_> {
    /// Saves both checkpoints, and gives the error that the command ends with.
    pub(super) fn save(&self, folder: &Path) -> Error {
        let what = self.what();
        let evidence = Evidence {
            key: self.key,
            old: self.kept,
            new: self.note,
            new_size: self.size,
            proof: matches!(self.fault, Fault::Unproven(_)).then_some(self.proof),
            what: &what,
            meaning: self.meaning(),
        };
        let hint = match evidence.save(folder) {
            Ok(saved) => format!(
                "do not go on, and do not log in. What was shown is saved in {}: give it to whoever audits the CA, and ask its operators",
                saved.display()
            ),
            Err(error) => {
                format!("do not go on; {error}, so copy both checkpoints from here, whole")
            }
        };
        Error::History { what: format!("{what}\n{}", self.both()), hint }
    }

    fn what(&self) -> String {
        let kept = self.kept.map_or(0, Seen::size);
        let shown = self.size.unwrap_or_default();
        match &self.fault {
            Fault::Unsigned(error) => {
                format!("the CA shows a checkpoint that is not its log's: {error}")
            }
            Fault::Lost => {
                format!("the CA's log has lost entries: it had {kept}, and the CA shows {shown}")
            }
            Fault::TwoRoots => format!("the CA's log has two histories of {kept} entries"),
            Fault::Unproven(error) => format!(
                "the CA's log has been rewritten: nothing proves that those of {kept} and of {shown} entries are one: {error}"
            ),
        }
    }

    fn both(&self) -> String {
        let kept = self.kept.map_or("nothing\n", |kept| kept.note.as_str());
        format!("--- seen before\n{kept}--- shown now\n{}", self.note.trim_end())
    }

    /// What the files prove, and to whom.
    fn meaning(&self) -> &'static str {
        match self.fault {
            Fault::Unsigned(_) => {
                "new.checkpoint came over a connection that the CA's pin verified, and does not bear a good
signature of log.key. That it came is this machine's word; that the signature is not good, anybody
can check."
            }
            Fault::Lost => {
                "Both notes bear signatures of log.key. new.checkpoint is the smaller one, and was shown as the
newest later than old.checkpoint: an append-only log never gets smaller, so its store was put back
to an older state. That it was shown later is this machine's word, as each note by itself is one
that an honest log signs on its way. To check: have the CA show its log at the size of
old.checkpoint. A log that has lost the entries can't show that root; one that goes on with other
entries shows another root at that size, and its signed checkpoint and old.checkpoint are then
proof by themselves."
            }
            Fault::TwoRoots => {
                "Both notes bear good signatures of log.key, for the same number of entries and different roots. A
log has one root at each size. So these two files prove, to anybody and without this machine's
word, that whoever holds the log's key has signed two histories."
            }
            Fault::Unproven(_) => {
                "Both notes bear good signatures of log.key. In an append-only log the tree of the smaller size is
the beginning of the larger one, and RFC 6962 section 2.1.2 (RFC 9162 section 2.1.4) proves it by a
few hashes. What the CA gave as that proof is in consistency.json; it does not lead from one root
to the other. To check that no proof can: take the entries of the log at the larger size (an
export of it, or its tiles below /log/), and compute the root over as many of them as the smaller
note says. If it is not the smaller note's root, the two signed notes are of two histories."
            }
        }
    }
}
