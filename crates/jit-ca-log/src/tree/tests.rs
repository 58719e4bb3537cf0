use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::prelude::*;
use tlog_tiles::tlog;

use super::*;
use crate::Error;

/// The stored tiles, which counts how often it is read.
#[derive(Default)]
struct Store {
    tiles: BTreeMap<TileId, Vec<u8>>,
    size: u64,
    reads: Cell<usize>,
}

impl TileReader for Store {
    type Error = Infallible;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, Infallible> {
        self.reads.set(self.reads.get() + 1);
        Ok(self.tiles.get(&id).cloned().unwrap_or_default())
    }
}

impl Store {
    fn at(&self, size: u64) -> Tree<&Self> {
        Tree::at(self, size)
    }

    /// Appends leaves up to this size in one batch; gives the places and widths of the changed
    /// tiles.
    fn grow(&mut self, size: u64) -> Vec<(TileId, usize)> {
        let mut tree = self.at(self.size);
        for index in self.size..size {
            tree.append(leaf(index)).unwrap();
        }
        assert_eq!(tree.size(), size);
        let changed: Vec<_> =
            tree.changed_tiles().map(|(id, _, tile)| (id, tile.to_vec())).collect();
        self.size = size;
        self.tiles.extend(changed.iter().cloned());
        changed.into_iter().map(|(id, tile)| (id, tile.len() / 32)).collect()
    }
}

/// The same tree in another's hands.
struct Foreign(Vec<tlog::Hash>);

impl tlog::HashReader for Foreign {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        Ok(indexes.iter().map(|&index| self.0[usize::try_from(index).unwrap()]).collect())
    }
}

impl Foreign {
    fn of(size: u64) -> Self {
        let mut tree = Self(Vec::new());
        for index in 0..size {
            let more = tlog::stored_hashes_for_record_hash(index, foreign(leaf(index)), &tree);
            tree.0.extend(more.unwrap());
        }
        tree
    }

    fn root(&self, size: u64) -> Digest {
        ours(tlog::tree_hash(size, self).unwrap())
    }

    fn inclusion_proof(&self, index: u64, size: u64) -> Vec<Digest> {
        tlog::prove_record(size, index, self).unwrap().into_iter().map(ours).collect()
    }

    fn consistency_proof(&self, old: u64, size: u64) -> Vec<Digest> {
        tlog::prove_tree(size, old, self).unwrap().into_iter().map(ours).collect()
    }
}

fn foreign(hash: Digest) -> tlog::Hash {
    tlog::Hash(*hash.as_bytes())
}

fn ours(hash: tlog::Hash) -> Digest {
    Digest::from_bytes(hash.0)
}

fn leaf(index: u64) -> Digest {
    leaf_hash(&index.to_be_bytes())
}

/// Roots, tiles and proofs at these sizes are those of the foreign implementation.
fn agree(largest: u64, sizes: impl Iterator<Item = u64>, places: impl Fn(u64) -> Vec<u64>) {
    let mut store = Store::default();
    store.grow(largest);
    let judge = Foreign::of(largest);
    for size in sizes {
        let mut tree = store.at(size);
        let root = tree.root().unwrap();
        assert_eq!(root, judge.root(size), "root of {size}");
        assert_eq!(tree.frontier().unwrap().root(), root);

        for place in places(size) {
            let proof = tree.inclusion_proof(place).unwrap();
            assert_eq!(proof, judge.inclusion_proof(place, size), "{place} in {size}");
            verify_inclusion(leaf(place), place, size, &proof, root).unwrap();
            let theirs = proof.iter().copied().map(foreign).collect();
            tlog::check_record(&theirs, size, foreign(root), place, foreign(leaf(place))).unwrap();

            let (old, old_root) = (place + 1, judge.root(place + 1));
            let proof = tree.consistency_proof(old).unwrap();
            assert_eq!(proof, judge.consistency_proof(old, size), "{old} to {size}");
            verify_consistency(old, old_root, size, root, &proof).unwrap();
            let theirs = proof.iter().copied().map(foreign).collect();
            tlog::check_tree(&theirs, size, foreign(root), old, foreign(old_root)).unwrap();
        }
    }
}

/// The eight leaves of Certificate Transparency's test data.
#[test]
fn rfc_6962_vectors() {
    let leaves: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let hex = |root: Digest| root.as_bytes().iter().map(|b| format!("{b:02x}")).collect::<String>();
    let store = Store::default();
    let (mut tree, mut frontier) = (store.at(0), Frontier::default());
    for (size, root) in roots.into_iter().enumerate() {
        assert_eq!(hex(tree.root().unwrap()), root, "{size} leaves");
        assert_eq!(hex(frontier.root()), root, "{size} leaves");
        if let Some(leaf) = leaves.get(size) {
            tree.append(leaf_hash(leaf)).unwrap();
            frontier.push(leaf_hash(leaf));
        }
    }
}

