//! Erasures.

use serde::{Deserialize, Serialize};

use super::{Decided, ErasureCause, Signature};
use crate::{PersonName, SubjectId, Text};

/// A person ordered that what the log says of a subject be erased; the next entry is that erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureOrdered {
    /// Who.
    pub by: SubjectId,
    /// What that person is called.
    pub name: PersonName,
    /// The signature over the erasure statement.
    pub signature: Signature,
    /// The RFC 6238 step of the code given with it, used up by this; none where the signature is a security key's,
    /// which says in it that it has verified its user.
    pub step: Option<u64>,
    /// What the policy was asked and said.
    pub decision: Decided,
}

/// Payloads were erased, in the commit of this entry. It names nobody, and is never erased itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    /// What for.
    pub cause: ErasureCause,
    /// Why.
    pub reason: Text,
    /// The entries whose payloads are gone: ranges `(first, last)`, sorted, both ends in them.
    pub entries: Vec<(u64, u64)>,
}
