//! The bytes of an SSHSIG, and the text around them (PROTOCOL.sshsig sections 1 and 2).
//!
//! Read here and not by ssh-key, which reads over wrong lengths of nested fields, and can't write the ECDSA signature of a
//! security key. What is read has one encoding: each field is as long as it says, and nothing follows.

use base64ct::{Base64, Encoding as _};
use ssh_encoding::Decode as _;
use ssh_key::{Algorithm, HashAlg};

use super::security_key::Asserted;
use crate::Error;

/// What a signature's bytes say.
#[derive(Debug)]
pub(super) struct Blob<'b> {
    /// The key that it says to be by, in its wire form.
    pub(super) public_key: &'b [u8],
    pub(super) namespace: &'b str,
    /// Of the message.
    pub(super) hash: HashAlg,
    pub(super) algorithm: Algorithm,
    /// The signature itself, as the algorithm has it.
    pub(super) signature: &'b [u8],
    /// What a security key says beside it.
    pub(super) asserted: Option<Asserted>,
}

impl<'b> Blob<'b> {
    /// Takes the bytes apart.
    pub(super) fn read(bytes: &'b [u8]) -> Result<Self, Error> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(malformed)?;
        let version = u32::decode(&mut rest).map_err(unreadable)?;
        let mut field = || string(&mut rest);
        let (public_key, namespace, reserved) = (field()?, field()?, field()?);
        let (hash, mut signature) = (field()?, field()?);
        if version != VERSION || !reserved.is_empty() || !rest.is_empty() {
            return Err(malformed());
        }
        let algorithm = text(string(&mut signature)?)?;
        let algorithm = Algorithm::new(algorithm).map_err(Error::SshSig)?;
        let bytes = string(&mut signature)?;
        let asserted = match algorithm {
            Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => {
                Some(Asserted::read(&mut signature).ok_or_else(malformed)?)
            }
            _ => None,
        };
        if !signature.is_empty() {
            return Err(malformed());
        }
        let hash = text(hash)?.parse().map_err(|_| malformed())?;
        let namespace = text(namespace)?;
        Ok(Self { public_key, namespace, hash, algorithm, signature: bytes, asserted })
    }
}

/// The bytes of an armoured signature, whose lines are as `ssh-keygen` writes them.
///
/// # Errors
/// If it is none.
pub fn from_armour(signature: &str) -> Result<Vec<u8>, Error> {
    if signature.len() > LONGEST_SIGNATURE {
        return Err(Error::SshSigTooLong(LONGEST_SIGNATURE));
    }
    let inside = signature.strip_suffix('\n').unwrap_or(signature).strip_prefix(BEGIN);
    let inside = inside.and_then(|rest| rest.strip_suffix(END)).ok_or_else(malformed)?;
    let (full, last) = inside.rsplit_once('\n').map_or(("", inside), |(full, last)| (full, last));
    let are_full = full.is_empty() || full.split('\n').all(|line| line.len() == LINE);
    if !are_full || last.is_empty() || last.len() > LINE {
        return Err(malformed());
    }
    Base64::decode_vec(&inside.replace('\n', "")).map_err(|_| malformed())
}

/// RFC 4251 section 5: `string`.
fn string<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8], Error> {
    let (length, behind) = rest.split_first_chunk().ok_or_else(malformed)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| malformed())?;
    let (string, behind) = behind.split_at_checked(length).ok_or_else(malformed)?;
    *rest = behind;
    Ok(string)
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| malformed())
}

fn malformed() -> Error {
    Error::SshSig(ssh_key::Error::FormatEncoding)
}

fn unreadable(error: ssh_encoding::Error) -> Error {
    Error::SshSig(error.into())
}

const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "\n-----END SSH SIGNATURE-----";
/// Characters of a line.
const LINE: usize = 70;
/// An RSA key of 8192 bits and its signature take some 3 KiB of base64.
const LONGEST_SIGNATURE: usize = 8 * 1024;
