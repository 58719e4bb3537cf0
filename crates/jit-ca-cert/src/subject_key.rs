//! Public keys of the subjects that the CA certifies: read, and looked at, before anything is signed for them.

use jit_ca_core::{Digest, KeyType};
use jit_ca_log::hash::sha256;
use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::oid_registry::Oid;
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo};
use x509_parser::public_key::PublicKey as Parsed;

use self::rsa::RsaKey;
use crate::public_key::ssh_name;
use crate::ssh::wire::Reader;
use crate::{Algorithm, Error, PublicKey, text};

mod p256;
mod p384;
mod rsa;

/// A subject's public key: of one of the [types](KeyType), and a sound one. Whether it is of a type that a role takes
/// is the caller's to ask.
///
/// Whoever offers it must still prove to possess it: a signature that verifies shows as well that
/// an ed25519 point lies on its curve, which is not checked here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectKey(Kind);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Curve(PublicKey),
    Rsa(RsaKey),
}

impl SubjectKey {
    /// Reads a line of a `.pub` file: type, base64, and a comment that is not kept.
    ///
    /// # Errors
    /// If the type is not on the list (certificates, security keys, DSA, P-521 and short RSA keys are
    /// not), or the key is malformed or known to be weak.
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
        let name = reader.text().ok_or(Error::MalformedKey("it has no type"))?;
        let known = KeyType::ALL.into_iter().find(|known| ssh_name(*known) == name);
        let key_type =
            known.ok_or_else(|| Error::KeyType { kind: name.chars().take(80).collect() })?;
        let key = Self::read(key_type, &mut reader)?;
        if reader.is_empty() { Ok(key) } else { Err(Error::MalformedKey("bytes follow it")) }
    }

    /// Reads what follows the type where SSH carries a key, in a certificate as well.
    pub(crate) fn read(key_type: KeyType, reader: &mut Reader<'_>) -> Result<Self, Error> {
        const SHORT: Error = Error::MalformedKey("it is cut short");
        let (algorithm, curve) = match key_type {
            KeyType::Ed25519 => (Algorithm::Ed25519, None),
            KeyType::EcdsaP256 => (Algorithm::P256, Some("nistp256")),
            KeyType::EcdsaP384 => (Algorithm::P384, Some("nistp384")),
            KeyType::Rsa => {
                let (e, n) = (reader.mpint().ok_or(SHORT)?, reader.mpint().ok_or(SHORT)?);
                return RsaKey::new(n, e).map(Kind::Rsa).map(Self);
            }
        };
        if let Some(curve) = curve
            && reader.text() != Some(curve)
        {
            return Err(Error::MalformedKey("its curve is not its type's"));
        }
        PublicKey::from_point(algorithm, reader.string().ok_or(SHORT)?)
            .ok_or(Error::MalformedKey("its point is malformed"))?
            .try_into()
    }

    /// Reads a DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// If it is of no type on the list, not in its one form, or known to be weak.
    pub fn from_spki(der: &[u8]) -> Result<Self, Error> {
        if let Ok(key) = PublicKey::from_spki(der) {
            return key.try_into();
        }
        let Ok(([], spki)) = SubjectPublicKeyInfo::from_der(der) else {
            return Err(Error::KeyType { kind: OTHER.to_owned() });
        };
        let other = || Error::KeyType { kind: kind_of_other(&spki).to_owned() };
        let Ok(Parsed::RSA(parsed)) = spki.parsed() else { return Err(other()) };
        let [modulus, exponent] = [parsed.modulus, parsed.exponent].map(unsigned);
        let key = Self(Kind::Rsa(RsaKey::new(modulus, exponent)?));
        // DER has one form for each key (X.690 10), whatever a parser takes.
        if key.spki() == der { Ok(key) } else { Err(other()) }
    }

    /// Its type.
    pub fn key_type(&self) -> KeyType {
        match &self.0 {
            Kind::Curve(key) => key.algorithm().key_type(),
            Kind::Rsa(_) => KeyType::Rsa,
        }
    }

    /// The DER SubjectPublicKeyInfo (RFC 5280 4.1.2.7).
    pub fn spki(&self) -> Vec<u8> {
        match &self.0 {
            Kind::Curve(key) => key.spki(),
            Kind::Rsa(key) => key.spki(),
        }
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    pub fn spki_digest(&self) -> Digest {
        sha256(&self.spki())
    }

    /// The key as SSH carries it.
    pub fn ssh_blob(&self) -> Vec<u8> {
        match &self.0 {
            Kind::Curve(key) => key.ssh_blob(),
            Kind::Rsa(key) => key.ssh_blob(),
        }
    }

    /// A line as in a `.pub` file.
    pub fn to_openssh(&self, comment: &str) -> String {
        text::openssh(ssh_name(self.key_type()), &self.ssh_blob(), comment)
    }

    /// What the SubjectPublicKeyInfo's bit string holds: the point, or the RSAPublicKey.
    pub fn bits(&self) -> &[u8] {
        match &self.0 {
            Kind::Curve(key) => key.point(),
            Kind::Rsa(key) => key.der(),
        }
    }
}

impl TryFrom<PublicKey> for SubjectKey {
    type Error = Error;

    fn try_from(key: PublicKey) -> Result<Self, Error> {
        let is_on_curve = match &key {
            PublicKey::Ed25519(point) => {
                check_ed25519(point)?;
                true
            }
            PublicKey::P256(point) => p256::is_on_curve(point),
            PublicKey::P384(point) => p384::is_on_curve(point),
        };
        if is_on_curve {
            Ok(Self(Kind::Curve(key)))
        } else {
            Err(Error::MalformedKey("its point is not on the curve"))
        }
    }
}

/// What a SubjectPublicKeyInfo is that is not taken as it stands.
fn kind_of_other(spki: &SubjectPublicKeyInfo<'_>) -> &'static str {
    let oid = |oid: &Oid<'_>| oid.to_id_string();
    // Parameters that spell a curve out are a SEQUENCE.
    let named = spki.algorithm.parameters.as_ref().filter(|any| any.tag() == Tag::Oid);
    let curve = named.and_then(|any| any.as_oid().ok());
    match (oid(&spki.algorithm.algorithm).as_str(), curve.as_ref().map(oid).as_deref()) {
        (EC_PUBLIC_KEY, None) => "ECDSA, not in the usual encoding (a named curve)",
        (EC_PUBLIC_KEY, Some(P256 | P384)) => {
            "ECDSA, not in the usual encoding (an uncompressed point)"
        }
        (EC_PUBLIC_KEY, Some(_)) => "ECDSA on another curve",
        (RSA_ENCRYPTION, _) => "RSA, not in the usual encoding (DER)",
        _ => OTHER,
    }
}

/// A positive INTEGER of DER without the zero that keeps it from being negative (X.690 8.3).
fn unsigned(integer: &[u8]) -> &[u8] {
    integer.strip_prefix(&[0]).unwrap_or(integer)
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

const OTHER: &str = "other SubjectPublicKeyInfo";
// RFC 5480 2.1.1, RFC 3279 2.3.1.
const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";
const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";

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
