//! The log as strangers read it: by the crates `tlog_tiles` and `signed_note`, which are not ours.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use base64ct::{Base64Unpadded, Encoding as _};
use jit_ca_tests::{Ca, Caller, Lab, Reply, Wire};
use serde_json::{Value, json};
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{
    Checkpoint, Hash, HashReader, Tile, TileHashReader, TileReader, check_record, check_tree,
    prove_record, record_hash, tree_hash,
};

/// How many people more there are, each of whom makes the log two entries longer.
const PEOPLE: u64 = 300;

struct Scene {
    alice: Caller,
    carol: Caller,
    nobody: Wire,
    ca: Ca,
    lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let ca = Ca::start_with(&lab, |config| {
            let users = config.join("users.toml");
            let person = |n: u64| {
                format!(
                    "\n[[person]]\nid = \"p-{n}\"\nname = \"p{n}\"\ngroups = []\nssh_keys = []\n"
                )
            };
            let more: String = (0..PEOPLE).map(person).collect();
            fs::write(&users, fs::read_to_string(&users).unwrap() + &more).unwrap();
        });
        let (alice, carol) = (ca.caller("alice"), ca.caller("carol"));
        let nobody = Wire::nobody(&ca, &alice.person);
        Self { alice, carol, nobody, ca, lab }
    }

    /// The bytes below `/log/`, as they come over HTTPS.
    fn bytes(&self, wire: &Wire, path: &str) -> Vec<u8> {
        let file = self.lab.path().join("part");
        let to_file = ["--fail", "--no-include", "--output", file.to_str().unwrap()];
        let reply = wire.call(&to_file, &format!("/log/{path}"), None);
        assert_eq!(reply.error, "", "{path}");
        fs::read(file).unwrap()
    }

    /// The newest checkpoint, and the note that it came as.
    fn checkpoint(&self) -> (Checkpoint, String) {
        let note = self.nobody.get("/log/checkpoint").ok().body;
        (self.open(&note), note)
    }

    /// What a note says, once a foreign verifier has found the log's signature on it.
    fn open(&self, note: &str) -> Checkpoint {
        let trust = self.nobody.trust();
        let verifier = StandardVerifier::new(trust["log_key"].as_str().unwrap()).unwrap();
        let note = Note::from_bytes(note.as_bytes()).unwrap();
        let (good, unknown) =
            note.verify(&VerifierList::new(vec![Box::new(verifier)])).expect("a signed note");
        assert_eq!((good.len(), unknown.len()), (1, 0));
        let checkpoint = Checkpoint::from_bytes(note.text()).unwrap();
        assert_eq!(trust["origin"], checkpoint.origin());
        checkpoint
    }

    /// All leaves of a log of this size.
    fn leaves(&self, size: u64) -> Vec<Vec<u8>> {
        let parts = (0..size.div_ceil(256)).map(|n| {
            let path = format!("tile/entries/{n:03}{}", width(size - 256 * n));
            self.bytes(&self.carol.wire, &path)
        });
        let records = |bytes: Vec<u8>| {
            let mut records = Vec::new();
            let mut rest = bytes.as_slice();
            while let Some((length, more)) = rest.split_first_chunk::<2>() {
                let (record, more) = more.split_at(u16::from_be_bytes(*length).into());
                records.push(record.to_vec());
                rest = more;
            }
            records
        };
        parts.flat_map(records).collect()
    }
}

/// The end of a part's path, where so many are left.
fn width(left: u64) -> String {
    if left < 256 { format!(".p/{left}") } else { String::new() }
}

impl TileReader for Scene {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        // Go's path names the height, which is always 8 in C2SP tlog-tiles and left out there.
        let path = |tile: &Tile| tile.path().replacen("tile/8/", "tile/", 1);
        Ok(tiles.iter().map(|tile| self.bytes(&self.nobody, &path(tile))).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// A tree that is made from leaves alone.
struct Made(Vec<Hash>);

impl Made {
    fn of(leaves: &[Vec<u8>]) -> Self {
        let mut tree = Self(Vec::new());
        for (index, leaf) in (0..).zip(leaves) {
            let hashes = tlog_tiles::stored_hashes(index, leaf, &tree).unwrap();
            tree.0.extend(hashes);
        }
        tree
    }
}

impl HashReader for Made {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|&index| self.0[usize::try_from(index).unwrap()]).collect())
    }
}

fn hash(digest: &Value) -> Hash {
    let text = digest.as_str().unwrap().strip_prefix("SHA256:").unwrap();
    Hash(Base64Unpadded::decode_vec(text).unwrap().try_into().unwrap())
}

