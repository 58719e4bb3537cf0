//! Signatures of FIDO security keys: OpenSSH's PROTOCOL.u2f, "SSH U2F signatures".
//!
//! A security key signs no message but its hash, together with what it says of how it came to sign. The flags are those
//! of WebAuthn section 6.1. We ask for the user's presence always; whether the user was verified is for the caller. The
//! counter is covered by the signature and means nothing here: a key that was copied can't be told by it where
//! signatures come from several programs, and many security keys leave it at zero.

use crate::Error;
use crate::hash::sha256;

/// What a security key says beside its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asserted {
    flags: u8,
    counter: [u8; 4],
}

impl Asserted {
    /// Takes it off the front of the bytes.
    pub(super) fn read(rest: &mut &[u8]) -> Option<Self> {
        let ([flags], behind) = rest.split_first_chunk()?;
        let (counter, behind) = behind.split_first_chunk()?;
        *rest = behind;
        Some(Self { flags: *flags, counter: *counter })
    }

    /// Whether the security key has verified its user, by a PIN or biometrics.
    pub(super) fn is_user_verified(self) -> bool {
        self.flags & USER_VERIFIED != 0
    }
}

/// What a security key signs in place of `message`.
///
/// # Errors
/// If it says nothing of how it came to sign, is not a key for SSH, or signed with nobody there.
pub(super) fn signed(
    application: &str,
    asserted: Option<Asserted>,
    message: &[u8],
) -> Result<Vec<u8>, Error> {
    let asserted = asserted.ok_or(Error::Signature)?;
    if !is_for_ssh(application) {
        return Err(Error::SecurityKey("is for another application than ssh:"));
    }
    if asserted.flags & USER_PRESENT == 0 {
        return Err(Error::SecurityKey("signed without being touched"));
    }
    let mut signed = Vec::with_capacity(32 + 1 + 4 + 32);
    signed.extend_from_slice(sha256(application.as_bytes()).as_bytes());
    signed.push(asserted.flags);
    signed.extend_from_slice(&asserted.counter);
    signed.extend_from_slice(sha256(message).as_bytes());
    Ok(signed)
}

/// Other applications are web sites, whose assertions are made by browsers for whoever asks them.
fn is_for_ssh(application: &str) -> bool {
    application.starts_with("ssh:")
}

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;

#[cfg(test)]
mod tests;
