//! Public keys on curves: the CA's, and most of the subjects'.

use jit_ca_core::{Digest, KeyType};
use jit_ca_log::hash::sha256;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, UnparsedPublicKey,
    VerificationAlgorithm,
};

use crate::ssh::wire::strings;
use crate::{Error, text};

/// A signature algorithm, with the one hash that we use it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA on P-256 with SHA-256.
    P256,
    /// ECDSA on P-384 with SHA-384.
    P384,
}

/// A public key of one of the algorithms.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PublicKey {
    /// The encoded point (RFC 8032 5.1.2).
    Ed25519([u8; 32]),
    /// The uncompressed point (SEC 1 2.3.3).
    P256([u8; 65]),
    /// The uncompressed point.
    P384([u8; 97]),
}

impl PublicKey {
    /// Takes the encoded point of a key of `algorithm`, if it has the right length and form.
    pub fn from_point(algorithm: Algorithm, point: &[u8]) -> Option<Self> {
        let uncompressed = point.first() == Some(&0x04);
        match algorithm {
            Algorithm::Ed25519 => point.try_into().ok().map(Self::Ed25519),
            Algorithm::P256 if uncompressed => point.try_into().ok().map(Self::P256),
            Algorithm::P384 if uncompressed => point.try_into().ok().map(Self::P384),
            Algorithm::P256 | Algorithm::P384 => None,
        }
    }

    /// Reads a DER SubjectPublicKeyInfo. DER has one form for each key, so it is compared, not parsed.
    ///
    /// # Errors
    /// If it is not one of exactly these algorithms, with named curves and uncompressed points.
    pub fn from_spki(der: &[u8]) -> Result<Self, Error> {
        [Algorithm::Ed25519, Algorithm::P256, Algorithm::P384]
            .into_iter()
            .find_map(|algorithm| {
                Self::from_point(algorithm, der.strip_prefix(algorithm.spki_prefix())?)
            })
            .ok_or_else(|| Error::KeyType { kind: "other SubjectPublicKeyInfo".to_owned() })
    }

    /// The DER SubjectPublicKeyInfo (RFC 5280 4.1.2.7, RFC 5480 2, RFC 8410 4).
    pub fn spki(&self) -> Vec<u8> {
        [self.algorithm().spki_prefix(), self.point()].concat()
    }

    /// SHA-256 of the SubjectPublicKeyInfo: the pin, for the root's key.
    pub fn spki_digest(&self) -> Digest {
        sha256(&self.spki())
    }

    /// A line as in a `.pub` file.
    pub fn to_openssh(&self, comment: &str) -> String {
        text::openssh(ssh_name(self.algorithm().key_type()), &self.ssh_blob(), comment)
    }

    /// The key as SSH carries it (RFC 8709 4, RFC 5656 3.1).
    pub fn ssh_blob(&self) -> Vec<u8> {
        let name = ssh_name(self.algorithm().key_type()).as_bytes();
        match self {
            Self::Ed25519(point) => strings(&[name, point]),
            Self::P256(point) => strings(&[name, b"nistp256", point]),
            Self::P384(point) => strings(&[name, b"nistp384", point]),
        }
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::P256(_) => Algorithm::P256,
            Self::P384(_) => Algorithm::P384,
        }
    }

    /// The encoded point.
    pub fn point(&self) -> &[u8] {
        match self {
            Self::Ed25519(point) => point,
            Self::P256(point) => point,
            Self::P384(point) => point,
        }
    }

    /// Whether `signature` is this key's over `message`; ECDSA's in DER.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        let algorithm: &dyn VerificationAlgorithm = match self {
            Self::Ed25519(_) => &ED25519,
            Self::P256(_) => &ECDSA_P256_SHA256_ASN1,
            Self::P384(_) => &ECDSA_P384_SHA384_ASN1,
        };
        UnparsedPublicKey::new(algorithm, self.point())
            .verify(message, signature)
            .map_err(|_| Error::Signature)
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}({})", self.algorithm(), self.spki_digest())
    }
}

impl Algorithm {
    /// The type of the algorithm's keys.
    pub fn key_type(self) -> KeyType {
        match self {
            Self::Ed25519 => KeyType::Ed25519,
            Self::P256 => KeyType::EcdsaP256,
            Self::P384 => KeyType::EcdsaP384,
        }
    }

    /// A SubjectPublicKeyInfo up to the point.
    fn spki_prefix(self) -> &'static [u8] {
        match self {
            Self::Ed25519 => b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00",
            Self::P256 => {
                b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
                  \x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00"
            }
            Self::P384 => {
                b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
                  \x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00"
            }
        }
    }
}

/// What SSH calls keys of a type (RFC 8709 4, RFC 5656 3.1, RFC 4253 6.6).
pub(crate) fn ssh_name(key_type: KeyType) -> &'static str {
    match key_type {
        KeyType::Ed25519 => "ssh-ed25519",
        KeyType::EcdsaP256 => "ecdsa-sha2-nistp256",
        KeyType::EcdsaP384 => "ecdsa-sha2-nistp384",
        KeyType::Rsa => "ssh-rsa",
    }
}
