//! What the CA sends is what was granted, or it is not used.
//!
//! The CA checks all of this itself before it answers. We check it again, with what we kept at first
//! contact, so that a CA that has been taken over, or a fault in it, is seen by whom it concerns.

use jit_ca_api::{GrantView, Request, SshCertificate, X509Certificate};
use jit_ca_core::{Hosts, Principal, SourceAddress, Span, SshRow, Text};
use ring::signature::{ED25519, UnparsedPublicKey};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use ssh_encoding::Encode as _;
use ssh_key::certificate::CertType;
use ssh_key::public::KeyData;
use ssh_key::{Certificate, PublicKey};
use x509_parser::prelude::{FromDer as _, X509Certificate as ParsedX509};

use crate::error::{Error, Result};
use crate::profile::KnownCa;

/// Certificates are valid from a minute before their grant, since clocks differ.
const BACKDATE: Span = Span::from_secs(60);

/// Checks an SSH certificate against the grant, the key and the CA that it should be of.
pub(crate) fn ssh_certificate(
    ca: &KnownCa,
    reply: &SshCertificate,
    (request, grant, row): (&Request, &GrantView, &SshRow),
    key: &PublicKey,
) -> Result<Certificate> {
    let wrong = |what: &str| Error::unverified(format!("the SSH certificate {what}"));
    let certificate =
        Certificate::from_openssh(&reply.certificate).map_err(|_| wrong("can't be read"))?;
    let ca_key = PublicKey::from_openssh(&ca.trust.ssh_user_ca)
        .map_err(|_| wrong("can't be checked: the CA's key is no key"))?;
    let principals = row.principals(&request.hosts).unwrap_or_default();
    let key_id = format!("jit-ca:{}:{}:", grant.id, reply.issuance);

    // INVARIANT (window within grant)
    let starts = certificate.valid_after() >= grant.window.start().minus(BACKDATE).secs();
    let ends = certificate.valid_before() <= grant.window.end().secs()
        && certificate.valid_before() == reply.expires.secs();
    let checks = [
        (certificate.public_key() == key.key_data(), "is for another key"),
        (certificate.cert_type() == CertType::User, "is not a user's"),
        (
            certificate.signature_key() == ca_key.key_data(),
            "is by another CA key than the one that we know",
        ),
        (is_signed(&certificate), "bears a wrong signature"),
        (starts && ends, "is valid outside its grant's time"),
        // INVARIANT (principals never empty)
        (
            !principals.is_empty()
                && certificate
                    .valid_principals()
                    .iter()
                    .eq(principals.iter().map(Principal::as_str)),
            "names other principals than were granted",
        ),
        (has_options(&certificate, row), "has other options than were granted"),
        (
            certificate.key_id().starts_with(&key_id) && reply.grant == grant.id,
            "is of another grant",
        ),
    ];
    match checks.into_iter().find(|(holds, _)| !holds) {
        Some((_, what)) => Err(wrong(what)),
        None => Ok(certificate),
    }
}

fn has_options(certificate: &Certificate, row: &SshRow) -> bool {
    let extensions = certificate.extensions().iter();
    let granted = row.extensions.iter().map(ToString::to_string);
    let mut options = certificate.critical_options().0.clone();
    let command = options.remove("force-command");
    let source = options.remove("source-address");
    let source_fits = match (&row.source_address, &source) {
        (None, None) => true,
        // Which address the CA saw is not known here.
        (Some(SourceAddress::Caller), Some(_)) => true,
        (Some(networks), Some(source)) => networks.to_string() == *source,
        _ => false,
    };
    extensions
        .map(|(name, value)| (name.clone(), value.clone()))
        .eq(granted.map(|name| (name, String::new())))
        && command.as_deref() == row.force_command.as_ref().map(Text::as_str)
        && source_fits
        && options.is_empty()
}

/// PROTOCOL.certkeys: the signature is the last field, and covers all bytes before it.
fn is_signed(certificate: &Certificate) -> bool {
    let (KeyData::Ed25519(key), signature) = (certificate.signature_key(), certificate.signature())
    else {
        return false;
    };
    let (Ok(bytes), Ok(length)) = (certificate.to_bytes(), signature.encoded_len_prefixed()) else {
        return false;
    };
    let signed = bytes.len().checked_sub(length).and_then(|end| bytes.get(..end));
    signed.is_some_and(|signed| {
        let key = UnparsedPublicKey::new(&ED25519, key.as_ref());
        key.verify(signed, signature.as_bytes()).is_ok()
    })
}

/// Checks an X.509 certificate against the grant, the key and the CA that it should be of.
pub(crate) fn x509_certificate(
    ca: &KnownCa,
    reply: &X509Certificate,
    grant: &GrantView,
    public_key: &[u8],
) -> Result<()> {
    let wrong = |what: &str| Error::unverified(format!("the X.509 certificate {what}"));
    let unreadable = || wrong("can't be read");
    let leaf = der(&reply.certificate).ok_or_else(unreadable)?;
    let (_, leaf) = ParsedX509::from_der(&leaf).map_err(|_| unreadable())?;
    let issuer = der(ca.authority("clients")?).ok_or_else(unreadable)?;
    let (_, issuer) = ParsedX509::from_der(&issuer).map_err(|_| unreadable())?;

    // INVARIANT (window within grant): notAfter is the last second inside (RFC 5280, 4.1.2.5).
    let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
    let not_after = seconds(leaf.validity().not_after);
    let starts = seconds(leaf.validity().not_before) >= grant.window.start().minus(BACKDATE).secs();
    let ends = not_after < grant.window.end().secs()
        && not_after.saturating_add(1) == reply.expires.secs();
    let checks = [
        (leaf.tbs_certificate.subject_pki.raw == public_key, "is for another key"),
        (starts && ends, "is valid outside its grant's time"),
        (
            leaf.tbs_certificate.issuer.as_raw() == issuer.tbs_certificate.subject.as_raw()
                && leaf.verify_signature(Some(issuer.public_key())).is_ok(),
            "is not signed by the CA that we know",
        ),
        (!leaf.is_ca(), "makes its holder a CA"),
        (reply.grant == grant.id, "is of another grant"),
    ];
    match checks.into_iter().find(|(holds, _)| !holds) {
        Some((_, what)) => Err(wrong(what)),
        None => Ok(()),
    }
}

fn der(pem: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok()
}

/// Whether a certificate that is held already gives what the row gives on these hosts.
pub(crate) fn serves(certificate: &Certificate, row: &SshRow, hosts: &Hosts) -> bool {
    // Bound to the address that we had; where we are now may be another.
    if row.source_address == Some(SourceAddress::Caller) {
        return false;
    }
    let principals = row.principals(hosts).unwrap_or_default();
    let texts = principals.iter().map(Principal::as_str);
    certificate.valid_principals().iter().eq(texts) && has_options(certificate, row)
}

#[cfg(test)]
mod tests;
