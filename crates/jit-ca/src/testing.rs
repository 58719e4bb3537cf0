//! Real OpenSSH programs, and a log, for the tests.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jit_ca_core::{ActorRef, Digest};
use jit_ca_log::tree::{TileId, TileReader, Tree, leaf_hash};
use jit_ca_log::{Checkpoint, Ids, Leaf, LogKey, Proof, SignedCheckpoint, entry};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use ssh_key::{Certificate, PublicKey};

/// An ssh-agent that ends with the test.
pub(crate) struct TestAgent {
    pub(crate) socket: PathBuf,
    process: Child,
}

impl TestAgent {
    pub(crate) fn start(folder: &Path) -> Self {
        let socket = folder.join("agent.sock");
        let process = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while !socket.exists() {
            assert!(begun.elapsed() < Duration::from_secs(20), "no ssh-agent");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { socket, process }
    }

    /// What `ssh-add -l` says.
    pub(crate) fn list(&self) -> String {
        let mut command = Command::new("ssh-add");
        let output = command.arg("-l").env("SSH_AUTH_SOCK", &self.socket).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }
}

impl Drop for TestAgent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A CA that is no more than ssh-keygen.
pub(crate) struct TestCa(PathBuf);

impl TestCa {
    pub(crate) fn new(folder: &Path) -> Self {
        let key = folder.join("ca");
        let arguments = ["-q", "-t", "ed25519", "-N", "", "-f"].map(OsStr::new);
        ssh_keygen(arguments.into_iter().chain([key.as_os_str()]), "");
        Self(key)
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey::read_openssh_file(&self.0.with_extension("pub")).unwrap()
    }

    /// A certificate for `key`, made by `ssh-keygen -s` with these arguments.
    pub(crate) fn certify(&self, key: &PublicKey, arguments: &[&str]) -> Certificate {
        let public = self.0.with_file_name("certified.pub");
        let certificate = self.0.with_file_name("certified-cert.pub");
        let _ = std::fs::remove_file(&certificate);
        key.write_openssh_file(&public).unwrap();
        let head = ["-q".as_ref(), "-s".as_ref(), self.0.as_os_str()];
        let arguments = head.into_iter().chain(arguments.iter().map(OsStr::new));
        ssh_keygen(arguments.chain([public.as_os_str()]), "");
        Certificate::read_file(&certificate).unwrap()
    }
}

/// A log that is no more than its leaves and a key.
#[derive(Clone)]
pub(crate) struct TestLog {
    origin: &'static str,
    seed: u8,
    leaves: Vec<Vec<u8>>,
}

/// No tile is stored: trees are made anew.
struct NoTiles;

impl TileReader for NoTiles {
    type Error = std::convert::Infallible;

    fn tile(&self, _: TileId) -> Result<Vec<u8>, Self::Error> {
        Ok(Vec::new())
    }
}

impl TestLog {
    pub(crate) fn new(origin: &'static str, seed: u8) -> Self {
        Self { origin, seed, leaves: Vec::new() }
    }

    pub(crate) fn key(&self) -> LogKey {
        let public_key = self.pair().public_key().as_ref().try_into().unwrap();
        LogKey::new(self.origin.parse().unwrap(), public_key)
    }

    pub(crate) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// Appends an entry, and gives its index.
    pub(crate) fn push(&mut self, entry_type: &str, ids: Ids, tbs: Option<Digest>) -> u64 {
        let idx = self.size();
        let leaf = Leaf {
            entry_type: entry_type.parse().unwrap(),
            idx,
            ts_ms: 1,
            actor: ActorRef::DAEMON,
            ids,
            bundle: None,
            tbs,
            commit: entry::commit(&[0; 32], entry_type.as_bytes()),
        };
        self.leaves.push(leaf.encode());
        idx
    }

    /// The checkpoint of the first `size` entries.
    pub(crate) fn checkpoint(&self, size: u64) -> SignedCheckpoint {
        let root = self.tree(size).root().unwrap();
        let checkpoint = Checkpoint { origin: self.origin.parse().unwrap(), size, root };
        let signature = self.pair().sign(checkpoint.to_string().as_bytes());
        checkpoint.with_signature(&self.key(), signature.as_ref().try_into().unwrap()).unwrap()
    }

    /// The proof that the tree of `from` entries is the beginning of that of `to`.
    pub(crate) fn consistency(&self, from: u64, to: u64) -> Vec<Digest> {
        self.tree(to).consistency_proof(from).unwrap()
    }

    /// The proof that the newest checkpoint covers the entry.
    pub(crate) fn proof(&self, index: u64) -> Proof {
        let size = self.size();
        let hashes = self.tree(size).inclusion_proof(index).unwrap();
        let leaf = self.leaves[usize::try_from(index).unwrap()].clone();
        Proof { leaf, index, hashes, checkpoint: self.checkpoint(size) }
    }

    fn tree(&self, size: u64) -> Tree<NoTiles> {
        let mut tree = Tree::at(NoTiles, 0);
        for leaf in &self.leaves[..usize::try_from(size).unwrap()] {
            tree.append(leaf_hash(leaf)).unwrap();
        }
        tree
    }

    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[self.seed; 32]).unwrap()
    }
}

/// What ssh-keygen says.
pub(crate) fn ssh_keygen<'a>(
    arguments: impl IntoIterator<Item = &'a OsStr>,
    input: &str,
) -> String {
    let mut child = Command::new("ssh-keygen")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}
