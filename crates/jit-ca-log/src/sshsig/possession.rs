//! Proofs that a caller has the SSH key to be certified: of an SSHSIG, what can't be made again.
//!
//! Key, namespace and message are known from the entry that keeps the proof, so that of the signature its hash's name
//! and the number that is signed are left: the 64 bytes of ed25519, r and s of ECDSA at the curve's full width, or of RSA
//! what PKCS #1 v1.5 with SHA-512 makes, as OpenSSH does it here.

use jit_ca_core::Bytes;
use jit_ca_core::event::ProofOfPossession;
use jit_ca_core::statement::Kind;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA512,
};
use ssh_key::public::{EcdsaPublicKey, KeyData};
use ssh_key::{Algorithm, HashAlg, SshSig};

use super::blob::{self, Blob};
use super::{check, fixed, verify_rsa, verify_with};
use crate::Error;

/// Checks that `signature`, as armoured text, is by this key, over this possession statement, and gives what is kept of
/// it.
///
/// # Errors
/// If it is not, or is an RSA key's with another hash than SHA-512.
pub fn prove_possession(
    public_key: &KeyData,
    statement: &str,
    signature: &str,
) -> Result<ProofOfPossession, Error> {
    let namespace = Kind::Possession.namespace();
    let blob = blob::from_armour(signature)?;
    let blob = Blob::read(&blob)?;
    check(public_key, &namespace, statement.as_bytes(), &blob)?;
    let bytes = blob.signature;
    let kept = match public_key {
        KeyData::Ed25519(_) => bytes.to_vec(),
        KeyData::Ecdsa(EcdsaPublicKey::NistP256(_)) => fixed::<32>(bytes)?,
        KeyData::Ecdsa(EcdsaPublicKey::NistP384(_)) => fixed::<48>(bytes)?,
        KeyData::Rsa(_) if blob.algorithm == RSA_SHA512 => bytes.to_vec(),
        key => return Err(Error::Algorithm(key.algorithm().to_string())),
    };
    match blob.hash {
        HashAlg::Sha256 => Ok(ProofOfPossession::Sha256(kept.into())),
        HashAlg::Sha512 => Ok(ProofOfPossession::Sha512(kept.into())),
        other => Err(Error::Algorithm(other.to_string())),
    }
}

/// Checks that a proof, as [`prove_possession`] gave it, is by this key, over this possession statement.
///
/// # Errors
/// As [`prove_possession`].
pub fn verify_possession(
    public_key: &KeyData,
    statement: &str,
    proof: &ProofOfPossession,
) -> Result<(), Error> {
    let (hash, kept): (HashAlg, &Bytes) = match proof {
        ProofOfPossession::Sha256(kept) => (HashAlg::Sha256, kept),
        ProofOfPossession::Sha512(kept) => (HashAlg::Sha512, kept),
        ProofOfPossession::Pkcs10(_) => return Err(Error::Signature),
    };
    let signed = SshSig::signed_data(&Kind::Possession.namespace(), hash, statement.as_bytes())
        .map_err(Error::SshSig)?;
    match public_key {
        KeyData::Ed25519(key) => verify_with(&ED25519, key.as_ref(), &signed, kept.as_slice()),
        KeyData::Ecdsa(EcdsaPublicKey::NistP256(key)) => {
            verify_with(&ECDSA_P256_SHA256_FIXED, key.as_bytes(), &signed, kept.as_slice())
        }
        KeyData::Ecdsa(EcdsaPublicKey::NistP384(key)) => {
            verify_with(&ECDSA_P384_SHA384_FIXED, key.as_bytes(), &signed, kept.as_slice())
        }
        KeyData::Rsa(key) => verify_rsa(key, &RSA_PKCS1_2048_8192_SHA512, &signed, kept.as_slice()),
        key => Err(Error::Algorithm(key.algorithm().to_string())),
    }
}

const RSA_SHA512: Algorithm = Algorithm::Rsa { hash: Some(HashAlg::Sha512) };
