//! What the CA signed is in its log, or it is not used.

use jit_ca_core::{GrantId, IssuanceId};
use jit_ca_log::hash::sha256;
use jit_ca_log::{LogKey, Proof, SignedCheckpoint};

use crate::error::{Error, Result};

/// What the entry has to say of a certificate.
pub(super) struct Certified<'c> {
    pub(super) issuance: IssuanceId,
    pub(super) grant: GrantId,
    /// Where the CA says that the entry stands.
    pub(super) entry: u64,
    /// What the certificate's signature covers.
    pub(super) to_be_signed: &'c [u8],
}

/// Checks that the log holds the intent of exactly this certificate; gives the checkpoint that says so.
///
/// INVARIANT (log before sign): the entry bears the hash of the bytes that were signed, so that a
/// certificate that was never recorded has none.
pub(super) fn logged(
    key: &LogKey,
    proof: &str,
    certified: &Certified<'_>,
) -> Result<SignedCheckpoint> {
    let wrong = |error: jit_ca_log::Error| {
        Error::unverified(format!("nothing proves that the log holds the certificate: {error}"))
    };
    let proof: Proof = proof.parse().map_err(wrong)?;
    let (leaf, _) = proof.verify(key).map_err(wrong)?;
    let is_intent = leaf.entry_type.as_str() == "issue.intent"
        && leaf.ids.issuance == Some(certified.issuance)
        && leaf.ids.grant == Some(certified.grant)
        && leaf.idx == certified.entry
        && leaf.tbs == Some(sha256(certified.to_be_signed));
    match is_intent {
        true => Ok(proof.checkpoint),
        false => Err(Error::unverified("the log's entry is not that of the certificate")),
    }
}