#[track_caller]
fn header(reply: &Reply, name: &str) -> String {
    let headers = reply.headers.to_lowercase();
    let found = headers.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    assert!(found.is_some(), "no {name}: {reply:#?}");
    found.unwrap_or_default().to_owned()
}

#[test]
fn foreign_readers_check_the_whole_log() {
    let scene = Scene::new();
    let (old, old_note) = scene.checkpoint();
    for _ in 0..3 {
        scene.alice.request("web-logs", json!({})).ok();
    }
    let (new, _) = scene.checkpoint();
    assert!(old.size() > 512 && new.size() > old.size(), "{} {}", old.size(), new.size());

    // The tiles, which are checked against the checkpoint as they are read, and the leaves give its root.
    let tiles = TileHashReader::new(new.size(), *new.hash(), &scene);
    assert_eq!(tree_hash(new.size(), &tiles).unwrap(), *new.hash());
    assert_eq!(tree_hash(old.size(), &tiles).unwrap(), *old.hash());
    let leaves = scene.leaves(new.size());
    assert_eq!(u64::try_from(leaves.len()).unwrap(), new.size());
    assert_eq!(tree_hash(new.size(), &Made::of(&leaves)).unwrap(), *new.hash());

    // Leaves are in it: by proofs made from the tiles.
    for index in [0, 1, 255, 256, 300, 511, 512, old.size() - 1, new.size() - 1] {
        let leaf = record_hash(&leaves[usize::try_from(index).unwrap()]);
        let proof = prove_record(new.size(), index, &tiles).unwrap();
        check_record(&proof, new.size(), *new.hash(), index, leaf).unwrap();
    }

    // Checkpoints hang together: by the proofs that are served.
    let sizes = [(old.size(), new.size()), (1, 256), (255, 257), (256, 512), (300, old.size())];
    for (from, to) in sizes {
        let path = format!("/v1/log/consistency?from={from}&to={to}");
        let served = scene.nobody.get(&path).ok().json();
        let newer = scene.open(served["checkpoint"].as_str().unwrap());
        assert_eq!(newer.size(), to);
        assert_eq!(*newer.hash(), tree_hash(to, &tiles).unwrap());
        let older = tree_hash(from, &tiles).unwrap();
        let proof = served["proof"].as_array().unwrap().iter().map(hash).collect();
        check_tree(&proof, to, *newer.hash(), from, older).unwrap();
    }

    // A checkpoint of old is the same to the byte however often it is asked for.
    let again = scene.carol.wire.get(&format!("/v1/log/checkpoints/{}", old.size())).ok();
    assert_eq!(again.body, old_note);
}

