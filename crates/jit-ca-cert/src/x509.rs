//! X.509 certificates (RFC 5280): the CA's own, and those for clients, servers and logins.
//!
//! Written with rcgen, read with x509-parser. Every leaf has the same profile:
//!
//! | field | value |
//! | --- | --- |
//! | version, serial | 3; `01 ‖ issuance id` |
//! | validity | `[start − 60 s, end − 1 s]`, both inclusive (4.1.2.5) |
//! | basicConstraints, critical | CA:FALSE |
//! | keyUsage, critical | digitalSignature |
//! | extendedKeyUsage | clientAuth or serverAuth, never both |
//! | subjectAltName | one SPIFFE id, or the server's names; critical if the subject is empty (4.2.1.6) |
//! | authorityKeyIdentifier | the issuing key's; no subjectKeyIdentifier, as nothing is issued below |
//! | noRevAvail | present: what ends by itself is not revoked (RFC 9608) |
//!
//! and not one extension more.

mod ca;
mod leaf;
mod read;
mod write;

pub use ca::{CaCertificate, ISSUING_LIFETIME, IssuingCertificate, ROOT_LIFETIME, RootCertificate};
pub use leaf::{ClientCertificate, LONGEST_LOGIN, LoginCertificate, ServerCertificate};

use jit_ca_core::Span;
use jit_ca_log::hash::sha256;

/// What lies between an exclusive end and the inclusive one of RFC 5280 4.1.2.5.
const SECOND: Span = Span::from_secs(1);

/// The key identifier of RFC 7093 2, method 1: 160 bits of the SHA-256 over what the key's bit string holds.
fn key_identifier(bits: &[u8]) -> [u8; 20] {
    let digest = sha256(bits);
    let mut identifier = [0; 20];
    identifier.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
    identifier
}
