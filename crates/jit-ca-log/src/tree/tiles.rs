//! A tree over stored tiles.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jit_ca_core::Digest;

use super::{Frontier, empty_root, fold, node_hash, split};
use crate::Error;

/// A tile's place: `tile/<level>/<index>` in C2SP tlog-tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// Its hashes are those of complete subtrees of `2^(8·level)` leaves.
    pub level: u8,
    /// Its place among the tiles of its level, from the left.
    pub index: u64,
}

/// Where tiles are kept.
pub trait TileReader {
    /// What goes wrong in reading.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The hashes that the tile holds, 32 bytes each; no bytes if it was never written.
    ///
    /// A tree that is read at an older size finds more hashes than it needs, and leaves them alone.
    ///
    /// # Errors
    /// If the store can't be read. It is not asked again.
    fn tile(&self, id: TileId) -> Result<Vec<u8>, Self::Error>;
}

impl<R: TileReader> TileReader for &R {
    type Error = R::Error;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, Self::Error> {
        (*self).tile(id)
    }
}

impl<R: TileReader> TileReader for Arc<R> {
    type Error = R::Error;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, Self::Error> {
        (**self).tile(id)
    }
}

/// A stored tree at one size, and what is appended to it before that is stored in turn.
///
/// It reads a tile once and remembers what it computed, so that many proofs at one size cost little
/// more than one. Proofs and roots hold what was appended. After an error drop it: what it holds
/// may be half done.
///
/// ```
/// # use std::{collections::BTreeMap, convert::Infallible};
/// # use jit_ca_log::tree::{TileId, TileReader, Tree, leaf_hash, verify_inclusion};
/// struct Store(BTreeMap<TileId, Vec<u8>>);
///
/// impl TileReader for Store {
///     type Error = Infallible;
///     fn tile(&self, id: TileId) -> Result<Vec<u8>, Infallible> {
///         Ok(self.0.get(&id).cloned().unwrap_or_default())
///     }
/// }
///
/// let mut store = Store(BTreeMap::new());
/// let mut tree = Tree::at(&store, 0);
/// tree.append(leaf_hash(b"first"))?;
/// tree.append(leaf_hash(b"second"))?;
/// let (root, proof) = (tree.root()?, tree.inclusion_proof(1)?);
/// let changed: Vec<_> = tree.changed_tiles().map(|(id, _, bytes)| (id, bytes.to_vec())).collect();
/// store.0.extend(changed);
/// verify_inclusion(leaf_hash(b"second"), 1, 2, &proof, root)?;
/// # Ok::<(), jit_ca_log::Error>(())
/// ```
#[derive(Debug)]
pub struct Tree<R> {
    reader: R,
    size: u64,
    /// Tiles as they were read, with what was appended since.
    tiles: BTreeMap<TileId, Vec<u8>>,
    /// Of tiles that were appended to, the length before.
    changed: BTreeMap<TileId, usize>,
    /// Hashes of complete subtrees, by height and index, that no tile holds.
    nodes: HashMap<(u8, u64), Digest>,
}

