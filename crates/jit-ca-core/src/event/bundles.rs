//! Bundles: their files and people, and those that are in force or wait for it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Decided;
use crate::{ActorRef, Bytes, Digest, GroupName, PersonName, SubjectId};

/// A file is part of the bundles from here on, in place of any before of this path.
///
/// Files and people are entries of their own, so that one can be erased without the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileListed {
    /// Its path below the configuration's folder.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// A file is no longer part of the bundles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRemoved {
    /// Its path below the configuration's folder.
    pub path: String,
}

/// A person is part of the bundles from here on, in place of what was said of that person before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonListed {
    /// Who.
    pub subject: SubjectId,
    /// What the person is called.
    pub name: PersonName,
    /// The groups that the person is in.
    pub groups: BTreeSet<GroupName>,
    /// The keys that the person logs in and approves with: type and base64, as in a `.pub` file.
    pub ssh_keys: Vec<String>,
}

/// A person is no longer part of the bundles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonRemoved {
    /// The pseudonym.
    pub actor: ActorRef,
}

/// The files and people that are listed here are the bundle in force from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleActivated {
    /// SHA-256 over them.
    pub hash: Digest,
    /// The time zone in which rules read weekday and minute.
    pub zone: String,
    /// What it changes of the bundle before.
    pub changes: BundleChanges,
    /// Who had it read.
    pub asked: Asker,
    /// The pseudonym of the administrator who approved it, if one had to: the entry before says so.
    pub approved: Option<ActorRef>,
}

/// A bundle waits for an administrator's approval, in place of any that waited before. The one in force stays in
/// force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleProposed {
    /// SHA-256 over its files and people.
    pub hash: Digest,
    /// The time zone in which its rules would read weekday and minute.
    pub zone: String,
    /// What it would change of the bundle in force.
    pub changes: BundleChanges,
    /// The paths of the files among that.
    pub files: Changed<String>,
    /// Who had it read.
    pub asked: Asker,
}

/// An administrator approved the bundle that was proposed last; the next entry is its activation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleApproved {
    /// The bundle.
    pub hash: Digest,
    /// Who.
    pub by: SubjectId,
    /// What that person is called.
    pub name: PersonName,
    /// The serial of the login certificate of the call.
    pub login: Bytes,
    /// What the policy in force was asked and said.
    pub decision: Decided,
}

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
