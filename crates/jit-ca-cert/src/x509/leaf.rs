//! What leaves say: for clients, for logins, for servers.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jit_ca_core::{ActorRef, GrantId, IssuanceId, RoleName, Span, Window};
use rcgen::SanType;
use x509_parser::extensions::GeneralName;

use super::ca::CaCertificate;
use super::read::{COMMON_NAME, ORGANIZATIONAL_UNIT, Reading, SERIAL_NUMBER};
use super::write::{self, Draft, Form};
use crate::intent::{Parts, Profile, Sealed, Signed};
use crate::purpose::{Clients, Issuing, KeyPurpose, Logins, Servers};
use crate::{Error, Lint, PublicKey, ServerName, SubjectKey, SubjectName, TrustDomain, text};

/// No login certificate is valid for longer.
pub const LONGEST_LOGIN: Span = Span::from_secs(12 * 60 * 60);

/// What a grant's X.509 certificate says: who, in which role, under which grant.
///
/// ```text
/// subject  CN=<name>, OU=<role>, serialNumber=<grant>
/// SAN      URI:spiffe://<trust domain>/role/<role>/person/<ref>
/// ```
///
/// One URI and no more, as SPIFFE demands (X.509-SVID 2). Services tell roles apart by the OU
/// (nginx), by the whole name (PostgreSQL) or by the URI (Envoy).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Whose private key uses it.
    pub key: SubjectKey,
    /// The issuance that it is the outcome of.
    pub issuance: IssuanceId,
    /// What the subject is called.
    pub name: SubjectName,
    /// The subject's pseudonym, which stays when the name changes.
    pub subject: ActorRef,
    /// The role.
    pub role: RoleName,
    /// The grant that it is issued under.
    pub grant: GrantId,
    /// Where the ids in it are known.
    pub trust_domain: TrustDomain,
    /// When it is valid: the grant's window, or one inside it.
    pub window: Window,
}

/// What a login certificate says: who may talk to the CA with this key.
///
/// ```text
/// subject  CN=<name>, serialNumber=<ref>
/// SAN      URI:spiffe://<trust domain>/login/<ref>
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginCertificate {
    /// The login key.
    pub key: SubjectKey,
    /// The issuance that it is the outcome of.
    pub issuance: IssuanceId,
    /// What the subject is called.
    pub name: SubjectName,
    /// The subject's pseudonym.
    pub subject: ActorRef,
    /// Where the ids in it are known.
    pub trust_domain: TrustDomain,
    /// When it is valid: at most [`LONGEST_LOGIN`].
    pub window: Window,
}

/// What the daemon's own TLS certificate says. It is renewed daily, so a [`Window`] is long enough.
///
/// The subject is empty: clients go by the names (RFC 6125).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCertificate {
    /// The server's key.
    pub key: SubjectKey,
    /// The issuance that it is the outcome of.
    pub issuance: IssuanceId,
    /// What clients know it by; at least one name.
    pub names: BTreeSet<ServerName>,
    /// When it is valid.
    pub window: Window,
}

/// A leaf of the issuing CA `P`.
trait Leaf: Sized {
    type Ca: Issuing;
    const LONGEST: Span = Span::LONGEST_GRANT;

    fn draft(&self) -> Result<Draft<'_, SubjectKey>, Error>;

    fn read(reading: &mut Reading<'_>, common: Common) -> Result<Self, Lint>;
}

/// What all leaves have.
struct Common {
    key: SubjectKey,
    issuance: IssuanceId,
    window: Window,
}

macro_rules! leaf {
    ($type:ty, $ca:ty) => {
        impl Sealed for $type {}

        impl Profile for $type {
            type Purpose = $ca;
            type Issuer = CaCertificate<$ca>;

            fn issuer_key(issuer: &Self::Issuer) -> &PublicKey {
                issuer.key()
            }

            fn write(&self, issuer: &Self::Issuer) -> Result<Vec<u8>, Error> {
                write::write(&self.draft()?, issuer.common_name(), issuer.key())
            }

            fn finish(to_be_signed: &[u8], signature: &[u8]) -> Vec<u8> {
                write::finish(<$ca>::PURPOSE.algorithm(), to_be_signed, signature)
            }

            fn signature<'c>(certificate: &'c [u8], to_be_signed: &[u8]) -> Option<&'c [u8]> {
                super::read::signature(certificate, to_be_signed, <$ca>::PURPOSE.algorithm())
            }

            fn read(certificate: &[u8], issuer: &Self::Issuer) -> Result<Parts<Self>, Lint> {
                read(certificate, issuer)
            }

            fn text(certificate: &Signed<Self>) -> String {
                text::pem("CERTIFICATE", certificate.as_bytes())
            }
        }
    };
}

leaf!(ClientCertificate, Clients);
leaf!(LoginCertificate, Logins);
leaf!(ServerCertificate, Servers);

fn read<L: Leaf>(certificate: &[u8], issuer: &CaCertificate<L::Ca>) -> Result<Parts<L>, Lint> {
    let mut reading = Reading::new(certificate, L::Ca::PURPOSE.algorithm())?;
    reading.issuer(issuer.common_name())?;
    reading.authority(issuer.key())?;
    let window = reading.window(L::LONGEST)?;
    // Stricter than RFC 5280 6.1, under which it would end with its issuer's in most verifiers.
    if window.end() > issuer.end() {
        return Err(Lint::OutlivesIssuer);
    }
    let common = Common { key: reading.subject_key()?, issuance: reading.issuance()?, window };
    reading.leaf_extensions(L::Ca::USAGE)?;
    let content = L::read(&mut reading, common)?;
    reading.finish(content)
}

