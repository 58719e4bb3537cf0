//! The CA's keys: one for each purpose, sealed in files under a key that a passphrase gives.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use jit_ca_cert::purpose::{Clients, KeyPurpose, Log, Logins, Root, Servers, SshHost, SshUser};
use jit_ca_cert::{Key, KeyEncryptionKey, PublicKey, Purpose};
use jit_ca_core::{Bytes, event};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::clock::{self, NoRandomness};

/// The keys, open, and the key that sealed them.
#[derive(Debug)]
pub struct Keys {
    /// Signs people's SSH certificates.
    pub ssh_user: Key<SshUser>,
    /// Will sign hosts' SSH certificates.
    pub ssh_host: Key<SshHost>,
    /// Signs the certificates of the X.509 CAs below.
    pub root: Key<Root>,
    /// Signs people's X.509 certificates.
    pub clients: Key<Clients>,
    /// Signs the daemon's TLS certificates.
    pub servers: Key<Servers>,
    /// Signs login certificates.
    pub logins: Key<Logins>,
    /// Seals other secrets.
    pub kek: KeyEncryptionKey,
}

/// The keys can't be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file can't be read or written.
    #[error("{} can't be used", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// There are keys already, where none may be.
    #[error("there are keys already in {}", .0.display())]
    Exist(PathBuf),
    /// The file of the derivation's parameters is none.
    #[error("{} can't be read", path.display())]
    Derivation {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A key does not open.
    #[error("the key in {} does not open", path.display())]
    Sealed {
        /// Which file.
        path: PathBuf,
        /// What the opening said.
        source: jit_ca_cert::Error,
    },
    /// The system had no random bytes.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// Two keys are the same.
    #[error("the keys for {0} and {1} are the same key; each purpose needs its own")]
    Same(Purpose, Purpose),
}

/// How the key that seals the others comes from the passphrase: Argon2id (RFC 9106).
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Derivation {
    /// Memory in KiB, passes and lanes.
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    /// 16 random bytes.
    salt: Bytes,
}

impl Keys {
    /// Makes all keys and puts them, sealed, into the folder `dir`, which is made.
    ///
    /// # Errors
    /// If there are keys already, or the folder can't be written.
    pub fn create(dir: &Path, passphrase: &str) -> Result<(Self, Key<Log>), KeysError> {
        if dir.exists() {
            return Err(KeysError::Exist(dir.to_owned()));
        }
        make_private_folder(dir)?;
        // OWASP's smallest advice for Argon2id: 19 MiB and two passes, some 30 ms at every start.
        let salt: [u8; 16] = clock::random()?;
        let derivation = Derivation {
            memory_kib: 19 * 1024,
            passes: 2,
            lanes: 1,
            salt: Bytes::from(salt.as_slice()),
        };
        let path = derivation_path(dir);
        let text = toml::to_string(&derivation)
            .map_err(|error| KeysError::Derivation { path: path.clone(), source: error.into() })?;
        write_private(&path, text.as_bytes())?;
        let kek = derivation.kek(passphrase, &path)?;

        create::<SshUser>(dir, &kek)?;
        create::<SshHost>(dir, &kek)?;
        create::<Root>(dir, &kek)?;
        create::<Clients>(dir, &kek)?;
        create::<Servers>(dir, &kek)?;
        create::<Logins>(dir, &kek)?;
        create::<Log>(dir, &kek)?;
        Self::open_with(dir, kek)
    }

    /// Opens all keys. The log's own comes apart from the others: the sequencer takes it.
    ///
    /// # Errors
    /// If one is missing or does not open, or two are the same.
    pub fn open(dir: &Path, passphrase: &str) -> Result<(Self, Key<Log>), KeysError> {
        let path = derivation_path(dir);
        let text = fs::read_to_string(&path)
            .map_err(|source| KeysError::File { path: path.clone(), source })?;
        let derivation: Derivation = toml::from_str(&text)
            .map_err(|error| KeysError::Derivation { path: path.clone(), source: error.into() })?;
        Self::open_with(dir, derivation.kek(passphrase, &path)?)
    }

