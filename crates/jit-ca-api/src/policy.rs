//! The policy in force, and the one that waits for a second administrator.

use jit_ca_core::event::Asker;
use jit_ca_core::{Digest, UnixTime};
use serde::{Deserialize, Serialize};

/// The policy in force, and what waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyState {
    /// The hash of the policy in force.
    pub in_force: Digest,
    /// The one that waits, if any does.
    pub pending: Option<PendingPolicy>,
}

/// A policy that waits for a second administrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingPolicy {
    /// Its hash.
    pub hash: Digest,
    /// Who had it read.
    pub asked: Asker,
    /// When.
    pub proposed: UnixTime,
    /// All files of both, so that whoever reads them can make both hashes; people stand in `users.toml`, by id.
    pub files: Vec<FileChange>,
}

/// A file, as it is and as it would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// The file's path.
    pub path: String,
    /// What it says; none where there is no such file.
    pub before: Option<String>,
    /// What it would say; none where it would be gone.
    pub after: Option<String>,
}

/// Brings a policy into force.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivateCall {
    /// The hash of the policy that was seen.
    pub hash: Digest,
}
