//! Certificates: what of their bytes was signed, and some of somebody else's.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64ct::{Base64, Encoding};
use ring::digest::{SHA256, digest};

use crate::run;

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("32 bytes")
}

/// A key of P-256 and a certificate that OpenSSL signs with it, as `NAME.key` and `NAME.pem` in the folder. `more` says of
/// whom: `["-subj", "/CN=x"]`.
pub fn self_signed(folder: &Path, name: &str, more: &[&str]) -> (PathBuf, PathBuf) {
    let [key, certificate] = ["key", "pem"].map(|end| folder.join(format!("{name}.{end}")));
    let mut openssl = Command::new("openssl");
    openssl
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365".split(' '));
    run(openssl.args(more).arg("-keyout").arg(&key).arg("-out").arg(&certificate)).ok();
    (key, certificate)
}

/// A certificate that a client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// SHA-256 of the bytes that were signed: what the log's intent names.
    pub tbs: [u8; 32],
}

impl Issued {
    /// Reads the line of a `-cert.pub` file.
    pub fn ssh(line: &str) -> Self {
        let blob = line.split(' ').nth(1).expect("a certificate has two words");
        let blob = Base64::decode_vec(blob).expect("base64");
        // PROTOCOL.certkeys: the last field is the signature, an SSH string; all before it is signed.
        // Ours are ed25519's (RFC 8709): a string of 83 bytes.
        let signature = 4 + (4 + "ssh-ed25519".len() + 4 + 64);
        Self { tbs: sha256(&blob[..blob.len() - signature]) }
    }

    /// Reads the first certificate of a PEM text.
    pub fn x509(pem: &str) -> Self {
        let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----").expect("PEM");
        let (text, _) = rest.split_once("-----END CERTIFICATE-----").expect("PEM");
        let text: String = text.split_whitespace().collect();
        let der = Base64::decode_vec(&text).expect("base64");
        // RFC 5280, 4.1: the first element of the outer sequence.
        let (header, _) = der_lengths(&der);
        let tbs = &der[header..];
        let (header, body) = der_lengths(tbs);
        Self { tbs: sha256(&tbs[..header + body]) }
    }
}

/// The lengths of a DER element's header and of its body.
fn der_lengths(der: &[u8]) -> (usize, usize) {
    match usize::from(der[1]) {
        short @ 0..0x80 => (2, short),
        long => {
            let end = 2 + (long & 0x7f);
            (end, der[2..end].iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)))
        }
    }
}
