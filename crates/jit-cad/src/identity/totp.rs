//! Time-based one-time codes (RFC 6238): HMAC-SHA-1, 30 seconds, six digits, as every authenticator app has them.

use base32ct::{Base32UpperUnpadded, Encoding as _};
use jit_ca_core::{Origin, PersonName, UnixTime};
use ring::hmac;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The length of a step (RFC 6238, section 4.1: X).
const STEP_SECS: u64 = 30;
/// How many steps a code may be early or late (RFC 6238, section 5.2).
const SKEW: u64 = 1;

/// The newest step of which a code is taken now.
pub fn newest_step(now: UnixTime) -> u64 {
    now.secs() / STEP_SECS + SKEW
}

/// A shared secret: 160 bits, as RFC 4226 section 4 (R6) recommends.
pub struct Secret(Zeroizing<[u8; 20]>);

impl Secret {
    /// Takes 20 random bytes.
    pub fn new(bytes: [u8; 20]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Takes the bytes of a secret that was kept.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::new)
    }

    /// The bytes, to be sealed.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The secret as people type it.
    pub fn base32(&self) -> String {
        Base32UpperUnpadded::encode_string(self.0.as_slice())
    }

    /// The secret as authenticator apps read it.
    pub fn uri(&self, origin: &Origin, name: &PersonName) -> String {
        // The label's parts hold no character that a URI would have escaped, but the origin's slash.
        let issuer = origin.as_str().replace('/', "%2F");
        format!(
            "otpauth://totp/{issuer}:{name}?secret={}&issuer={issuer}&algorithm=SHA1&digits=6&period=30",
            self.base32()
        )
    }

    /// The step whose code this is, if it is one of the steps around `now`.
    ///
    /// All steps are tried, whichever fits, so that the time taken tells nothing.
    pub fn step_of(&self, code: &str, now: UnixTime) -> Option<u64> {
        let newest = newest_step(now);
        let mut found = None;
        for step in newest.saturating_sub(2 * SKEW)..=newest {
            if bool::from(self.code(step).as_bytes().ct_eq(code.as_bytes())) {
                found = Some(step);
            }
        }
        found
    }

    /// The code of a step (RFC 4226, section 5.3).
    pub(crate) fn code(&self, step: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.as_slice());
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let offset = tag.as_ref().last().map_or(0, |last| usize::from(last & 0x0f));
        let chosen = tag.as_ref().get(offset..offset + 4).and_then(|bytes| bytes.try_into().ok());
        let number = u32::from_be_bytes(chosen.unwrap_or_default()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_codes_of_rfc_6238() {
        // Appendix B, SHA-1, the last six of its eight digits.
        let secret = Secret::new(*b"12345678901234567890");
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.code(time / 30), code);
            assert_eq!(secret.step_of(code, UnixTime::from_secs(time)), Some(time / 30));
        }
        assert_eq!(secret.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn a_code_may_be_one_step_off_and_no_more() {
        let secret = Secret::new([7; 20]);
        let code = secret.code(1_000);
        let at = |step: u64| secret.step_of(&code, UnixTime::from_secs(step * 30));
        assert_eq!((at(999), at(1_000), at(1_001)), (Some(1_000), Some(1_000), Some(1_000)));
        assert_eq!((at(998), at(1_002)), (None, None));
        for wrong in ["", "12345", "1234567", "abcdef", " 12345", "１２３４５６"] {
            assert_eq!(secret.step_of(wrong, UnixTime::from_secs(30_000)), None, "{wrong:?}");
        }
    }
}
