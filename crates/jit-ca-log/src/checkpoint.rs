//! Checkpoints: the log's size and root, signed.
//!
//! A checkpoint's text (C2SP tlog-checkpoint) is three lines, each ended by LF: the log's origin;
//! its size in decimal; the base64 (RFC 4648 section 4, padded) of its root. We write no extension
//! lines and refuse them, as nobody could audit them. Signed, it is a C2SP signed-note: the text,
//! an empty line, and one line for each signature:
//!
//! ```text
//! ca.example.org/jit-ca
//! 4712
//! 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
//!
//! — ca.example.org/jit-ca <base64(key id ‖ signature)>
//! ```
//!
//! (an em dash, U+2014, and single spaces). The signature is ed25519 over the text with its last LF
//! and without the empty line. The key id is the first 4 bytes of `SHA-256(name ‖ 0x0A ‖ 0x01 ‖
//! public key)`, where the name is the origin and 0x01 stands for ed25519. A [`LogKey`]'s text is
//! `<origin>+<key id, 8 hexadecimal digits>+<base64(0x01 ‖ public key)>`. Lines of other names or
//! key ids, such as witnesses' cosignatures, are let alone; a line of the log's own that does not
//! verify spoils the whole.

mod verifier;

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding as _};
use jit_ca_core::{Digest, Origin};
use ring::signature::{ED25519, UnparsedPublicKey};

use crate::Error;
use crate::hash::sha256_of;

pub use verifier::LogVerifier;

/// The size and root of a log. Its `Display` is the text that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// The number of its leaves.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Digest,
}

impl Checkpoint {
    /// Joins this checkpoint with the signature that the log's key made over the bytes of its text.
    ///
    /// # Errors
    /// If it is not this key's signature, or the key is another log's.
    pub fn with_signature(
        &self,
        key: &LogKey,
        signature: &[u8; 64],
    ) -> Result<SignedCheckpoint, Error> {
        let signature = Base64::encode_string(&[&key.id()[..], signature].concat());
        let note = format!("{self}\n{DASH}{} {signature}\n", key.origin);
        let signed = SignedCheckpoint { note };
        match signed.open(key)? == *self {
            true => Ok(signed),
            false => Err(Error::Checkpoint("it does not survive its text")),
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = Base64::encode_string(self.root.as_bytes());
        writeln!(f, "{}\n{}\n{root}", self.origin, self.size)
    }
}

impl FromStr for Checkpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fault = || Error::Checkpoint("its text is not an origin, a size and a root");
        let lines: Vec<&str> = text.split('\n').collect();
        let &[origin, size, root, ""] = lines.as_slice() else {
            return Err(fault());
        };
        let root: [u8; 32] = Base64::decode_vec(root)
            .ok()
            .and_then(|root| root.try_into().ok())
            .ok_or_else(fault)?;
        let checkpoint = Self {
            origin: origin.parse().map_err(|_| fault())?,
            size: size.parse().map_err(|_| fault())?,
            root: Digest::from_bytes(root),
        };
        // `+5` and `05` are numbers too, and not the one way to write them.
        if checkpoint.to_string() == text { Ok(checkpoint) } else { Err(fault()) }
    }
}

/// A log's public key: what is needed to check its checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKey {
    origin: Origin,
    public_key: [u8; 32],
}

impl LogKey {
    /// The key of the log `origin`, from the 32 bytes of an ed25519 public key (RFC 8032).
    pub fn new(origin: Origin, public_key: [u8; 32]) -> Self {
        Self { origin, public_key }
    }

    /// Which log's key this is.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The ed25519 public key.
    pub fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    fn id(&self) -> [u8; 4] {
        let name = self.origin.as_str().as_bytes();
        let [a, b, c, d, ..] =
            *sha256_of(&[name, b"\n", &[ALGORITHM], &self.public_key]).as_bytes();
        [a, b, c, d]
    }

    fn verify(&self, text: &str, signature: &[u8]) -> Result<(), Error> {
        let key = UnparsedPublicKey::new(&ED25519, &self.public_key);
        key.verify(text.as_bytes(), signature).map_err(|_| Error::Signature)
    }
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let key = Base64::encode_string(&[&[ALGORITHM], self.public_key.as_slice()].concat());
        write!(f, "{}+{id:08x}+{key}", self.origin)
    }
}

