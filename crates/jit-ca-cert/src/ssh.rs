//! SSH certificates, of people and of hosts (PROTOCOL.certkeys, draft-miller-ssh-cert).

use std::collections::BTreeSet;
use std::fmt;

use jit_ca_core::network::Network;
use jit_ca_core::{Extension, GrantId, IssuanceId, KeyType, Principal, Text, Window};
use ssh_key::certificate::{Builder, CertType};
use ssh_key::public::KeyData;

use crate::intent::{Parts, Profile, Sealed, Signed};
use crate::purpose::SshUser;
use crate::stand_in::StandIn;
use crate::{BACKDATE, Error, Lint, PublicKey, SubjectKey, SubjectName, text};

mod host;
mod read;
pub(crate) mod wire;

pub use host::{HostCertificate, LONGEST_HOST};

/// What a person's SSH certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCertificate {
    /// Whose private key uses it.
    pub key: SubjectKey,
    /// Its number, once for ever.
    pub serial: SshSerial,
    /// The grant that it is issued under.
    pub grant: GrantId,
    /// The issuance that it is the outcome of.
    pub issuance: IssuanceId,
    /// What the subject is called.
    pub name: SubjectName,
    /// What hosts map to accounts.
    pub principals: Principals,
    /// When it is valid, up to [`BACKDATE`] earlier.
    ///
    /// INVARIANT (window within grant): `valid_before` is this window's end, and it is exclusive in
    /// SSH. The grant's window, or one inside it.
    pub window: Window,
    /// What a session may do beyond running a command without a terminal. None by default.
    pub extensions: BTreeSet<Extension>,
    /// The one command that it runs, whatever is asked for.
    pub force_command: Option<Text>,
    /// From where it may be used; from anywhere if none is named.
    pub source_addresses: BTreeSet<Network>,
    /// 32 random bytes, against collisions in the hash that is signed.
    pub nonce: [u8; 32],
}

impl UserCertificate {
    /// What sshd logs and key revocation lists name: `jit-ca:<grant>:<issuance>:<name>`.
    pub fn key_id(&self) -> String {
        format!("{KEY_ID_PREFIX}:{}:{}:{}", self.grant, self.issuance, self.name)
    }
}

impl Sealed for UserCertificate {}

impl Profile for UserCertificate {
    type Purpose = SshUser;
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
        read::user_certificate(certificate, issuer)
    }

    fn text(certificate: &Signed<Self>) -> String {
        let content = certificate.content();
        let kind = certificate_type(content.key.key_type());
        text::openssh(kind, certificate.as_bytes(), &content.key_id())
    }
}

/// The number of an SSH certificate: 42 bits of milliseconds since 2020, 21 random bits.
///
/// At most 63 bits, since some tools read it as signed; never 0, which stands for "unnumbered" and
/// which no key revocation list can name. That it is used once is the store's to see to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SshSerial(u64);

impl SshSerial {
    /// The serial of a certificate made at `unix_ms`, milliseconds since 1970. Of `random`, 21 bits are used.
    pub fn new(unix_ms: u64, random: u32) -> Self {
        let milliseconds = unix_ms.saturating_sub(MS_2020) & ((1 << 42) - 1);
        let serial = milliseconds << 21 | u64::from(random & ((1 << 21) - 1));
        Self(if serial == 0 { 1 } else { serial })
    }

    /// Takes a number that was a serial; none if it can't be one.
    pub const fn from_u64(serial: u64) -> Option<Self> {
        if serial == 0 || serial >> 63 != 0 { None } else { Some(Self(serial)) }
    }

    /// The number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SshSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Principals of a certificate, sorted and each once.
///
/// INVARIANT (principals never empty): by type. To sshd, a certificate without principals is one for
/// nobody or, in other implementations, for everybody (CVE-2024-7594).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principals(BTreeSet<Principal>);

impl Principals {
    /// sshd reads no more (SSHKEY_CERT_MAX_PRINCIPALS).
    pub const MOST: usize = 256;

