//! The CA's own certificates: the root's, and those of the issuing CAs that it signs.

use std::marker::PhantomData;

use jit_ca_core::{IssuanceId, Span, UnixTime};

use super::read::{COMMON_NAME, Reading, root_key, signature};
use super::write::{self, Draft, Form};
use crate::intent::{self, Parts, Profile, Sealed, Signed};
use crate::purpose::{Issuing, Purpose, Root};
use crate::{CaName, Error, Key, Lint, PublicKey, text};

/// How long a root's certificate is valid: ten years.
pub const ROOT_LIFETIME: Span = Span::from_secs(3_652 * 24 * 60 * 60);

/// How long an issuing CA's certificate is valid: a year.
pub const ISSUING_LIFETIME: Span = Span::from_secs(365 * 24 * 60 * 60);

/// What the root's self-signed certificate says: `CN=<name> Root`, path length 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootCertificate {
    /// What the CA is called.
    pub name: CaName,
    /// The issuance that it is the outcome of.
    pub issuance: IssuanceId,
    /// From when on it is valid, for [`ROOT_LIFETIME`].
    pub issued: UnixTime,
}

/// What the certificate of the issuing CA `P` says: `CN=<name> <title>`, path length 0, one usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuingCertificate<P> {
    name: CaName,
    key: PublicKey,
    issuance: IssuanceId,
    issued: UnixTime,
    purpose: PhantomData<P>,
}

impl<P: Issuing> IssuingCertificate<P> {
    /// The certificate of the CA `name` for this key, valid from `issued` on for [`ISSUING_LIFETIME`].
    pub fn new(name: CaName, key: &Key<P>, issuance: IssuanceId, issued: UnixTime) -> Self {
        Self { name, key: key.public().clone(), issuance, issued, purpose: PhantomData }
    }
}

/// The certificate of the CA `P`, read and verified: what must be known of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaCertificate<P> {
    der: Vec<u8>,
    common_name: String,
    key: PublicKey,
    end: UnixTime,
    purpose: PhantomData<P>,
}

impl CaCertificate<Root> {
    /// Reads a root's certificate. Whether it is the *right* root its key's pin tells.
    ///
    /// # Errors
    /// If it breaks a rule of its profile, or is not signed by the key in it.
    pub fn root(der: Vec<u8>) -> Result<Self, Error> {
        let key = root_key(&der).map_err(Error::Lint)?;
        let content: RootCertificate = intent::read(&der, &key)?;
        let end = content.issued.plus(ROOT_LIFETIME);
        let common_name = root_name(&content.name);
        Ok(Self { der, common_name, key, end, purpose: PhantomData })
    }
}

impl<P: Issuing> CaCertificate<P> {
    /// Reads an issuing CA's certificate, signed by `root`.
    ///
    /// # Errors
    /// If it breaks a rule of the profile of `P`, or `root` did not sign it.
    pub fn issuing(der: Vec<u8>, root: &CaCertificate<Root>) -> Result<Self, Error> {
        let content: IssuingCertificate<P> = intent::read(&der, root)?;
        let end = content.issued.plus(ISSUING_LIFETIME);
        let common_name = issuing_name::<P>(&content.name);
        Ok(Self { der, common_name, key: content.key, end, purpose: PhantomData })
    }
}

impl<P> CaCertificate<P> {
    /// The certificate.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> String {
        text::pem("CERTIFICATE", &self.der)
    }

    /// The CA's public key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The CA's common name, which is its whole name.
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// The first second that it is no longer valid in.
    pub fn end(&self) -> UnixTime {
        self.end
    }
}

impl Sealed for RootCertificate {}

impl Profile for RootCertificate {
    type Purpose = Root;
    type Issuer = PublicKey;

    fn issuer_key(issuer: &PublicKey) -> &PublicKey {
        issuer
    }

    fn write(&self, issuer: &PublicKey) -> Result<Vec<u8>, Error> {
        let name = root_name(&self.name);
        let draft = Draft {
            issuance: self.issuance,
            validity: write::between(self.issued, self.issued.plus(ROOT_LIFETIME)),
            key: issuer,
            subject: vec![write::common_name(&name)],
            form: Form::Ca { usage: None, path_length: 1 },
        };
        write::write(&draft, &name, issuer)
    }

