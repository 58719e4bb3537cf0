//! Connections that have shown no login certificate: still in their handshake, or never to show one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use super::{End, Number};
use crate::identity::Network;

/// How many of one address there are at most. An office, or a farm of builders, has one address together.
const MOST_OF_ONE: usize = 256;

/// How much memory there is for all of them.
const MEMORY: usize = 352 * 1024 * 1024;

/// They, in the order in which they came.
#[derive(Debug)]
pub(super) struct Strangers {
    most: usize,
    memory: usize,
    by_age: BTreeMap<Number, Stranger>,
    by_network: HashMap<Network, BTreeSet<Number>>,
}

#[derive(Debug)]
struct Stranger {
    network: Network,
    end: End,
    size: Size,
}

/// What decides how much memory a connection may take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) is_http2: bool,
    /// Whether it has sent more than a few short calls.
    pub(super) is_fat: bool,
}

impl Size {
    /// The most that it can take: more than was measured of whatever does its worst (docs/RELIABILITY.md).
    fn bytes(self) -> usize {
        let kib = match (self.is_http2, self.is_fat) {
            (false, false) => 36,
            (false, true) => 80,
            (true, false) => 76,
            (true, true) => 116,
        };
        kib * 1024
    }
}

impl Strangers {
    pub(super) fn new(most: usize) -> Self {
        Self { most, memory: 0, by_age: BTreeMap::new(), by_network: HashMap::new() }
    }

    /// Lets one in; gives how many had to go for it.
    pub(super) fn enter(&mut self, number: Number, address: IpAddr, end: End) -> u64 {
        let network = Network::of(address);
        let own = self.by_network.get(&network).filter(|own| own.len() >= MOST_OF_ONE);
        let first = own.and_then(|own| own.first().copied());
        let ended = u64::from(first.is_some_and(|first| self.end(first)));
        let size = Size::default();
        self.memory += size.bytes();
        self.by_age.insert(number, Stranger { network, end, size });
        self.by_network.entry(network).or_default().insert(number);
        ended + self.make_room()
    }

    /// One turns out to be larger; gives how many had to go for it.
    pub(super) fn grow(&mut self, number: Number, grow: impl FnOnce(&mut Size)) -> u64 {
        // Else it has lost its place meanwhile.
        let Some(stranger) = self.by_age.get_mut(&number) else { return 0 };
        self.memory -= stranger.size.bytes();
        grow(&mut stranger.size);
        self.memory += stranger.size.bytes();
        self.make_room()
    }

    /// Whether it was here.
    pub(super) fn leave(&mut self, number: Number) -> bool {
        self.remove(number).is_some()
    }

    /// Ends the oldest until the others fit.
    fn make_room(&mut self) -> u64 {
        let mut ended = 0;
        while self.by_age.len() > self.most || self.memory > MEMORY {
            let Some(oldest) = self.by_age.keys().next().copied() else { break };
            ended += u64::from(self.end(oldest));
        }
        ended
    }

    fn end(&mut self, number: Number) -> bool {
        let ended = self.remove(number);
        ended.inspect(|ended| ended.end.notify_one()).is_some()
    }

    fn remove(&mut self, number: Number) -> Option<Stranger> {
        let stranger = self.by_age.remove(&number)?;
        self.memory -= stranger.size.bytes();
        if let Some(own) = self.by_network.get_mut(&stranger.network) {
            own.remove(&number);
            if own.is_empty() {
                self.by_network.remove(&stranger.network);
            }
        }
        Some(stranger)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_age.is_empty() && self.by_network.is_empty() && self.memory == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(strangers: &mut Strangers, number: Number, address: &str) -> bool {
        strangers.enter(number, address.parse().unwrap(), End::default()) > 0
    }

    #[test]
    fn whoever_came_first_goes_first() {
        let mut strangers = Strangers::new(3);
        for number in 0..3 {
            assert!(!enter(&mut strangers, number, &format!("192.0.2.{number}")));
        }
        assert!(enter(&mut strangers, 3, "192.0.2.9"));
        assert!(!strangers.leave(0));
        assert!(strangers.leave(2));
        assert!(!enter(&mut strangers, 4, "192.0.2.9"));
        assert!(enter(&mut strangers, 5, "192.0.2.9"));
        assert!(!strangers.leave(1));
        assert!(strangers.leave(3) && strangers.leave(4) && strangers.leave(5));
        assert!(strangers.is_empty());
    }

    #[test]
    fn an_address_that_has_its_share_takes_its_own() {
        let mut strangers = Strangers::new(1_000);
        let most = u64::try_from(MOST_OF_ONE).unwrap();
        assert!(!enter(&mut strangers, 0, "192.0.2.1"));
        // A network of IPv6 is one address.
        for number in 1..=most {
            assert!(!enter(&mut strangers, number, &format!("2001:db8::{number:x}")));
        }
        assert!(enter(&mut strangers, most + 1, "2001:db8::ffff"));
        assert!(strangers.leave(0));
        assert!(!strangers.leave(1));
        assert!(!enter(&mut strangers, most + 2, "2001:db8:0:1::1"));
    }
    #[test]
    fn whoever_takes_much_memory_takes_it_from_the_first() {
        let mut strangers = Strangers::new(12_000);
        let thin = u64::try_from(MEMORY / Size::default().bytes()).unwrap().min(12_000);
        for number in 0..thin {
            let [.., a, b] = number.to_be_bytes();
            assert!(!enter(&mut strangers, number, &format!("192.0.{a}.{b}")));
        }
        // What is new is as large as it can be: each takes the places of as many as have room in it.
        let ended: u64 = (thin - 1_000..thin)
            .map(|number| {
                strangers.grow(number, |size| (size.is_http2, size.is_fat) = (true, true))
            })
            .sum();
        assert!((2_000..=3_000).contains(&ended), "{ended}");
        assert!(strangers.memory <= MEMORY);
        assert!(!strangers.leave(0) && !strangers.leave(ended - 1) && strangers.leave(ended));
        assert_eq!(strangers.grow(0, |size| size.is_fat = true), 0);
        for number in ended + 1..thin {
            assert!(strangers.leave(number));
        }
        assert!(strangers.is_empty());
    }
}
