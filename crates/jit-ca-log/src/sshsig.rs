//! Signatures that people make with their SSH keys: OpenSSH's PROTOCOL.sshsig, verified with ring.
//!
//! What `ssh-keygen -Y sign -n NAMESPACE` and SSH agents make. We are stricter than OpenSSH in
//! three things: the reserved field must be empty, since no signature covers it; the armour must be
//! as `ssh-keygen` writes it, in lines of 70 characters ended by LF; and a key must be of a kind
//! and size that this CA accepts.

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
    VerificationAlgorithm,
};
use ssh_encoding::{Decode as _, Encode as _};
use ssh_key::public::{EcdsaPublicKey, KeyData, RsaPublicKey};
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, LineEnding, Mpint, Signature, SshSig};

use crate::Error;

pub use possession::{prove_possession, verify_possession};

mod possession;

/// Checks that `signature`, as armoured text, is by this key, over this message, for this
/// namespace, and gives it without its armour: the bytes that are kept of it.
///
/// # Errors
/// If it is not, or the key is not ed25519, ECDSA P-256 or P-384, or RSA of 2048 to 8192 bits with
/// SHA-2.
pub fn verify(
    public_key: &KeyData,
    namespace: &str,
    message: &[u8],
    signature: &str,
) -> Result<Vec<u8>, Error> {
    to_blob(&verified(public_key, namespace, message, signature)?)
}

fn verified(
    public_key: &KeyData,
    namespace: &str,
    message: &[u8],
    signature: &str,
) -> Result<SshSig, Error> {
    if signature.len() > LONGEST_SIGNATURE {
        return Err(Error::SshSigTooLong(LONGEST_SIGNATURE));
    }
    let sshsig = SshSig::from_pem(signature).map_err(Error::SshSig)?;
    // ssh-key reads over wrong lengths of nested fields. A signature has one text, the one that
    // ssh-keygen writes.
    let written = sshsig.to_pem(LineEnding::LF).map_err(Error::SshSig)?;
    if written.trim_end() != signature.trim_end() {
        return Err(Error::SshSig(ssh_key::Error::FormatEncoding));
    }
    check(public_key, namespace, message, &sshsig)?;
    Ok(sshsig)
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
    let sshsig = SshSig::decode(&mut &*signature).map_err(Error::SshSig)?;
    if to_blob(&sshsig)? != signature {
        return Err(Error::SshSig(ssh_key::Error::FormatEncoding));
    }
    check(public_key, namespace, message, &sshsig)
}

fn check(
    public_key: &KeyData,
    namespace: &str,
    message: &[u8],
    sshsig: &SshSig,
) -> Result<(), Error> {
    if sshsig.version() != SshSig::VERSION || !sshsig.reserved().is_empty() {
        return Err(Error::SshSig(ssh_key::Error::FormatEncoding));
    }
    // The key that a signature brings along proves nothing: it must be the one that we know.
    if sshsig.public_key() != public_key {
        return Err(Error::OtherKey);
    }
    // What an agent signed in good faith for another purpose must not count here.
    if sshsig.namespace() != namespace {
        let (expected, found) = (namespace.to_owned(), sshsig.namespace().to_owned());
        return Err(Error::Namespace { expected, found });
    }
    // PROTOCOL.sshsig section 3: the key signs not the message but its hash, with the namespace.
    let signed = SshSig::signed_data(namespace, sshsig.hash_alg(), message);
    verify_raw(public_key, &signed.map_err(Error::SshSig)?, sshsig.signature())
}

fn to_blob(sshsig: &SshSig) -> Result<Vec<u8>, Error> {
    let mut blob = Vec::new();
    sshsig.encode(&mut blob).map_err(|error| Error::SshSig(error.into()))?;
    Ok(blob)
}

fn verify_raw(key: &KeyData, signed: &[u8], signature: &Signature) -> Result<(), Error> {
    let bytes = signature.as_bytes();
    match (key, signature.algorithm()) {
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

/// An RSA key of 8192 bits and its signature take some 3 KiB of base64.
const LONGEST_SIGNATURE: usize = 8 * 1024;

#[cfg(test)]
mod tests;
