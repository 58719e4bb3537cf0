//! Authenticator data: what the authenticator says of what it did (WebAuthn section 6.1).
//!
//! ```text
//! SHA-256 of the RP ID, 32 | flags, 1 | counter, 4 | passkey: see `credential` | extensions
//! ```

use super::{Fault, Party, cose};
use crate::hash::sha256;

/// What it says, apart from extensions: none are asked for, and those that come all the same are not read.
#[derive(Debug)]
pub(super) struct AuthenticatorData<'a> {
    party: &'a [u8; 32],
    pub(super) flags: Flags,
    pub(super) counter: u32,
    /// Id and public key, in a registration.
    pub(super) credential: Option<Credential<'a>>,
}

/// The bits of section 6.1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flags(u8);

impl Flags {
    const USER_PRESENT: u8 = 1;
    const USER_VERIFIED: u8 = 1 << 2;
    const BACKUP_ELIGIBLE: u8 = 1 << 3;
    const BACKED_UP: u8 = 1 << 4;
    const CREDENTIAL: u8 = 1 << 6;
    const EXTENSIONS: u8 = 1 << 7;
    const RESERVED: u8 = 1 << 1 | 1 << 5;

    fn has(self, flag: u8) -> bool {
        self.0 & flag == flag
    }

    pub(super) fn is_backup_eligible(self) -> bool {
        self.has(Self::BACKUP_ELIGIBLE)
    }
}

/// No authenticator says more.
const LONGEST: usize = 8 * 1024;

impl<'a> AuthenticatorData<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let cut = Fault::AuthenticatorData("it is cut off");
        if bytes.len() > LONGEST {
            return Err(Fault::AuthenticatorData("it is longer than 8 KiB"));
        }
        let (party, rest) = bytes.split_first_chunk::<32>().ok_or_else(|| cut.clone())?;
        let (&[flags], rest) = rest.split_first_chunk::<1>().ok_or_else(|| cut.clone())?;
        let (counter, rest) = rest.split_first_chunk::<4>().ok_or(cut)?;
        let flags = Flags(flags);
        if flags.0 & Flags::RESERVED != 0 {
            return Err(Fault::AuthenticatorData("flags are set that are reserved"));
        }
        let (credential, rest) = match flags.has(Flags::CREDENTIAL) {
            true => credential(rest).map(|(found, rest)| (Some(found), rest))?,
            false => (None, rest),
        };
        let is_all = match flags.has(Flags::EXTENSIONS) {
            true => rest.first().is_some_and(|first| first >> 5 == CBOR_MAP),
            false => rest.is_empty(),
        };
        if !is_all {
            return Err(Fault::AuthenticatorData("it does not end where it should"));
        }
        Ok(Self { party, flags, counter: u32::from_be_bytes(*counter), credential })
    }

    /// It must be for this party, with the user there and verified, and agree with itself.
    pub(super) fn must_be_for(&self, party: &Party<'_>) -> Result<(), Fault> {
        if self.party != sha256(party.id.as_bytes()).as_bytes() {
            return Err(Fault::Party);
        }
        if !self.flags.has(Flags::USER_PRESENT | Flags::USER_VERIFIED) {
            return Err(Fault::Unverified);
        }
        if self.flags.has(Flags::BACKED_UP) && !self.flags.is_backup_eligible() {
            return Err(Fault::Backup);
        }
        Ok(())
    }
}

/// A passkey's id and public key.
type Credential<'a> = (&'a [u8], &'a [u8]);

/// Section 6.5.1: make, 16 | length of the id, 2 | id | public key. Gives the passkey, and what follows.
fn credential(bytes: &[u8]) -> Result<(Credential<'_>, &[u8]), Fault> {
    let cut = || Fault::AuthenticatorData("its passkey is cut off");
    let (_make, rest) = bytes.split_first_chunk::<16>().ok_or_else(cut)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
    let length = usize::from(u16::from_be_bytes(*length));
    if !(1..=LONGEST_ID).contains(&length) {
        return Err(Fault::AuthenticatorData("its passkey's id has not 1 to 1023 bytes"));
    }
    let (id, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
    let length = cose::length(rest).ok_or(Fault::Key)?;
    let (key, rest) = rest.split_at_checked(length).ok_or(Fault::Key)?;
    Ok(((id, key), rest))
}

/// Section 7.1, step 25.
const LONGEST_ID: usize = 1023;
/// The major type that extensions begin with (RFC 8949 section 3.1).
const CBOR_MAP: u8 = 5;