    fn open_with(dir: &Path, kek: KeyEncryptionKey) -> Result<(Self, Key<Log>), KeysError> {
        let keys = Self {
            ssh_user: open(dir, &kek)?,
            ssh_host: open(dir, &kek)?,
            root: open(dir, &kek)?,
            clients: open(dir, &kek)?,
            servers: open(dir, &kek)?,
            logins: open(dir, &kek)?,
            kek,
        };
        let log = open(dir, &keys.kek)?;
        keys.must_differ(&log)?;
        Ok((keys, log))
    }

    /// All public keys, by purpose.
    pub fn public(&self, log: &Key<Log>) -> [(Purpose, PublicKey); 7] {
        [
            (Purpose::SshUser, self.ssh_user.public().clone()),
            (Purpose::SshHost, self.ssh_host.public().clone()),
            (Purpose::Root, self.root.public().clone()),
            (Purpose::Clients, self.clients.public().clone()),
            (Purpose::Servers, self.servers.public().clone()),
            (Purpose::Logins, self.logins.public().clone()),
            (Purpose::Log, log.public().clone()),
        ]
    }

    /// INVARIANT (one key, one purpose): held by the types, and here against files that were copied over.
    fn must_differ(&self, log: &Key<Log>) -> Result<(), KeysError> {
        let keys = self.public(log);
        for (place, (purpose, key)) in keys.iter().enumerate() {
            if let Some((other, _)) = keys.iter().skip(place + 1).find(|(_, other)| other == key) {
                return Err(KeysError::Same(*purpose, *other));
            }
        }
        Ok(())
    }
}

/// The public keys as the log's first entry has them.
pub fn logged(keys: &[(Purpose, PublicKey)]) -> Vec<event::PublicKey> {
    let logged = |(purpose, key): &(Purpose, PublicKey)| event::PublicKey {
        purpose: purpose.to_string(),
        spki: key.spki().into(),
    };
    keys.iter().map(logged).collect()
}

/// Writes a file that only its owner reads, whole and synced, where none was.
///
/// # Errors
/// If there is one, or it can't be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), KeysError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| KeysError::File { path: path.to_owned(), source })
}

/// Makes a folder that only its owner enters.
///
/// # Errors
/// If it can't be made.
pub fn make_private_folder(path: &Path) -> Result<(), KeysError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| KeysError::File { path: path.to_owned(), source })
}

impl Derivation {
    fn kek(&self, passphrase: &str, path: &Path) -> Result<KeyEncryptionKey, KeysError> {
        let fault = |error: argon2::Error| KeysError::Derivation {
            path: path.to_owned(),
            source: error.to_string().into(),
        };
        let params =
            Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(fault)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), self.salt.as_slice(), key.as_mut_slice())
            .map_err(fault)?;
        Ok(KeyEncryptionKey::new(key))
    }
}

fn create<P: KeyPurpose>(dir: &Path, kek: &KeyEncryptionKey) -> Result<(), KeysError> {
    let path = key_path(dir, P::PURPOSE);
    let (_, at_rest) =
        Key::<P>::create(kek).map_err(|source| KeysError::Sealed { path: path.clone(), source })?;
    write_private(&path, &at_rest)
}

fn open<P: KeyPurpose>(dir: &Path, kek: &KeyEncryptionKey) -> Result<Key<P>, KeysError> {
    let path = key_path(dir, P::PURPOSE);
    let at_rest =
        fs::read(&path).map_err(|source| KeysError::File { path: path.clone(), source })?;
    Key::open(kek, &at_rest).map_err(|source| KeysError::Sealed { path, source })
}

fn key_path(dir: &Path, purpose: Purpose) -> PathBuf {
    dir.join(format!("{purpose}.key"))
}

fn derivation_path(dir: &Path) -> PathBuf {
    dir.join("passphrase.toml")
}
