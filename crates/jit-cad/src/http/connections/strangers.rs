//! Connections that have shown no login certificate: still in their handshake, or never to show one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};

use super::{End, Number};

/// How many of one address there are at most. An office, or a farm of builders, has one address together.
const MOST_OF_ONE: usize = 256;

/// They, in the order in which they came.
#[derive(Debug)]
pub(super) struct Strangers {
    most: usize,
    by_age: BTreeMap<Number, (IpAddr, End)>,
    by_address: HashMap<IpAddr, BTreeSet<Number>>,
}

impl Strangers {
    pub(super) fn new(most: usize) -> Self {
        Self { most, by_age: BTreeMap::new(), by_address: HashMap::new() }
    }

    /// Lets one in; gives whoever has to go for it.
    pub(super) fn enter(&mut self, number: Number, address: IpAddr, end: End) -> Option<End> {
        let address = whose(address);
        let own = self.by_address.get(&address);
        let oldest = match own {
            Some(own) if own.len() >= MOST_OF_ONE => own.first(),
            _ if self.by_age.len() >= self.most => self.by_age.keys().next(),
            _ => None,
        };
        let ended = oldest.copied().and_then(|oldest| self.remove(oldest));
        self.by_age.insert(number, (address, end));
        self.by_address.entry(address).or_default().insert(number);
        ended
    }

    /// Whether it was here.
    pub(super) fn leave(&mut self, number: Number) -> bool {
        self.remove(number).is_some()
    }

    fn remove(&mut self, number: Number) -> Option<End> {
        let (address, end) = self.by_age.remove(&number)?;
        if let Some(own) = self.by_address.get_mut(&address) {
            own.remove(&number);
            if own.is_empty() {
                self.by_address.remove(&address);
            }
        }
        Some(end)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_age.is_empty() && self.by_address.is_empty()
    }
}

/// One holder's addresses count as one: in IPv6 the smallest network that is given out has 2^64 of them.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(strangers: &mut Strangers, number: Number, address: &str) -> bool {
        strangers.enter(number, address.parse().unwrap(), End::default()).is_some()
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
        // A network of IPv6 is one address, and an IPv4 address is itself in whatever form.
        for number in 1..=most {
            assert!(!enter(&mut strangers, number, &format!("2001:db8::{number:x}")));
        }
        assert!(enter(&mut strangers, most + 1, "2001:db8::ffff"));
        assert!(strangers.leave(0));
        assert!(!strangers.leave(1));
        assert!(!enter(&mut strangers, most + 2, "2001:db8:0:1::1"));
        assert_eq!(
            whose("::ffff:192.0.2.1".parse().unwrap()),
            "192.0.2.1".parse::<IpAddr>().unwrap()
        );
    }
}
