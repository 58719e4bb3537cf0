//! What came of a reload, for whoever asked for it.

use std::fmt;

use jit_ca_core::Digest;
use jit_ca_core::event::Changed;
use serde::{Deserialize, Serialize};

use crate::policy::Policy;

/// What came of a reload.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reloaded {
    /// What was done.
    pub outcome: Outcome,
    /// The policy that was read.
    pub hash: Digest,
    /// The index of the entry that says so, if there is a new one.
    pub entry: Option<u64>,
    /// What it changes of the policy that was in force, a line each.
    pub changes: Vec<String>,
    /// Whether `jit-cad.toml` says something else than at the daemon's start.
    pub restart: bool,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// It was in force already.
    Unchanged,
    /// It was in force already, and what waited does so no more.
    Withdrawn(Digest),
    /// It is in force.
    Activated,
    /// It waits for a second administrator.
    Proposed,
    /// It has waited before.
    Waits,
}

impl Reloaded {
    pub(super) fn new(
        outcome: Outcome,
        entry: Option<u64>,
        before: &Policy,
        read: &Policy,
        restart: bool,
    ) -> Self {
        Self { outcome, hash: read.hash, entry, changes: changes(before, read), restart }
    }
}

fn changes(before: &Policy, read: &Policy) -> Vec<String> {
    let (before, read) = (&before.listed, &read.listed);
    let files = Changed::between(&before.files, &read.files, String::clone);
    let people = Changed::between(&before.people, &read.people, |id| {
        let person = read.people.get(id).or_else(|| before.people.get(id));
        person.map_or_else(|| id.to_string(), |person| format!("{} ({id})", person.name))
    });
    let zone = (before.zone != read.zone).then(|| format!("the zone is {}", read.zone));
    [files, people]
        .into_iter()
        .flat_map(|Changed { added, changed, removed }| {
            let lines = |word: &'static str, names: std::collections::BTreeSet<String>| {
                names.into_iter().map(move |name| format!("{word} {name}"))
            };
            lines("added", added)
                .chain(lines("changed", changed))
                .chain(lines("removed", removed))
                .collect::<Vec<_>>()
        })
        .chain(zone)
        .collect()
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hash, .. } = self;
        match self.outcome {
            Outcome::Unchanged => write!(f, "nothing has changed: {hash} is in force")?,
            Outcome::Withdrawn(waited) => {
                write!(f, "{hash} is in force, and {waited} is no longer proposed")?;
            }
            Outcome::Activated => write!(f, "{hash} is in force")?,
            Outcome::Proposed => write!(
                f,
                "{hash} is proposed, and waits for an administrator: jit-ca policy activate {hash}"
            )?,
            Outcome::Waits => write!(f, "{hash} is proposed already")?,
        }
        if let Some(entry) = self.entry {
            write!(f, "; entry {entry} says so")?;
        }
        for change in &self.changes {
            write!(f, "\n{change}")?;
        }
        if self.restart {
            write!(
                f,
                "\njit-cad.toml says something else than at the daemon's start: that takes a restart"
            )?;
        }
        Ok(())
    }
}