impl Leaf for ClientCertificate {
    type Ca = Clients;

    fn draft(&self) -> Result<Draft<'_, SubjectKey>, Error> {
        let id =
            format!("spiffe://{}/role/{}/person/{}", self.trust_domain, self.role, self.subject);
        Ok(Draft {
            issuance: self.issuance,
            validity: write::between(self.window.start(), self.window.end()),
            key: &self.key,
            subject: vec![
                write::common_name(self.name.as_str()),
                write::organizational_unit(self.role.as_str()),
                write::serial_number(&self.grant.to_string())?,
            ],
            form: Form::Leaf { usage: Clients::USAGE, names: vec![write::uri(&id)?] },
        })
    }

    fn read(reading: &mut Reading<'_>, common: Common) -> Result<Self, Lint> {
        let Common { key, issuance, window } = common;
        let [name, role, grant] =
            reading.subject([COMMON_NAME, ORGANIZATIONAL_UNIT, SERIAL_NUMBER])?;
        let name = name.parse().map_err(|_| Lint::Subject)?;
        let role: RoleName = role.parse().map_err(|_| Lint::Subject)?;
        let grant = grant.parse().map_err(|_| Lint::Subject)?;
        let id = spiffe_id(reading)?;
        let (trust_domain, path) = id.split_once('/').ok_or(Lint::SubjectAltName)?;
        let subject = path
            .strip_prefix(&format!("role/{role}/person/"))
            .and_then(|subject| subject.parse().ok())
            .ok_or(Lint::SubjectAltName)?;
        let trust_domain = trust_domain.parse().map_err(|_| Lint::SubjectAltName)?;
        Ok(Self { key, issuance, name, subject, role, grant, trust_domain, window })
    }
}

impl Leaf for LoginCertificate {
    type Ca = Logins;
    const LONGEST: Span = LONGEST_LOGIN;

    fn draft(&self) -> Result<Draft<'_, SubjectKey>, Error> {
        let id = format!("spiffe://{}/login/{}", self.trust_domain, self.subject);
        Ok(Draft {
            issuance: self.issuance,
            validity: write::between(self.window.start(), self.window.end()),
            key: &self.key,
            subject: vec![
                write::common_name(self.name.as_str()),
                write::serial_number(&self.subject.to_string())?,
            ],
            form: Form::Leaf { usage: Logins::USAGE, names: vec![write::uri(&id)?] },
        })
    }

    fn read(reading: &mut Reading<'_>, common: Common) -> Result<Self, Lint> {
        let Common { key, issuance, window } = common;
        let [name, subject] = reading.subject([COMMON_NAME, SERIAL_NUMBER])?;
        let name = name.parse().map_err(|_| Lint::Subject)?;
        let subject: ActorRef = subject.parse().map_err(|_| Lint::Subject)?;
        let trust_domain = spiffe_id(reading)?
            .strip_suffix(&format!("/login/{subject}"))
            .and_then(|domain| domain.parse().ok())
            .ok_or(Lint::SubjectAltName)?;
        Ok(Self { key, issuance, name, subject, trust_domain, window })
    }
}

impl Leaf for ServerCertificate {
    type Ca = Servers;

    fn draft(&self) -> Result<Draft<'_, SubjectKey>, Error> {
        let names = self.names.iter().map(|name| match name {
            ServerName::Dns(name) => write::dns(name.as_str()),
            ServerName::Ip(address) => Ok(SanType::IpAddress(*address)),
        });
        Ok(Draft {
            issuance: self.issuance,
            validity: write::between(self.window.start(), self.window.end()),
            key: &self.key,
            subject: Vec::new(),
            form: Form::Leaf { usage: Servers::USAGE, names: names.collect::<Result<_, _>>()? },
        })
    }

    fn read(reading: &mut Reading<'_>, common: Common) -> Result<Self, Lint> {
        let Common { key, issuance, window } = common;
        let [] = reading.subject([])?;
        let found = reading.alternative_names(true)?;
        let names: BTreeSet<_> = found.iter().filter_map(server_name).collect();
        // Equal in number: each was a name of a known kind, and none stood there twice.
        if names.is_empty() || names.len() != found.len() {
            return Err(Lint::SubjectAltName);
        }
        Ok(Self { key, issuance, names, window })
    }
}

/// What follows `spiffe://` in the one alternative name.
fn spiffe_id(reading: &mut Reading<'_>) -> Result<String, Lint> {
    match reading.alternative_names(false)?.as_slice() {
        [GeneralName::URI(id)] => {
            id.strip_prefix("spiffe://").map(str::to_owned).ok_or(Lint::SubjectAltName)
        }
        _ => Err(Lint::SubjectAltName),
    }
}

fn server_name(name: &GeneralName<'_>) -> Option<ServerName> {
    match name {
        GeneralName::DNSName(name) => name.parse().ok().map(ServerName::Dns),
        GeneralName::IPAddress(octets) => {
            let address = match octets.len() {
                4 => <[u8; 4]>::try_from(*octets).ok().map(IpAddr::from),
                16 => <[u8; 16]>::try_from(*octets).ok().map(IpAddr::from),
                _ => None,
            };
            address.map(ServerName::Ip)
        }
        _ => None,
    }
}
