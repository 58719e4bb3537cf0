//! Locks.

use serde::{Deserialize, Serialize};

use super::{Locked, Officer};
use crate::Text;

/// Nothing is done for whom or what is locked, until it is unlocked: no login, no approval, no certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockSet {
    /// What.
    pub lock: Locked,
    /// Who locks it.
    pub by: Officer,
    /// Why.
    pub reason: Text,
}

/// What was locked is so no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockLifted {
    /// What.
    pub lock: Locked,
    /// Who unlocks it.
    pub by: Officer,
    /// Why.
    pub reason: Text,
}
