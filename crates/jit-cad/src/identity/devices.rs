//! Logins that were begun on a machine without a browser, and wait for somebody to sign on in one elsewhere (RFC 8628).
//!
//! ```text
//! begun ──page: yes──> confirmed ──issuer: signed on──> a login's entry
//!       └─page: no───> denied
//! ```
//!
//! They are in memory alone: what is begun when the daemon ends begins anew.

mod user_code;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jit_ca_core::{Digest, IssuerName, Span, UnixTime};
use zeroize::Zeroizing;

use self::user_code::UserCode;
use super::Network;
use crate::clock::NoRandomness;
use crate::provider::DeviceAuthorization;

/// For how long such a login can be finished: as long as its challenge can be answered.
pub const DEVICE_LIFE: Span = Span::from_secs(10 * 60);
/// How many there may be, so that no stranger can fill the memory.
const MOST: usize = 1_000;
/// How many from one network: each makes the daemon ask the issuer.
const MOST_OF_A_NETWORK: usize = 16;
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
    /// What was said on the page.
    answer: Option<Answer>,
    /// When the issuer was last asked.
    asked: Option<UnixTime>,
    /// How long to wait until it is asked again.
    interval: Span,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    /// From this address.
    Yes(IpAddr),
    No,
}

/// Why no further login is taken in.
#[derive(Debug, thiserror::Error)]
pub enum NotAdded {
    /// Too many wait already.
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
        device_code: Zeroizing<String>,
        /// From where the yes came.
        confirmed_from: IpAddr,
    },
}

impl Devices {
    /// Whether one more could be begun from this network.
    pub fn have_room(&self, network: Network, now: UnixTime) -> bool {
        have_room(&self.waiting(now), network)
    }

    /// Takes a login in, and gives the code that it goes by on the page.
    ///
    /// # Errors
    /// If there are too many, or the system has no random bytes.
    pub fn add(&self, device: Device, now: UnixTime) -> Result<String, NotAdded> {
        let mut waiting = self.waiting(now);
        if !have_room(&waiting, Network::of(device.address)) {
            return Err(NotAdded::Full);
        }
        let mut code = UserCode::random()?;
        while waiting.values().any(|known| known.code == code) {
            code = UserCode::random()?;
        }
        let interval = Span::from_secs(device.authorization.interval);
        let key = device.challenge.clone();
        waiting.insert(key, Waiting { device, code, answer: None, asked: None, interval });
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
        self.answer(typed, Answer::Yes(from), now)
    }

    /// Somebody says no to it.
    pub fn deny(&self, typed: &str, now: UnixTime) -> Option<Device> {
        self.answer(typed, Answer::No, now)
    }

    /// What there is to do for the login that answers this challenge, at this issuer with this login key. Where the issuer
    /// is to be asked, nobody else is told so until it is time to ask it again.
    pub fn turn(
        &self,
        challenge: &str,
        (issuer, login_key): (&IssuerName, &Digest),
        now: UnixTime,
    ) -> Turn {
        let mut waiting = self.waiting(now);
        let known = waiting.get_mut(challenge);
        let own = known
            .filter(|known| known.device.issuer == *issuer && known.device.login_key == *login_key);
        let Some(known) = own else { return Turn::Unknown };
        match known.answer {
            None => Turn::NotYet,
            Some(Answer::No) => Turn::Denied,
            // Times are whole seconds, of which the first may be nearly over: so that it is no shorter than it is to be.
            Some(Answer::Yes(_))
                if known.asked.is_some_and(|asked| now.since(asked) <= known.interval) =>
            {
                Turn::NotYet
            }
            Some(Answer::Yes(confirmed_from)) => {
                known.asked = Some(now);
                let device_code = known.device.authorization.device_code.clone();
                Turn::Ask { device_code, confirmed_from }
            }
        }
    }

    /// The issuer is asked less often from here on.
    pub fn slow_down(&self, challenge: &str) {
        if let Some(known) = self.lock().get_mut(challenge) {
            known.interval = Span::from_secs(known.interval.secs().saturating_add(SLOWER.secs()));
        }
    }

    /// The issuer has said its last word on it.
    pub fn forget(&self, challenge: &str) {
        self.lock().remove(challenge);
    }

    fn answer(&self, typed: &str, answer: Answer, now: UnixTime) -> Option<Device> {
        let code = UserCode::read(typed)?;
        let mut waiting = self.waiting(now);
        let known = waiting.values_mut().find(|known| known.is_open(code))?;
        known.answer = Some(answer);
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

fn have_room(waiting: &HashMap<String, Waiting>, network: Network) -> bool {
    let of_it = |known: &&Waiting| Network::of(known.device.address) == network;
    waiting.len() < MOST && waiting.values().filter(of_it).count() < MOST_OF_A_NETWORK
}

impl Waiting {
    fn is_open(&self, code: UserCode) -> bool {
        self.code == code && self.answer.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_795_338_000);
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));
    const KEY: Digest = Digest::from_bytes([1; 32]);