#[test]
fn who_has_seen_more_than_there_is_learns_so() {
    let scene = Scene::new();
    let (newest, _) = scene.checkpoint();
    let more = newest.size() + 1_000;
    let answer = scene.nobody.get(&format!("/v1/log/consistency?from={more}")).ok().json();
    let found = scene.open(answer["checkpoint"].as_str().unwrap());
    assert!(found.size() < more && answer["proof"] == json!([]));
    for query in [format!("from=1&to={more}"), "from=9&to=8".to_owned(), "to=8".to_owned()] {
        let path = format!("/v1/log/consistency?{query}");
        let problem = scene.nobody.get(&path).refused("bad-request").problem();
        assert!(problem["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{problem}");
    }
    for size in ["0".to_owned(), more.to_string()] {
        scene.carol.wire.get(&format!("/v1/log/checkpoints/{size}")).refused("not-found");
    }
    scene.nobody.get("/v1/log/checkpoints/1").refused("unauthenticated");
    scene.alice.wire.get("/v1/log/checkpoints/1").refused("not-permitted");
}

#[test]
fn parts_say_who_may_keep_them_and_show_entries_to_readers_alone() {
    let scene = Scene::new();
    let (nobody, alice, carol) = (&scene.nobody, &scene.alice.wire, &scene.carol.wire);
    let checkpoint = nobody.get("/log/checkpoint").ok();
    assert_eq!(header(&checkpoint, "cache-control"), "no-cache");
    assert_eq!(header(&checkpoint, "content-type"), "text/plain; charset=utf-8");

    let octets = "application/octet-stream";
    for (wire, path, caching) in [
        (nobody, "tile/0/000", "public, max-age=31536000, immutable"),
        (nobody, "tile/1/000.p/1", "public, max-age=31536000, immutable"),
        (carol, "tile/entries/000", "private, max-age=31536000, immutable"),
        (carol, "payloads/000.p/9", "no-store"),
    ] {
        let reply = wire.get(&format!("/log/{path}")).ok();
        assert_eq!(header(&reply, "cache-control"), caching, "{path}");
        assert_eq!(header(&reply, "content-type"), octets, "{path}");
    }
    for path in ["tile/entries/000", "tile/entries/000.p/1", "payloads/000", "payloads/000.p/1"] {
        nobody.get(&format!("/log/{path}")).refused("unauthenticated");
        alice.get(&format!("/log/{path}")).refused("not-permitted");
    }

    // A narrower part is the beginning of a wider one, and none is wider than the checkpoint says.
    let size = scene.checkpoint().0.size();
    let (last, held) = (size / 256, size % 256);
    let full = scene.bytes(nobody, "tile/0/000");
    assert_eq!(full.len(), 256 * 32);
    assert_eq!(scene.bytes(nobody, "tile/0/000.p/17"), full[..17 * 32]);
    let edge = scene.bytes(nobody, &format!("tile/0/{last:03}.p/{held}"));
    let narrower = scene.bytes(nobody, &format!("tile/0/{last:03}.p/{}", held - 1));
    assert_eq!(narrower, edge[..edge.len() - 32]);
    let leaves = scene.bytes(carol, "tile/entries/001");
    assert!(leaves.starts_with(&scene.bytes(carol, "tile/entries/001.p/200")));
    let payloads = scene.bytes(carol, "payloads/001");
    assert!(payloads.starts_with(&scene.bytes(carol, "payloads/001.p/200")));

    for path in [
        format!("tile/0/{last:03}"),
        format!("tile/0/{last:03}.p/{}", held + 50),
        format!("tile/0/{:03}.p/1", last + 1),
        format!("tile/1/000.p/{}", last + 1),
        format!("tile/entries/{last:03}"),
        format!("payloads/{last:03}"),
        "tile/1/000".to_owned(),
        "tile/2/000.p/1".to_owned(),
        "tile/8/000".to_owned(),
        "tile/8/0/000".to_owned(),
        "tile/0/000.p/0".to_owned(),
        "tile/0/000.p/256".to_owned(),
        "tile/0/0".to_owned(),
        "tile/0/x000/000".to_owned(),
        "tile/0/00%30".to_owned(),
        "tile/entries/".to_owned(),
        "tile/data/000".to_owned(),
        "payloads/checkpoint".to_owned(),
        "checkpoint/".to_owned(),
        "log.key".to_owned(),
    ] {
        let reply = carol.get(&format!("/log/{path}"));
        assert_eq!(reply.status, Some(404), "{path}: {reply:#?}");
        reply.problem();
        // What is not there now may be there soon.
        assert_eq!(header(&reply, "cache-control"), "no-store", "{path}");
    }
}

#[test]
fn a_list_of_entries_waits_for_one_that_a_checkpoint_covers() {
    let mut scene = Scene::new();
    // The entries of a certificate's outcome and the like come a moment after their call.
    thread::sleep(Duration::from_secs(1));
    let size = scene.checkpoint().0.size();
    let list = |wire: &Wire, wait: u64| {
        wire.get(&format!("/v1/log/entries?start={size}&role=web-shell&wait={wait}")).ok().json()
    };
    let begun = Instant::now();
    assert_eq!(list(&scene.carol.wire, 1), json!([]));
    assert!(begun.elapsed() >= Duration::from_secs(1));

    let begun = Instant::now();
    let found = thread::scope(|scope| {
        let waiting = scope.spawn(|| list(&scene.carol.wire, 25));
        // Entries that are not meant do not end the wait.
        scene.alice.request("web-logs", json!({})).ok();
        thread::sleep(Duration::from_secs(1));
        assert!(!waiting.is_finished());
        scene.alice.request("web-shell", json!({})).ok();
        waiting.join().unwrap()
    });
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(found[0]["type"], "request", "{found:#}");
    assert!(found[0]["index"].as_u64().unwrap() < scene.checkpoint().0.size());

    // A daemon that stops lets nobody wait.
    let carol = scene.carol.wire.clone();
    let end = scene.checkpoint().0.size() + 1_000;
    let waiting =
        thread::spawn(move || carol.get(&format!("/v1/log/entries?start={end}&wait=25")).ok());
    thread::sleep(Duration::from_secs(1));
    let begun = Instant::now();
    scene.ca.stop();
    assert_eq!(waiting.join().unwrap().json(), json!([]));
    assert!(begun.elapsed() < Duration::from_secs(9));
}
