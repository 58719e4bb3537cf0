//! Reading the to-be-signed bytes of SSH certificates (PROTOCOL.certkeys), as far as a verifier has to.

use jit_ca_core::event::CertificateIntended;
use jit_ca_core::network::Network;
use jit_ca_core::{Hosts, Principal, SourceAddress, SshRow};
use ssh_encoding::{Decode as _, Encode as _};

use super::signatures::is_strong_rsa;

/// What a certificate says.
pub(super) struct SshCertificate {
    /// The certified key in its SSH wire form.
    pub(super) key: Vec<u8>,
    pub(super) serial: u64,
    pub(super) kind: u32,
    pub(super) key_id: String,
    pub(super) principals: Vec<String>,
    pub(super) valid_after: u64,
    pub(super) valid_before: u64,
    pub(super) critical_options: Vec<(String, Vec<u8>)>,
    pub(super) extensions: Vec<(String, Vec<u8>)>,
    reserved: Vec<u8>,
    /// The key that signs it, in its SSH wire form.
    pub(super) signing_key: Vec<u8>,
}

impl SshCertificate {
    /// Reads the bytes that are signed: all but the signature.
    pub(super) fn read(tbs: &[u8]) -> Option<Self> {
        let reader = &mut &*tbs;
        let kind = text(reader)?;
        // The nonce.
        if bytes(reader)?.len() != 32 {
            return None;
        }
        let key = match kind.as_str() {
            "ssh-ed25519-cert-v01@openssh.com" => strings(&[b"ssh-ed25519", &bytes(reader)?])?,
            "ecdsa-sha2-nistp256-cert-v01@openssh.com" => {
                strings(&[b"ecdsa-sha2-nistp256", &bytes(reader)?, &bytes(reader)?])?
            }
            "ecdsa-sha2-nistp384-cert-v01@openssh.com" => {
                strings(&[b"ecdsa-sha2-nistp384", &bytes(reader)?, &bytes(reader)?])?
            }
            "ssh-rsa-cert-v01@openssh.com" => {
                let (e, n) = (bytes(reader)?, bytes(reader)?);
                if !is_strong_rsa(&n, &e) {
                    return None;
                }
                strings(&[b"ssh-rsa", &e, &n])?
            }
            _ => return None,
        };
        let certificate = Self {
            key,
            serial: u64::decode(reader).ok()?,
            kind: u32::decode(reader).ok()?,
            key_id: text(reader)?,
            principals: list(&bytes(reader)?, text)?,
            valid_after: u64::decode(reader).ok()?,
            valid_before: u64::decode(reader).ok()?,
            critical_options: list(&bytes(reader)?, option)?,
            extensions: list(&bytes(reader)?, option)?,
            reserved: bytes(reader)?,
            signing_key: bytes(reader)?,
        };
        (reader.is_empty() && certificate.reserved.is_empty()).then_some(certificate)
    }

    /// Whether it has the serial and the times that its intent says.
    pub(super) fn is_as_intended(&self, intent: &CertificateIntended) -> bool {
        let expected = (intent.validity.from.secs(), intent.validity.until.secs());
        intent.serial.as_slice() == self.serial.to_be_bytes()
            && (self.valid_after, self.valid_before) == expected
    }

    /// Whether it gives what the row gives on these hosts, and nothing else.
    pub(super) fn gives(&self, row: &SshRow, hosts: &Hosts) -> Result<(), &'static str> {
        let principals = row.principals(hosts).unwrap_or_default();
        if principals.is_empty() || !principals.iter().map(Principal::as_str).eq(&self.principals) {
            return Err("the principals are not those of the row on the hosts asked for");
        }
        let extensions = row.extensions.iter().map(|extension| (extension.to_string(), Vec::new()));
        if !extensions.eq(self.extensions.iter().cloned()) {
            return Err("the extensions are not the row's");
        }
        let mut options = self.critical_options.as_slice();
        if let Some(command) = &row.force_command {
            match options.split_first() {
                Some(((name, data), rest))
                    if name == "force-command"
                        && value(data).as_deref() == Some(command.as_str()) =>
                {
                    options = rest;
                }
                _ => return Err("the forced command is not the row's"),
            }
        }
        match (&row.source_address, options) {
            (None, []) => Ok(()),
            (Some(expected), [(name, data)]) if name == "source-address" => {
                match value(data).is_some_and(|found| is_from(expected, &found)) {
                    true => Ok(()),
                    false => Err("the source address is not the row's"),
                }
            }
            (_, []) => Err("the source address is missing"),
            _ => Err("it has a critical option that the row does not have"),
        }
    }
}

/// Whether a certificate's source address is what the row asks for: of a caller's, that it is a single address.
fn is_from(expected: &SourceAddress, found: &str) -> bool {
    match expected {
        SourceAddress::Networks(_) => found == expected.to_string(),
        SourceAddress::Caller => found
            .split_once('/')
            .and_then(|(address, _)| address.parse().ok())
            .is_some_and(|address| Network::single(address).to_string() == found),
    }
}

/// The wire form of the ed25519 key with this SubjectPublicKeyInfo.
pub(super) fn ed25519_key(spki: &[u8]) -> Option<Vec<u8>> {
    strings(&[b"ssh-ed25519", spki.strip_prefix(super::signatures::ED25519_SPKI)?])
}

/// The one string in the data of a critical option.
fn value(data: &[u8]) -> Option<String> {
    let reader = &mut &*data;
    text(reader).filter(|_| reader.is_empty())
}

fn option(reader: &mut &[u8]) -> Option<(String, Vec<u8>)> {
    Some((text(reader)?, bytes(reader)?))
}

fn list<T>(bytes: &[u8], item: fn(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    let (reader, mut items) = (&mut &*bytes, Vec::new());
    while !reader.is_empty() {
        items.push(item(reader)?);
    }
    Some(items)
}

fn text(reader: &mut &[u8]) -> Option<String> {
    String::decode(reader).ok()
}

fn bytes(reader: &mut &[u8]) -> Option<Vec<u8>> {
    Vec::decode(reader).ok()
}

fn strings(strings: &[&[u8]]) -> Option<Vec<u8>> {
    let mut joined = Vec::new();
    strings.iter().try_for_each(|string| string.encode(&mut joined)).ok()?;
    Some(joined)
}

/// SSH_CERT_TYPE_USER.
pub(super) const USER: u32 = 1;
/// SSH_CERT_TYPE_HOST.
pub(super) const HOST: u32 = 2;
