//! The Merkle tree of RFC 6962 section 2.1 (as RFC 9162 2.1), kept as the tiles of C2SP tlog-tiles.
//!
//! ```text
//! leaf hash = SHA-256(0x00 ‖ leaf)      node = SHA-256(0x01 ‖ left ‖ right)      empty tree = SHA-256("")
//! ```
//!
//! A *complete subtree* of height `h` and index `i` covers the leaves `[i·2^h, (i+1)·2^h)`, and its
//! hash never changes. Of these, the tiles hold the heights that are multiples of 8: tile `N` of
//! level `L` is the concatenation of the hashes of the complete subtrees of height `8·L` with the
//! indices `256·N`, `256·N + 1`, …, in order, 32 bytes each, at most 256. A tile with fewer is the
//! right edge of its level; it only ever grows. All other hashes follow from them.
//!
//! [`Tree`] grows a stored tree and makes proofs from it with a bounded number of tiles: at most
//! one a level for the right edge and one a level for each leaf, of at most 8 levels. [`Frontier`]
//! recomputes a root from leaves alone.

mod proof;
mod tiles;

use jit_ca_core::Digest;

use crate::Error;
use crate::hash::sha256_of;

pub use proof::{verify_consistency, verify_inclusion};
pub use tiles::{TileId, TileReader, Tree};

/// The hash that stands for a leaf's bytes in the tree.
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    sha256_of(&[&[0x00], leaf])
}

/// The hash of an inner node.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    sha256_of(&[&[0x01], left.as_bytes(), right.as_bytes()])
}

/// The root of the tree without leaves.
pub fn empty_root() -> Digest {
    sha256_of(&[])
}

/// The right edge of a tree: all that is needed to append to it and to know its root.
///
/// It starts empty, at a stored tree's edge ([`Tree::frontier`]), or where it was left
/// ([`Frontier::from_edge`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The hashes of the largest complete subtrees, from the left: one for each bit set in `size`.
    edge: Vec<Digest>,
}

impl Frontier {
    /// The right edge that a tree of `size` leaves had: see [`Frontier::edge`].
    ///
    /// # Errors
    /// If no tree of this size has so many hashes at its edge.
    pub fn from_edge(size: u64, edge: Vec<Digest>) -> Result<Self, Error> {
        match edge.len().try_into() == Ok(size.count_ones()) {
            true => Ok(Self { size, edge }),
            false => Err(Error::Edge { size, found: edge.len() }),
        }
    }

    /// The hashes of the largest complete subtrees, from the left: one for each bit set in the size.
    pub fn edge(&self) -> &[Digest] {
        &self.edge
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf_hash: Digest) {
        let mut node = leaf_hash;
        let mut subtrees = self.size;
        // As in a binary counter, each subtree of the same height merges with the new one and carries.
        while subtrees & 1 == 1
            && let Some(left) = self.edge.pop()
        {
            node = node_hash(&left, &node);
            subtrees >>= 1;
        }
        self.edge.push(node);
        self.size += 1;
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root.
    pub fn root(&self) -> Digest {
        fold(&self.edge).unwrap_or_else(empty_root)
    }
}

/// The root over neighbouring complete subtrees that shrink to the right.
fn fold(subtrees: &[Digest]) -> Option<Digest> {
    subtrees.iter().copied().rev().reduce(|right, left| node_hash(&left, &right))
}

/// The largest power of two that is smaller than `size`, which must be above 1 (RFC 6962 2.1: `k`).
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

#[cfg(test)]
mod tests;
