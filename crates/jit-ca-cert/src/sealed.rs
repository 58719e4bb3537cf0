//! Secrets at rest: AES-256-GCM under a key that the daemon derives from its passphrase.
//!
//! ```text
//! "JCS" 01 | nonce, 12 random bytes | ciphertext | tag, 16 bytes
//! ```
//!
//! The four first bytes and the label are authenticated with the secret, so that nothing sealed
//! for one use opens for another. Random nonces are safe up to 2^32 seals under one key
//! (NIST SP 800-38D 8.3); a CA makes a few per person.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use crate::Error;

const FORM: &[u8; 4] = b"JCS\x01";

/// The key that seals all other secrets. It is derived, never stored.
pub struct KeyEncryptionKey(Zeroizing<[u8; 32]>);

impl KeyEncryptionKey {
    /// Takes 32 bytes that a passphrase was stretched to.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// Seals `secret` for the use that `label` names.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn seal(&self, label: &str, secret: &[u8]) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce)?;
        let mut body = Zeroizing::new(secret.to_vec());
        // Room for the tag, so that no copy of the plain text is left behind by a reallocation.
        body.reserve_exact(AES_256_GCM.tag_len());
        self.cipher()?.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated(label)),
            &mut *body,
        )?;
        Ok([FORM.as_slice(), &nonce, &body].concat())
    }

    /// Opens what was sealed for the use that `label` names.
    ///
    /// # Errors
    /// If the bytes are of no known form, were sealed under another key or for another use, or were
    /// changed.
    pub fn open(&self, label: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let rest = sealed.strip_prefix(FORM.as_slice()).ok_or(Error::SealedForm)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Error::SealedForm)?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = self
            .cipher()?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(associated(label)),
                &mut body,
            )
            .map_err(|_| Error::Unseal)?
            .len();
        body.truncate(length);
        Ok(body)
    }

    fn cipher(&self) -> Result<LessSafeKey, Error> {
        Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, self.0.as_slice())?))
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyEncryptionKey(…)")
    }
}

fn associated(label: &str) -> Vec<u8> {
    [FORM.as_slice(), label.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kek(byte: u8) -> KeyEncryptionKey {
        KeyEncryptionKey::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn what_is_sealed_opens_for_the_same_use_under_the_same_key_only() {
        let sealed = kek(1).seal("totp local/u-1", b"secret").unwrap();
        assert_eq!(kek(1).open("totp local/u-1", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(sealed.len(), 4 + 12 + 6 + 16);
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert!(matches!(kek(2).open("totp local/u-1", &sealed), Err(Error::Unseal)));
        assert!(matches!(kek(1).open("totp local/u-2", &sealed), Err(Error::Unseal)));
        assert_ne!(
            kek(1).seal("totp local/u-1", b"secret").unwrap(),
            sealed,
            "a nonce is used once"
        );
    }

    #[test]
    fn changed_and_foreign_bytes_are_refused() {
        let sealed = kek(1).seal("x", b"secret").unwrap();
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(kek(1).open("x", &changed).is_err(), "byte {place}");
            assert!(kek(1).open("x", &sealed[..place]).is_err(), "cut at {place}");
        }
        assert!(matches!(kek(1).open("x", b"plain"), Err(Error::SealedForm)));
    }
}
