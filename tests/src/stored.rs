//! A stopped daemon's file, read as the daemon reads it: the export that it would give, and what the verifier says.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use jit_ca_cert::Key;
use jit_ca_cert::purpose::Log;
use jit_ca_core::Origin;
use jit_ca_log::archive::{ArchiveWriter, Copies};
use jit_ca_log::verify::{self, Options};
use jit_ca_log::{Checkpoint, Leaf, LogKey, Part, PartKind};
use jit_cad::keys::Keys;
use jit_cad::store::Store;

use crate::Ca;
use crate::ca::PASSPHRASE;

/// The log's own key.
pub struct Signer {
    origin: Origin,
    key: Key<Log>,
}

impl Signer {
    /// That of a CA of the tests.
    pub fn of(ca: &Ca) -> Self {
        let keys = ca.config().ancestors().nth(2).expect("the CA's folder").join("keys");
        let (_, key) = Keys::open(&keys, PASSPHRASE).expect("its keys");
        let config = fs::read_to_string(ca.config()).expect("jit-cad.toml");
        let config: toml::Table = config.parse().expect("TOML");
        let origin = config["ca"]["origin"].as_str().expect("an origin");
        Self { origin: origin.parse().expect("an origin"), key }
    }

    fn log_key(&self) -> LogKey {
        self.key.log_key(self.origin.clone())
    }
}

/// The export of a store's file, as the daemon and its client make it between them.
///
/// # Errors
/// If the store gives none: why not.
pub fn export(file: &Path, signer: &Signer) -> Result<Vec<u8>, String> {
    let told = |error: &dyn std::error::Error| error.to_string();
    let store = Store::open(file).map_err(|error| told(&error))?;
    let snapshot = store.read().map_err(|error| told(&error))?;
    let head = snapshot.verify_head().map_err(|error| told(&error))?;
    let origin = signer.origin.clone();
    let checkpoint = Checkpoint { origin, size: head.size, root: head.root };
    let note = signer.key.sign_checkpoint(&checkpoint).map_err(|error| told(&error))?;
    let key = signer.log_key();

    let mut archive = ArchiveWriter::new(Vec::new());
    let mut put =
        |name: &str, bytes: &[u8]| archive.member(name, bytes).map_err(|error| error.to_string());
    put("checkpoint", note.as_str().as_bytes())?;
    put("log.key", format!("{key}\n").as_bytes())?;
    let mut part = |part: Part| {
        let bytes = snapshot.part(part, head.size).map_err(|error| told(&error))?;
        put(&part.to_string(), &bytes.ok_or("a part is missing")?)
    };
    for (hashes, entries) in
        Part::all(PartKind::Hashes(0), head.size).zip(Part::all(PartKind::Entries, head.size))
    {
        part(hashes)?;
        part(entries)?;
        part(Part { kind: PartKind::Payloads, ..entries })?;
    }
    for level in 1..8 {
        Part::all(PartKind::Hashes(level), head.size).try_for_each(&mut part)?;
    }
    let mut copies = Copies::default();
    for index in 0..head.size {
        let leaf =
            snapshot.leaf(index).map_err(|error| told(&error))?.ok_or("a leaf is missing")?;
        let leaf = Leaf::decode(&leaf).map_err(|error| told(&error))?;
        let event = snapshot.event(&leaf).map_err(|error| told(&error))?;
        copies.push(&leaf, event.as_ref());
    }
    for (name, bytes) in copies.members() {
        archive.member(name, bytes).map_err(|error| error.to_string())?;
    }
    archive.finish().map_err(|error| error.to_string())
}

/// The code of what the verifier finds first; none if the log holds.
pub fn verdict(export: &[u8], signer: &Signer) -> Option<String> {
    let options = Options { key: Some(signer.log_key()), ..Options::default() };
    let verdict =
        verify::verify(Cursor::new(export), &options, &mut |_, _| ()).expect("bytes in memory");
    verdict.finding.map(|finding| finding.code.to_string())
}
