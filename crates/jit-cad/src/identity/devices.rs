//! Logins that were begun on a machine without a browser, and wait for somebody to sign on in one elsewhere (RFC 8628).
//!
//! ```text
//! begun ──page: yes──> confirmed ──issuer: tokens──> signed on ──a login's entry──> logged in
//!       └─page: no───> denied
//! ```
//!
//! Whoever is signed on stays so until the login can't be finished any more: its entry may not be written at once, and the
//! answer may be lost. They are in memory alone: what is begun when the daemon ends begins anew.

mod room;
#[cfg(test)]
mod tests;
mod user_code;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jit_ca_core::{Digest, IssuerName, Span, SubjectId, UnixTime};

use self::room::{make_room, must_have_room};
use self::user_code::UserCode;
use super::Network;
use crate::clock::NoRandomness;
use crate::provider::{DeviceAuthorization, DeviceCode};

/// For how long such a login can be finished: as long as its challenge can be answered.
pub const DEVICE_LIFE: Span = Span::from_secs(10 * 60);
/// By how much the wait between two questions grows where the issuer wants it to (RFC 8628 3.5), or is not reached.
const SLOWER: Span = Span::from_secs(5);

/// A login that was begun.
#[derive(Clone, Debug)]
pub struct Device {
    /// At which issuer.
    pub issuer: IssuerName,
    /// For which login key, and no other: SHA-256 of its SubjectPublicKeyInfo.
    pub login_key: Digest,
    /// What it answers. Only who began it knows it.
    pub challenge: String,
    /// From where it was begun.
    pub address: IpAddr,
    /// When.
    pub begun: UnixTime,
    /// Until when it can be finished.
    pub expires: UnixTime,
    /// What the issuer said of it.
    pub authorization: DeviceAuthorization,
}

/// Those that wait, from one start of the daemon to its end.
#[derive(Debug, Default)]
pub struct Devices(Mutex<HashMap<String, Waiting>>);

#[derive(Debug)]
struct Waiting {
    device: Device,
    code: UserCode,
    step: Step,
    /// When the issuer was last asked.
    asked: Option<UnixTime>,
    /// How long to wait until it is asked again.
    interval: Span,
}

/// How far it has come.
#[derive(Clone, Debug)]
enum Step {
    /// Nobody has said anything on the page.
    Begun,
    Denied,
    /// Somebody has said yes, at this address.
    Confirmed(IpAddr),
    /// The issuer has said who it is, besides.
    SignedOn(IpAddr, SubjectId),
    /// Their login is in the log.
    LoggedIn(SubjectId),
}

/// Why no further login is taken in.
#[derive(Debug, thiserror::Error)]
pub enum NotAdded {
    /// Too many of the same network wait already.
    #[error("too many logins from one network wait to be confirmed")]
    NetworkFull,
    /// Too many wait in all.
    #[error("too many logins wait to be confirmed")]
    Full,
    /// The system has no random bytes.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// What whoever began a login is to do.
#[derive(Debug)]
pub enum Turn {
    /// There is none: it is too old, was finished, never was, or is another key's.
    Unknown,
    /// Somebody said no to it.
    Denied,
    /// Wait: nobody has said anything yet, or the issuer was asked a moment ago.
    NotYet,
    /// Ask the issuer now.
    Ask {
        /// With this code.
        device_code: Arc<DeviceCode>,
        /// From where the yes came.
        confirmed_from: IpAddr,
    },
}

impl Devices {
    /// Whether one more could be begun from this network.
    ///
    /// # Errors
    /// If too many wait.
    pub fn must_have_room(&self, network: Network, now: UnixTime) -> Result<(), NotAdded> {
        must_have_room(&self.waiting(now), network)
    }

    /// Takes a login in, and gives the code that it goes by on the page.
    ///
    /// # Errors
    /// If there are too many, or the system has no random bytes.
    pub fn add(&self, device: Device, now: UnixTime) -> Result<String, NotAdded> {
        let mut waiting = self.waiting(now);
        make_room(&mut waiting, Network::of(device.address))?;
        let mut code = UserCode::random()?;
        while waiting.values().any(|known| known.code == code) {
            code = UserCode::random()?;
        }
        let interval = Span::from_secs(device.authorization.interval);
        let key = device.challenge.clone();
        waiting.insert(key, Waiting { device, code, step: Step::Begun, asked: None, interval });
        Ok(code.shown())
    }

    /// The login with this code, if nobody has said anything to it.
    pub fn find(&self, typed: &str, now: UnixTime) -> Option<Device> {
        let code = UserCode::read(typed)?;
        let waiting = self.waiting(now);
        waiting.values().find(|known| known.is_open(code)).map(|known| known.device.clone())
    }