    fn finish(to_be_signed: &[u8], signature: &[u8]) -> Vec<u8> {
        write::finish(Purpose::Root.algorithm(), to_be_signed, signature)
    }

    fn signature<'c>(certificate: &'c [u8], to_be_signed: &[u8]) -> Option<&'c [u8]> {
        signature(certificate, to_be_signed, Purpose::Root.algorithm())
    }

    fn read(certificate: &[u8], issuer: &PublicKey) -> Result<Parts<Self>, Lint> {
        let mut reading = Reading::new(certificate, Purpose::Root.algorithm())?;
        let [common_name] = reading.subject([COMMON_NAME])?;
        let name = common_name.strip_suffix(" Root").and_then(|name| name.parse().ok());
        let name: CaName = name.ok_or(Lint::Subject)?;
        reading.issuer(&root_name(&name))?;
        if reading.public_key()? != *issuer {
            return Err(Lint::SubjectKey);
        }
        let issued = reading.validity_of(ROOT_LIFETIME)?;
        reading.ca_extensions(issuer, None, 1)?;
        let content = Self { name, issuance: reading.issuance()?, issued };
        reading.finish(content)
    }

    fn text(certificate: &Signed<Self>) -> String {
        text::pem("CERTIFICATE", certificate.as_bytes())
    }
}

impl<P: Issuing> Sealed for IssuingCertificate<P> {}

impl<P: Issuing> Profile for IssuingCertificate<P> {
    type Purpose = Root;
    type Issuer = CaCertificate<Root>;

    fn issuer_key(issuer: &CaCertificate<Root>) -> &PublicKey {
        issuer.key()
    }

    fn write(&self, issuer: &CaCertificate<Root>) -> Result<Vec<u8>, Error> {
        let draft = Draft {
            issuance: self.issuance,
            validity: write::between(self.issued, self.issued.plus(ISSUING_LIFETIME)),
            key: &self.key,
            subject: vec![write::common_name(&issuing_name::<P>(&self.name))],
            form: Form::Ca { usage: Some(P::USAGE), path_length: 0 },
        };
        write::write(&draft, issuer.common_name(), issuer.key())
    }

    fn finish(to_be_signed: &[u8], signature: &[u8]) -> Vec<u8> {
        write::finish(Purpose::Root.algorithm(), to_be_signed, signature)
    }

    fn signature<'c>(certificate: &'c [u8], to_be_signed: &[u8]) -> Option<&'c [u8]> {
        signature(certificate, to_be_signed, Purpose::Root.algorithm())
    }

    fn read(certificate: &[u8], issuer: &CaCertificate<Root>) -> Result<Parts<Self>, Lint> {
        let mut reading = Reading::new(certificate, Purpose::Root.algorithm())?;
        reading.issuer(issuer.common_name())?;
        reading.authority(issuer.key())?;
        let [common_name] = reading.subject([COMMON_NAME])?;
        let name = common_name.strip_suffix(P::TITLE).and_then(|name| name.strip_suffix(' '));
        let name = name.and_then(|name| name.parse().ok()).ok_or(Lint::Subject)?;
        let key = reading.public_key()?;
        if key.algorithm() != P::PURPOSE.algorithm() || key == *issuer.key() {
            return Err(Lint::SubjectKey);
        }
        let issued = reading.validity_of(ISSUING_LIFETIME)?;
        if issued.plus(ISSUING_LIFETIME) > issuer.end() {
            return Err(Lint::OutlivesIssuer);
        }
        reading.ca_extensions(&key, Some(P::USAGE), 0)?;
        let content =
            Self { name, key, issuance: reading.issuance()?, issued, purpose: PhantomData };
        reading.finish(content)
    }

    fn text(certificate: &Signed<Self>) -> String {
        text::pem("CERTIFICATE", certificate.as_bytes())
    }
}

fn root_name(name: &CaName) -> String {
    format!("{name} Root")
}

fn issuing_name<P: Issuing>(name: &CaName) -> String {
    format!("{name} {}", P::TITLE)
}