    fn device(challenge: &str, address: IpAddr) -> Device {
        let authorization = DeviceAuthorization {
            device_code: Zeroizing::new(format!("of {challenge}")),
            user_code: "theirs".to_owned(),
            verification_uri: "https://login.example/device".to_owned(),
            expires_in: 600,
            interval: 5,
        };
        Device {
            issuer: "corp".parse().unwrap(),
            login_key: KEY,
            challenge: challenge.to_owned(),
            address,
            begun: NOW,
            expires: NOW.plus(DEVICE_LIFE),
            authorization,
        }
    }

    fn turn(devices: &Devices, challenge: &str, now: UnixTime) -> Turn {
        devices.turn(challenge, (&"corp".parse().unwrap(), &KEY), now)
    }

    fn after(secs: u64) -> UnixTime {
        NOW.plus(Span::from_secs(secs))
    }

    #[test]
    fn the_issuer_is_asked_after_a_yes_alone_and_no_more_often_than_it_wants() {
        let devices = Devices::default();
        let code = devices.add(device("a", HERE), NOW).unwrap();
        assert!(matches!(turn(&devices, "a", NOW), Turn::NotYet));
        assert_eq!(devices.find(&code, NOW).unwrap().address, HERE);
        devices.confirm(&code, THERE, NOW).unwrap();
        let Turn::Ask { device_code, confirmed_from } = turn(&devices, "a", NOW) else {
            panic!("it is not asked");
        };
        assert_eq!((device_code.as_str(), confirmed_from), ("of a", THERE));
        let is_asked = |secs| matches!(turn(&devices, "a", after(secs)), Turn::Ask { .. });
        assert!(!is_asked(0) && !is_asked(5) && is_asked(6) && !is_asked(11) && is_asked(12));
        devices.slow_down("a");
        assert!(!is_asked(22) && is_asked(23));
        devices.forget("a");
        assert!(matches!(turn(&devices, "a", after(60)), Turn::Unknown));
    }

    #[test]
    fn it_is_good_for_its_key_and_issuer_and_for_who_began_it() {
        let devices = Devices::default();
        let code = devices.add(device("a", HERE), NOW).unwrap();
        devices.confirm(&code, THERE, NOW).unwrap();
        let corp = "corp".parse().unwrap();
        let other_key = Digest::from_bytes([2; 32]);
        for (challenge, issuer, key) in [
            ("a", &corp, &other_key),
            ("a", &"other".parse().unwrap(), &KEY),
            ("b", &corp, &KEY),
            (code.as_str(), &corp, &KEY),
        ] {
            let turn = devices.turn(challenge, (issuer, key), NOW);
            assert!(matches!(turn, Turn::Unknown), "{challenge} {issuer} {key}");
        }
        assert!(matches!(turn(&devices, "a", NOW), Turn::Ask { .. }));
    }

    #[test]
    fn a_code_is_answered_once_and_in_time() {
        let devices = Devices::default();
        let code = devices.add(device("a", HERE), NOW).unwrap();
        devices.deny(&code, NOW).unwrap();
        assert!(devices.confirm(&code, THERE, NOW).is_none() && devices.find(&code, NOW).is_none());
        assert!(matches!(turn(&devices, "a", NOW), Turn::Denied));
        let code = devices.add(device("b", HERE), NOW).unwrap();
        assert!(devices.find(&code, after(599)).is_some());
        assert!(devices.confirm(&code, THERE, after(600)).is_none());
        assert!(matches!(turn(&devices, "b", NOW), Turn::Unknown));
    }

    #[test]
    fn no_network_takes_up_the_room_of_others() {
        let devices = Devices::default();
        let add = |number: usize, address| devices.add(device(&number.to_string(), address), NOW);
        let taken = (0..20).filter(|number| add(*number, HERE).is_ok()).count();
        assert_eq!(taken, MOST_OF_A_NETWORK);
        assert!(!devices.have_room(Network::of(HERE), NOW));
        assert!(devices.have_room(Network::of(THERE), NOW));
        for number in 0..MOST {
            let octets = u32::try_from(number).unwrap().to_be_bytes();
            let _some_are_too_many = add(100 + number, IpAddr::V4(octets.into()));
        }
        assert!(matches!(add(9_999, THERE), Err(NotAdded::Full)));
        assert!(devices.have_room(Network::of(THERE), after(600)));
    }
}
