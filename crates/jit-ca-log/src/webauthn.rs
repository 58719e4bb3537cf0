//! Passkeys: registrations and assertions of W3C WebAuthn Level 3, verified with ring.
//!
//! ```text
//! statement ──SHA-256──> challenge ─┐
//!             page's origin ────────┴─> client data ──SHA-256──┐
//!             RP ID, flags, counter ──> authenticator data ────┴─> signed by the passkey
//! ```
//!
//! A challenge is always the SHA-256 of a statement ([`jit_ca_core::statement`]), whose first line says what it is for:
//! so an assertion that logs in is none that approves. We are stricter than sections 7.1 and 7.2 in what is left to the
//! relying party: the user must have been verified, pages in frames of others are refused, flags that are
//! reserved must be clear, and a counter must go up.
//!
//! Of a registration the attestation is neither asked for nor read: which make an authenticator is, proves nothing
//! here. So nothing signs a registration, and a passkey is proven by the first assertion that holds.

mod authenticator_data;
mod client_data;
mod cose;

use jit_ca_core::event::{Assertion, Registration};
use jit_ca_core::{Bytes, Digest};

use self::authenticator_data::AuthenticatorData;
use self::client_data::{Ceremony, must_be_of};
use crate::hash::sha256;

/// Why a registration or an assertion does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The client data can't be read, or is of another ceremony.
    #[error("the browser's client data is not that of such a call")]
    ClientData,
    /// It answers another challenge: it is for something else, or was made before.
    #[error("the passkey answered another challenge")]
    Challenge,
    /// It was made on another page.
    #[error("the passkey was used on {0:?}, which is not the CA's page")]
    Origin(String),
    /// The page was shown inside of another one.
    #[error("the passkey was used in a frame of another page")]
    Framed,
    /// The authenticator's data can't be read.
    #[error("the authenticator's data is malformed: {0}")]
    AuthenticatorData(&'static str),
    /// The passkey is one for another relying party.
    #[error("the passkey is for another host")]
    Party,
    /// Nobody touched the authenticator, or it did not find out who.
    #[error("the authenticator has not verified its user: give it a PIN, or a fingerprint")]
    Unverified,
    /// It says that it can be backed up, and said that it can't; or it is backed up, and can't be.
    #[error("the passkey contradicts itself about backups")]
    Backup,
    /// A kind of key that is not accepted.
    #[error("the passkey's key is not accepted: it must be ES256, EdDSA or RS256")]
    Key,
    /// The counter has not gone up: a copy of the passkey may be in use.
    #[error("the passkey's counter is {found} after {last}: it may have been copied")]
    Counter {
        /// What it said the last time.
        last: u32,
        /// What it says now.
        found: u32,
    },
    /// The signature does not verify.
    #[error("the passkey's signature is wrong")]
    Signature,
}

/// Who relies on the passkey: the CA, by its page.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// The RP ID: the page's host, in lower case.
    pub id: &'a str,
    /// The page's origin, such as `https://ca.example.org:8443`. Whoever reads a log later does not know it, and takes
    /// `https://` and the host, with any port.
    pub origin: Option<&'a str>,
}

/// What of a passkey has to be known, to check what it asserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    /// The credential's id: 1 to 1,023 bytes.
    pub id: Bytes,
    /// The public key, as COSE (RFC 9052) writes it.
    pub key: Bytes,
    /// What its counter said last; always 0 where it has none.
    pub counter: u32,
    /// Whether it can be backed up, and so be on several devices. That never changes.
    pub is_backup_eligible: bool,
}

/// The passkey that was registered in answer to a challenge (section 7.1).
///
/// # Errors
/// If the registration does not hold: see [`Fault`].
pub fn registered(
    party: &Party<'_>,
    challenge: &Digest,
    registration: &Registration,
) -> Result<Passkey, Fault> {
    must_be_of(Ceremony::Create, party, challenge, registration.client_data.as_slice())?;
    let data = AuthenticatorData::read(registration.authenticator_data.as_slice())?;
    data.must_be_for(party)?;
    data.into_passkey()
}

/// The passkey of a registration that was checked before: that the log has.
///
/// # Errors
/// If there is none in it.
pub fn recorded(registration: &Registration) -> Result<Passkey, Fault> {
    AuthenticatorData::read(registration.authenticator_data.as_slice())?.into_passkey()
}

/// What the counter says in an assertion.
///
/// # Errors
/// If it is malformed.
pub fn counter(assertion: &Assertion) -> Result<u32, Fault> {
    AuthenticatorData::read(assertion.authenticator_data.as_slice()).map(|data| data.counter)
}

/// What a counter says must follow on what it said last (section 7.2, step 22). Authenticators without one say 0 for
/// ever.
///
/// # Errors
/// If it has not gone up.
pub fn must_count_on(last: u32, found: u32) -> Result<(), Fault> {
    match (last, found) == (0, 0) || found > last {
        true => Ok(()),
        false => Err(Fault::Counter { last, found }),
    }
}

impl Passkey {
    /// Checks an assertion in answer to a challenge (section 7.2), all but its counter.
    ///
    /// # Errors
    /// If the assertion does not hold: see [`Fault`].
    pub fn verify(
        &self,
        party: &Party<'_>,
        challenge: &Digest,
        assertion: &Assertion,
    ) -> Result<(), Fault> {
        must_be_of(Ceremony::Get, party, challenge, assertion.client_data.as_slice())?;
        let data = AuthenticatorData::read(assertion.authenticator_data.as_slice())?;
        data.must_be_for(party)?;
        if data.credential.is_some() {
            return Err(Fault::AuthenticatorData("it holds a passkey, as only registrations do"));
        }
        if data.flags.is_backup_eligible() != self.is_backup_eligible {
            return Err(Fault::Backup);
        }
        let hash = sha256(assertion.client_data.as_slice());
        let signed = [assertion.authenticator_data.as_slice(), hash.as_bytes()].concat();
        cose::verify(self.key.as_slice(), &signed, assertion.signature.as_slice())
    }

    /// The same, and that the counter has gone up since this was known of the passkey; what it says from now on.
    ///
    /// # Errors
    /// If the assertion does not hold: see [`Fault`].
    pub fn verify_next(
        &self,
        party: &Party<'_>,
        challenge: &Digest,
        assertion: &Assertion,
    ) -> Result<u32, Fault> {
        self.verify(party, challenge, assertion)?;
        let found = counter(assertion)?;
        must_count_on(self.counter, found)?;
        Ok(found)
    }
}

impl AuthenticatorData<'_> {
    fn into_passkey(self) -> Result<Passkey, Fault> {
        let (id, key) = self.credential.ok_or(Fault::AuthenticatorData("it holds no passkey"))?;
        Ok(Passkey {
            id: id.into(),
            key: key.into(),
            counter: self.counter,
            is_backup_eligible: self.flags.is_backup_eligible(),
        })
    }
}

#[cfg(test)]
mod tests;
