//! Writing X.509 to-be-signed bytes with rcgen, every field set here.

use jit_ca_core::{IssuanceId, UnixTime};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, PublicKeyData, SanType,
    SerialNumber,
};
use time::OffsetDateTime;

use super::{SECOND, key_identifier};
use crate::purpose::Usage;
use crate::stand_in::StandIn;
use crate::{Algorithm, BACKDATE, Error, PublicKey};

/// One certificate, before it is written, of a CA's key or of a subject's.
pub(super) struct Draft<'d, K> {
    pub(super) issuance: IssuanceId,
    pub(super) validity: Validity,
    pub(super) key: &'d K,
    pub(super) subject: Vec<(DnType, DnValue)>,
    pub(super) form: Form,
}

/// The two fields of RFC 5280 4.1.2.5, both inclusive.
pub(super) struct Validity {
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
}

/// What kind of certificate.
pub(super) enum Form {
    Leaf { usage: Usage, names: Vec<SanType> },
    Ca { usage: Option<Usage>, path_length: u8 },
}

/// The validity of a certificate for `[start, end)`.
pub(super) fn between(start: UnixTime, end: UnixTime) -> Validity {
    Validity {
        not_before: start.minus(BACKDATE),
        // INVARIANT (window within grant): `notAfter` is the last second *inside* (RFC 5280 4.1.2.5).
        not_after: end.minus(SECOND),
    }
}

/// The to-be-signed bytes of `draft`, issued by the CA of this name and key.
pub(super) fn write<K: PublicKeyData>(
    draft: &Draft<'_, K>,
    issuer_name: &str,
    issuer_key: &PublicKey,
) -> Result<Vec<u8>, Error> {
    let stand_in = StandIn::new(issuer_key);
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name = distinguished_name([common_name(issuer_name)]);
    issuer.key_identifier_method =
        KeyIdMethod::PreSpecified(key_identifier(issuer_key.point()).to_vec());
    params(draft, issuer_key)?
        .signed_by(draft.key, &Issuer::new(issuer, &stand_in))
        .map_err(fault)?;
    Ok(stand_in.into_noted())
}

/// The certificate of these to-be-signed bytes and this signature (RFC 5280 4.1.1).
pub(super) fn finish(algorithm: Algorithm, to_be_signed: &[u8], signature: &[u8]) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_der(to_be_signed);
            writer.next().write_der(algorithm_identifier(algorithm));
            writer.next().write_bitvec_bytes(signature, signature.len() * 8);
        });
    })
}

fn params<K: PublicKeyData>(
    draft: &Draft<'_, K>,
    issuer_key: &PublicKey,
) -> Result<CertificateParams, Error> {
    let own_bits = draft.key.der_bytes();
    let mut params = CertificateParams::default();
    params.not_before = date(draft.validity.not_before)?;
    params.not_after = date(draft.validity.not_after)?;
    params.serial_number = Some(SerialNumber::from_slice(&serial(draft.issuance)));
    params.distinguished_name = distinguished_name(draft.subject.iter().cloned());
    params.name_constraints = None;
    params.crl_distribution_points = Vec::new();
    params.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier(own_bits).to_vec());
    // A self-signed certificate may leave it out (RFC 5280 4.2.1.1), and ours does.
    params.use_authority_key_identifier_extension = own_bits != issuer_key.point();
    match &draft.form {
        Form::Leaf { usage, names } => {
            params.subject_alt_names = names.clone();
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![extended(*usage)];
            // With rcgen's `ExplicitNoCa` a subjectKeyIdentifier would come as well.
            params.is_ca = IsCa::NoCa;
            params.custom_extensions = vec![not_a_ca(), no_revocation_available()];
        }
        Form::Ca { usage, path_length } => {
            params.subject_alt_names = Vec::new();
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            params.extended_key_usages = usage.map(extended).into_iter().collect();
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(*path_length));
            params.custom_extensions = Vec::new();
        }
    }
    Ok(params)
}

/// `01 ‖ issuance id`: positive and of 17 octets, whatever the id begins with (RFC 5280 4.1.2.2).
fn serial(issuance: IssuanceId) -> Vec<u8> {
    [&[1], issuance.as_bytes().as_slice()].concat()
}

fn date(time: UnixTime) -> Result<OffsetDateTime, Error> {
    let seconds = i64::try_from(time.secs()).map_err(|error| Error::Write(Box::new(error)))?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|error| Error::Write(Box::new(error)))
}

fn extended(usage: Usage) -> ExtendedKeyUsagePurpose {
    match usage {
        Usage::ClientAuth => ExtendedKeyUsagePurpose::ClientAuth,
        Usage::ServerAuth => ExtendedKeyUsagePurpose::ServerAuth,
    }
}

/// `BasicConstraints ::= SEQUENCE {}`: CA:FALSE is its default and not written (RFC 5280 4.2.1.9).
fn not_a_ca() -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 19], b"\x30\x00".to_vec());
    extension.set_criticality(true);
    extension
}

/// `NoRevAvail ::= NULL`, not critical (RFC 9608 2).
fn no_revocation_available() -> CustomExtension {
    CustomExtension::from_oid_content(&[2, 5, 29, 56], b"\x05\x00".to_vec())
}

// === names ===

pub(super) fn common_name(name: &str) -> (DnType, DnValue) {
    (DnType::CommonName, DnValue::Utf8String(name.to_owned()))
}

pub(super) fn organizational_unit(name: &str) -> (DnType, DnValue) {
    (DnType::OrganizationalUnitName, DnValue::Utf8String(name.to_owned()))
}

/// X520SerialNumber is a PrintableString (RFC 5280 A.1).
pub(super) fn serial_number(number: &str) -> Result<(DnType, DnValue), Error> {
    let number = number.try_into().map_err(fault)?;
    Ok((DnType::from_oid(&[2, 5, 4, 5]), DnValue::PrintableString(number)))
}

pub(super) fn uri(uri: &str) -> Result<SanType, Error> {
    uri.try_into().map(SanType::URI).map_err(fault)
}

pub(super) fn dns(name: &str) -> Result<SanType, Error> {
    name.try_into().map(SanType::DnsName).map_err(fault)
}

fn distinguished_name(parts: impl IntoIterator<Item = (DnType, DnValue)>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    parts.into_iter().for_each(|(kind, value)| name.push(kind, value));
    name
}

fn fault(error: rcgen::Error) -> Error {
    Error::Write(Box::new(error))
}

/// RFC 5758 3.2, RFC 8410 3: DER, without parameters.
fn algorithm_identifier(algorithm: Algorithm) -> &'static [u8] {
    match algorithm {
        Algorithm::Ed25519 => b"\x30\x05\x06\x03\x2b\x65\x70",
        Algorithm::P256 => b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02",
        Algorithm::P384 => b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03",
    }
}