    /// Takes at least one principal, and at most [`Principals::MOST`].
    ///
    /// # Errors
    /// If there are fewer or more.
    pub fn new(principals: impl IntoIterator<Item = Principal>) -> Result<Self, Error> {
        let principals: BTreeSet<_> = principals.into_iter().collect();
        if (1..=Self::MOST).contains(&principals.len()) {
            Ok(Self(principals))
        } else {
            Err(Error::Principals { found: principals.len(), most: Self::MOST })
        }
    }

    /// The principals, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Principal> {
        self.0.iter()
    }
}

/// What `write` has signed by the CA key `issuer`, or by what stands in for it.
fn noted(
    issuer: &PublicKey,
    write: impl FnOnce(&StandIn<KeyData>) -> ssh_key::Result<()>,
) -> Result<Vec<u8>, Error> {
    let issuer = key_data(&issuer.ssh_blob());
    let stand_in = StandIn::new(issuer.map_err(|error| Error::Write(Box::new(error)))?);
    write(&stand_in).map_err(|error| Error::Write(Box::new(error)))?;
    Ok(stand_in.into_noted())
}

fn finish(to_be_signed: &[u8], signature: &[u8]) -> Vec<u8> {
    // RFC 8709 6: the signature is a string of two strings.
    let signature = wire::strings(&[SIGNATURE_TYPE, signature]);
    [to_be_signed, &wire::strings(&[&signature])].concat()
}

fn write(content: &UserCertificate, ca: &StandIn<KeyData>) -> ssh_key::Result<()> {
    let window = content.window;
    let mut builder = Builder::new(
        content.nonce,
        key_data(&content.key.ssh_blob())?,
        window.start().minus(BACKDATE).secs(),
        // INVARIANT (window within grant): exclusive, as the window's end is.
        window.end().secs(),
    )?;
    builder.serial(content.serial.as_u64())?.cert_type(CertType::User)?.key_id(content.key_id())?;
    for principal in content.principals.iter() {
        builder.valid_principal(principal.as_str())?;
    }
    if let Some(command) = &content.force_command {
        builder.critical_option(FORCE_COMMAND, command.as_str())?;
    }
    if !content.source_addresses.is_empty() {
        builder.critical_option(SOURCE_ADDRESS, addresses(&content.source_addresses))?;
    }
    for extension in &content.extensions {
        builder.extension(extension.to_string(), "")?;
    }
    builder.sign(ca).map(drop)
}

/// A key as the library holds it, from how SSH carries it.
fn key_data(blob: &[u8]) -> ssh_key::Result<KeyData> {
    ssh_key::PublicKey::from_bytes(blob).map(KeyData::from)
}

/// Networks with commas between them, as sshd reads them (sshd_config(5), "from" in sshd(8)).
fn addresses(networks: &BTreeSet<Network>) -> String {
    networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// What certificates of keys of a type are called (PROTOCOL.certkeys, "New public key formats").
fn certificate_type(key_type: KeyType) -> &'static str {
    match key_type {
        KeyType::Ed25519 => "ssh-ed25519-cert-v01@openssh.com",
        KeyType::EcdsaP256 => "ecdsa-sha2-nistp256-cert-v01@openssh.com",
        KeyType::EcdsaP384 => "ecdsa-sha2-nistp384-cert-v01@openssh.com",
        KeyType::Rsa => "ssh-rsa-cert-v01@openssh.com",
    }
}

const KEY_ID_PREFIX: &str = "jit-ca";
const FORCE_COMMAND: &str = "force-command";
const SOURCE_ADDRESS: &str = "source-address";
/// SSH CA keys are ed25519.
const SIGNATURE_TYPE: &[u8] = b"ssh-ed25519";
/// 2020-01-01T00:00:00Z in milliseconds since 1970.
const MS_2020: u64 = 1_577_836_800_000;
