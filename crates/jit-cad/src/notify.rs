//! People are told: webhooks that say what was asked, decided and ended.
//!
//! ```text
//! sequencer   entry ─┬─> log                        one transaction: nothing that is written is forgotten to be told
//!                    └─> beside.outbox, a row for each target
//! a task for each target   row ─> message, made from the log ─> POST ─┬─> taken: the row goes
//!                                                                     └─> not: tried again, at last given up
//! ```
//!
//! Nothing waits for it: a target that is slow or dead has its rows wait, and nothing else. A message is sent at least
//! once, always under the same id. What is given up is kept, listed by `jit-cad notify list`, and sent again by
//! `jit-cad notify retry`. Messages say what happened and with which command to act on it; nobody can act by them.

mod address;
mod deliver;
mod kind;
mod message;
mod outbox;
mod slack;
mod standard;
mod target;

use std::collections::BTreeSet;
use std::sync::Arc;

use jit_ca_core::Span;

use crate::clock::Millis;
use crate::config::NotifyTarget;
use crate::failure::Failure;

pub use deliver::run;
pub use kind::{Kind, Told, told_of};
pub use outbox::{Listed, ListedTarget, Retried, list, retry};
pub use target::Target;

/// What a target is told of.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The target's name.
    pub target: String,
    kinds: BTreeSet<Kind>,
    ending_soon: Span,
}

impl Subscription {
    /// What a target of the configuration is told of.
    pub fn of(target: &NotifyTarget) -> Self {
        let NotifyTarget { name, kinds, ending_soon, .. } = target;
        Self { target: name.clone(), kinds: kinds.clone(), ending_soon: *ending_soon }
    }

    /// From when on the target is told of what is written at `now`, if it is.
    pub fn due(&self, told: Told, now: Millis) -> Option<Millis> {
        if !self.kinds.contains(&told.kind) {
            return None;
        }
        let Some(window) = told.window else { return Some(now) };
        // Of what ends soon from its start on, nothing is said before it has ended.
        let whole = window.end().since(window.start());
        let is_long = whole.secs() >= self.ending_soon.secs().saturating_mul(2);
        let due = window.end().minus(self.ending_soon).secs().saturating_mul(1_000);
        is_long.then_some(Millis(due).max(now))
    }
}

/// Opens the targets that the configuration names.
///
/// # Errors
/// If a secret can't be had or is none, an address may not be used, or the roots that a target is trusted by can't be
/// read.
pub fn open_all(targets: &[NotifyTarget]) -> Result<Vec<Arc<Target>>, Failure> {
    targets.iter().map(|target| Target::open(target).map(Arc::new)).collect()
}

#[cfg(test)]
mod tests;
