//! What a CA gave: read, and checked as far as its client would.

use base64ct::{Base64, Encoding as _};
use jit_ca_log::hash::sha256;
use jit_ca_log::{LogKey, Proof};
use ring::signature::{ED25519, UnparsedPublicKey};
use ssh_key::public::KeyData;
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo, X509Certificate};

use crate::Result;

/// A certificate as it came, not read yet.
pub(crate) struct Given {
    pub(crate) certificate: Form,
    /// The proof that a log holds it.
    pub(crate) proof: Option<String>,
}

/// The forms in which CAs give certificates.
pub(crate) enum Form {
    /// A line such as that of a `-cert.pub` file.
    SshLine(String),
    /// An SSH certificate in its wire form.
    SshBlob(Vec<u8>),
    /// PEM, the leaf first.
    X509(String),
}

/// By what certificates are checked.
#[derive(Default)]
pub(crate) struct Trusted {
    /// The point of the CA's ed25519 key; any if there is none.
    pub(crate) ssh: Option<Vec<u8>>,
    /// The SubjectPublicKeyInfo of the CA.
    pub(crate) x509: Option<Vec<u8>>,
    /// The log's key, where there is a log.
    pub(crate) log: Option<LogKey>,
}

/// The ends of an SSH certificate of an ed25519 CA: the signature is a string of two (RFC 8709).
const SSH_SIGNATURE: usize = 4 + (4 + "ssh-ed25519".len()) + (4 + 64);

impl Trusted {
    /// Reads the certificate; it has to be of this key, for about half an hour. Where `deep`, it has to be signed by
    /// the CA too, and the log has to hold what was signed.
    ///
    /// # Errors
    /// If it is not so.
    pub(crate) fn check(&self, given: Given, point: &[u8], now: u64, deep: bool) -> Result<()> {
        let (until, signed) = match given.certificate {
            Form::SshLine(line) => {
                let blob = line.split(' ').nth(1).ok_or("the certificate is no line")?;
                self.check_ssh(&Base64::decode_vec(blob.trim_end())?, point, deep)?
            }
            Form::SshBlob(blob) => self.check_ssh(&blob, point, deep)?,
            Form::X509(pem) => self.check_x509(&pem, point, deep)?,
        };
        if !LIFETIMES.contains(&until.saturating_sub(now)) {
            return Err("the lifetime is not about half an hour".into());
        }
        if let (true, Some(key)) = (deep, &self.log) {
            let proof: Proof = given.proof.ok_or("no proof")?.parse()?;
            let (leaf, _) = proof.verify(key)?;
            if leaf.tbs != Some(sha256(&signed)) {
                return Err("the log holds something else".into());
            }
        }
        Ok(())
    }

    /// Gives the end of the validity and what was signed.
    fn check_ssh(&self, blob: &[u8], point: &[u8], deep: bool) -> Result<(u64, Vec<u8>)> {
        let certificate = ssh_key::Certificate::from_bytes(blob)?;
        let key = certificate.public_key().ed25519().ok_or("no ed25519 certificate")?;
        if key.0 != point {
            return Err("the certificate has another key".into());
        }
        let mut signed = Vec::new();
        if deep {
            let KeyData::Ed25519(ca) = certificate.signature_key() else {
                return Err("no ed25519 CA".into());
            };
            if self.ssh.as_ref().is_some_and(|trusted| trusted != &ca.0) {
                return Err("another CA's certificate".into());
            }
            let end = blob.len().checked_sub(SSH_SIGNATURE).ok_or("no signature")?;
            signed = blob[..end].to_vec();
            let signature = certificate.signature().as_bytes();
            let verified = UnparsedPublicKey::new(&ED25519, ca.0).verify(&signed, signature);
            verified.map_err(|_| "the CA has not signed the certificate")?;
        }
        Ok((certificate.valid_before(), signed))
    }

    fn check_x509(&self, pem: &str, point: &[u8], deep: bool) -> Result<(u64, Vec<u8>)> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes())?;
        let (_, certificate) = X509Certificate::from_der(&pem.contents)?;
        if *certificate.public_key().subject_public_key.data != *point {
            return Err("the certificate has another key".into());
        }
        let mut signed = Vec::new();
        if let (true, Some(ca)) = (deep, &self.x509) {
            let (_, ca) = SubjectPublicKeyInfo::from_der(ca)?;
            certificate.verify_signature(Some(&ca))?;
            signed = certificate.tbs_certificate.as_ref().to_vec();
        }
        Ok((certificate.validity().not_after.timestamp().try_into()?, signed))
    }
}

/// Seconds. A grant runs while it is measured with.
const LIFETIMES: std::ops::RangeInclusive<u64> = 600..=3700;

/// The SubjectPublicKeyInfo of a certificate in PEM.
///
/// # Errors
/// If it is none.
pub(crate) fn public_key_of(pem: &[u8]) -> Result<Vec<u8>> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem)?;
    let (_, certificate) = X509Certificate::from_der(&pem.contents)?;
    Ok(certificate.public_key().raw.to_vec())
}
