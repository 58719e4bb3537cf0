//! What an export holds beside the log: the CA's public keys and the bundles, so that nobody needs a reader of CBOR
//! to look at them.

use std::collections::HashMap;
use std::sync::Arc;

use base64ct::{Base64, Encoding as _};
use jit_ca_core::Digest;
use jit_ca_core::event::{Event, PersonRemoved};

use crate::hash::sha256;
use crate::{Bundle, Leaf};

/// The members below `ca/` and `bundles/`, as the entries give them.
///
/// Made by who writes an export and by who verifies one. A text that is in many bundles is held once.
#[derive(Debug)]
pub struct Copies {
    keys: Vec<(String, Vec<u8>)>,
    bundle: Bundle,
    files: Vec<(String, Arc<str>)>,
    texts: HashMap<Digest, Arc<str>>,
}

impl Default for Copies {
    fn default() -> Self {
        Self { keys: Vec::new(), bundle: Bundle::empty(), files: Vec::new(), texts: HashMap::new() }
    }
}

impl Copies {
    /// Takes in an entry, in order; without its event where the payload is erased or of an unknown type.
    pub fn push(&mut self, leaf: &Leaf, event: Option<&Event>) {
        match event {
            Some(Event::LogInit(init)) if leaf.idx == 0 => {
                let member = |purpose: &str| format!("ca/{purpose}.pem");
                let keys = init.keys.iter();
                self.keys =
                    keys.map(|key| (member(&key.purpose), pem(key.spki.as_slice()))).collect();
            }
            Some(event) => {
                self.bundle.apply(leaf.actor, event);
                if matches!(event, Event::BundleActivated(_)) {
                    self.copy_bundle(leaf.idx);
                }
            }
            // The leaf still says whose part was replaced by one that is not there any more.
            None if leaf.entry_type.as_str() == "person" => {
                let removed = PersonRemoved { actor: leaf.actor }.into();
                self.bundle.apply(leaf.actor, &removed);
            }
            None => {}
        }
    }

    /// Names and bytes of all members, in their order.
    pub fn members(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let keys = self.keys.iter().map(|(name, pem)| (name.as_str(), pem.as_slice()));
        keys.chain(self.files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())))
    }

    /// The bundle as the entries so far add up to it.
    pub(crate) fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    fn copy_bundle(&mut self, index: u64) {
        for (path, text) in self.bundle.all_files() {
            let text = self.texts.entry(sha256(text.as_bytes())).or_insert_with(|| text.into());
            self.files.push((format!("bundles/{index}/{path}"), Arc::clone(text)));
        }
    }
}

/// A SubjectPublicKeyInfo as PEM (RFC 7468 section 13).
fn pem(spki: &[u8]) -> Vec<u8> {
    let base64 = Base64::encode_string(spki);
    let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, left) = rest.split_at_checked(64).unwrap_or((rest, ""));
        pem.push_str(line);
        pem.push('\n');
        rest = left;
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    pem.into_bytes()
}