impl FromStr for LogKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fault = || Error::LogKey(text.chars().take(200).collect());
        // Base64 has a `+` of its own; names and hexadecimal digits have none.
        let mut parts = text.splitn(3, '+');
        let (Some(origin), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(fault());
        };
        let key = Base64::decode_vec(key).map_err(|_| fault())?;
        let [ALGORITHM, public_key @ ..] = key.as_slice() else {
            return Err(fault());
        };
        let public_key = public_key.try_into().map_err(|_| fault())?;
        let key = Self::new(origin.parse().map_err(|_| fault())?, public_key);
        // The key id in the text is a check on the rest.
        if key.to_string() == text { Ok(key) } else { Err(fault()) }
    }
}

/// A checkpoint with its signatures, of which none is checked before [`SignedCheckpoint::open`].
///
/// Its text is the whole signed note, as it is stored and handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: String,
}

impl SignedCheckpoint {
    /// The signed note.
    pub fn as_str(&self) -> &str {
        &self.note
    }

    /// What the note says, with no signature checked: for looking at, never for resting on.
    ///
    /// # Errors
    /// If it is no checkpoint.
    pub fn unverified(&self) -> Result<Checkpoint, Error> {
        parts(&self.note)?.0.parse()
    }

    /// The checkpoint, once the log's signature is found to hold.
    ///
    /// # Errors
    /// If it bears no signature of this key or a wrong one, or is another log's.
    pub fn open(&self, key: &LogKey) -> Result<Checkpoint, Error> {
        let (text, signatures) = parts(&self.note)?;
        let mut signed = false;
        for line in signatures {
            let SignatureLine { name, id, signature } = line?;
            if name == key.origin.as_str() && id == key.id() {
                key.verify(text, &signature)?;
                signed = true;
            }
        }
        if !signed {
            return Err(Error::Unsigned(key.to_string()));
        }
        let checkpoint: Checkpoint = text.parse()?;
        if checkpoint.origin == key.origin {
            Ok(checkpoint)
        } else {
            Err(Error::Checkpoint("it is another log's"))
        }
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note)
    }
}

impl FromStr for SignedCheckpoint {
    type Err = Error;

    fn from_str(note: &str) -> Result<Self, Error> {
        if note.len() > LONGEST_NOTE {
            return Err(Error::Checkpoint("it is longer than 16 KiB"));
        }
        let (text, mut signatures) = parts(note)?;
        text.parse::<Checkpoint>()?;
        signatures.try_for_each(|line| line.map(drop))?;
        Ok(Self { note: note.to_owned() })
    }
}

struct SignatureLine<'n> {
    name: &'n str,
    id: [u8; 4],
    signature: Vec<u8>,
}

/// A note's text, and its signature lines.
fn parts(
    note: &str,
) -> Result<(&str, impl Iterator<Item = Result<SignatureLine<'_>, Error>>), Error> {
    let no_note = || Error::Checkpoint("it has no signatures");
    let empty_line = note.find("\n\n").ok_or_else(no_note)?;
    let (text, signatures) = note.split_at_checked(empty_line + 1).ok_or_else(no_note)?;
    let signatures = signatures.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
    Ok((text, signatures.ok_or_else(no_note)?.split('\n').map(signature_line)))
}

fn signature_line(line: &str) -> Result<SignatureLine<'_>, Error> {
    let fault = || Error::Checkpoint("it has a malformed signature line");
    let (name, signature) =
        line.strip_prefix(DASH).and_then(|line| line.split_once(' ')).ok_or_else(fault)?;
    let bytes = Base64::decode_vec(signature).map_err(|_| fault())?;
    match bytes.split_first_chunk() {
        Some((&id, signature)) if !name.is_empty() && !signature.is_empty() => {
            Ok(SignatureLine { name, id, signature: signature.to_vec() })
        }
        _ => Err(fault()),
    }
}

/// The type of ed25519 signatures in C2SP signed-note.
const ALGORITHM: u8 = 0x01;
/// What a signature line begins with.
const DASH: &str = "\u{2014} ";
/// Room for the signatures of some hundred witnesses.
const LONGEST_NOTE: usize = 16 * 1024;

#[cfg(test)]
mod tests;
