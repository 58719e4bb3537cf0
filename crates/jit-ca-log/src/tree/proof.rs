//! Checking proofs against signed roots, with nothing but the proof.

use jit_ca_core::Digest;

use super::{empty_root, node_hash};
use crate::Error;

/// Checks that the leaf of this hash stands at `index` of the tree of `size` leaves with this root
/// (RFC 9162 2.1.3.2).
///
/// # Errors
/// If the proof does not show that.
pub fn verify_inclusion(
    leaf_hash: Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: Digest,
) -> Result<(), Error> {
    if index >= size {
        return Err(Error::OutOfRange { index, size });
    }
    let mut climb = Climb { node: index, last: size - 1 };
    let mut found = leaf_hash;
    for hash in proof {
        found = match climb.step()? {
            Side::Left => node_hash(hash, &found),
            Side::Right => node_hash(&found, hash),
        };
    }
    climb.arrived()?;
    same(root, found)
}

/// Checks that the tree of `old_size` leaves is the beginning of that of `new_size` (RFC 9162
/// 2.1.4.2).
///
/// # Errors
/// If the proof does not show that.
pub fn verify_consistency(
    old_size: u64,
    old_root: Digest,
    new_size: u64,
    new_root: Digest,
    proof: &[Digest],
) -> Result<(), Error> {
    if old_size > new_size {
        return Err(Error::OutOfRange { index: old_size, size: new_size });
    }
    if old_size == 0 || old_size == new_size {
        if !proof.is_empty() {
            return Err(Error::ProofLength);
        }
        return same(if old_size == 0 { empty_root() } else { new_root }, old_root);
    }

    // Start at the last complete subtree of the old tree. Where that is the whole old tree, the
    // proof leaves it out.
    let complete = old_size.trailing_zeros();
    let mut climb = Climb { node: (old_size - 1) >> complete, last: (new_size - 1) >> complete };
    let (start, rest) = match proof {
        rest if old_size.is_power_of_two() => (old_root, rest),
        [start, rest @ ..] => (*start, rest),
        [] => return Err(Error::ProofLength),
    };
    let (mut old, mut new) = (start, start);
    for hash in rest {
        match climb.step()? {
            Side::Left => (old, new) = (node_hash(hash, &old), node_hash(hash, &new)),
            Side::Right => new = node_hash(&new, hash),
        }
    }
    climb.arrived()?;
    same(old_root, old)?;
    same(new_root, new)
}

/// The way up from a node to the root (`fn` and `sn` in RFC 9162).
struct Climb {
    node: u64,
    last: u64,
}

/// On which side the next hash of a proof stands.
enum Side {
    Left,
    Right,
}

impl Climb {
    fn step(&mut self) -> Result<Side, Error> {
        if self.last == 0 {
            return Err(Error::ProofLength);
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            // The last node of a level may have no sibling: it moves up unchanged until it has one.
            while self.node & 1 == 0 && self.node != 0 {
                self.up();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        Ok(side)
    }

    fn up(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    fn arrived(&self) -> Result<(), Error> {
        if self.last == 0 { Ok(()) } else { Err(Error::ProofLength) }
    }
}

fn same(expected: Digest, found: Digest) -> Result<(), Error> {
    if expected == found { Ok(()) } else { Err(Error::Root { expected, found }) }
}
