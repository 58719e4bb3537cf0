//! Our own reader of SSH certificates, which shares nothing with the library that writes them.
//!
//! It reads the one form that we issue and nothing else (PROTOCOL.certkeys, "New public key formats").

use std::collections::BTreeSet;

use jit_ca_core::network::Network;
use jit_ca_core::time::WindowError;
use jit_ca_core::{
    Extension, GrantId, IssuanceId, KeyType, Principal, Span, Text, UnixTime, Window,
};

use super::wire::Reader;
use super::{
    FORCE_COMMAND, KEY_ID_PREFIX, Principals, SIGNATURE_TYPE, SOURCE_ADDRESS, SshSerial,
    UserCertificate, addresses, certificate_type,
};
use crate::intent::Parts;
use crate::{BACKDATE, Lint, PublicKey, SubjectKey, SubjectName};

/// Reads a user certificate by the CA key `issuer`; only its signature is not verified.
pub(super) fn user_certificate(
    certificate: &[u8],
    issuer: &PublicKey,
) -> Result<Parts<UserCertificate>, Lint> {
    let mut reader = Reader::new(certificate);

    let kind = reader.text().ok_or(form("type"))?;
    let key_type = KeyType::ALL.into_iter().find(|known| certificate_type(*known) == kind);
    let key_type = key_type.ok_or(Lint::SubjectKey)?;
    let nonce = reader.string().ok_or(form("nonce"))?.try_into().map_err(|_| Lint::Nonce)?;
    let key = SubjectKey::read(key_type, &mut reader).map_err(|_| Lint::SubjectKey)?;
    let serial = reader.uint64().ok_or(form("serial"))?;
    let serial = SshSerial::from_u64(serial).ok_or(Lint::Serial)?;
    if reader.uint32().ok_or(form("certificate type"))? != USER {
        return Err(Lint::CertificateType);
    }
    let (grant, issuance, name) =
        key_id(reader.text().ok_or(form("key id"))?).ok_or(Lint::KeyId)?;
    let principals =
        principals(reader.string().ok_or(form("principals"))?).ok_or(Lint::Principals)?;
    let valid_after = reader.uint64().ok_or(form("valid after"))?;
    let valid_before = reader.uint64().ok_or(form("valid before"))?;
    let window = window(valid_after, valid_before)?;
    let (force_command, source_addresses) =
        critical_options(reader.string().ok_or(form("critical options"))?)?;
    let extensions = extensions(reader.string().ok_or(form("extensions"))?)?;
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

fn key_id(text: &str) -> Option<(GrantId, IssuanceId, SubjectName)> {
    let mut parts = text.split(':');
    let (prefix, grant, issuance, name) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if prefix != KEY_ID_PREFIX || parts.next().is_some() {
        return None;
    }
    Some((grant.parse().ok()?, issuance.parse().ok()?, name.parse().ok()?))
}

fn principals(list: &[u8]) -> Option<Principals> {
    let mut reader = Reader::new(list);
    let mut principals: Vec<Principal> = Vec::new();
    while !reader.is_empty() {
        let principal = reader.text()?.parse().ok()?;
        if principals.last().is_some_and(|last| *last >= principal) {
            return None;
        }
        principals.push(principal);
    }
    Principals::new(principals).ok()
}

/// The window whose certificate is valid in `[after, before)`.
fn window(after: u64, before: u64) -> Result<Window, Lint> {
    // Both are finite: PROTOCOL.certkeys writes 0 and 2^64 - 1 for "always" and "forever".
    if after == 0 || before > UnixTime::MAX.secs() {
        return Err(Lint::Validity);
    }
    let start = UnixTime::from_secs(after).plus(BACKDATE);
    Window::new(start, UnixTime::from_secs(before)).map_err(|error| match error {
        WindowError::Empty { .. } => Lint::Validity,
        WindowError::TooLong { .. } => Lint::TooLong {
            seconds: before.saturating_sub(after),
            cap: Span::LONGEST_GRANT.secs() + BACKDATE.secs(),
        },
    })
}

fn critical_options(list: &[u8]) -> Result<(Option<Text>, BTreeSet<Network>), Lint> {
    let fault = |name: &str| Lint::CriticalOption { name: name.to_owned() };
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
    let fault = |name: &str| Lint::Extension { name: name.to_owned() };
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

fn form(field: &'static str) -> Lint {
    Lint::Form { field }
}

/// SSH_CERT_TYPE_USER.
const USER: u32 = 1;