impl<R: TileReader> Tree<R> {
    /// The tree of the first `size` leaves that `reader` knows of. Nothing is read yet.
    pub fn at(reader: R, size: u64) -> Self {
        let (tiles, changed, nodes) = Default::default();
        Self { reader, size, tiles, changed, nodes }
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash.
    ///
    /// INVARIANT (append only): a store that is ahead of this size is refused, since writing would
    /// rewrite history. One that is behind is refused here or, at the latest, by [`Tree::root`],
    /// for which hashes are missing.
    ///
    /// # Errors
    /// If the tile at the right edge can't be read, or holds more or fewer hashes than a tree of
    /// this size has.
    pub fn append(&mut self, leaf_hash: Digest) -> Result<(), Error> {
        let size = self.size.checked_add(1).ok_or(Error::Full)?;
        self.push(0, self.size, leaf_hash)?;
        self.size = size;

        // A tile that is now full becomes one hash of the level above.
        let (mut level, mut subtrees) = (0_u8, size);
        while subtrees.is_multiple_of(WIDTH) {
            level += 1;
            subtrees /= WIDTH;
            let hash = self.joined(8 * level, subtrees - 1)?;
            self.push(level, subtrees - 1, hash)?;
        }
        Ok(())
    }

    /// The right edge, from which more leaves can be appended without the store.
    ///
    /// # Errors
    /// If tiles can't be read or lack hashes.
    pub fn frontier(&mut self) -> Result<Frontier, Error> {
        Ok(Frontier { size: self.size, edge: self.complete_subtrees(0, self.size)? })
    }

    /// The root.
    ///
    /// # Errors
    /// If tiles can't be read or lack hashes.
    pub fn root(&mut self) -> Result<Digest, Error> {
        self.range_root(0, self.size)
    }

    /// The proof that the leaf at `index` is in this tree (RFC 6962 2.1.1).
    ///
    /// # Errors
    /// If there is no such leaf, or tiles can't be read or lack hashes.
    pub fn inclusion_proof(&mut self, index: u64) -> Result<Vec<Digest>, Error> {
        if index >= self.size {
            return Err(Error::OutOfRange { index, size: self.size });
        }
        let (mut start, mut end) = (0, self.size);
        let mut proof = Vec::new();
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                proof.push(self.range_root(middle, end)?);
                end = middle;
            } else {
                proof.push(self.range_root(start, middle)?);
                start = middle;
            }
        }
        proof.reverse();
        Ok(proof)
    }

    /// The proof that the tree of the first `old_size` leaves is the beginning of this one (RFC
    /// 6962 2.1.2).
    ///
    /// It is empty for the empty tree, the beginning of every tree, and for the tree itself.
    ///
    /// # Errors
    /// If `old_size` is larger than this tree, or tiles can't be read or lack hashes.
    pub fn consistency_proof(&mut self, old_size: u64) -> Result<Vec<Digest>, Error> {
        if old_size > self.size {
            return Err(Error::OutOfRange { index: old_size, size: self.size });
        }
        if old_size == 0 {
            return Ok(Vec::new());
        }
        let (mut start, mut end) = (0, self.size);
        let mut proof = Vec::new();
        while old_size != end {
            let middle = start + split(end - start);
            if old_size <= middle {
                proof.push(self.range_root(middle, end)?);
                end = middle;
            } else {
                proof.push(self.range_root(start, middle)?);
                start = middle;
            }
        }
        // The old root itself is known to whoever checks the proof.
        if start != 0 {
            proof.push(self.range_root(start, end)?);
        }
        proof.reverse();
        Ok(proof)
    }

    /// The tiles that appending changed, whole, and from which byte on: what must be stored together
    /// with the new size.
    pub fn changed_tiles(&self) -> impl Iterator<Item = (TileId, usize, &[u8])> {
        let tile =
            |(id, from): (&TileId, &usize)| Some((*id, *from, self.tiles.get(id)?.as_slice()));
        self.changed.iter().filter_map(tile)
    }

    /// The same tree, with all that it has read and computed, which reads from `reader` from now on.
    pub fn read_from<S: TileReader>(self, reader: S) -> Tree<S> {
        let Self { reader: _, size, tiles, changed, nodes } = self;
        Tree { reader, size, tiles, changed, nodes }
    }

    /// The root over the leaves `[start, end)`, where `start` is a multiple of a power of two not
    /// below their number.
    fn range_root(&mut self, start: u64, end: u64) -> Result<Digest, Error> {
        Ok(fold(&self.complete_subtrees(start, end)?).unwrap_or_else(empty_root))
    }

    /// The hashes of the largest complete subtrees of which such a range consists, from the left.
    fn complete_subtrees(&mut self, mut start: u64, end: u64) -> Result<Vec<Digest>, Error> {
        let mut hashes = Vec::new();
        while let Some(height) = (0..64).rev().find(|height| (end - start) >> height != 0) {
            hashes.push(self.node(height, start >> height)?);
            start += 1 << height;
        }
        Ok(hashes)
    }

    /// The hash of a complete subtree.
    fn node(&mut self, height: u8, index: u64) -> Result<Digest, Error> {
        if height.is_multiple_of(8) {
            return self.stored(height / 8, index);
        }
        if let Some(&hash) = self.nodes.get(&(height, index)) {
            return Ok(hash);
        }
        let hash = self.joined(height, index)?;
        self.nodes.insert((height, index), hash);
        Ok(hash)
    }

    /// The hash of a complete subtree, from its halves. It descends at most 8 levels, to the next
    /// tile.
    fn joined(&mut self, height: u8, index: u64) -> Result<Digest, Error> {
        let left = self.node(height - 1, 2 * index)?;
        let right = self.node(height - 1, 2 * index + 1)?;
        Ok(node_hash(&left, &right))
    }

    fn stored(&mut self, level: u8, index: u64) -> Result<Digest, Error> {
        let (id, place) = place(level, index);
        let tile = self.tile(id)?;
        let hash = tile.get(place..place + 32).and_then(|hash| hash.try_into().ok());
        hash.map(Digest::from_bytes).ok_or_else(|| wrong_length(id, place + 32, tile))
    }

    fn push(&mut self, level: u8, index: u64, hash: Digest) -> Result<(), Error> {
        let (id, place) = place(level, index);
        let tile = self.tile(id)?;
        if tile.len() != place {
            return Err(wrong_length(id, place, tile));
        }
        tile.extend_from_slice(hash.as_bytes());
        self.changed.entry(id).or_insert(place);
        Ok(())
    }

    fn tile(&mut self, id: TileId) -> Result<&mut Vec<u8>, Error> {
        match self.tiles.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let TileId { level, index } = id;
                let read = self.reader.tile(id);
                Ok(unknown.insert(read.map_err(|error| Error::Store {
                    level,
                    index,
                    source: error.into(),
                })?))
            }
        }
    }
}

/// The number of hashes in a full tile.
const WIDTH: u64 = 256;

fn place(level: u8, index: u64) -> (TileId, usize) {
    // The last byte is the remainder by the width.
    let [.., place] = index.to_be_bytes();
    (TileId { level, index: index / WIDTH }, 32 * usize::from(place))
}

fn wrong_length(id: TileId, needed: usize, tile: &[u8]) -> Error {
    Error::Tile { level: id.level, index: id.index, needed, found: tile.len() }
}
