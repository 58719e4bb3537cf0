//! Reading X.509 certificates with x509-parser, which shares nothing with the library that writes them.
//!
//! DER has one form for each value, so an extension whose value is known is compared byte by byte;
//! whatever is left over when all known ones are taken is a fault.

use std::collections::BTreeMap;

use jit_ca_core::time::WindowError;
use jit_ca_core::{IssuanceId, Span, UnixTime, Window};
use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::certificate::X509CertificateParser;
use x509_parser::extensions::{GeneralName, SubjectAlternativeName};
use x509_parser::nom::Parser as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::{AlgorithmIdentifier, X509Name, X509Version};

use super::{SECOND, key_identifier};
use crate::intent::Parts;
use crate::purpose::Usage;
use crate::{Algorithm, BACKDATE, Lint, PublicKey, SubjectKey};

/// A certificate that is being read.
pub(super) struct Reading<'c> {
    certificate: X509Certificate<'c>,
    /// Those not yet taken, by object identifier: criticality and value.
    extensions: BTreeMap<String, (bool, &'c [u8])>,
}

impl<'c> Reading<'c> {
    /// Takes a whole certificate apart that a key of `algorithm` signs.
    pub(super) fn new(bytes: &'c [u8], algorithm: Algorithm) -> Result<Self, Lint> {
        let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
        let (rest, certificate) = parser.parse(bytes).map_err(|_| form("certificate"))?;
        if !rest.is_empty() {
            return Err(Lint::TrailingBytes);
        }
        let fields = &certificate.tbs_certificate;
        if fields.version != X509Version::V3 {
            return Err(Lint::Version);
        }
        // RFC 5280 4.1.1.2: both fields say the same.
        if [&fields.signature, &certificate.signature_algorithm]
            .into_iter()
            .any(|found| !names(found, algorithm))
        {
            return Err(Lint::SignatureAlgorithm);
        }
        if fields.issuer_uid.is_some() || fields.subject_uid.is_some() {
            return Err(Lint::Reserved);
        }
        let mut extensions = BTreeMap::new();
        for extension in fields.extensions() {
            let name = extension.oid.to_id_string();
            if extensions.insert(name.clone(), (extension.critical, extension.value)).is_some() {
                return Err(Lint::Extension { name });
            }
        }
        Ok(Self { certificate, extensions })
    }

    /// The issuance id in the serial number, which has the one form `01 ‖ id`.
    pub(super) fn issuance(&self) -> Result<IssuanceId, Lint> {
        match self.certificate.tbs_certificate.raw_serial() {
            [1, id @ ..] => id.try_into().map(IssuanceId::from_bytes).map_err(|_| Lint::Serial),
            _ => Err(Lint::Serial),
        }
    }

    /// The values of a subject that has exactly these attributes, in this order.
    pub(super) fn subject<const N: usize>(
        &self,
        attributes: [&Attribute; N],
    ) -> Result<[String; N], Lint> {
        values(&self.certificate.tbs_certificate.subject, attributes).ok_or(Lint::Subject)
    }

    /// The issuer is the CA of this name.
    pub(super) fn issuer(&self, common_name: &str) -> Result<(), Lint> {
        match values(&self.certificate.tbs_certificate.issuer, [COMMON_NAME]) {
            Some([found]) if found == common_name => Ok(()),
            _ => Err(Lint::Issuer),
        }
    }

    /// The public key.
    pub(super) fn public_key(&self) -> Result<PublicKey, Lint> {
        PublicKey::from_spki(self.certificate.tbs_certificate.subject_pki.raw)
            .map_err(|_| Lint::SubjectKey)
    }

    /// The public key of a leaf.
    pub(super) fn subject_key(&self) -> Result<SubjectKey, Lint> {
        let spki = self.certificate.tbs_certificate.subject_pki.raw;
        SubjectKey::from_spki(spki).map_err(|_| Lint::SubjectKey)
    }

    /// The window of a leaf, at most `cap` long.
    pub(super) fn window(&self, cap: Span) -> Result<Window, Lint> {
        let (start, end) = self.bounds()?;
        let too_long = Lint::TooLong { seconds: end.since(start).secs(), cap: cap.secs() };
        match Window::new(start, end) {
            Ok(_) if end.since(start) > cap => Err(too_long),
            Ok(window) => Ok(window),
            Err(WindowError::TooLong { .. }) => Err(too_long),
            Err(WindowError::Empty { .. }) => Err(Lint::Validity),
        }
    }

