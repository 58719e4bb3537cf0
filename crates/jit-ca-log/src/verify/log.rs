//! What checks of all kinds go by: the log's name and keys, and when an entry was written.

use jit_ca_core::{Digest, Origin, UnixTime};

use super::keys::Keys;
use crate::{Leaf, LogKey};

/// What is the same for all entries, once entry 0 was read.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) origin: Origin,
    pub(super) key: LogKey,
    /// None before entry 0, or if it is erased.
    pub(super) keys: Option<Keys>,
    /// Whether it goes on from another log, where that is known.
    pub(super) succeeds: Option<bool>,
}

impl Log {
    /// The CA's pin, where it is known.
    pub(super) fn pin(&self) -> Option<Digest> {
        self.keys.as_ref().and_then(Keys::pin)
    }
}

/// The second in which an entry was written.
pub(super) fn second_of(leaf: &Leaf) -> UnixTime {
    UnixTime::from_secs(leaf.ts_ms / 1_000)
}
