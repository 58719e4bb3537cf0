//! Our own reader of SSH certificates, which shares nothing with the library that writes them.
//!
//! It reads the one form that we issue and nothing else (PROTOCOL.certkeys, "New public key formats").

use std::collections::BTreeSet;
use std::str::FromStr;

use jit_ca_core::network::Network;
use jit_ca_core::time::WindowError;
use jit_ca_core::{
    Extension, GrantId, HostName, IssuanceId, KeyType, Span, Text, UnixTime, Window,
};

use super::wire::Reader;
use super::{
    FORCE_COMMAND, HostCertificate, KEY_ID_PREFIX, LONGEST_HOST, Principals, SIGNATURE_TYPE,
    SOURCE_ADDRESS, SshSerial, UserCertificate, addresses, certificate_type,
};
use crate::intent::Parts;
use crate::{BACKDATE, Lint, PublicKey, SubjectKey, SubjectName};

/// Reads a user certificate by the CA key `issuer`; only its signature is not verified.
pub(super) fn user_certificate(
    certificate: &[u8],
    issuer: &PublicKey,
) -> Result<Parts<UserCertificate>, Lint> {
    let Fields {
        nonce,
        key,
        serial,
        key_id,
        principals,
        validity,
        options,
        to_be_signed,
        signature,
    } = fields(certificate, USER, issuer)?;
    let (grant, issuance, name) = grants_key_id(key_id).ok_or(Lint::KeyId)?;
    let principals = names(principals).and_then(|names| Principals::new(names).ok());
    let principals = principals.ok_or(Lint::Principals)?;
    let window = window(validity)?;
    let (force_command, source_addresses) = critical_options(options.critical)?;
    let extensions = extensions(options.extensions)?;
    let content = UserCertificate {
        key,
        serial,
        grant,
        issuance,
        name,
        principals,
        window,
        extensions,
        force_command,
        source_addresses,
        nonce,
    };
    Ok(Parts { content, to_be_signed: to_be_signed.to_vec(), signature: signature.to_vec() })
}

/// Reads a host certificate likewise.
pub(super) fn host_certificate(
    certificate: &[u8],
    issuer: &PublicKey,
) -> Result<Parts<HostCertificate>, Lint> {
    let Fields {
        nonce,
        key,
        serial,
        key_id,
        principals,
        validity,
        options,
        to_be_signed,
        signature,
    } = fields(certificate, HOST, issuer)?;
    let (issuance, host) = hosts_key_id(key_id).ok_or(Lint::KeyId)?;
    let mut aliases: BTreeSet<HostName> =
        names(principals).ok_or(Lint::Principals)?.into_iter().collect();
    // The host's own name is one of them, and sshd reads no more than so many.
    if aliases.len() > Principals::MOST || !aliases.remove(&host) {
        return Err(Lint::Principals);
    }
    if let Some((name, _)) = self::options(options.critical, critical_option)?.first() {
        return Err(critical_option(name));
    }
    if let Some((name, _)) = self::options(options.extensions, extension)?.first() {
        return Err(extension(name));
    }
    let (issued, end) = times(validity)?;
    let (length, longest) = (end.since(issued), LONGEST_HOST);
    if length.is_zero() {
        return Err(Lint::Validity);
    }
    if length > longest {
        let (seconds, cap) = (length.secs() + BACKDATE.secs(), longest.secs() + BACKDATE.secs());
        return Err(Lint::TooLong { seconds, cap });
    }
    let content = HostCertificate { key, serial, issuance, host, aliases, issued, end, nonce };
    Ok(Parts { content, to_be_signed: to_be_signed.to_vec(), signature: signature.to_vec() })
}

/// What certificates of people and of hosts have in common.
struct Fields<'c> {
    nonce: [u8; 32],
    key: SubjectKey,
    serial: SshSerial,
    key_id: &'c str,
    principals: &'c [u8],
    /// "valid after" and "valid before".
    validity: (u64, u64),
    options: Options<'c>,
    to_be_signed: &'c [u8],
    signature: &'c [u8],
}

struct Options<'c> {
    critical: &'c [u8],
    extensions: &'c [u8],
}

fn fields<'c>(certificate: &'c [u8], role: u32, issuer: &PublicKey) -> Result<Fields<'c>, Lint> {
    let mut reader = Reader::new(certificate);

    let kind = reader.text().ok_or(form("type"))?;
    let key_type = KeyType::ALL.into_iter().find(|known| certificate_type(*known) == kind);
    let key_type = key_type.ok_or(Lint::SubjectKey)?;
    let nonce = reader.string().ok_or(form("nonce"))?.try_into().map_err(|_| Lint::Nonce)?;
    let key = SubjectKey::read(key_type, &mut reader).map_err(|_| Lint::SubjectKey)?;
    let serial = reader.uint64().ok_or(form("serial"))?;
    let serial = SshSerial::from_u64(serial).ok_or(Lint::Serial)?;
    if reader.uint32().ok_or(form("certificate type"))? != role {
        return Err(Lint::CertificateType);
    }
    let key_id = reader.text().ok_or(form("key id"))?;
    let principals = reader.string().ok_or(form("principals"))?;
    let validity =
        (reader.uint64().ok_or(form("valid after"))?, reader.uint64().ok_or(form("valid before"))?);
    let options = Options {
        critical: reader.string().ok_or(form("critical options"))?,
        extensions: reader.string().ok_or(form("extensions"))?,
    };
    if !reader.string().ok_or(form("reserved"))?.is_empty() {
        return Err(Lint::Reserved);
    }
    if reader.string().ok_or(form("signature key"))? != issuer.ssh_blob() {
        return Err(Lint::Issuer);
    }

    let signed_length = certificate.len() - reader.left();
    let (to_be_signed, rest) =
        certificate.split_at_checked(signed_length).ok_or(form("certificate"))?;
    let signature = signature(rest)?;
    Ok(Fields {
        nonce,
        key,
        serial,
        key_id,
        principals,
        validity,
        options,
        to_be_signed,
        signature,
    })
}

