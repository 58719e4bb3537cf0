//! Signatures that people make with their SSH keys: OpenSSH's PROTOCOL.sshsig, verified with ring.
//!
//! What `ssh-keygen -Y sign -n NAMESPACE` and SSH agents make. We are stricter than OpenSSH in
//! three things: the reserved field must be empty, since no signature covers it; the armour must be
//! as `ssh-keygen` writes it, in lines of 70 characters ended by LF; and a key must be of a kind
//! and size that this CA accepts. Of keys of security keys, see `security_key`.

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
    VerificationAlgorithm,
};
use ssh_encoding::{Decode as _, Encode as _};
use ssh_key::public::{EcdsaPublicKey, KeyData, RsaPublicKey};
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, Mpint, SshSig};

use crate::Error;
use blob::Blob;

pub use blob::from_armour;
pub use possession::{prove_possession, verify_possession};

mod blob;
mod possession;
mod security_key;

/// Checks that `signature`, as armoured text, is by this key, over this message, for this
/// namespace, and gives it without its armour: the bytes that are kept of it.
///
/// # Errors
/// If it is not, or the key is not ed25519, ECDSA P-256 or P-384, RSA of 2048 to 8192 bits with
/// SHA-2, or one of a security key (`sk-`) that nobody touched.
pub fn verify(
    public_key: &KeyData,
    namespace: &str,
    message: &[u8],
    signature: &str,
) -> Result<Vec<u8>, Error> {
    let blob = blob::from_armour(signature)?;
    verify_blob(public_key, namespace, message, &blob)?;
    Ok(blob)
}

/// Checks that `signature`, without its armour as [`verify`] gave it, is by this key, over this message, for this
/// namespace.
///
/// # Errors
/// As [`verify`].
pub fn verify_blob(
    public_key: &KeyData,
    namespace: &str,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Error> {
    check(public_key, namespace, message, &Blob::read(signature)?)
}

/// The key that the signature, as armoured text, says to be by. It proves nothing before [`verify`] does.
///
/// # Errors
/// If it can't be read.
pub fn key_named_in(signature: &str) -> Result<KeyData, Error> {
    let blob = blob::from_armour(signature)?;
    let mut reader = Blob::read(&blob)?.public_key;
    KeyData::decode(&mut reader).map_err(Error::SshSig)
}

/// Whether a security key says in this signature, without its armour, that it has verified its user, by a PIN or
/// biometrics: that is a second factor. It is so where the signature holds, which covers what it says.
pub fn says_user_verified(signature: &[u8]) -> bool {
    let asserted = Blob::read(signature).ok().and_then(|blob| blob.asserted);
    asserted.is_some_and(security_key::Asserted::is_user_verified)
}

fn check(
    public_key: &KeyData,
    namespace: &str,
    message: &[u8],
    blob: &Blob<'_>,
) -> Result<(), Error> {
    // The key that a signature brings along proves nothing: it must be the one that we know.
    let mut known = Vec::new();
    public_key.encode(&mut known).map_err(|error| Error::SshSig(error.into()))?;
    if blob.public_key != known {
        return Err(Error::OtherKey);
    }
    // What an agent signed in good faith for another purpose must not count here.
    if blob.namespace != namespace {
        let (expected, found) = (namespace.to_owned(), blob.namespace.to_owned());
        return Err(Error::Namespace { expected, found });
    }
    // PROTOCOL.sshsig section 3: the key signs not the message but its hash, with the namespace.
    let signed = SshSig::signed_data(namespace, blob.hash, message);
    verify_raw(public_key, &signed.map_err(Error::SshSig)?, blob)
}

fn verify_raw(key: &KeyData, signed: &[u8], blob: &Blob<'_>) -> Result<(), Error> {
    let bytes = blob.signature;
    match (key, &blob.algorithm) {
        (KeyData::Ed25519(key), Algorithm::Ed25519) => {
            verify_with(&ED25519, key.as_ref(), signed, bytes)
        }
        (
            KeyData::Ecdsa(EcdsaPublicKey::NistP256(key)),
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        ) => {
            let bytes = fixed::<32>(bytes)?;
            verify_with(&ECDSA_P256_SHA256_FIXED, key.as_bytes(), signed, &bytes)
        }
        (
            KeyData::Ecdsa(EcdsaPublicKey::NistP384(key)),
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        ) => {
            let bytes = fixed::<48>(bytes)?;
            verify_with(&ECDSA_P384_SHA384_FIXED, key.as_bytes(), signed, &bytes)
        }
        // RFC 8332: the same key signs with either hash, and the signature says which.
        (KeyData::Rsa(key), Algorithm::Rsa { hash: Some(HashAlg::Sha256) }) => {
            verify_rsa(key, &RSA_PKCS1_2048_8192_SHA256, signed, bytes)
        }
        (KeyData::Rsa(key), Algorithm::Rsa { hash: Some(HashAlg::Sha512) }) => {
            verify_rsa(key, &RSA_PKCS1_2048_8192_SHA512, signed, bytes)
        }
        (KeyData::SkEd25519(key), Algorithm::SkEd25519) => {
            let signed = security_key::signed(key.application(), blob.asserted, signed)?;
            verify_with(&ED25519, key.public_key().as_ref(), &signed, bytes)
        }
        (KeyData::SkEcdsaSha2NistP256(key), Algorithm::SkEcdsaSha2NistP256) => {
            let signed = security_key::signed(key.application(), blob.asserted, signed)?;
            let bytes = fixed::<32>(bytes)?;
            verify_with(&ECDSA_P256_SHA256_FIXED, key.ec_point().as_bytes(), &signed, &bytes)
        }
        (_, algorithm) => Err(Error::Algorithm(algorithm.to_string())),
    }
}

fn verify_with(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    signed: &[u8],
    signature: &[u8],
) -> Result<(), Error> {
    UnparsedPublicKey::new(algorithm, key).verify(signed, signature).map_err(|_| Error::Signature)
}

fn verify_rsa(
    key: &RsaPublicKey,
    parameters: &RsaParameters,
    signed: &[u8],
    signature: &[u8],
) -> Result<(), Error> {
    let (Some(n), Some(e)) = (key.n.as_positive_bytes(), key.e.as_positive_bytes()) else {
        return Err(Error::Signature);
    };
    // ring would say no more than that the signature is wrong.
    if n.len() < 2048 / 8 {
        return Err(Error::Algorithm(format!("RSA of {} bits", 8 * n.len())));
    }
    let key = RsaPublicKeyComponents { n, e };
    key.verify(parameters, signed, signature).map_err(|_| Error::Signature)
}

/// RFC 5656 3.1.2: `r` and `s` are numbers without leading zeros; ring wants both in full width.
fn fixed<const WIDTH: usize>(signature: &[u8]) -> Result<Vec<u8>, Error> {
    let mut reader = signature;
    let mut fixed = Vec::with_capacity(2 * WIDTH);
    for _ in 0..2 {
        let number = Mpint::decode(&mut reader).map_err(Error::SshSig)?;
        let number = number.as_positive_bytes().ok_or(Error::Signature)?;
        let padding = WIDTH.checked_sub(number.len()).ok_or(Error::Signature)?;
        fixed.extend(std::iter::repeat_n(0, padding));
        fixed.extend_from_slice(number);
    }
    if reader.is_empty() { Ok(fixed) } else { Err(Error::Signature) }
}

#[cfg(test)]
mod tests;
