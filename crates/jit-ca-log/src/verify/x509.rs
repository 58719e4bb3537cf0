//! Reading X.509 certificates' to-be-signed bytes (RFC 5280) and certificate requests (RFC 2986), as far as a
//! verifier has to.

use jit_ca_core::event::Validity;
use jit_ca_core::{ActorRef, GrantId, PersonName, RoleName, UnixTime};
use x509_parser::certificate::TbsCertificate;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::prelude::{FromDer as _, X509CertificationRequest};
use x509_parser::public_key::PublicKey as ParsedKey;
use x509_parser::x509::{RelativeDistinguishedName, X509Name};

use super::signatures::{ED25519_SPKI, P256_SPKI, P384_SPKI, is_strong_rsa};
use crate::hash::sha256;

/// The bytes of a certificate that are signed, read.
pub(super) struct X509<'c>(TbsCertificate<'c>);

impl<'c> X509<'c> {
    pub(super) fn read(tbs: &'c [u8]) -> Option<Self> {
        match TbsCertificate::from_der(tbs) {
            // An extension that is none could hide what it says.
            Ok(([], certificate)) if certificate.extensions().iter().all(can_be_read) => {
                Some(Self(certificate))
            }
            _ => None,
        }
    }

    pub(super) fn serial(&self) -> &[u8] {
        self.0.raw_serial()
    }

    /// Whether it is valid just then; `notAfter` is inclusive (RFC 5280 4.1.2.5).
    pub(super) fn is_valid(&self, validity: Validity) -> bool {
        let (from, until) = (validity.from.secs(), validity.until.secs());
        let is = |time: i64, expected: Option<u64>| u64::try_from(time).ok() == expected;
        is(self.0.validity.not_before.timestamp(), Some(from))
            && is(self.0.validity.not_after.timestamp(), until.checked_sub(1))
    }

    /// Whether its bytes are those of a client's certificate that says what this one says, in the one form and with the
    /// extensions that such certificates have (RFC 5280 4.1, 4.2), issued by the key with this point.
    pub(super) fn is_a_clients(&self, tbs: &[u8], validity: Validity, issuer: &[u8]) -> bool {
        self.as_a_clients(validity, issuer).is_some_and(|expected| expected == tbs)
    }

    fn as_a_clients(&self, validity: Validity, issuer: &[u8]) -> Option<Vec<u8>> {
        let [(common, issuer_name)] = <[_; 1]>::try_from(attributes(&self.0.issuer)?).ok()?;
        let [(_, name), (_, role), (_, grant)] =
            <[_; 3]>::try_from(attributes(&self.0.subject)?).ok()?;
        let has_issuer = common == COMMON_NAME && !issuer_name.is_empty();
        let (spki, uri) = (self.spki(), self.uri()?);
        let digest = sha256(issuer);
        let key_id = [b"\x30\x16\x80\x14", digest.as_bytes().get(..20)?].concat();
        let names = der(0x30, &[&der(0x86, &[uri.as_bytes()])]);
        let extensions = [
            extension(35, false, &key_id),
            extension(17, false, &names),
            extension(15, true, b"\x03\x02\x07\x80"),
            extension(37, false, b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"),
            extension(19, true, b"\x30\x00"),
            extension(56, false, b"\x05\x00"),
        ];
        let subject =
            [attribute(3, 0x0c, &name), attribute(11, 0x0c, &role), attribute(5, 0x13, &grant)];
        let until = UnixTime::from_secs(validity.until.secs().checked_sub(1)?);
        let fields = [
            der(0xa0, &[b"\x02\x01\x02"]),
            der(0x02, &[self.serial()]),
            ECDSA_WITH_SHA256.to_vec(),
            der(0x30, &[&attribute(3, 0x0c, &issuer_name)]),
            der(0x30, &[&time(validity.from), &time(until)]),
            der(0x30, &[&subject.concat()]),
            spki.to_vec(),
            der(0xa3, &[&der(0x30, &[&extensions.concat()])]),
        ];
        (has_issuer && self.is_of_kind()).then(|| der(0x30, &[&fields.concat()]))
    }

    /// Whether the certified key is of a kind that clients may have, in its one form.
    fn is_of_kind(&self) -> bool {
        let spki = self.spki();
        let is_point = |prefix: &[u8], length: usize, form: Option<u8>| {
            spki.strip_prefix(prefix).is_some_and(|point| {
                point.len() == length && form.is_none_or(|form| point.first() == Some(&form))
            })
        };
        let is_rsa = || match self.0.subject_pki.parsed() {
            Ok(ParsedKey::RSA(key)) => {
                let numbers = [der(0x02, &[key.modulus]), der(0x02, &[key.exponent])].concat();
                let bits = der(0x03, &[b"\x00", &der(0x30, &[&numbers])]);
                let is_in_form = spki == der(0x30, &[RSA_ENCRYPTION, &bits]);
                is_in_form && is_strong_rsa(key.modulus, key.exponent)
            }
            _ => false,
        };
        is_point(ED25519_SPKI, 32, None)
            || is_point(P256_SPKI, 65, Some(4))
            || is_point(P384_SPKI, 97, Some(4))
            || is_rsa()
    }

    /// The one alternative name, if it is a URI.
    fn uri(&self) -> Option<&'c str> {
        let names = self.0.subject_alternative_name().ok()??;
        match names.value.general_names.as_slice() {
            [GeneralName::URI(uri)] => Some(uri),
            _ => None,
        }
    }

