//! Intents: certificates whose every byte but the signature is final.

use std::fmt::Debug;

use jit_ca_core::Digest;
use jit_ca_log::hash::sha256;

use crate::purpose::KeyPurpose;
use crate::{Error, Lint, PublicKey};

/// What one kind of certificate says, how it is written, and how it is read back.
///
/// The kinds are those of this crate. Each is written by one library and read by code that shares
/// nothing with it; reading checks every rule of the profile, since only a certificate that keeps
/// them all can be read as one of its kind.
pub trait Profile: Debug + PartialEq + Sized + Sealed {
    /// The purpose of the key that signs it.
    type Purpose: KeyPurpose;
    /// What must be known of its issuer. Never a private key.
    type Issuer;

    /// The public key of the issuer.
    fn issuer_key(issuer: &Self::Issuer) -> &PublicKey;

    /// Writes the to-be-signed bytes, by a stand-in that has the issuer's public key only.
    ///
    /// # Errors
    /// If the library that writes them refuses.
    fn write(&self, issuer: &Self::Issuer) -> Result<Vec<u8>, Error>;

    /// Joins to-be-signed bytes and signature to a certificate.
    fn finish(to_be_signed: &[u8], signature: &[u8]) -> Vec<u8>;

    /// The signature of a certificate that consists of exactly these to-be-signed bytes and it; none if it is another.
    ///
    /// What was read as a whole with one signature need not be read again with the next: this is all that is new.
    fn signature<'c>(certificate: &'c [u8], to_be_signed: &[u8]) -> Option<&'c [u8]>;

    /// Reads a certificate, checking all but its signature.
    ///
    /// # Errors
    /// The first rule that it breaks.
    fn read(certificate: &[u8], issuer: &Self::Issuer) -> Result<Parts<Self>, Lint>;

    /// The text form that files and agents take: a line of OpenSSH's, or PEM.
    fn text(certificate: &Signed<Self>) -> String;
}

/// A certificate taken apart.
#[derive(Debug)]
pub struct Parts<C> {
    /// What it says.
    pub content: C,
    /// The bytes that are signed.
    pub to_be_signed: Vec<u8>,
    /// The signature over them.
    pub signature: Vec<u8>,
}

/// Reads a certificate of the kind `C` and verifies its signature. Whether it is valid *now* is for
/// the caller to ask of its window.
///
/// # Errors
/// If it breaks a rule of its profile, or `issuer` did not sign it.
pub fn read<C: Profile>(certificate: &[u8], issuer: &C::Issuer) -> Result<C, Error> {
    let parts: Parts<C> = C::read(certificate, issuer).map_err(Error::Lint)?;
    has_one_form::<C>(certificate, &parts.to_be_signed, &parts.signature)?;
    C::issuer_key(issuer).verify(&parts.to_be_signed, &parts.signature)?;
    Ok(parts.content)
}

/// A certificate before it is signed: to-be-signed bytes that keep every rule of the profile.
///
/// The log records the hash of these bytes; [`Key::sign`](crate::Key::sign) signs them and no others.
#[derive(Debug, PartialEq)]
pub struct Intent<C> {
    content: C,
    issuer: PublicKey,
    to_be_signed: Vec<u8>,
}

impl<C: Profile> Intent<C> {
    /// Writes the certificate that says `content`, checks it as a whole, and compares.
    ///
    /// # Errors
    /// If the content breaks a rule of the profile, or does not come out as it went in.
    pub fn new(content: C, issuer: &C::Issuer) -> Result<Self, Error> {
        let intent = Self::restore(content.write(issuer)?, issuer)?;
        if intent.content != content {
            return Err(Error::OtherContent);
        }
        Ok(Self { content, ..intent })
    }

    /// Takes up an intent that was recorded before, to sign the same bytes once more.
    ///
    /// INVARIANT (bytes once hashed are never re-encoded): `to_be_signed` is read and checked, and kept.
    ///
    /// # Errors
    /// If the bytes break a rule of the profile.
    pub fn restore(to_be_signed: Vec<u8>, issuer: &C::Issuer) -> Result<Self, Error> {
        // The rules are checked on a whole certificate, with a signature of the right form.
        let whole = C::finish(&to_be_signed, &PLACEHOLDER);
        let parts = C::read(&whole, issuer).map_err(Error::Lint)?;
        if parts.to_be_signed != to_be_signed {
            return Err(Error::OtherBytes);
        }
        let issuer = C::issuer_key(issuer).clone();
        Ok(Self { content: parts.content, issuer, to_be_signed })
    }

    /// What the certificate says.
    pub fn content(&self) -> &C {
        &self.content
    }

    /// The public key of the CA that it was checked against.
    pub fn issuer(&self) -> &PublicKey {
        &self.issuer
    }

    /// The bytes that are to be signed, for the intent's entry to keep.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.to_be_signed
    }

    /// Their SHA-256, which stands openly in the intent's leaf.
    pub fn digest(&self) -> Digest {
        sha256(&self.to_be_signed)
    }

    /// Accepts a finished certificate if it is this intent's: the same bytes, rightly signed. Then it says the same and
    /// keeps every rule of the profile, since these bytes were read and compared when the intent was made.
    /// [`Key::sign`](crate::Key::sign) does so in all builds before a certificate leaves it.
    ///
    /// # Errors
    /// If it is not.
    pub fn check(self, certificate: Vec<u8>) -> Result<Signed<C>, Error> {
        let signature = C::signature(&certificate, &self.to_be_signed).ok_or(Error::OtherBytes)?;
        let signature = signature.to_vec();
        has_one_form::<C>(&certificate, &self.to_be_signed, &signature)?;
        self.issuer.verify(&self.to_be_signed, &signature)?;
        Ok(Signed { content: self.content, certificate, signature })
    }
}

/// A certificate: signed, read back and found to say what was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed<C> {
    content: C,
    certificate: Vec<u8>,
    signature: Vec<u8>,
}

impl<C: Profile> Signed<C> {
    /// What it says.
    pub fn content(&self) -> &C {
        &self.content
    }

    /// Its bytes: an SSH blob, or DER.
    pub fn as_bytes(&self) -> &[u8] {
        &self.certificate
    }

    /// The signature in it: ed25519's 64 bytes, or ECDSA's DER.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The SHA-256 of its bytes.
    pub fn digest(&self) -> Digest {
        sha256(&self.certificate)
    }

    /// The text form that files and agents take: a line of OpenSSH's, or PEM.
    pub fn text(&self) -> String {
        C::text(self)
    }
}

/// A certificate has one form. Parsers are lenient outside of what is signed, so every byte is asked for.
fn has_one_form<C: Profile>(
    certificate: &[u8],
    to_be_signed: &[u8],
    signature: &[u8],
) -> Result<(), Error> {
    match C::finish(to_be_signed, signature) == certificate {
        true => Ok(()),
        false => Err(Error::Lint(Lint::Form { field: "certificate" })),
    }
}

/// As long as an ed25519 signature. No key verifies it.
const PLACEHOLDER: [u8; 64] = [0; 64];

pub(crate) use sealed::Sealed;

mod sealed {
    /// Implemented by the kinds of certificates of this crate.
    pub trait Sealed {}
}
