//! The CA's public keys, as entry 0 names them.

use std::collections::BTreeMap;

use jit_ca_core::Digest;
use jit_ca_core::event::PublicKey;

use super::signatures::{ED25519_SPKI, P256_SPKI, P384_SPKI};
use crate::LogKey;
use crate::hash::sha256;

/// The key of each purpose, as its SubjectPublicKeyInfo.
#[derive(Debug)]
pub(super) struct Keys(BTreeMap<String, Vec<u8>>);

/// Each purpose, with what its key begins with and how long its point is.
const PURPOSES: [(&str, &[u8], usize); 7] = [
    (SSH_USER, ED25519_SPKI, 32),
    (SSH_HOST, ED25519_SPKI, 32),
    (ROOT, P384_SPKI, 97),
    (CLIENTS, P256_SPKI, 65),
    (SERVERS, P256_SPKI, 65),
    (LOGINS, P256_SPKI, 65),
    (LOG, ED25519_SPKI, 32),
];

pub(super) const SSH_USER: &str = "ssh-user";
pub(super) const SSH_HOST: &str = "ssh-host";
pub(super) const ROOT: &str = "x509-root";
pub(super) const CLIENTS: &str = "x509-clients";
pub(super) const SERVERS: &str = "x509-servers";
pub(super) const LOGINS: &str = "x509-logins";
const LOG: &str = "log";

impl Keys {
    /// Takes the keys, if each purpose has one of its kind, and no two the same.
    pub(super) fn new(keys: &[PublicKey]) -> Option<Self> {
        let mut found = BTreeMap::new();
        for key in keys {
            let spki = key.spki.as_slice();
            let (_, prefix, length) =
                PURPOSES.iter().find(|(purpose, ..)| *purpose == key.purpose)?;
            let is_of_kind = spki.strip_prefix(*prefix).is_some_and(|point| point.len() == *length);
            let is_new = !found.values().any(|other: &Vec<u8>| other == spki);
            if !is_of_kind || !is_new || found.insert(key.purpose.clone(), spki.to_vec()).is_some()
            {
                return None;
            }
        }
        (found.len() == PURPOSES.len()).then_some(Self(found))
    }

    /// The key of a purpose.
    pub(super) fn of(&self, purpose: &str) -> Option<&[u8]> {
        self.0.get(purpose).map(Vec::as_slice)
    }

    /// The point of a purpose's key.
    pub(super) fn point(&self, purpose: &str) -> Option<&[u8]> {
        let (_, prefix, _) = PURPOSES.iter().find(|(known, ..)| *known == purpose)?;
        self.of(purpose)?.strip_prefix(*prefix)
    }

    /// Whether this is one of the keys for X.509.
    pub(super) fn are_with_x509(&self, spki: &[u8]) -> bool {
        [ROOT, CLIENTS, SERVERS, LOGINS].into_iter().any(|purpose| self.of(purpose) == Some(spki))
    }

    /// The CA's pin.
    pub(super) fn pin(&self) -> Option<Digest> {
        self.of(ROOT).map(sha256)
    }

    /// Whether this is the key that signs checkpoints.
    pub(super) fn are_with(&self, log_key: &LogKey) -> bool {
        let point = self.of(LOG).and_then(|spki| spki.strip_prefix(ED25519_SPKI));
        point == Some(log_key.public_key().as_slice())
    }
}
