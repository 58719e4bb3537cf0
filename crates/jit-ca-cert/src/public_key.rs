//! Public keys: of the CA, and of the subjects that it certifies.

use jit_ca_core::Digest;
use jit_ca_log::hash::sha256;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, UnparsedPublicKey,
    VerificationAlgorithm,
};

use crate::ssh::wire::{Reader, strings};
use crate::{Error, text};

mod p256;

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
        text::openssh(self.algorithm().ssh_name(), &self.ssh_blob(), comment)
    }

    /// The key as SSH carries it (RFC 8709 4, RFC 5656 3.1).
    pub fn ssh_blob(&self) -> Vec<u8> {
        let name = self.algorithm().ssh_name().as_bytes();
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

    /// The key identifier of RFC 7093 2, method 1: 160 bits of the SHA-256 over the point.
    pub(crate) fn key_identifier(&self) -> [u8; 20] {
        let digest = sha256(self.point());
        let mut identifier = [0; 20];
        identifier.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
        identifier
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

/// A subject's public key: ed25519 or ECDSA P-256, and a sound one.
///
/// Whoever offers it must still prove to possess it: a signature that verifies shows as well that
/// an ed25519 point lies on its curve, which is not checked here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectKey(PublicKey);

impl SubjectKey {
    /// Reads a line of a `.pub` file: type, base64, and a comment that is not kept.
    ///
    /// # Errors
    /// If the type is not on the list (certificates, security keys, RSA, DSA and the larger curves are
    /// not), or the key is malformed.
    pub fn from_openssh(line: &str) -> Result<Self, Error> {
        if line.len() > LONGEST_LINE {
            return Err(Error::MalformedKey("the line is longer than 8 KiB"));
        }
        let (kind, blob) =
            text::from_openssh(line).ok_or(Error::MalformedKey("write a type and base64"))?;
        // The type that people read must be the one that programs do.
        match Reader::new(&blob).text() {
            Some(own) if own == kind => Self::from_ssh_blob(&blob),
            _ => Err(Error::MalformedKey("the line's type is not the key's")),
        }
    }

    /// Reads a key as SSH carries it.
    ///
    /// # Errors
    /// As [`SubjectKey::from_openssh`].
    pub fn from_ssh_blob(blob: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(blob);
        let kind = reader.text().ok_or(Error::MalformedKey("it has no type"))?;
        let algorithm = match kind {
            "ssh-ed25519" => Algorithm::Ed25519,
            "ecdsa-sha2-nistp256" => Algorithm::P256,
            other => {
                return Err(Error::KeyType { kind: other.chars().take(80).collect() });
            }
        };
        if algorithm == Algorithm::P256 && reader.text() != Some("nistp256") {
            return Err(Error::MalformedKey("its curve is not its type's"));
        }
        let point = reader.string().ok_or(Error::MalformedKey("it is cut short"))?;
        if !reader.is_empty() {
            return Err(Error::MalformedKey("bytes follow it"));
        }
        PublicKey::from_point(algorithm, point)
            .ok_or(Error::MalformedKey("its point is malformed"))?
            .try_into()
    }

    /// Reads a DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// If it is no P-256 or ed25519 key, or an unsound one.
    pub fn from_spki(der: &[u8]) -> Result<Self, Error> {
        PublicKey::from_spki(der)?.try_into()
    }

    /// The key.
    pub fn public_key(&self) -> &PublicKey {
        &self.0
    }
}

impl TryFrom<PublicKey> for SubjectKey {
    type Error = Error;

    fn try_from(key: PublicKey) -> Result<Self, Error> {
        match &key {
            PublicKey::Ed25519(point) => check_ed25519(point)?,
            PublicKey::P256(point) if p256::is_on_curve(point) => {}
            PublicKey::P256(_) => {
                return Err(Error::MalformedKey("its point is not on the curve"));
            }
            PublicKey::P384(_) => {
                return Err(Error::KeyType { kind: "ECDSA P-384".to_owned() });
            }
        }
        Ok(Self(key))
    }
}

impl Algorithm {
    fn ssh_name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::P256 => "ecdsa-sha2-nistp256",
            Self::P384 => "ecdsa-sha2-nistp384",
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

/// Refuses the points of small order, under which one signature fits many messages, and the second
/// encodings of points (RFC 8032 5.1.3 step 1), under which one key has two names.
fn check_ed25519(point: &[u8; 32]) -> Result<(), Error> {
    let mut y = *point;
    y[31] &= 0x7f;
    let not_below_p = y[0] >= 0xed && y[1..31].iter().all(|&byte| byte == 0xff) && y[31] == 0x7f;
    if not_below_p || SMALL_ORDER.contains(&y) {
        Err(Error::MalformedKey("its point is one that no key has"))
    } else {
        Ok(())
    }
}

/// A line of `ssh-keygen -t rsa -b 16384` has 2.8 KiB.
const LONGEST_LINE: usize = 8 * 1024;

/// The y coordinates, little-endian, of the points whose order divides 8: those of order 4, 1, 8, 8, 2.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
    *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
    *b"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
];
