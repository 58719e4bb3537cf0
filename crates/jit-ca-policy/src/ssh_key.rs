//! SSH public keys as people paste them, kept as text: they are compared here, and used elsewhere.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding as _};
use jit_ca_core::ValueError;

/// An SSH public key by which a person logs in: `ssh-ed25519 AAAA…`, without its comment.
///
/// One key has one text, so that equal texts are equal keys. Whether an RSA key is long enough and
/// whether a point lies on its curve is for whoever verifies with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SshKey(String);

impl SshKey {
    /// The key's type and its base64, with a space between them.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How many fields follow the type in the key's bytes (RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4; of security keys,
/// OpenSSH's PROTOCOL.u2f).
const TYPES: [(&str, usize); 6] = [
    ("ssh-ed25519", 1),
    ("ecdsa-sha2-nistp256", 2),
    ("ecdsa-sha2-nistp384", 2),
    ("ssh-rsa", 2),
    ("sk-ssh-ed25519@openssh.com", 2),
    ("sk-ecdsa-sha2-nistp256@openssh.com", 3),
];

impl FromStr for SshKey {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = |expected| ValueError {
            kind: "SSH public key",
            given: text.chars().take(80).collect(),
            expected,
        };
        if text.chars().any(char::is_control) {
            return Err(fault("write one line, as a .pub file holds it"));
        }
        let mut words = text.split(' ').filter(|word| !word.is_empty());
        let (kind, encoded) = words.next().zip(words.next()).ok_or_else(|| {
            fault("write the type and the base64 of one key, as a .pub file holds them")
        })?;
        let (_, fields) = TYPES.iter().find(|(known, _)| *known == kind).ok_or_else(|| {
            fault("use ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ssh-rsa, sk-ssh-ed25519@openssh.com or sk-ecdsa-sha2-nistp256@openssh.com, without options before it")
        })?;
        let bytes = Base64::decode_vec(encoded)
            .map_err(|_| fault("copy the whole key: its base64 can't be decoded"))?;
        let last = last_field(&bytes, kind, *fields)
            .ok_or_else(|| fault("copy the whole key: its bytes are not those of its type"))?;
        // Of a security key it is the application that it is for. Another one's signatures are made for web sites.
        if kind.starts_with("sk-") && !last.starts_with(b"ssh:") {
            return Err(fault("make a key whose application begins with \"ssh:\""));
        }
        Ok(Self(format!("{kind} {encoded}")))
    }
}

/// The last field, if the bytes are the type and as many fields as it has, each with its length, and no more.
fn last_field<'b>(bytes: &'b [u8], kind: &str, fields: usize) -> Option<&'b [u8]> {
    let mut rest = bytes;
    let mut next = || {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (field, tail) = tail.split_at_checked(length)?;
        rest = tail;
        Some(field)
    };
    let mut last = next().filter(|named| *named == kind.as_bytes())?;
    for _ in 0..fields {
        last = next().filter(|field| !field.is_empty())?;
    }
    rest.is_empty().then_some(last)
}
