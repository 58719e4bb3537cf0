//! P-256 keys for X.509 certificates, with the PKCS#10 request that proves that they are ours.

use jit_ca_core::Digest;
use jit_ca_log::hash::sha256;
use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _,
};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509CertificationRequest};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// A key that a certificate is asked for.
pub(crate) struct RequestKey(KeyPair);

impl RequestKey {
    pub(crate) fn generate() -> Result<Self> {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(Error::key("no key can be made"))
    }

    /// A request for a certificate, as PEM. It says nothing but the key: the CA reads nothing else.
    pub(crate) fn request(&self) -> Result<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .serialize_request(&self.0)
            .and_then(|request| request.pem())
            .map_err(Error::key("the certificate request can't be made"))
    }

    /// The key's SubjectPublicKeyInfo, as DER.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }

    /// SHA-256 of the key's SubjectPublicKeyInfo.
    pub(crate) fn digest(&self) -> Digest {
        sha256(&self.public_key())
    }

    /// The private key, as PKCS#8 in PEM.
    pub(crate) fn private_key(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.serialize_pem())
    }
}

/// A file's text, if it is a PKCS#10 request in PEM, and the SubjectPublicKeyInfo, as DER, that it asks a certificate
/// for.
pub(crate) fn requested(file: &[u8]) -> Option<(String, Vec<u8>)> {
    let pem = str::from_utf8(file).ok()?;
    let der = CertificateSigningRequestDer::from_pem_slice(file).ok()?;
    let (_, request) = X509CertificationRequest::from_der(&der).ok()?;
    Some((pem.to_owned(), request.certification_request_info.subject_pki.raw.to_vec()))
}

/// The SubjectPublicKeyInfo, as DER, of a private key in PKCS#8 as PEM.
pub(crate) fn public_key(pem: &str) -> Option<Vec<u8>> {
    KeyPair::from_pem(pem).ok().map(|key| key.subject_public_key_info())
}

/// Whether the bytes are a PKCS#10 request in DER.
pub(crate) fn is_request(der: &[u8]) -> bool {
    X509CertificationRequest::from_der(der).is_ok()
}

impl std::fmt::Debug for RequestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RequestKey(hidden)")
    }
}