/// The signature in what follows the bytes that are signed.
pub(super) fn signature(rest: &[u8]) -> Result<&[u8], Lint> {
    let mut reader = Reader::new(rest);
    let mut signature = Reader::new(reader.string().ok_or(form("signature"))?);
    if !reader.is_empty() {
        return Err(Lint::TrailingBytes);
    }
    if signature.string().ok_or(form("signature"))? != SIGNATURE_TYPE {
        return Err(Lint::SignatureAlgorithm);
    }
    let bytes = signature.string().ok_or(form("signature"))?;
    if signature.is_empty() { Ok(bytes) } else { Err(form("signature")) }
}

fn grants_key_id(text: &str) -> Option<(GrantId, IssuanceId, SubjectName)> {
    let mut parts = text.split(':');
    let (prefix, grant, issuance, name) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if prefix != KEY_ID_PREFIX || parts.next().is_some() {
        return None;
    }
    Some((grant.parse().ok()?, issuance.parse().ok()?, name.parse().ok()?))
}

fn hosts_key_id(text: &str) -> Option<(IssuanceId, HostName)> {
    let rest = text.strip_prefix(KEY_ID_PREFIX)?.strip_prefix(":host:")?;
    let (issuance, host) = rest.split_once(':')?;
    Some((issuance.parse().ok()?, host.parse().ok()?))
}

/// A list of principals, in order and each once.
fn names<N: FromStr + Ord>(list: &[u8]) -> Option<Vec<N>> {
    let mut reader = Reader::new(list);
    let mut names: Vec<N> = Vec::new();
    while !reader.is_empty() {
        let name = reader.text()?.parse().ok()?;
        if names.last().is_some_and(|last| *last >= name) {
            return None;
        }
        names.push(name);
    }
    Some(names)
}

/// When a certificate begins but for the backdating, and when it ends, that is valid in `[after, before)`.
fn times((after, before): (u64, u64)) -> Result<(UnixTime, UnixTime), Lint> {
    // Both are finite: PROTOCOL.certkeys writes 0 and 2^64 - 1 for "always" and "forever".
    if after == 0 || before > UnixTime::MAX.secs() {
        return Err(Lint::Validity);
    }
    Ok((UnixTime::from_secs(after).plus(BACKDATE), UnixTime::from_secs(before)))
}

/// The window of a grant's certificate.
fn window((after, before): (u64, u64)) -> Result<Window, Lint> {
    let (start, end) = times((after, before))?;
    Window::new(start, end).map_err(|error| match error {
        WindowError::Empty { .. } => Lint::Validity,
        WindowError::TooLong { .. } => Lint::TooLong {
            seconds: before.saturating_sub(after),
            cap: Span::LONGEST_GRANT.secs() + BACKDATE.secs(),
        },
    })
}

fn critical_options(list: &[u8]) -> Result<(Option<Text>, BTreeSet<Network>), Lint> {
    let fault = critical_option;
    let (mut command, mut sources) = (None, BTreeSet::new());
    for (name, data) in options(list, fault)? {
        // The data of an option is a string once more.
        let mut data = Reader::new(data);
        let value = data.text().filter(|_| data.is_empty()).ok_or_else(|| fault(name))?;
        match name {
            FORCE_COMMAND => command = Some(value.parse().map_err(|_| fault(name))?),
            SOURCE_ADDRESS => {
                let parsed = value.split(',').map(str::parse).collect::<Result<_, _>>();
                sources = parsed.map_err(|_| fault(name))?;
                if addresses(&sources) != value {
                    return Err(fault(name));
                }
            }
            _ => return Err(fault(name)),
        }
    }
    Ok((command, sources))
}

fn extensions(list: &[u8]) -> Result<BTreeSet<Extension>, Lint> {
    let fault = extension;
    let options = options(list, fault)?;
    let known = options.into_iter().map(|(name, data)| match name.parse() {
        Ok(extension) if data.is_empty() => Ok(extension),
        _ => Err(fault(name)),
    });
    known.collect()
}

/// Names and data, "lexically ordered" by name, each name once (PROTOCOL.certkeys).
fn options(list: &[u8], fault: fn(&str) -> Lint) -> Result<Vec<(&str, &[u8])>, Lint> {
    let mut reader = Reader::new(list);
    let mut options: Vec<(&str, &[u8])> = Vec::new();
    while !reader.is_empty() {
        let name = reader.text().ok_or(form("option"))?;
        let data = reader.string().ok_or(form("option"))?;
        if options.last().is_some_and(|(last, _)| *last >= name) {
            return Err(fault(name));
        }
        options.push((name, data));
    }
    Ok(options)
}

fn critical_option(name: &str) -> Lint {
    Lint::CriticalOption { name: name.to_owned() }
}

fn extension(name: &str) -> Lint {
    Lint::Extension { name: name.to_owned() }
}

fn form(field: &'static str) -> Lint {
    Lint::Form { field }
}

/// SSH_CERT_TYPE_USER.
const USER: u32 = 1;
/// SSH_CERT_TYPE_HOST.
const HOST: u32 = 2;
