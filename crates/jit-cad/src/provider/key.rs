//! A provider's public keys: a JWK set (RFC 7517), and how each key verifies (RFC 7518, RFC 8037).
//!
//! INVARIANT (the key says how): which algorithms may be tried is the key's to say, by its kind and its `alg`. A
//! token's header chooses among these alone, so that nothing is verified with a public key as a shared secret.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use ring::signature::{
    self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Map, Value};

use super::fault::TokenFault;
use super::json;

/// The longest JWK set, in bytes.
pub(super) const LONGEST_SET: u64 = 256 * 1024;
/// How many keys a set may have.
const MOST_KEYS: usize = 100;
/// The shortest RSA key, in bits (RFC 7518, section 3.3); ring's longest.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// An algorithm that signs tokens with a key pair (RFC 7518, section 3.1; RFC 8037, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// By its name. `none` and the `HS` family have none.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            // RFC 9864 calls EdDSA by the curve.
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }
}

/// The keys that a provider publishes, as far as they can verify anything.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    kid: Option<String>,
    alg: Option<Algorithm>,
    public: Public,
}

#[derive(Debug)]
enum Public {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl KeySet {
    /// A JWK set (RFC 7517, section 5). Keys of other kinds and for other uses are left out, as are keys that are weak,
    /// malformed, or published with their private part.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let set = json::object(bytes).map_err(|error| format!("its JWK set: {error}"))?;
        let Some(Value::Array(keys)) = set.get("keys") else {
            return Err("its JWK set has no keys".to_owned());
        };
        if keys.len() > MOST_KEYS {
            return Err(format!("its JWK set has more than {MOST_KEYS} keys"));
        }
        let keys: Vec<Key> = keys.iter().filter_map(|key| Key::read(key.as_object()?)).collect();
        match keys.is_empty() {
            true => Err(
                "its JWK set has no key that can be used: RSA of 2048 bits or more, P-256, P-384 or Ed25519, for signatures"
                    .to_owned(),
            ),
            false => Ok(Self(keys)),
        }
    }

    /// Verifies a signature by the key that is called `kid`, or by the one that fits where no name is given.
    pub(super) fn verify(
        &self,
        kid: Option<&str>,
        alg: Algorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenFault> {
        let mut fitting = self.0.iter().filter(|key| match kid {
            Some(kid) => key.kid.as_deref() == Some(kid),
            None => key.fits(alg),
        });
        let key = fitting.next().ok_or(TokenFault::NoKey)?;
        if fitting.next().is_some() {
            return Err(TokenFault::ManyKeys);
        }
        if !key.fits(alg) {
            return Err(TokenFault::KeyAlgorithm);
        }
        key.public.verify(alg, signed, signature)
    }
}

impl Key {
    /// `None` where it is for something else, or for nothing.
    fn read(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let is_for_signatures = jwk.get("use").is_none_or(|it| it == "sig")
            && jwk.get("key_ops").is_none_or(|it| {
                it.as_array().is_some_and(|them| them.iter().any(|it| it == "verify"))
            });
        // Whoever publishes this has nothing left that nobody else could sign with.
        let is_public = !jwk.contains_key("d");
        if !is_for_signatures || !is_public {
            return None;
        }
        let public = match (text("kty")?, text("crv")) {
            ("RSA", _) => Public::rsa(text("n")?, text("e")?)?,
            ("EC", Some("P-256")) => Public::P256(point(32, text("x")?, text("y")?)?),
            ("EC", Some("P-384")) => Public::P384(point(48, text("x")?, text("y")?)?),
            ("OKP", Some("Ed25519")) => Public::Ed25519(bytes(text("x")?, 32)?),
            _ => return None,
        };
        let kid = match jwk.get("kid") {
            Some(kid) => Some(kid.as_str()?.to_owned()),
            None => None,
        };
        // A key for an algorithm that nobody knows is not for those that we know.
        let alg = match jwk.get("alg") {
            Some(alg) => Some(Algorithm::named(alg.as_str()?)?),
            None => None,
        };
        Some(Self { kid, alg, public })
    }

    fn fits(&self, alg: Algorithm) -> bool {
        self.alg.is_none_or(|own| own == alg) && self.public.fits(alg)
    }
}

impl Public {
    fn rsa(n: &str, e: &str) -> Option<Self> {
        let decode = |text| Base64UrlUnpadded::decode_vec(text).ok();
        let (n, e) = (decode(n)?, decode(e)?);
        let bits = n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?;
        RSA_BITS.contains(&bits).then_some(Self::Rsa { n, e })
    }

    fn fits(&self, alg: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        match self {
            Self::Rsa { .. } => matches!(alg, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
            Self::P256(_) => alg == Es256,
            Self::P384(_) => alg == Es384,
            Self::Ed25519(_) => alg == EdDsa,
        }
    }

    fn verify(&self, alg: Algorithm, signed: &[u8], signature: &[u8]) -> Result<(), TokenFault> {
        let by = |how: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(how, key).verify(signed, signature)
        };
        let verified = match self {
            Self::Rsa { n, e } => {
                let how = rsa_parameters(alg).ok_or(TokenFault::KeyAlgorithm)?;
                RsaPublicKeyComponents { n, e }.verify(how, signed, signature)
            }
            Self::P256(point) => by(&signature::ECDSA_P256_SHA256_FIXED, point),
            Self::P384(point) => by(&signature::ECDSA_P384_SHA384_FIXED, point),
            Self::Ed25519(key) => by(&signature::ED25519, key),
        };
        verified.map_err(|_| TokenFault::Signature)
    }
}

fn rsa_parameters(alg: Algorithm) -> Option<&'static RsaParameters> {
    Some(match alg {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return None,
    })
}

/// An uncompressed point (SEC 1, section 2.3.3) of two coordinates at their full length (RFC 7518, section 6.2.1.2).
fn point(length: usize, x: &str, y: &str) -> Option<Vec<u8>> {
    Some([vec![4], bytes(x, length)?, bytes(y, length)?].concat())
}

fn bytes(text: &str, length: usize) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok().filter(|bytes| bytes.len() == length)
}