    /// The start of a CA's validity, which is of exactly this length.
    pub(super) fn validity_of(&self, length: Span) -> Result<UnixTime, Lint> {
        let (start, end) = self.bounds()?;
        let found = end.since(start);
        if found > length {
            Err(Lint::TooLong { seconds: found.secs(), cap: length.secs() })
        } else if found < length {
            Err(Lint::Validity)
        } else {
            Ok(start)
        }
    }

    /// The `[start, end)` that the validity was made from.
    fn bounds(&self) -> Result<(UnixTime, UnixTime), Lint> {
        let validity = &self.certificate.tbs_certificate.validity;
        let [not_before, not_after] = [validity.not_before, validity.not_after].map(|time| {
            // RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050 on.
            let right_form = time.is_utctime() == (time.timestamp() < YEAR_2050);
            u64::try_from(time.timestamp()).ok().filter(|&seconds| right_form && seconds > 0)
        });
        let (Some(not_before), Some(not_after)) = (not_before, not_after) else {
            return Err(Lint::Validity);
        };
        let start = UnixTime::from_secs(not_before).plus(BACKDATE);
        Ok((start, UnixTime::from_secs(not_after).plus(SECOND)))
    }

    /// It names `issuer`'s key as the one that signs it (RFC 5280 4.2.1.1).
    pub(super) fn authority(&mut self, issuer: &PublicKey) -> Result<(), Lint> {
        let value = [b"\x30\x16\x80\x14".as_slice(), &key_identifier(issuer.point())].concat();
        self.extension(&AUTHORITY_KEY_ID, false, &value)
    }

    /// Takes what every leaf has, its alternative names aside.
    pub(super) fn leaf_extensions(&mut self, usage: Usage) -> Result<(), Lint> {
        self.extension(&BASIC_CONSTRAINTS, true, b"\x30\x00")?;
        self.extension(&KEY_USAGE, true, DIGITAL_SIGNATURE)?;
        self.extension(&EXTENDED_KEY_USAGE, false, extended(usage))?;
        self.extension(&NO_REV_AVAIL, false, b"\x05\x00")
    }

    /// Takes what the CA with this key has.
    pub(super) fn ca_extensions(
        &mut self,
        key: &PublicKey,
        usage: Option<Usage>,
        path_length: u8,
    ) -> Result<(), Lint> {
        let subject_key_id = [b"\x04\x14".as_slice(), &key_identifier(key.point())].concat();
        self.extension(&SUBJECT_KEY_ID, false, &subject_key_id)?;
        self.extension(&BASIC_CONSTRAINTS, true, &[0x30, 6, 1, 1, 0xff, 2, 1, path_length])?;
        self.extension(&KEY_USAGE, true, KEY_CERT_SIGN_CRL_SIGN)?;
        usage.map_or(Ok(()), |usage| self.extension(&EXTENDED_KEY_USAGE, false, extended(usage)))
    }

    /// Takes the alternative names.
    pub(super) fn alternative_names(
        &mut self,
        critical: bool,
    ) -> Result<Vec<GeneralName<'c>>, Lint> {
        let (found_critical, value) = self.take(&SUBJECT_ALT_NAME)?;
        match SubjectAlternativeName::from_der(value) {
            Ok(([], names)) if found_critical == critical => Ok(names.general_names),
            _ => Err(Lint::SubjectAltName),
        }
    }

    /// Takes an extension whose value is known.
    fn extension(
        &mut self,
        extension: &Extension,
        critical: bool,
        value: &[u8],
    ) -> Result<(), Lint> {
        if self.take(extension)? == (critical, value) {
            Ok(())
        } else {
            Err(Lint::Extension { name: extension.name.to_owned() })
        }
    }

    fn take(&mut self, extension: &Extension) -> Result<(bool, &'c [u8]), Lint> {
        self.extensions.remove(extension.oid).ok_or(Lint::MissingExtension { name: extension.name })
    }

    /// Ends the reading: every extension must have been taken.
    pub(super) fn finish<C>(self, content: C) -> Result<Parts<C>, Lint> {
        if let Some((name, _)) = self.extensions.into_iter().next() {
            return Err(Lint::Extension { name });
        }
        let signature = &self.certificate.signature_value;
        if signature.unused_bits != 0 {
            return Err(form("signature"));
        }
        let to_be_signed = self.certificate.tbs_certificate.as_ref().to_vec();
        Ok(Parts { content, to_be_signed, signature: signature.data.to_vec() })
    }
}

