//! SSH host certificates: by them clients know a host that they have never seen.

use std::collections::BTreeSet;

use jit_ca_core::{HostName, IssuanceId, Span, UnixTime};
use ssh_key::certificate::{Builder, CertType};
use ssh_key::public::KeyData;

use super::{KEY_ID_PREFIX, SshSerial, certificate_type, finish, key_data, noted, read};
use crate::intent::{Parts, Profile, Sealed, Signed};
use crate::purpose::SshHost;
use crate::stand_in::StandIn;
use crate::{BACKDATE, Error, Lint, PublicKey, SubjectKey, text};

/// No host certificate is valid for longer: a host that is gone is believed for so long.
pub const LONGEST_HOST: Span = Span::from_secs(30 * 24 * 60 * 60);

/// What a host's SSH certificate says: no more than that these are its names. There is no wildcard, as no [`HostName`]
/// can hold one, and neither a critical option nor an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCertificate {
    /// The host key.
    pub key: SubjectKey,
    /// Its number, once for ever.
    pub serial: SshSerial,
    /// The issuance that it is the outcome of.
    pub issuance: IssuanceId,
    /// What the host is called.
    pub host: HostName,
    /// What it is called besides. With its name they are the principals, which ssh compares with what it was told to
    /// connect to.
    ///
    /// INVARIANT (principals never empty): the host's name is always one of them.
    pub aliases: BTreeSet<HostName>,
    /// From when it is valid, up to [`BACKDATE`] earlier.
    pub issued: UnixTime,
    /// From when it is valid no more: at most [`LONGEST_HOST`] later.
    pub end: UnixTime,
    /// 32 random bytes, against collisions in the hash that is signed.
    pub nonce: [u8; 32],
}

impl HostCertificate {
    /// What key revocation lists name: `jit-ca:host:<issuance>:<host>`.
    pub fn key_id(&self) -> String {
        format!("{KEY_ID_PREFIX}:host:{}:{}", self.issuance, self.host)
    }
}

impl Sealed for HostCertificate {}

impl Profile for HostCertificate {
    type Purpose = SshHost;
    type Issuer = PublicKey;

    fn issuer_key(issuer: &PublicKey) -> &PublicKey {
        issuer
    }

    fn write(&self, issuer: &PublicKey) -> Result<Vec<u8>, Error> {
        noted(issuer, |ca| write(self, ca))
    }

    fn finish(to_be_signed: &[u8], signature: &[u8]) -> Vec<u8> {
        finish(to_be_signed, signature)
    }

    fn signature<'c>(certificate: &'c [u8], to_be_signed: &[u8]) -> Option<&'c [u8]> {
        read::signature(certificate.strip_prefix(to_be_signed)?).ok()
    }

    fn read(certificate: &[u8], issuer: &PublicKey) -> Result<Parts<Self>, Lint> {
        read::host_certificate(certificate, issuer)
    }

    fn text(certificate: &Signed<Self>) -> String {
        let content = certificate.content();
        let kind = certificate_type(content.key.key_type());
        text::openssh(kind, certificate.as_bytes(), &content.key_id())
    }
}

fn write(content: &HostCertificate, ca: &StandIn<KeyData>) -> ssh_key::Result<()> {
    let mut builder = Builder::new(
        content.nonce,
        key_data(&content.key.ssh_blob())?,
        content.issued.minus(BACKDATE).secs(),
        content.end.secs(),
    )?;
    builder.serial(content.serial.as_u64())?.cert_type(CertType::Host)?.key_id(content.key_id())?;
    let mut names = content.aliases.clone();
    names.insert(content.host.clone());
    for name in &names {
        builder.valid_principal(name.as_str())?;
    }
    builder.sign(ca).map(drop)
}
