//! Challenges: a MAC over 32 random bytes and an expiry, so that none has to be kept before it is answered.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_core::{Span, UnixTime};
use ring::hmac;

use crate::clock::{self, NoRandomness};

/// How long a challenge can be answered: as long as somebody takes to sign on at an issuer, in a browser.
const CHALLENGE_LIFE: Span = Span::from_secs(600);
/// How long an answered one is remembered: its life, and twice as long as a call may take until it is in the log.
pub const CHALLENGE_MEMORY: Span = Span::from_secs(CHALLENGE_LIFE.secs() + COMMITTED_WITHIN.secs());
/// Twice as long as a call may take until it is in the log.
pub const COMMITTED_WITHIN: Span = Span::from_secs(60);

/// How far the clocks of an issuer and of this machine may be apart.
pub const CLOCKS_APART: Span = Span::from_secs(60);
/// How far a clock may be set back without a word of anybody.
const SET_BACK: Span = Span::from_secs(5);

/// Makes and knows challenges, from one start of the daemon to its end.
///
/// ```text
/// base64url(32 random bytes | expiry, 8 bytes of seconds, big endian | HMAC-SHA-256 over both)
/// ```
///
/// That one is answered once is the log's to see to: the login's entry spends it.
#[derive(Debug)]
pub struct Challenges {
    key: RwLock<hmac::Key>,
}

impl Challenges {
    /// With a fresh key: challenges of an earlier start are unknown.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn new() -> Result<Self, NoRandomness> {
        Ok(Self { key: RwLock::new(key()?) })
    }

    /// Goes on as these: knows none of those before any more. Once time goes back, one that was answered and forgotten
    /// would be young.
    pub fn begin_anew(&self, fresh: Self) {
        let fresh = fresh.key.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    /// A challenge, and until when it can be answered.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn make(&self, now: UnixTime) -> Result<(String, UnixTime), NoRandomness> {
        let expires = now.plus(CHALLENGE_LIFE);
        let signed = [clock::random::<32>()?.as_slice(), &expires.secs().to_be_bytes()].concat();
        let tag = hmac::sign(&self.key(), &signed);
        Ok((Base64UrlUnpadded::encode_string(&[&signed, tag.as_ref()].concat()), expires))
    }

    /// Whether this is one of ours that can still be answered.
    pub fn knows(&self, challenge: &str, now: UnixTime) -> bool {
        let mut buffer = [0; 72];
        let Ok(bytes) = Base64UrlUnpadded::decode(challenge, &mut buffer) else {
            return false;
        };
        let Some((signed, tag)) = bytes.split_first_chunk::<40>() else {
            return false;
        };
        let Some((_, expires)) = signed.split_last_chunk::<8>() else {
            return false;
        };
        let made_here = hmac::verify(&self.key(), signed, tag).is_ok();
        let expires = UnixTime::from_secs(u64::from_be_bytes(*expires));
        // One that is good for longer was made by a clock that was put back since.
        made_here && now < expires && expires <= now.plus(CHALLENGE_LIFE).plus(SET_BACK)
    }
}

impl Challenges {
    fn key(&self) -> RwLockReadGuard<'_, hmac::Key> {
        self.key.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key() -> Result<hmac::Key, NoRandomness> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &clock::random::<32>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_and_only_in_time() {
        let now = UnixTime::from_secs(1_795_338_000);
        let challenges = Challenges::new().unwrap();
        let (challenge, expires) = challenges.make(now).unwrap();
        assert!(challenges.knows(&challenge, now));
        assert!(challenges.knows(&challenge, expires.minus(Span::from_secs(1))));
        assert!(!challenges.knows(&challenge, expires));
        assert!(challenges.knows(&challenge, now.minus(SET_BACK)));
        assert!(!challenges.knows(&challenge, now.minus(SET_BACK).minus(Span::from_secs(1))));
        assert!(!Challenges::new().unwrap().knows(&challenge, now));
        let renewed = Challenges::new().unwrap();
        let before = renewed.make(now).unwrap().0;
        renewed.begin_anew(Challenges::new().unwrap());
        assert!(!renewed.knows(&before, now));
        assert!(renewed.knows(&renewed.make(now).unwrap().0, now));
        for place in 0..challenge.len() {
            let mut other = challenge.clone().into_bytes();
            other[place] = if other[place] == b'A' { b'B' } else { b'A' };
            assert!(
                !challenges.knows(&String::from_utf8(other).unwrap(), now),
                "changed at {place}"
            );
        }
        for wrong in ["", "x", &challenge.repeat(2), &format!("{challenge}A")] {
            assert!(!challenges.knows(wrong, now), "{wrong:?}");
        }
    }
}
