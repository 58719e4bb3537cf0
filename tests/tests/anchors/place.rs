//! Places for checkpoints, as a site has them: a disk that is not the store's, a service with a certificate of
//! the site's own CA. And checkpoints, read and judged by others than us.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64ct::{Base64, Base64Unpadded, Encoding};
use jit_ca_tests::{Ca, Caller, Lab, as_root, free_port, repository, run, sha256, wait_for};
use tempfile::TempDir;

/// A folder on another disk than the lab's.
pub(super) struct OtherDisk(TempDir);

impl OtherDisk {
    pub(super) fn new(lab: &Lab) -> Self {
        let folder = tempfile::Builder::new().prefix("jit-ca-anchor-").tempdir_in("/dev/shm");
        let folder = folder.expect("a folder in /dev/shm");
        let device = |path: &Path| fs::metadata(path).expect("a folder").dev();
        assert_ne!(device(folder.path()), device(lab.path()), "/dev/shm is another disk");
        Self(folder)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// A network mount whose server is dead: whoever looks into it waits for ever.
pub(super) struct DeadMount {
    place: PathBuf,
    holder: Child,
}

impl DeadMount {
    pub(super) fn new(lab: &Lab) -> Self {
        let place = lab.folder("dead");
        let mut python = as_root("python3");
        python.arg(repository().join("tests/tests/anchors/dead_mount.py")).arg(&place);
        python.arg(fs::metadata(lab.path()).expect("a folder").uid().to_string());
        python.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = python.spawn().expect("python3");
        let mut said = String::new();
        let stdout = holder.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut said).expect("a line");
        assert_eq!(said, "mounted\n");
        Self { place, holder }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        // It unmounts when its input ends, also where this test is killed.
        drop(self.holder.stdin.take());
        self.holder.wait().expect("the mount ends");
    }
}

/// A service with a certificate of a CA that the system does not know.
pub(super) struct Webhook {
    folder: PathBuf,
    port: u16,
    server: Option<Child>,
}

impl Webhook {
    /// Makes the CA and the certificate. The service does not run yet.
    pub(super) fn new(lab: &Lab) -> Self {
        let folder = lab.folder("webhook");
        let openssl = |arguments: &str| {
            let mut openssl = Command::new("openssl");
            run(openssl.current_dir(&folder).args(arguments.split(' '))).ok();
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
        openssl(&format!("req -x509 {key} -subj /CN=site -keyout ca.key -out ca.pem"));
        openssl(&format!("req -x509 {key} -subj /CN=nobody -keyout nobody.key -out nobody.pem"));
        let names = "-addext subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE";
        openssl(&format!(
            "req -x509 {key} -subj /CN=localhost {names} -CA ca.pem -CAkey ca.key -keyout key.pem -out cert.pem"
        ));
        Self { folder, port: free_port(), server: None }
    }

    pub(super) fn start(&mut self) {
        let mut python = Command::new("python3");
        python.arg(repository().join("tests/tests/anchors/webhook.py")).arg(self.port.to_string());
        python.arg(&self.folder).args(["cert.pem", "key.pem"].map(|file| self.folder.join(file)));
        python.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.server = Some(python.spawn().expect("python3"));
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--cacert"]).arg(self.folder.join("ca.pem")).arg(self.url("/ca"));
        wait_for("the webhook", || (run(&mut curl).code == 0).then_some(()));
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// The anchor at this path, trusted by the CA of that name.
    pub(super) fn anchor(&self, path: &str, ca: &str) -> String {
        let ca = self.folder.join(ca);
        format!("{{ webhook = {:?}, ca_file = {ca:?} }}", self.url(path))
    }

    /// All notes that it was sent, in the order that they came.
    pub(super) fn notes(&self) -> Vec<String> {
        Self::notes_in(&self.folder)
    }

    /// All notes that it keeps of those that were sent to `/ill/WHAT`, see webhook.py.
    pub(super) fn notes_of_ill(&self, what: &str) -> Vec<String> {
        Self::notes_in(&self.folder.join(what))
    }

    /// Whether what lies below `/ill/` does what a webhook should.
    pub(super) fn is_well(&self, well: bool) {
        let file = self.folder.join("well");
        match well {
            true => fs::write(file, "").expect("a file"),
            false => fs::remove_file(file).expect("a file"),
        }
    }

    fn notes_in(folder: &Path) -> Vec<String> {
        let files = fs::read_dir(folder).expect("a folder").map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            files.filter(|file| file.extension().is_some_and(|kind| kind == "note")).collect();
        files.sort();
        files.iter().map(|file| fs::read_to_string(file).expect("a note")).collect()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            server.kill().expect("a process");
            server.wait().expect("the webhook ends");
        }
    }
}

/// Has a configuration name these anchors, and no others.
pub(super) fn name_anchors(config: &Path, anchors: &[String]) {
    let line = |line: &str| match line.starts_with("anchors = ") {
        true => format!("anchors = [{}]\n", anchors.join(", ")),
        false => format!("{line}\n"),
    };
    let text = fs::read_to_string(config).expect("jit-cad.toml");
    let changed: String = text.lines().map(line).collect();
    fs::write(config, changed).expect("jit-cad.toml");
}

pub(super) fn anchor_file(path: &Path) -> String {
    format!("{{ file = {path:?} }}")
}

/// A checkpoint as it is written, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) origin: String,
    pub(super) size: usize,
    root: Vec<u8>,
    signature: Vec<u8>,
    text: String,
}

impl Note {
    pub(super) fn read(note: &str) -> Self {
        let (text, signature) = note.split_once("\n\n").expect("a note");
        let lines: Vec<&str> = text.lines().collect();
        let [origin, size, root] = lines.try_into().expect("three lines");
        let signature = signature.trim_end().rsplit(' ').next().expect("a signature");
        // C2SP signed-note: four bytes of the key's id come first.
        let signature = Base64::decode_vec(signature).expect("base64").split_off(4);
        Self {
            origin: str::to_owned(origin),
            size: size.parse().expect("a size"),
            root: Base64::decode_vec(root).expect("base64"),
            signature,
            text: format!("{text}\n"),
        }
    }

