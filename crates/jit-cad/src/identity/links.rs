//! Links that let a browser do one thing for somebody who asked for it on the command line.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_core::{Digest, Span, SubjectId, Text, UnixTime};
use jit_ca_log::hash::sha256;

use crate::clock::{self, NoRandomness};

/// How long a link can be followed.
pub const LINK_LIFE: Span = Span::from_secs(10 * 60);

/// What a link lets whoever has it do: add this passkey.
#[derive(Clone, Debug)]
pub struct Link {
    /// For whom.
    pub subject: SubjectId,
    /// The serial of the login certificate of the call that asked for it.
    pub login: Vec<u8>,
    /// What the passkey is to be called.
    pub label: Text,
    /// What is to be answered.
    pub challenge: String,
    /// Until when.
    pub expires: UnixTime,
}

/// The links that can be followed, from one start of the daemon to its end: at most one for each subject, the newest.
/// What is kept of a link's secret is its hash.
#[derive(Debug, Default)]
pub struct Links(Mutex<HashMap<SubjectId, (Digest, Link)>>);

impl Links {
    /// Takes a link in, in place of any that its subject had, and gives its secret.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn make(&self, link: Link) -> Result<String, NoRandomness> {
        let secret = clock::random::<32>()?;
        self.links().insert(link.subject.clone(), (sha256(&secret), link));
        Ok(Base64UrlUnpadded::encode_string(&secret))
    }

    /// The link with this secret, if it can still be followed.
    pub fn find(&self, secret: &str, now: UnixTime) -> Option<Link> {
        let mut bytes = [0; 32];
        let hash = sha256(Base64UrlUnpadded::decode(secret, &mut bytes).ok()?);
        let mut links = self.links();
        // Also where the clock has been put back since.
        links.retain(|_, (_, link)| now < link.expires && link.expires <= now.plus(LINK_LIFE));
        links.values().find(|(known, _)| *known == hash).map(|(_, link)| link.clone())
    }

    /// It was followed: nobody else does.
    pub fn used(&self, link: &Link) {
        self.links().retain(|_, (_, known)| known.challenge != link.challenge);
    }

    fn links(&self) -> MutexGuard<'_, HashMap<SubjectId, (Digest, Link)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_followed_once_and_in_time_and_the_newest_counts() {
        let now = UnixTime::from_secs(1_795_338_000);
        let links = Links::default();
        let link = |challenge: &str| Link {
            subject: "local/u-1".parse().unwrap(),
            login: vec![1],
            label: "a key".parse().unwrap(),
            challenge: challenge.into(),
            expires: now.plus(LINK_LIFE),
        };
        let before = links.make(link("first")).unwrap();
        let secret = links.make(link("second")).unwrap();
        assert!(links.find(&before, now).is_none());
        for other in ["", "x", &before.replace('A', ""), &format!("{secret}A"), "../.."] {
            assert!(links.find(other, now).is_none(), "{other}");
        }
        let found = links.find(&secret, now).unwrap();
        assert_eq!(found.challenge, "second");
        assert!(links.find(&secret, now.plus(LINK_LIFE).minus(Span::from_secs(1))).is_some());
        links.used(&found);
        assert!(links.find(&secret, now).is_none());
        let late = links.make(link("third")).unwrap();
        assert!(links.find(&late, now.plus(LINK_LIFE)).is_none());
        assert!(links.find(&late, now).is_none());
    }
}
