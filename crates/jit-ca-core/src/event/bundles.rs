//! What a bundle changes, and who had it read: short enough for the entry that says so, and naming nobody.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ActorRef;

/// What a bundle changes of the one before. It is never erased, so that it has no paths: a file may be called as somebody
/// is. They stand in the entries of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleChanges {
    /// How many files.
    pub files: FileCounts,
    /// People by their pseudonyms.
    pub people: Changed<ActorRef>,
}

/// How much is new, says something else, and is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileCounts {
    /// New.
    pub added: u64,
    /// There before, and otherwise.
    pub changed: u64,
    /// Gone.
    pub removed: u64,
}

/// What is new, what says something else, and what is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "T: Ord + Deserialize<'de>"))]
pub struct Changed<T> {
    /// New.
    pub added: BTreeSet<T>,
    /// There before, and otherwise.
    pub changed: BTreeSet<T>,
    /// Gone.
    pub removed: BTreeSet<T>,
}

/// Who had a bundle read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Asker {
    /// Nobody: the daemon read it as it began.
    Start,
    /// Whoever sent the daemon SIGHUP.
    Signal,
    /// This account on the daemon's machine.
    Account(u32),
}

impl<T: Ord> Changed<T> {
    /// What changes from one map to another; `name` says what each of it is called.
    pub fn between<K: Ord, V: PartialEq>(
        before: &BTreeMap<K, V>,
        after: &BTreeMap<K, V>,
        name: impl Fn(&K) -> T,
    ) -> Self {
        let only_in = |these: &BTreeMap<K, V>, others: &BTreeMap<K, V>| {
            these.keys().filter(|key| !others.contains_key(*key)).map(&name).collect()
        };
        let changed = after
            .iter()
            .filter(|(key, value)| before.get(*key).is_some_and(|before| before != *value));
        Self {
            added: only_in(after, before),
            changed: changed.map(|(key, _)| name(key)).collect(),
            removed: only_in(before, after),
        }
    }
}

impl<T> From<&Changed<T>> for FileCounts {
    fn from(changed: &Changed<T>) -> Self {
        let count = |all: &BTreeSet<T>| u64::try_from(all.len()).unwrap_or(u64::MAX);
        Self {
            added: count(&changed.added),
            changed: count(&changed.changed),
            removed: count(&changed.removed),
        }
    }
}

impl<T> Default for Changed<T> {
    fn default() -> Self {
        Self { added: BTreeSet::new(), changed: BTreeSet::new(), removed: BTreeSet::new() }
    }
}