/// The signature of a certificate of exactly these to-be-signed bytes, by a key of `algorithm` (RFC 5280 4.1.1).
pub(super) fn signature<'c>(
    certificate: &'c [u8],
    to_be_signed: &[u8],
    algorithm: Algorithm,
) -> Option<&'c [u8]> {
    let (after, whole) = Any::from_der(certificate).ok()?;
    let rest = whole.data.strip_prefix(to_be_signed)?;
    let (rest, found) = AlgorithmIdentifier::from_der(rest).ok()?;
    let (rest, bits) = Any::from_der(rest).ok()?;
    let tags = (whole.tag(), bits.tag()) == (Tag::Sequence, Tag::BitString);
    match bits.data {
        // No unused bits (X.690 8.6.2.2).
        [0, signature @ ..] if tags && names(&found, algorithm) => {
            (after.is_empty() && rest.is_empty()).then_some(signature)
        }
        _ => None,
    }
}

/// The key in a root's certificate, for its own signature to be verified by.
pub(super) fn root_key(bytes: &[u8]) -> Result<PublicKey, Lint> {
    Reading::new(bytes, Algorithm::P384)?.public_key()
}

fn names(found: &AlgorithmIdentifier<'_>, algorithm: Algorithm) -> bool {
    let oid = match algorithm {
        Algorithm::Ed25519 => "1.3.101.112",
        Algorithm::P256 => "1.2.840.10045.4.3.2",
        Algorithm::P384 => "1.2.840.10045.4.3.3",
    };
    found.algorithm.to_id_string() == oid && found.parameters.is_none()
}

/// The values of a name whose parts are exactly `attributes`, one to each part, in this order.
fn values<const N: usize>(name: &X509Name<'_>, attributes: [&Attribute; N]) -> Option<[String; N]> {
    let mut values = Vec::new();
    let mut parts = name.iter();
    for attribute in attributes {
        let mut part = parts.next()?.iter();
        let (Some(found), None) = (part.next(), part.next()) else {
            return None;
        };
        if found.attr_type().to_id_string() != attribute.oid
            || found.attr_value().tag() != attribute.tag
        {
            return None;
        }
        values.push(found.as_str().ok()?.to_owned());
    }
    if parts.next().is_some() { None } else { values.try_into().ok() }
}

fn extended(usage: Usage) -> &'static [u8] {
    match usage {
        Usage::ClientAuth => b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02",
        Usage::ServerAuth => b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01",
    }
}

fn form(field: &'static str) -> Lint {
    Lint::Form { field }
}

/// An attribute of a name, and the type of string that we write it as.
pub(super) struct Attribute {
    oid: &'static str,
    tag: Tag,
}

pub(super) const COMMON_NAME: &Attribute = &Attribute { oid: "2.5.4.3", tag: Tag::Utf8String };
pub(super) const ORGANIZATIONAL_UNIT: &Attribute =
    &Attribute { oid: "2.5.4.11", tag: Tag::Utf8String };
pub(super) const SERIAL_NUMBER: &Attribute =
    &Attribute { oid: "2.5.4.5", tag: Tag::PrintableString };

struct Extension {
    oid: &'static str,
    name: &'static str,
}

const SUBJECT_KEY_ID: Extension = Extension { oid: "2.5.29.14", name: "subjectKeyIdentifier" };
const KEY_USAGE: Extension = Extension { oid: "2.5.29.15", name: "keyUsage" };
const SUBJECT_ALT_NAME: Extension = Extension { oid: "2.5.29.17", name: "subjectAltName" };
const BASIC_CONSTRAINTS: Extension = Extension { oid: "2.5.29.19", name: "basicConstraints" };
const AUTHORITY_KEY_ID: Extension = Extension { oid: "2.5.29.35", name: "authorityKeyIdentifier" };
const EXTENDED_KEY_USAGE: Extension = Extension { oid: "2.5.29.37", name: "extKeyUsage" };
const NO_REV_AVAIL: Extension = Extension { oid: "2.5.29.56", name: "noRevAvail" };

/// BIT STRING with bit 0 set (RFC 5280 4.2.1.3).
const DIGITAL_SIGNATURE: &[u8] = b"\x03\x02\x07\x80";
/// BIT STRING with bits 5 and 6 set.
const KEY_CERT_SIGN_CRL_SIGN: &[u8] = b"\x03\x02\x01\x06";
/// 2050-01-01T00:00:00Z.
const YEAR_2050: i64 = 2_524_608_000;
