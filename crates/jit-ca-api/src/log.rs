//! The log's entries, for who may read them.

use jit_ca_core::{ActorRef, Digest, GrantId, IssuanceId, RequestId, RoleName, UnixTime};
use serde::{Deserialize, Serialize};

/// Which entries to list. All that is given has to hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogQuery {
    /// Of this subject: a name or a subject id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Of this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Of this grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// From this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<UnixTime>,
    /// Before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UnixTime>,
    /// From this index on.
    #[serde(default)]
    pub start: u64,
    /// At most so many; 1,000 if left out, and never more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// How many seconds to wait for such an entry where there is none yet; at most
    /// [`LONGEST_WAIT`](crate::LONGEST_WAIT).
    #[serde(default)]
    pub wait: u64,
}

/// Which checkpoints to have linked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyQuery {
    /// The size of the older tree.
    pub from: u64,
    /// The size of the newer one; that of the newest checkpoint if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

/// The proof that one tree is the beginning of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consistency {
    /// The newer checkpoint: a signed note. Where its size is below `from`, the log has lost entries and there is no
    /// proof.
    pub checkpoint: String,
    /// The proof (RFC 6962 2.1.2), from `from` to the checkpoint's size.
    pub proof: Vec<Digest>,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its index.
    pub index: u64,
    /// When it was written.
    pub time: UnixTime,
    /// Its type.
    #[serde(rename = "type")]
    pub entry_type: String,
    /// Who acted: the pseudonym.
    pub actor: ActorRef,
    /// Who acted: the name, while the log still knows it.
    pub name: Option<String>,
    /// The request that it belongs to.
    pub request: Option<RequestId>,
    /// The grant that it belongs to.
    pub grant: Option<GrantId>,
    /// The issuance that it belongs to.
    pub issuance: Option<IssuanceId>,
    /// The role that it belongs to.
    pub role: Option<RoleName>,
    /// The bundle in force.
    pub bundle: Option<Digest>,
    /// In an intent: SHA-256 of the bytes to be signed.
    pub tbs: Option<Digest>,
    /// The leaf's bytes: what the tree hashes. Unpadded base64.
    pub leaf: String,
    /// The payload, read; none once it is erased.
    pub payload: Option<serde_json::Value>,
}