    /// Somebody says yes to it, at this address.
    pub fn confirm(&self, typed: &str, from: IpAddr, now: UnixTime) -> Option<Device> {
        self.answer(typed, Step::Confirmed(from), now)
    }

    /// Somebody says no to it.
    pub fn deny(&self, typed: &str, now: UnixTime) -> Option<Device> {
        self.answer(typed, Step::Denied, now)
    }

    /// What there is to do for the login that answers this challenge, at this issuer with this login key. Where the issuer
    /// is to be asked, nobody else is told so until it is time to ask it again.
    pub fn turn(&self, challenge: &str, of: (&IssuerName, &Digest), now: UnixTime) -> Turn {
        let mut waiting = self.waiting(now);
        let own = waiting.get_mut(challenge).filter(|known| known.is_of(of));
        let Some(known) = own else { return Turn::Unknown };
        let confirmed_from = match known.step {
            Step::Begun => return Turn::NotYet,
            Step::Denied => return Turn::Denied,
            Step::LoggedIn(_) => return Turn::Unknown,
            // Times are whole seconds, of which the first may be nearly over: so that it is no shorter than it is to be.
            Step::Confirmed(_)
                if known.asked.is_some_and(|asked| now.since(asked) <= known.interval) =>
            {
                return Turn::NotYet;
            }
            // Who is signed on does not wait: the tokens are here.
            Step::Confirmed(from) | Step::SignedOn(from, _) => from,
        };
        known.asked = Some(now);
        let device_code = Arc::clone(&known.device.authorization.device_code);
        Turn::Ask { device_code, confirmed_from }
    }

    /// Who has signed on for it, by the issuer's word.
    pub fn signed_on_as(
        &self,
        challenge: &str,
        of: (&IssuerName, &Digest),
        now: UnixTime,
    ) -> Option<SubjectId> {
        let waiting = self.waiting(now);
        match &waiting.get(challenge).filter(|known| known.is_of(of))?.step {
            Step::SignedOn(_, subject) | Step::LoggedIn(subject) => Some(subject.clone()),
            Step::Begun | Step::Denied | Step::Confirmed(_) => None,
        }
    }

    /// The issuer has said who it is.
    pub fn signed_on(&self, challenge: &str, subject: &SubjectId) {
        if let Some(known) = self.lock().get_mut(challenge)
            && let Step::Confirmed(from) = known.step
        {
            known.step = Step::SignedOn(from, subject.clone());
        }
    }

    /// Their login is in the log.
    pub fn logged_in(&self, challenge: &str, subject: &SubjectId) {
        if let Some(known) = self.lock().get_mut(challenge) {
            known.step = Step::LoggedIn(subject.clone());
        }
    }

    /// Whether the issuer has given its tokens for it. It gives them once.
    pub fn has_tokens(&self, challenge: &str) -> bool {
        let waiting = self.lock();
        waiting
            .get(challenge)
            .is_some_and(|known| known.device.authorization.device_code.has_tokens())
    }

    /// The issuer is asked less often from here on.
    pub fn slow_down(&self, challenge: &str) {
        if let Some(known) = self.lock().get_mut(challenge) {
            known.interval = Span::from_secs(known.interval.secs().saturating_add(SLOWER.secs()));
        }
    }

    /// The issuer has said its last word on it, which was no.
    pub fn forget(&self, challenge: &str) {
        self.lock().remove(challenge);
    }

    fn answer(&self, typed: &str, answer: Step, now: UnixTime) -> Option<Device> {
        let code = UserCode::read(typed)?;
        let mut waiting = self.waiting(now);
        let known = waiting.values_mut().find(|known| known.is_open(code))?;
        known.step = answer;
        Some(known.device.clone())
    }

    /// Those that can still be finished.
    fn waiting(&self, now: UnixTime) -> MutexGuard<'_, HashMap<String, Waiting>> {
        let mut waiting = self.lock();
        waiting.retain(|_, Waiting { device, .. }| {
            // Also where the clock has been put back since.
            now < device.expires && device.expires <= now.plus(DEVICE_LIFE)
        });
        waiting
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_open(&self, code: UserCode) -> bool {
        self.code == code && matches!(self.step, Step::Begun)
    }

    fn is_of(&self, (issuer, login_key): (&IssuerName, &Digest)) -> bool {
        self.device.issuer == *issuer && self.device.login_key == *login_key
    }

    fn is_from(&self, network: Network) -> bool {
        Network::of(self.device.address) == network
    }

    /// Whether nothing more becomes of it.
    fn is_over(&self) -> bool {
        match self.step {
            Step::Denied | Step::LoggedIn(_) => true,
            Step::Begun | Step::Confirmed(_) | Step::SignedOn(..) => false,
        }
    }
}