#[test]
fn small_trees_agree_with_a_foreign_one() {
    agree(70, 0..=70, |size| (0..size).collect());
}

#[test]
fn trees_of_two_levels_agree_with_a_foreign_one() {
    agree(600, (71..=300).chain([511, 512, 513, 600]), |size| {
        (0..size).filter(|place| (place + size) % 29 == 0 || (254..258).contains(place)).collect()
    });
}

#[test]
fn trees_of_three_levels_agree_with_a_foreign_one() {
    let sizes = [65_279, 65_280, 65_535, 65_536, 65_537, 65_791, 65_792, 65_793, 66_000];
    agree(66_000, sizes.into_iter(), |size| {
        (0..size)
            .filter(|place| {
                place % 8_191 == 0 || place + 2 > size || (65_534..65_538).contains(place)
            })
            .collect()
    });
}

#[test]
fn changed_tiles_are_those_of_a_foreign_tree() {
    let mut store = Store::default();
    for sizes in [0, 1, 2, 255, 256, 257, 700, 1_024, 65_535, 65_536, 65_537, 66_000].windows(2) {
        let changed = store.grow(sizes[1]);
        let mut judged: Vec<_> = tlog_tiles::Tile::new_tiles(8, sizes[0], sizes[1])
            .into_iter()
            .map(|tile| {
                let id = TileId { level: tile.level(), index: tile.level_index() };
                (id, usize::try_from(tile.width()).unwrap())
            })
            .collect();
        judged.sort_unstable();
        assert_eq!(changed, judged, "{sizes:?}");
    }
    let judge = Foreign::of(66_000);
    for tile in tlog_tiles::Tile::new_tiles(8, 0, 66_000) {
        let id = TileId { level: tile.level(), index: tile.level_index() };
        assert_eq!(store.tiles[&id], tile.read_data(&judge).unwrap(), "{id:?}");
    }
}

#[test]
fn few_tiles_are_read() {
    let mut store = Store::default();
    store.grow(70_001);
    let reads = |work: fn(&mut Tree<&Store>)| {
        store.reads.set(0);
        work(&mut store.at(70_001));
        store.reads.get()
    };
    assert_eq!(reads(|_| ()), 0);
    assert_eq!(reads(|tree| assert_ne!(tree.root().unwrap(), empty_root())), 3);
    assert_eq!(reads(|tree| tree.append(leaf(70_001)).unwrap()), 1);
    assert_eq!(reads(|tree| drop(tree.inclusion_proof(12_345).unwrap())), 4);
    assert_eq!(reads(|tree| drop(tree.consistency_proof(12_345).unwrap())), 4);
    let batch = reads(|tree| {
        for index in 70_001..70_100 {
            tree.append(leaf(index)).unwrap();
        }
        let root = tree.root().unwrap();
        for index in 70_001..70_100 {
            let proof = tree.inclusion_proof(index).unwrap();
            verify_inclusion(leaf(index), index, 70_100, &proof, root).unwrap();
        }
    });
    assert_eq!(batch, 3);
}

/// INVARIANT (append only): nothing is built on tiles that are not those of a tree of this size.
#[test]
fn a_store_that_does_not_fit_is_refused() {
    let mut store = Store::default();
    store.grow(300);
    let edge = TileId { level: 0, index: 1 };

    for ahead in [0, 1, 255, 256, 299] {
        let fault = store.at(ahead).append(leaf(0)).unwrap_err();
        assert!(matches!(fault, Error::Tile { .. }), "{ahead}: {fault}");
    }
    for behind in [301, 511, 512, 513, 65_536] {
        let mut tree = store.at(behind);
        let fault = tree.append(leaf(0)).and_then(|()| tree.root()).unwrap_err();
        assert!(matches!(fault, Error::Tile { .. }), "{behind}: {fault}");
    }
    for too_large in [301, 512, 65_536] {
        assert!(matches!(store.at(too_large).root(), Err(Error::Tile { .. })), "{too_large}");
    }
    assert!(matches!(store.at(u64::MAX).append(leaf(0)), Err(Error::Full)));
    assert!(matches!(store.at(300).inclusion_proof(300), Err(Error::OutOfRange { .. })));
    assert!(matches!(store.at(300).consistency_proof(301), Err(Error::OutOfRange { .. })));

    store.tiles.get_mut(&edge).unwrap().pop();
    assert!(matches!(store.at(300).root(), Err(Error::Tile { level: 0, index: 1, .. })));
    store.tiles.remove(&edge);
    assert!(matches!(store.at(300).root(), Err(Error::Tile { level: 0, index: 1, found: 0, .. })));
}

