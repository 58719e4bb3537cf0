//! What an anchor holds, compared with the log: is it this log, and does the log still hold all of it?

use std::str::FromStr as _;

use jit_ca_core::Origin;
use jit_ca_log::tree::{Tree, verify_consistency};
use jit_ca_log::{Checkpoint, LogKey, SignedCheckpoint};

use super::Anchor;
use crate::failure::{Failure, with_causes};
use crate::store::{Snapshot, StoreError};

/// The log that anchors are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Log<'a> {
    /// What its checkpoints are signed with.
    pub key: &'a LogKey,
    /// The logs that it goes on from, the last one first.
    pub ancestors: &'a [Origin],
    /// The log as it is now.
    pub snapshot: &'a Snapshot,
}

/// What an anchor may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing yet.
    Empty,
    /// A checkpoint of this log, which extends it.
    Extended(SignedCheckpoint),
    /// A checkpoint of a log that this one goes on from.
    Before(Origin),
}

impl Log<'_> {
    /// Where the log stands to what an anchor holds.
    ///
    /// # Errors
    /// If it is no checkpoint of this log's key, one of another log, or one that the log does not extend.
    pub fn standing(&self, anchor: &Anchor, note: Option<&str>) -> Result<Standing, Failure> {
        let Some(note) = note else { return Ok(Standing::Empty) };
        let signed =
            SignedCheckpoint::from_str(note).map_err(|error| foreign(anchor, note, &error))?;
        match signed.open(self.key) {
            Ok(anchored) if self.extends(&anchored)? => Ok(Standing::Extended(signed)),
            Ok(anchored) => Err(self.set_back(anchor, &anchored)?),
            Err(error) => match self.before(&signed) {
                Some(origin) => Ok(Standing::Before(origin)),
                None => Err(foreign(anchor, note, &error)),
            },
        }
    }

    /// Whether the log's first entries are those of the checkpoint. It is proven, and not read off a tile: a store
    /// that was tampered with may hold tiles of two histories.
    fn extends(&self, earlier: &Checkpoint) -> Result<bool, StoreError> {
        let size = self.snapshot.size()?;
        if earlier.size > size {
            return Ok(false);
        }
        let mut tree = Tree::at(self.snapshot, size);
        let (proof, root) = (tree.consistency_proof(earlier.size)?, tree.root()?);
        Ok(verify_consistency(earlier.size, earlier.root, size, root, &proof).is_ok())
    }

    /// The origin of a log before, if the checkpoint is of that one and of the same key.
    fn before(&self, signed: &SignedCheckpoint) -> Option<Origin> {
        let signs = |origin: &&Origin| {
            let key = LogKey::new((*origin).clone(), *self.key.public_key());
            signed.open(&key).is_ok()
        };
        self.ancestors.iter().find(signs).cloned()
    }

    fn set_back(&self, anchor: &Anchor, anchored: &Checkpoint) -> Result<Failure, StoreError> {
        let size = self.snapshot.size()?;
        let root = Tree::at(self.snapshot, size).root()?;
        let head = Checkpoint { origin: anchored.origin.clone(), size, root };
        let what = if anchored.size > size {
            "this store lacks entries that the log had: it was set back"
        } else {
            "this store is another history of the log"
        };
        let message = format!(
            "{what}, or another daemon writes with its key\n{}\n{}",
            shown(&format!("the anchor {anchor} holds"), anchored),
            shown("the store's head is", &head),
        );
        Ok(Failure::failed(message).with_hint(format!(
            "put the newest store back. If it is lost, end every other daemon that has these keys, and begin a log that goes on \
             from this one: set another origin in jit-cad.toml, then `jit-cad log succeed --origin NEW --reason WHY --config FILE`; see {GUIDE}"
        )))
    }
}

const GUIDE: &str = "docs/guides/restore.md";

/// Reads every anchor, and compares it with the log. One that is not reached is warned of.
///
/// # Errors
/// If one holds what the log does not extend: the store was set back, and must not sign anything.
pub async fn must_extend(log: Log<'_>, anchors: &[Anchor]) -> Result<(), Failure> {
    for anchor in anchors {
        match anchor.newest().await {
            Ok(note) => {
                if log.standing(anchor, note.as_deref())? == Standing::Empty {
                    tracing::warn!(%anchor, "this anchor holds no checkpoint yet: it can't tell whether the log was set back");
                }
            }
            Err(error) => {
                let error = with_causes(&error);
                tracing::warn!(%anchor, error, "this anchor is not reached: it can't tell whether the log was set back");
            }
        }
    }
    Ok(())
}

/// Something that this log's key has not signed.
pub(super) fn foreign(anchor: &Anchor, note: &str, error: &jit_ca_log::Error) -> Failure {
    let mut message =
        format!("the anchor {anchor} holds no checkpoint of this log: {}", with_causes(error));
    // It may be anything, another file's secrets too: it is not shown, unless it is a checkpoint by its form.
    if let Some(origin) = SignedCheckpoint::from_str(note).ok().and_then(|_| origin_of(note)) {
        message.push_str(&format!("\n  it is of the log {origin}"));
    }
    Failure::failed(message).with_hint(
        "find out who wrote it. If it is another CA's, name another place in jit-cad.toml; else keep it and move it away",
    )
}

pub(super) fn shown(what: &str, checkpoint: &Checkpoint) -> String {
    let lines: String =
        checkpoint.to_string().lines().map(|line| format!("\n    {line}")).collect();
    format!("  {what}{lines}")
}

/// The first line of a note: whose checkpoint it says to be.
pub fn origin_of(note: &str) -> Option<Origin> {
    note.lines().next()?.parse().ok()
}
