//! The feed that hosts go by: which certificates are in the log, with the proofs that they are.

use jit_ca_core::{Bytes, Digest};
use serde::{Deserialize, Serialize};

/// What a host asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedQuery {
    /// Intents from this index on; those of the last 25 hours if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The size of the checkpoint that the host has seen last; 0 if it has seen none.
    #[serde(default)]
    pub seen: u64,
    /// How many seconds to wait for an intent where there is none yet; at most
    /// [`LONGEST_WAIT`](crate::LONGEST_WAIT).
    #[serde(default)]
    pub wait: u64,
}

/// Some intents, all of them proven by one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// The newest checkpoint: a signed note. Where its size is below `seen`, the log has lost entries.
    pub checkpoint: String,
    /// The proof (RFC 6962 2.1.2) that the tree of `seen` entries is the beginning of the checkpoint's.
    pub consistency: Vec<Digest>,
    /// Intents to issue certificates under grants, in the order of the log.
    pub intents: Vec<FeedIntent>,
    /// From which index on to ask next. What lies before it and is not here is no such intent.
    pub next: u64,
}

/// An intent to issue a certificate. What the certificate says is not in it, only the hash of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedIntent {
    /// The leaf's bytes: what the tree hashes.
    pub leaf: Bytes,
    /// The proof (RFC 6962 2.1.1) that it is in the checkpoint's tree.
    pub proof: Vec<Digest>,
}
