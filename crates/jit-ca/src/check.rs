//! What the CA sends is what was granted, or it is not used.
//!
//! The CA checks all of this itself before it answers. We check it again, with what we kept at first
//! contact, so that a CA that has been taken over, or a fault in it, is seen by whom it concerns.

mod logged;

use jit_ca_api::{GrantView, Request, SshCertificate, X509Certificate};
use jit_ca_core::workflow::Term;
use jit_ca_core::{Hosts, Principal, SourceAddress, Span, SshRow, Text};
use jit_ca_log::SignedCheckpoint;
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

use logged::{Certified, logged};

/// Certificates are valid from a minute before their grant, since clocks differ.
const BACKDATE: Span = Span::from_secs(60);

/// Checks an SSH certificate against the grant, the key, the CA and the log that it should be of. The
/// checkpoint that it is proven under has still to go on from what was seen of the log.
pub(crate) fn ssh_certificate(
    ca: &KnownCa,
    reply: &SshCertificate,
    (_, grant, row): (&Request, &GrantView, &SshRow),
    key: &PublicKey,
) -> Result<(Certificate, SignedCheckpoint)> {
    let wrong = |what: &str| Error::unverified(format!("the SSH certificate {what}"));
    let certificate =
        Certificate::from_openssh(&reply.certificate).map_err(|_| wrong("can't be read"))?;
    // What is written into files is the text that came: one line, and of what is checked.
    let text = reply.certificate.trim_end();
    if text.contains(char::is_control) || certificate.to_openssh().ok().as_deref() != Some(text) {
        return Err(wrong("can't be read"));
    }
    let to_be_signed = to_be_signed(&certificate).ok_or_else(|| wrong("can't be read"))?;
    let ca_key = PublicKey::from_openssh(&ca.trust.ssh_user_ca)
        .map_err(|_| wrong("can't be checked: the CA's key is no key"))?;
    let principals = row.principals(&grant.hosts).unwrap_or_default();
    let key_id = format!("jit-ca:{}:{}:", grant.id, reply.issuance);

    // INVARIANT (window within grant)
    let (from, until) = (certificate.valid_after(), certificate.valid_before());
    let is_within = is_within(grant, from, until) && until == reply.expires.secs();
    let checks = [
        (certificate.public_key() == key.key_data(), "is for another key"),
        (certificate.cert_type() == CertType::User, "is not a user's"),
        (
            certificate.signature_key() == ca_key.key_data(),
            "is by another CA key than the one that we know",
        ),
        (is_signed(&certificate, &to_be_signed), "bears a wrong signature"),
        (is_within, "is valid outside its grant's time"),
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
    if let Some((_, what)) = checks.into_iter().find(|(holds, _)| !holds) {
        return Err(wrong(what));
    }
    let SshCertificate { issuance, grant, entry, .. } = *reply;
    let certified = Certified { issuance, grant, entry, to_be_signed: &to_be_signed };
    let checkpoint = logged(&ca.log_key()?, &reply.proof, &certified)?;
    Ok((certificate, checkpoint))
}

/// Whether a certificate that is valid in `[from, until)` lies in its grant; of one that begins with this certificate,
/// whether it is no longer than that.
fn is_within(grant: &GrantView, from: u64, until: u64) -> bool {
    match (grant.window, grant.term) {
        (Some(window), _) => {
            from >= window.start().minus(BACKDATE).secs() && until <= window.end().secs()
        }
        (None, Term::FirstUse { duration, .. }) => {
            until.saturating_sub(from) <= duration.secs().saturating_add(BACKDATE.secs())
        }
        (None, _) => false,
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
fn to_be_signed(certificate: &Certificate) -> Option<Vec<u8>> {
    let mut bytes = certificate.to_bytes().ok()?;
    let length = certificate.signature().encoded_len_prefixed().ok()?;
    bytes.truncate(bytes.len().checked_sub(length)?);
    Some(bytes)
}

fn is_signed(certificate: &Certificate, to_be_signed: &[u8]) -> bool {
    let KeyData::Ed25519(key) = certificate.signature_key() else {
        return false;
    };
    let key = UnparsedPublicKey::new(&ED25519, key.as_ref());
    key.verify(to_be_signed, certificate.signature().as_bytes()).is_ok()
}

/// Checks an X.509 certificate against the grant, the key, the CA and the log that it should be of. The
/// checkpoint that it is proven under has still to go on from what was seen of the log.
pub(crate) fn x509_certificate(
    ca: &KnownCa,
    reply: &X509Certificate,
    grant: &GrantView,
    public_key: &[u8],
) -> Result<SignedCheckpoint> {
    let wrong = |what: &str| Error::unverified(format!("the X.509 certificate {what}"));
    let unreadable = || wrong("can't be read");
    let leaf = der(&reply.certificate).ok_or_else(unreadable)?;
    let (_, leaf) = ParsedX509::from_der(&leaf).map_err(|_| unreadable())?;
    let issuer = der(ca.authority("clients")?).ok_or_else(unreadable)?;
    let (_, issuer) = ParsedX509::from_der(&issuer).map_err(|_| unreadable())?;

    // INVARIANT (window within grant): notAfter is the last second inside (RFC 5280, 4.1.2.5).
    let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
    let until = seconds(leaf.validity().not_after).saturating_add(1);
    let is_within = is_within(grant, seconds(leaf.validity().not_before), until)
        && until == reply.expires.secs();
    let checks = [
        (leaf.tbs_certificate.subject_pki.raw == public_key, "is for another key"),
        (is_within, "is valid outside its grant's time"),
        (
            leaf.tbs_certificate.issuer.as_raw() == issuer.tbs_certificate.subject.as_raw()
                && leaf.verify_signature(Some(issuer.public_key())).is_ok(),
            "is not signed by the CA that we know",
        ),
        (!leaf.is_ca(), "makes its holder a CA"),
        (reply.grant == grant.id, "is of another grant"),
    ];
    if let Some((_, what)) = checks.into_iter().find(|(holds, _)| !holds) {
        return Err(wrong(what));
    }
    let X509Certificate { issuance, grant, entry, .. } = *reply;
    let to_be_signed = leaf.tbs_certificate.as_ref();
    logged(&ca.log_key()?, &reply.proof, &Certified { issuance, grant, entry, to_be_signed })
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
