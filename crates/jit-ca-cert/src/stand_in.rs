//! A signer without a private key: it notes what it is asked to sign.

use std::cell::RefCell;

use jit_ca_core::KeyType;
use ssh_key::public::KeyData;

use crate::{PublicKey, SubjectKey};

/// Stands in for a CA key while a certificate is written, so that its to-be-signed bytes are final
/// before the key is touched. It has the key's public half, which those bytes name, in the form
/// that the library wants.
pub(crate) struct StandIn<K> {
    public: K,
    noted: RefCell<Vec<u8>>,
}

impl<K> StandIn<K> {
    pub(crate) fn new(public: K) -> Self {
        Self { public, noted: RefCell::default() }
    }

    /// What it was asked to sign.
    pub(crate) fn into_noted(self) -> Vec<u8> {
        self.noted.into_inner()
    }
}

impl rcgen::PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        self.point()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        of_keys(PublicKey::algorithm(self).key_type())
    }
}

impl rcgen::PublicKeyData for SubjectKey {
    fn der_bytes(&self) -> &[u8] {
        self.bits()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        of_keys(self.key_type())
    }
}

/// What the library goes by to write keys of a type. Of RSA's, each writes the same.
fn of_keys(key_type: KeyType) -> &'static rcgen::SignatureAlgorithm {
    match key_type {
        KeyType::Ed25519 => &rcgen::PKCS_ED25519,
        KeyType::EcdsaP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        KeyType::EcdsaP384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        KeyType::Rsa => &rcgen::PKCS_RSA_SHA256,
    }
}

impl rcgen::PublicKeyData for StandIn<&PublicKey> {
    fn der_bytes(&self) -> &[u8] {
        self.public.point()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        rcgen::PublicKeyData::algorithm(self.public)
    }
}

impl rcgen::SigningKey for StandIn<&PublicKey> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        *self.noted.borrow_mut() = message.to_vec();
        Ok(Vec::new())
    }
}

impl From<&StandIn<KeyData>> for KeyData {
    fn from(stand_in: &StandIn<KeyData>) -> Self {
        stand_in.public.clone()
    }
}

impl signature::Signer<ssh_key::Signature> for StandIn<KeyData> {
    fn try_sign(&self, message: &[u8]) -> signature::Result<ssh_key::Signature> {
        *self.noted.borrow_mut() = message.to_vec();
        // ssh-key wants one of the right length. It never leaves this crate.
        ssh_key::Signature::new(ssh_key::Algorithm::Ed25519, [0; 64])
            .map_err(signature::Error::from_source)
    }
}