    /// The certified key, as its SubjectPublicKeyInfo.
    pub(super) fn spki(&self) -> &'c [u8] {
        self.0.subject_pki.raw
    }

    /// Whether it is no CA's, which it is not even without a word about it.
    pub(super) fn is_leaf(&self) -> bool {
        self.0.basic_constraints().is_ok_and(|found| found.is_none_or(|found| !found.value.ca))
    }

    /// The role of the subject, if that is this person, by name or pseudonym, in this role, under this grant, and
    /// nothing else. Who or what is not known is not compared.
    pub(super) fn names(
        &self,
        (name, actor): (Option<&PersonName>, ActorRef),
        role: Option<&RoleName>,
        grant: GrantId,
    ) -> Option<String> {
        let attributes = attributes(&self.0.subject)?;
        let [(common, own_name), (unit, own_role), (serial, own_grant)] =
            attributes.try_into().ok()?;
        let is_subject = (common.as_str(), unit.as_str(), serial.as_str())
            == (COMMON_NAME, ORGANIZATIONAL_UNIT, SERIAL_NUMBER)
            && name.is_none_or(|name| own_name == name.as_str() || own_name == actor.to_string())
            && role.is_none_or(|role| own_role == role.as_str())
            && own_grant == grant.to_string();
        is_subject.then_some(own_role)
    }

    /// Whether the one alternative name says role and person: services go by it.
    pub(super) fn identifies(&self, role: &str, actor: ActorRef) -> bool {
        let end = format!("/role/{role}/person/{actor}");
        let path = self.uri().and_then(|uri| uri.strip_prefix("spiffe://"));
        let domain = path.and_then(|path| path.strip_suffix(&end));
        let may_be = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        domain.is_some_and(|domain| !domain.is_empty() && domain.bytes().all(may_be))
    }
}

/// Whether a certificate request in DER is for the key of this SubjectPublicKeyInfo, and signed with it.
pub(super) fn is_requested(spki: &[u8], request: &[u8]) -> bool {
    match X509CertificationRequest::from_der(request) {
        Ok(([], request)) => {
            let algorithm = request.signature_algorithm.algorithm.to_id_string();
            request.certification_request_info.subject_pki.raw == spki
                && REQUEST_ALGORITHMS.contains(&algorithm.as_str())
                && request.verify_signature().is_ok()
        }
        _ => false,
    }
}

fn can_be_read(extension: &X509Extension<'_>) -> bool {
    !matches!(extension.parsed_extension(), ParsedExtension::ParseError { .. })
}

/// The attributes of a name whose parts have one each.
fn attributes(name: &X509Name<'_>) -> Option<Vec<(String, String)>> {
    let attribute = |part: &RelativeDistinguishedName<'_>| {
        let mut attributes = part.iter();
        let (attribute, None) = (attributes.next()?, attributes.next()) else { return None };
        Some((attribute.attr_type().to_id_string(), attribute.as_str().ok()?.to_owned()))
    };
    name.iter().map(attribute).collect()
}

// === DER (X.690) ===

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let start = length.iter().position(|&byte| byte != 0).unwrap_or(length.len() - 1);
    let length = length.get(start..).unwrap_or_default();
    let mut bytes = vec![tag];
    if content.len() > 127 {
        bytes.push(0x80 | u8::try_from(length.len()).unwrap_or_default());
    }
    bytes.extend_from_slice(length);
    bytes.extend(content);
    bytes
}

/// A relative name of one attribute below 2.5.4, as a string of this tag.
fn attribute(kind: u8, tag: u8, value: &str) -> Vec<u8> {
    let attribute = [&der(0x06, &[&[0x55, 0x04, kind]])[..], &der(tag, &[value.as_bytes()])];
    der(0x31, &[&der(0x30, &attribute)])
}

/// An extension below 2.5.29.
fn extension(kind: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { b"\x01\x01\xff" } else { b"" };
    der(0x30, &[&der(0x06, &[&[0x55, 0x1d, kind]]), critical, &der(0x04, &[value])])
}

/// RFC 5280 4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050 on.
fn time(time: UnixTime) -> Vec<u8> {
    let digits: String = time.to_string().chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix("20") {
        Some(short) if short < "50" => der(0x17, &[short.as_bytes(), b"Z"]),
        _ => der(0x18, &[digits.as_bytes(), b"Z"]),
    }
}

/// Its AlgorithmIdentifier, which has no parameters (RFC 5758 3.2).
const ECDSA_WITH_SHA256: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
const COMMON_NAME: &str = "2.5.4.3";
const ORGANIZATIONAL_UNIT: &str = "2.5.4.11";
const SERIAL_NUMBER: &str = "2.5.4.5";
/// Ed25519; ECDSA with SHA-256 and SHA-384; RSA with SHA-256, SHA-384 and SHA-512 (PKCS #1 v1.5). The parser verifies
/// SHA-1 as well, so the list is ours.
const REQUEST_ALGORITHMS: [&str; 6] = [
    "1.3.101.112",
    "1.2.840.10045.4.3.2",
    "1.2.840.10045.4.3.3",
    "1.2.840.113549.1.1.11",
    "1.2.840.113549.1.1.12",
    "1.2.840.113549.1.1.13",
];
/// `AlgorithmIdentifier` of rsaEncryption, whose parameters are NULL (RFC 3279 2.3.1).
const RSA_ENCRYPTION: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
