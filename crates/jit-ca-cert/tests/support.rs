//! A CA with all its keys and a log of its own, and the programs that judge what it makes.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::LazyLock;

use jit_ca_cert::purpose::{Clients, Issuing, Log, Logins, Root, Servers, SshHost, SshUser};
use jit_ca_cert::ssh::{HostCertificate, Principals, SshSerial, UserCertificate};
use jit_ca_cert::x509::{
    CaCertificate, ClientCertificate, IssuingCertificate, LoginCertificate, RootCertificate,
    ServerCertificate,
};
use jit_ca_cert::{Intent, Key, KeyEncryptionKey, Profile, Signed, SubjectKey};
use jit_ca_core::{ActorRef, Digest, GrantId, IssuanceId, Span, UnixTime, Window};
use jit_ca_log::tree::{Frontier, leaf_hash};
use jit_ca_log::{
    Checkpoint, Ids, Leaf, LogKey, LogVerifier, Proof, Recorded, SignedCheckpoint, entry,
};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// 2026-11-22T09:00:00Z.
pub(crate) const START: UnixTime = UnixTime::from_secs(1_795_338_000);

/// One CA for all tests.
pub(crate) static CA: LazyLock<Ca> = LazyLock::new(Ca::new);

pub(crate) struct Ca {
    pub(crate) ssh_user: Key<SshUser>,
    pub(crate) ssh_host: Key<SshHost>,
    pub(crate) root_key: Key<Root>,
    pub(crate) clients_key: Key<Clients>,
    pub(crate) servers_key: Key<Servers>,
    pub(crate) logins_key: Key<Logins>,
    pub(crate) root: CaCertificate<Root>,
    pub(crate) clients: CaCertificate<Clients>,
    pub(crate) servers: CaCertificate<Servers>,
    pub(crate) logins: CaCertificate<Logins>,
    pub(crate) log: TestLog,
}

impl Ca {
    fn new() -> Self {
        let kek = kek();
        let log = TestLog::new();
        let root_key = Key::create(&kek).unwrap().0;
        let root = RootCertificate {
            name: "Example Access".parse().unwrap(),
            issuance: issuance(1),
            issued: START,
        };
        let root = sign(&root_key, &root, root_key.public(), &log);
        let root = CaCertificate::root(root.as_bytes().to_vec()).unwrap();
        let (clients_key, clients) = issuing(&root_key, &root, 2, &log);
        let (servers_key, servers) = issuing(&root_key, &root, 3, &log);
        let (logins_key, logins) = issuing(&root_key, &root, 4, &log);
        let ssh_user = Key::create(&kek).unwrap().0;
        let ssh_host = Key::create(&kek).unwrap().0;
        Self {
            ssh_user,
            ssh_host,
            root_key,
            clients_key,
            servers_key,
            logins_key,
            root,
            clients,
            servers,
            logins,
            log,
        }
    }

    pub(crate) fn ssh(&self, content: &UserCertificate) -> Signed<UserCertificate> {
        sign(&self.ssh_user, content, self.ssh_user.public(), &self.log)
    }

    pub(crate) fn host(&self, content: &HostCertificate) -> Signed<HostCertificate> {
        sign(&self.ssh_host, content, self.ssh_host.public(), &self.log)
    }

    pub(crate) fn client(&self, content: &ClientCertificate) -> Signed<ClientCertificate> {
        sign(&self.clients_key, content, &self.clients, &self.log)
    }

    pub(crate) fn server(&self, content: &ServerCertificate) -> Signed<ServerCertificate> {
        sign(&self.servers_key, content, &self.servers, &self.log)
    }

    pub(crate) fn login(&self, content: &LoginCertificate) -> Signed<LoginCertificate> {
        sign(&self.logins_key, content, &self.logins, &self.log)
    }
}

fn issuing<P: Issuing>(
    root_key: &Key<Root>,
    root: &CaCertificate<Root>,
    number: u8,
    log: &TestLog,
) -> (Key<P>, CaCertificate<P>) {
    let key = Key::<P>::create(&kek()).unwrap().0;
    let name = "Example Access".parse().unwrap();
    let content = IssuingCertificate::new(name, &key, issuance(number), START);
    let certificate = sign(root_key, &content, root, log);
    let certificate = CaCertificate::issuing(certificate.as_bytes().to_vec(), root).unwrap();
    (key, certificate)
}

/// The whole way of a certificate.
pub(crate) fn sign<C: Profile + Clone>(
    key: &Key<C::Purpose>,
    content: &C,
    issuer: &C::Issuer,
    log: &TestLog,
) -> Signed<C> {
    let intent = Intent::new(content.clone(), issuer).unwrap();
    key.sign(log.record(intent), &log.verifier()).unwrap()
}

/// A log of two entries, of which the second is the one that matters.
pub(crate) struct TestLog {
    signer: Key<Log>,
}

impl TestLog {
    pub(crate) fn new() -> Self {
        Self { signer: Key::create(&kek()).unwrap().0 }
    }

    pub(crate) fn key(&self) -> LogKey {
        self.signer.log_key("log.test".parse().unwrap())
    }

    pub(crate) fn verifier(&self) -> LogVerifier {
        LogVerifier::new(self.key())
    }

    pub(crate) fn record<C: Profile>(&self, intent: Intent<C>) -> Recorded<Intent<C>> {
        let tbs = Some(intent.digest());
        self.record_as("issue.intent", tbs, intent)
    }

