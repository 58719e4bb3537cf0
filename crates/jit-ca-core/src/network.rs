//! Networks, for `source-address`: an address and how many of its leading bits count (RFC 4632).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::ValueError;
use crate::value::serde_by_text;

/// A network such as `10.0.0.0/8` or `2001:db8::/32`; a single address has all its bits counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network that holds `address` alone.
    pub fn single(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, prefix: width(address) }
    }

    /// Whether `address` lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.prefix.into()
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.prefix.into()
            }
            _ => false,
        }
    }

    fn host_bits_are_zero(&self) -> bool {
        match self.address {
            IpAddr::V4(address) => {
                address.to_bits().trailing_zeros() >= u32::from(32 - self.prefix)
            }
            IpAddr::V6(address) => {
                address.to_bits().trailing_zeros() >= u32::from(128 - self.prefix)
            }
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || {
            ValueError::new(
                "network",
                text,
                "write an address and a prefix with no host bits set, such as 10.0.0.0/8",
            )
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| fault())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| fault())?;
        let network = Self { address, prefix: prefix.unwrap_or_else(|| width(address)) };
        // sshd refuses a list with host bits set (addrmatch.c), and with it the certificate. IPv4 in the clothes of
        // IPv6 (RFC 4291 2.5.5.2) has two texts, and no caller comes from there.
        let has_one_text = address.to_canonical() == address;
        if network.prefix <= width(address) && network.host_bits_are_zero() && has_one_text {
            Ok(network)
        } else {
            Err(fault())
        }
    }
}

serde_by_text!(Network);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let network: Network = "10.0.0.0/8".parse().unwrap();
        assert!(network.contains("10.1.2.3".parse().unwrap()));
        assert!(network.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!network.contains("11.0.0.0".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("1.2.3.4".parse().unwrap()));
        assert_eq!("2001:db8::1".parse::<Network>().unwrap().to_string(), "2001:db8::1/128");
        for wrong in [
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0/8",
            "web1",
            "",
            "10.0.0.0/-1",
            "::ffff:10.0.0.0/104",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
