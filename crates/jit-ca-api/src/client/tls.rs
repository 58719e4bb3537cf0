//! TLS to the CA: its root, known by the pin, is the one trust anchor.

use std::sync::{Arc, OnceLock};

use jit_ca_core::Digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, OtherError,
    RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::client::Error;

/// The root certificate of a CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootCertificate(CertificateDer<'static>);

/// A login certificate with its issuer's, and its key: who the client is.
pub struct LoginIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl RootCertificate {
    /// Reads a certificate in PEM.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        CertificateDer::from_pem_slice(pem.as_bytes())
            .map(Self)
            .map_err(|error| Error::Root(error.into()))
    }

    /// SHA-256 of the certificate's SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// If it is no certificate.
    pub fn pin(&self) -> Result<Digest, Error> {
        pin_of(&self.0).ok_or_else(|| Error::Root("it is not an X.509 certificate".into()))
    }
}

impl LoginIdentity {
    /// Reads the certificates and the private key, both in PEM.
    ///
    /// # Errors
    /// If one of them can't be read.
    pub fn from_pem(certificates: &str, key: &str) -> Result<Self, Error> {
        let chain = CertificateDer::pem_slice_iter(certificates.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| Error::Login(error.into()))?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| Error::Login(error.into()))?;
        Ok(Self { chain, key })
    }
}

impl std::fmt::Debug for LoginIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginIdentity(hidden)")
    }
}

/// TLS 1.3 with ring, the CA's root alone, and nothing that outlives a connection.
pub(super) fn config(
    pin: Digest,
    root: Option<&RootCertificate>,
    login: Option<&LoginIdentity>,
) -> Result<(Arc<ClientConfig>, Arc<PinVerifier>), Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(PinVerifier {
        pin,
        kept: root.map(|root| root.0.clone()),
        found: OnceLock::new(),
        provider: Arc::clone(&provider),
    });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Error::Login(error.into()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone());
    let mut config = match login {
        None => builder.with_no_client_auth(),
        Some(login) => builder
            .with_client_auth_cert(login.chain.clone(), login.key.clone_key())
            .map_err(|error| Error::Login(error.into()))?,
    };
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), verifier))
}

/// Whether a TLS failure is the CA's no to the login certificate (RFC 8446, section 6.2).
pub(super) fn is_login_refused(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::AlertReceived(
            AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
                | AlertDescription::CertificateRequired
        )
    )
}

/// Accepts a server whose chain leads to the root that the pin names, and which webpki accepts.
///
/// At first contact the root is looked for among the certificates presented; its bytes need no
/// other proof, since nothing of it but the pinned key can make a chain verify.
pub(super) struct PinVerifier {
    pin: Digest,
    kept: Option<CertificateDer<'static>>,
    found: OnceLock<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

/// The chain presented does not lead to the pinned root.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the server's certificates do not lead to the pinned root")]
pub(super) struct WrongPin {
    pub(super) expected: Digest,
    pub(super) presented: Option<Digest>,
}

impl WrongPin {
    pub(super) fn within(error: &rustls::Error) -> Option<Self> {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other))) => {
                other.downcast_ref().cloned()
            }
            _ => None,
        }
    }
}

impl PinVerifier {
    /// The root that a connection was verified by.
    pub(super) fn found(&self) -> Option<RootCertificate> {
        self.found.get().cloned().map(RootCertificate)
    }

    fn wrong_pin(&self, last: &CertificateDer<'_>) -> rustls::Error {
        let wrong = WrongPin { expected: self.pin, presented: pin_of(last) };
        CertificateError::Other(OtherError(Arc::new(wrong))).into()
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let last = intermediates.last().unwrap_or(end_entity);
        let root = self
            .kept
            .iter()
            .chain(intermediates)
            .find(|certificate| pin_of(certificate) == Some(self.pin))
            .ok_or_else(|| self.wrong_pin(last))?;
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        let verified =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map_err(|error| match error {
                    rustls::Error::InvalidCertificate(
                        CertificateError::UnknownIssuer | CertificateError::BadSignature,
                    ) => self.wrong_pin(last),
                    other => other,
                })?;
        self.found.get_or_init(|| root.clone().into_owned());
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl std::fmt::Debug for PinVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PinVerifier").field("pin", &self.pin).finish_non_exhaustive()
    }
}

fn pin_of(certificate: &CertificateDer<'_>) -> Option<Digest> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let spki = certificate.tbs_certificate.subject_pki.raw;
    let digest = ring::digest::digest(&ring::digest::SHA256, spki);
    digest.as_ref().try_into().ok().map(Digest::from_bytes)
}