#[test]
fn a_store_that_fails_is_named() {
    struct Broken;
    impl TileReader for Broken {
        type Error = std::io::Error;
        fn tile(&self, _: TileId) -> Result<Vec<u8>, std::io::Error> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
    }
    let fault = Tree::at(Broken, 257).root().unwrap_err();
    assert!(matches!(fault, Error::Store { level: 1, index: 0, .. }), "{fault}");
    assert!(std::error::Error::source(&fault).is_some());
}

#[test]
fn proofs_prove_nothing_else() {
    let mut store = Store::default();
    store.grow(40);
    for size in 1..=40 {
        let mut tree = store.at(size);
        let root = tree.root().unwrap();
        for place in 0..size {
            let proof = tree.inclusion_proof(place).unwrap();
            let refused = |leaf, place, proof: &[Digest], root| {
                assert!(
                    verify_inclusion(leaf, place, size, proof, root).is_err(),
                    "{place} in {size}"
                );
            };
            let hash = leaf(place);
            refused(leaf(place + 1), place, &proof, root);
            refused(hash, place, &proof, leaf(99));
            refused(hash, size, &proof, root);
            (0..size)
                .filter(|&other| other != place)
                .for_each(|other| refused(hash, other, &proof, root));
            variants(&proof).for_each(|proof| refused(hash, place, &proof, root));
        }
        for old in 0..=size {
            let old_root = store.at(old).root().unwrap();
            let proof = tree.consistency_proof(old).unwrap();
            let refused = |old, old_root, root, proof: &[Digest]| {
                assert!(
                    verify_consistency(old, old_root, size, root, proof).is_err(),
                    "{old} to {size}"
                );
            };
            verify_consistency(old, old_root, size, root, &proof).unwrap();
            refused(old, leaf(99), root, &proof);
            refused(size + 1, old_root, root, &proof);
            if old != 0 {
                refused(old, old_root, empty_root(), &proof);
            }
            variants(&proof).for_each(|proof| refused(old, old_root, root, &proof));
        }
    }
}

/// The proof with a hash changed, left out, doubled or added, at every place.
fn variants(proof: &[Digest]) -> impl Iterator<Item = Vec<Digest>> {
    let changed = move |place: usize, with: &[Digest], width: usize| {
        let (before, after) = (&proof[..place], &proof[place + width..]);
        [before, with, after].concat()
    };
    let places = move || 0..proof.len();
    (places().map(move |place| changed(place, &[leaf(99)], 1)))
        .chain(places().map(move |place| changed(place, &[], 1)))
        .chain(places().map(move |place| changed(place, &[proof[place], proof[place]], 1)))
        .chain((0..=proof.len()).map(move |place| changed(place, &[leaf(98)], 0)))
}

proptest! {
    /// However the leaves are cut into batches, the tiles and the root are the same.
    #[test]
    fn batches_make_no_difference(batches in proptest::collection::vec(0u64..400, 0..8)) {
        let mut store = Store::default();
        for batch in &batches {
            let size = store.size + batch;
            let mut frontier = store.at(store.size).frontier().unwrap();
            (store.size..size).for_each(|index| frontier.push(leaf(index)));
            store.grow(size);
            prop_assert_eq!(store.at(size).frontier().unwrap(), frontier);
        }
        let mut whole = Store::default();
        whole.grow(store.size);
        prop_assert_eq!(whole.tiles, store.tiles);
    }
}

#[test]
fn an_edge_is_taken_up_where_it_was_left() {
    let hash = |index: u8| leaf_hash(&[index]);
    let mut whole = Frontier::default();
    for index in 0..70 {
        let mut left = Frontier::from_edge(whole.size(), whole.edge().to_vec()).unwrap();
        assert_eq!(left, whole);
        left.push(hash(index));
        whole.push(hash(index));
        assert_eq!(left.root(), whole.root());
    }
    let edge = whole.edge();
    assert!(matches!(Frontier::from_edge(69, edge[1..].to_vec()), Err(Error::Edge { .. })));
    assert!(matches!(Frontier::from_edge(71, edge.to_vec()), Err(Error::Edge { .. })));
}
