//! The CA's own X.509 certificates, beside the keys that they are for.

use std::fs;
use std::path::{Path, PathBuf};

use jit_ca_cert::purpose::{Clients, Issuing, KeyPurpose, Logins, Root, Servers};
use jit_ca_cert::x509::CaCertificate;
use jit_ca_cert::{PublicKey, Purpose};
use jit_ca_core::Digest;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::keys::Keys;

/// The root and the CAs below it, read and verified.
#[derive(Debug)]
pub struct Authorities {
    /// The root: its key's hash is the pin.
    pub root: CaCertificate<Root>,
    /// Issues to people.
    pub clients: CaCertificate<Clients>,
    /// Issues to the daemon.
    pub servers: CaCertificate<Servers>,
    /// Issues to logins.
    pub logins: CaCertificate<Logins>,
}

/// A CA certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The file can't be read as a certificate.
    #[error("{} can't be read", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The certificate is not what it should be.
    #[error("the certificate in {} does not hold", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: jit_ca_cert::Error,
    },
    /// The certificate is for another key than the one beside it.
    #[error("the certificate in {} is for another key than the one beside it", .0.display())]
    OtherKey(PathBuf),
}

impl Authorities {
    /// Reads the certificates beside the keys.
    ///
    /// # Errors
    /// If one is missing, does not hold, or is for another key.
    pub fn read(dir: &Path, keys: &Keys) -> Result<Self, AuthorityError> {
        let path = certificate_path(dir, Purpose::Root);
        let root = CaCertificate::root(der(&path)?);
        let root =
            root.map_err(|source| AuthorityError::Certificate { path: path.clone(), source })?;
        if root.key() != keys.root.public() {
            return Err(AuthorityError::OtherKey(path));
        }
        Ok(Self {
            clients: issuing(dir, &root, keys.clients.public())?,
            servers: issuing(dir, &root, keys.servers.public())?,
            logins: issuing(dir, &root, keys.logins.public())?,
            root,
        })
    }

    /// The CA's pin: SHA-256 of the root's SubjectPublicKeyInfo.
    pub fn pin(&self) -> Digest {
        self.root.key().spki_digest()
    }
}

/// Where the certificate of the CA with this purpose lies.
pub fn certificate_path(dir: &Path, purpose: Purpose) -> PathBuf {
    dir.join(format!("{purpose}.crt"))
}

fn issuing<P: Issuing + KeyPurpose>(
    dir: &Path,
    root: &CaCertificate<Root>,
    key: &PublicKey,
) -> Result<CaCertificate<P>, AuthorityError> {
    let path = certificate_path(dir, P::PURPOSE);
    let certificate = CaCertificate::issuing(der(&path)?, root);
    let certificate =
        certificate.map_err(|source| AuthorityError::Certificate { path: path.clone(), source })?;
    if certificate.key() == key { Ok(certificate) } else { Err(AuthorityError::OtherKey(path)) }
}

fn der(path: &Path) -> Result<Vec<u8>, AuthorityError> {
    let fault = |source: Box<dyn std::error::Error + Send + Sync>| AuthorityError::File {
        path: path.to_owned(),
        source,
    };
    let pem = fs::read(path).map_err(|error| fault(error.into()))?;
    let certificate = CertificateDer::from_pem_slice(&pem).map_err(|error| fault(error.into()))?;
    Ok(certificate.to_vec())
}