    pub(super) fn of_file(file: &Path) -> Option<Self> {
        fs::read_to_string(file).ok().map(|note| Self::read(&note))
    }

    /// Fails the test unless the log's key has signed it, as OpenSSL finds.
    pub(super) fn must_be_signed(&self, lab: &Lab, log_key: &str) {
        let key = log_key.splitn(3, '+').nth(2).expect("a key");
        let key = Base64::decode_vec(key).expect("base64");
        // RFC 8410, section 10.1: a SubjectPublicKeyInfo is these bytes and the key's. One byte of ours says ed25519.
        let der =
            [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0], &key[1..]]
                .concat();
        let key = lab.file("log.der", der);
        let (text, signature) =
            (lab.file("text", &self.text), lab.file("signature", &self.signature));
        let mut openssl = Command::new("openssl");
        openssl.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey"]);
        run(openssl.arg(key).arg("-in").arg(text).arg("-sigfile").arg(signature)).ok();
    }

    /// Fails the test unless it says what the log's first leaves come to.
    pub(super) fn must_be_of(&self, leaves: &[[u8; 32]]) {
        assert_eq!(self.root, root(&leaves[..self.size]), "{self:?}");
    }
}

/// The hashes of all leaves, as an auditor gets them.
pub(super) fn leaf_hashes(auditor: &Caller) -> Vec<[u8; 32]> {
    let mut hashes = Vec::new();
    loop {
        let page = auditor.wire.get(&format!("/v1/log/entries?start={}", hashes.len())).ok().json();
        let page = page.as_array().expect("a list");
        if page.is_empty() {
            return hashes;
        }
        for entry in page {
            let leaf = entry["leaf"].as_str().expect("a leaf");
            let leaf = Base64Unpadded::decode_vec(leaf).expect("base64");
            hashes.push(sha256(&[&[0x00], leaf.as_slice()].concat()));
        }
    }
}

/// RFC 6962, section 2.1, word for word.
fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    if let [leaf] = leaves {
        return *leaf;
    }
    let split = leaves.len().next_power_of_two() / 2;
    sha256(&[&[0x01], root(&leaves[..split]).as_slice(), &root(&leaves[split..])].concat())
}

/// The size of the newest checkpoint that the CA shows.
pub(super) fn size_of(ca: &Ca) -> usize {
    let mut curl = Command::new("curl");
    let note = run(curl.args(["-sSf", "--insecure"]).arg(format!("{}/log/checkpoint", ca.url())));
    Note::read(&note.ok().stdout).size
}

/// Waits until the place has the log's newest checkpoint. It has a minute for that; 20 s are enough.
pub(super) fn has_newest(ca: &Ca, newest: impl Fn() -> Option<Note>) -> Note {
    let size = size_of(ca);
    let begun = std::time::Instant::now();
    let note = wait_for("the anchor", || newest().filter(|note| note.size >= size));
    assert!(begun.elapsed() < Duration::from_secs(60));
    note
}
