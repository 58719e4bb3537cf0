//! Certificate requests (PKCS#10, RFC 2986), of which the public key is read and nothing else.
//!
//! INVARIANT (nothing from the caller): the names, usages and constraints that a request asks for
//! are never looked at, so none can find its way into a certificate.

use jit_ca_core::KeyType;
use x509_parser::prelude::{FromDer as _, X509CertificationRequest};

use crate::{Error, SubjectKey};

/// The public key of a request in DER, once its signature has proven that the caller has the private one.
///
/// # Errors
/// If it is no request, holds a key that [`SubjectKey::from_spki`] refuses, is signed with SHA-1 or
/// anything else unusual, or not by that key.
pub fn public_key(der: &[u8]) -> Result<SubjectKey, Error> {
    if der.len() > LONGEST {
        return Err(Error::Request("it is longer than 16 KiB"));
    }
    let (rest, request) = X509CertificationRequest::from_der(der)
        .map_err(|_| Error::Request("it is not DER of a PKCS#10 request"))?;
    if !rest.is_empty() {
        return Err(Error::Request("bytes follow it"));
    }
    let key = SubjectKey::from_spki(request.certification_request_info.subject_pki.raw)?;
    // The parser verifies SHA-1 as well, so the list is ours.
    let accepted: &[&str] = match key.key_type() {
        KeyType::Ed25519 => &["1.3.101.112"],
        KeyType::EcdsaP256 | KeyType::EcdsaP384 => &[ECDSA_WITH_SHA256, ECDSA_WITH_SHA384],
        KeyType::Rsa => &[RSA_WITH_SHA256, RSA_WITH_SHA384, RSA_WITH_SHA512],
    };
    if !accepted.contains(&request.signature_algorithm.algorithm.to_id_string().as_str()) {
        return Err(Error::Request(
            "its signature has to be ed25519, ECDSA with SHA-256 or SHA-384, or RSA (PKCS #1 v1.5) with SHA-256, 384 \
             or 512: openssl req -new -sha256",
        ));
    }
    request.verify_signature().map_err(|_| Error::Possession)?;
    Ok(key)
}

/// Room for many names, all to be ignored.
const LONGEST: usize = 16 * 1024;
const ECDSA_WITH_SHA256: &str = "1.2.840.10045.4.3.2";
const ECDSA_WITH_SHA384: &str = "1.2.840.10045.4.3.3";
const RSA_WITH_SHA256: &str = "1.2.840.113549.1.1.11";
const RSA_WITH_SHA384: &str = "1.2.840.113549.1.1.12";
const RSA_WITH_SHA512: &str = "1.2.840.113549.1.1.13";
