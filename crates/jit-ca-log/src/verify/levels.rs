//! The tree's hashes as a pass over all leaves gives them: root, tiles, and the roots that it had before.

use std::collections::BTreeMap;

use jit_ca_core::Digest;

use crate::tree::Frontier;

/// The tree while it grows.
#[derive(Debug)]
pub(super) struct Levels {
    tree: Frontier,
    /// The subtree of the level-0 tile that is being filled.
    tile: Frontier,
    /// The roots of full level-0 tiles.
    full: Vec<Digest>,
    /// The root at each size that is asked for.
    roots: BTreeMap<u64, Option<Digest>>,
}

impl Levels {
    /// A tree without leaves. The roots at these sizes will be asked for.
    pub(super) fn new(sizes: impl IntoIterator<Item = u64>) -> Self {
        let mut roots: BTreeMap<_, _> = sizes.into_iter().map(|size| (size, None)).collect();
        roots.entry(0).and_modify(|root| *root = Some(Frontier::default().root()));
        Self { tree: Frontier::default(), tile: Frontier::default(), full: Vec::new(), roots }
    }

    pub(super) fn push(&mut self, leaf_hash: Digest) {
        self.tree.push(leaf_hash);
        if let Some(root) = self.roots.get_mut(&self.tree.size()) {
            *root = Some(self.tree.root());
        }
        self.tile.push(leaf_hash);
        if self.tile.size() == WIDTH {
            self.full.push(std::mem::take(&mut self.tile).root());
        }
    }

    pub(super) fn root(&self) -> Digest {
        self.tree.root()
    }

    /// The root that the tree had at one of the sizes that were to be asked for.
    pub(super) fn root_at(&self, size: u64) -> Option<Digest> {
        self.roots.get(&size).copied().flatten()
    }

    /// The hashes of the tiles of level 1 and up, level by level, each tile as its bytes.
    pub(super) fn tiles(&self) -> Vec<Vec<u8>> {
        let (mut tiles, mut hashes) = (Vec::new(), self.full.clone());
        while !hashes.is_empty() {
            let mut above = Vec::new();
            for tile in hashes.chunks(256) {
                tiles.push(tile.iter().flat_map(|hash| *hash.as_bytes()).collect());
                let mut subtree = Frontier::default();
                tile.iter().for_each(|&hash| subtree.push(hash));
                if subtree.size() == WIDTH {
                    above.push(subtree.root());
                }
            }
            hashes = above;
        }
        tiles
    }
}

const WIDTH: u64 = 256;
