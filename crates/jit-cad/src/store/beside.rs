//! What lies beside the log and its fold: it can be lost without the log being any less true.

use jit_ca_core::{ActorRef, Digest, IssuanceId, RequestId, UnixTime};
use redb::TableDefinition;
use serde::{Deserialize, Serialize};

/// Subject to its TOTP secret, sealed.
pub(super) const SECRETS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("beside.secrets");
/// A login's serial to when it was last used.
pub(super) const LAST_USES: TableDefinition<'_, &[u8], u64> =
    TableDefinition::new("beside.last_uses");
/// Actor and hash of an idempotency key to what the call made.
pub(super) const REPLIES: TableDefinition<'_, (&[u8; 16], &[u8; 32]), &[u8]> =
    TableDefinition::new("beside.replies");
/// The index of the last erasure: one row while the file still holds bytes of what was erased, and has to be written
/// anew.
pub(super) const ERASED: TableDefinition<'_, (), u64> = TableDefinition::new("beside.erased");

/// What a call with an idempotency key made, so that the same call again gives the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Who called.
    pub actor: ActorRef,
    /// SHA-256 of the idempotency key.
    pub key: Digest,
    /// SHA-256 of the method, path and body of the call.
    pub call: Digest,
    /// What it made or changed.
    pub resource: Resource,
    /// When.
    pub at: UnixTime,
}

/// What a call made or changed: the answer is made from it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resource {
    /// A request.
    Request(RequestId),
    /// A certificate.
    Issuance(IssuanceId),
    /// The caller's own login.
    Login,
}