    pub(crate) fn record_as<T>(
        &self,
        entry_type: &str,
        tbs: Option<Digest>,
        value: T,
    ) -> Recorded<T> {
        let (first, second) = (leaf("daemon.start", None, 0), leaf(entry_type, tbs, 1));
        let checkpoint = self.checkpoint([&first, &second]);
        let hashes = vec![leaf_hash(&first)];
        Recorded::assertion(value, Proof { leaf: second, index: 1, hashes, checkpoint })
    }

    pub(crate) fn checkpoint(&self, leaves: [&[u8]; 2]) -> SignedCheckpoint {
        let mut tree = Frontier::default();
        for leaf in leaves {
            tree.push(leaf_hash(leaf));
        }
        let checkpoint = Checkpoint {
            origin: self.key().origin().clone(),
            size: tree.size(),
            root: tree.root(),
        };
        self.signer.sign_checkpoint(&checkpoint).unwrap()
    }
}

pub(crate) fn leaf(entry_type: &str, tbs: Option<Digest>, idx: u64) -> Vec<u8> {
    Leaf {
        entry_type: entry_type.parse().unwrap(),
        idx,
        ts_ms: 1,
        actor: ActorRef::DAEMON,
        ids: Ids::default(),
        bundle: None,
        tbs,
        commit: entry::commit(&[0; 32], b""),
    }
    .encode()
}

// === contents ===

/// An SSH certificate with everything.
pub(crate) fn user_certificate() -> UserCertificate {
    UserCertificate {
        key: ed25519(7),
        serial: SshSerial::new(1_795_338_000_000, 5),
        grant: grant(),
        issuance: issuance(9),
        name: "alice".parse().unwrap(),
        principals: Principals::new(
            ["web-shell.web2", "web-shell.web1"].map(|p| p.parse().unwrap()),
        )
        .unwrap(),
        window: hour(),
        extensions: ["permit-pty", "permit-port-forwarding"].map(|e| e.parse().unwrap()).into(),
        force_command: Some("journalctl -u \"größe\" -f".parse().unwrap()),
        source_addresses: ["192.0.2.7", "10.0.0.0/8", "2001:db8::/32"]
            .map(|n| n.parse().unwrap())
            .into(),
        nonce: [0xa5; 32],
    }
}

/// A week's certificate of a host with two aliases.
pub(crate) fn host_certificate() -> HostCertificate {
    HostCertificate {
        key: ed25519(8),
        serial: SshSerial::new(1_795_338_000_000, 6),
        issuance: issuance(10),
        host: "web1.prod.example.org".parse().unwrap(),
        aliases: ["web1", "1.web.example.org"].map(|name| name.parse().unwrap()).into(),
        issued: START,
        end: START.plus(Span::from_secs(7 * 24 * 3_600)),
        nonce: [0x5a; 32],
    }
}

/// The same with nothing that can be left out.
pub(crate) fn bare_user_certificate() -> UserCertificate {
    UserCertificate {
        principals: Principals::new(["web-logs".parse().unwrap()]).unwrap(),
        extensions: BTreeSet::new(),
        force_command: None,
        source_addresses: BTreeSet::new(),
        ..user_certificate()
    }
}

pub(crate) fn client_certificate() -> ClientCertificate {
    ClientCertificate {
        key: ed25519(7),
        issuance: issuance(9),
        name: "alice".parse().unwrap(),
        subject: ActorRef::from_bytes([0xab; 16]),
        role: "orders-read".parse().unwrap(),
        grant: grant(),
        trust_domain: "example.org".parse().unwrap(),
        window: hour(),
    }
}

pub(crate) fn login_certificate() -> LoginCertificate {
    LoginCertificate {
        key: ed25519(7),
        issuance: issuance(9),
        name: "alice".parse().unwrap(),
        subject: ActorRef::from_bytes([0xab; 16]),
        trust_domain: "example.org".parse().unwrap(),
        window: hour(),
    }
}

pub(crate) fn server_certificate() -> ServerCertificate {
    ServerCertificate {
        key: p256(),
        issuance: issuance(9),
        names: ["ca.example.org", "127.0.0.1", "::1"].map(|n| n.parse().unwrap()).into(),
        window: hour(),
    }
}

pub(crate) fn hour() -> Window {
    Window::starting(START, Span::from_secs(3_600)).unwrap()
}

pub(crate) fn grant() -> GrantId {
    GrantId::new(1_795_338_000_000, [1; 10])
}

pub(crate) fn issuance(number: u8) -> IssuanceId {
    IssuanceId::new(1_795_338_000_000, [number; 10])
}

pub(crate) fn kek() -> KeyEncryptionKey {
    KeyEncryptionKey::new(Zeroizing::new([42; 32]))
}

pub(crate) fn ed25519(seed: u8) -> SubjectKey {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let point = pair.public_key().as_ref().try_into().unwrap();
    jit_ca_cert::PublicKey::Ed25519(point).try_into().unwrap()
}

/// P-256's generator: a sound point that everybody knows.
pub(crate) fn p256() -> SubjectKey {
    let generator = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                     4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    jit_ca_cert::PublicKey::P256(hex(generator).try_into().unwrap()).try_into().unwrap()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

// === programs ===

/// A folder in which programs are run.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, bytes)| folder.write(name, bytes));
        folder
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.path().join(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).unwrap()
    }

    /// Runs a program that must succeed, and gives its output.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        self.try_run(program, arguments)
            .unwrap_or_else(|output| panic!("{program} {arguments:?}: {output}"))
    }

    /// Runs a program; what it printed, as an error if it failed.
    pub(crate) fn try_run(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(self.0.path())
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stdout) + &text(&output.stderr))
        }
    }
}
