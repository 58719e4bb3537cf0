//! Where messages may go: to public addresses, and to others that the configuration names.
//!
//! A name is looked up once for each attempt, its addresses are judged, and exactly those that are fit are connected to:
//! there is no second look-up that could say something else.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::Uri;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Looks names up, and keeps what is fit.
#[derive(Debug)]
pub(super) struct FitAddresses {
    pub(super) allowed: BTreeSet<IpAddr>,
    pub(super) system: DefaultResolver,
}

/// A name leads to no address that may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("it has the address {0}, which is not public and which allow_private does not name")]
pub(super) struct Unfit(IpAddr);

impl Resolver for FitAddresses {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.system.resolve(uri, config, timeout)?;
        let mut fit = self.empty();
        let mut unfit = None;
        for socket in &found {
            match is_fit(socket.ip(), &self.allowed) {
                true => fit.push(*socket),
                false => unfit = Some(socket.ip()),
            }
        }
        match unfit {
            Some(address) if fit.is_empty() => Err(ureq::Error::Other(Box::new(Unfit(address)))),
            _ => Ok(fit),
        }
    }
}

/// Whether it may be connected to: it is named, or everybody's.
fn is_fit(address: IpAddr, allowed: &BTreeSet<IpAddr>) -> bool {
    allowed.contains(&address)
        || allowed.contains(&address.to_canonical())
        || match address {
            IpAddr::V4(address) => is_public_v4(address),
            IpAddr::V6(address) => is_public_v6(address),
        }
}

/// The IPv4 networks that are not everybody's: RFC 6890 and what came after it, IANA's special-purpose registry.
const NOT_PUBLIC_V4: [([u8; 4], u32); 17] = [
    ([0, 0, 0, 0], 8),        // this network
    ([10, 0, 0, 0], 8),       // private
    ([100, 64, 0, 0], 10),    // shared by a provider's customers; Alibaba's metadata
    ([127, 0, 0, 0], 8),      // loopback
    ([168, 63, 129, 16], 32), // Azure's metadata, in a public network
    ([169, 254, 0, 0], 16),   // link-local; most clouds' metadata
    ([172, 16, 0, 0], 12),    // private
    ([192, 0, 0, 0], 24),     // protocol assignments; Oracle's metadata
    ([192, 0, 2, 0], 24),     // documentation
    ([192, 31, 196, 0], 24),  // AS112
    ([192, 88, 99, 0], 24),   // relays of 6to4
    ([192, 168, 0, 0], 16),   // private
    ([192, 175, 48, 0], 24),  // AS112
    ([198, 18, 0, 0], 15),    // benchmarks
    ([198, 51, 100, 0], 24),  // documentation
    ([203, 0, 113, 0], 24),   // documentation
    ([224, 0, 0, 0], 3),      // multicast, reserved, broadcast
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    NOT_PUBLIC_V4.iter().all(|(network, length)| {
        let network = Ipv4Addr::from(*network).to_bits();
        (bits ^ network) >> (32 - length) != 0
    })
}

/// The IPv6 networks within 2000::/3 that are not everybody's, with the lengths of their prefixes.
const NOT_PUBLIC_V6: [(Ipv6Addr, u32); 5] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: an IPv4 address behind a relay
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // AS112
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let within = |(network, length): &(Ipv6Addr, u32)| {
        (address.to_bits() ^ network.to_bits()) >> (128 - length) == 0
    };
    // RFC 6052: with NAT64 a public IPv4 address looks like this, and so does a private one.
    if within(&(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96)) {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // All else outside of it is loopback, local, multicast, or nobody's.
    within(&(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)) && !NOT_PUBLIC_V6.iter().any(within)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::outgoing;

    fn fit(text: &str, allowed: &[&str]) -> bool {
        let allowed = allowed.iter().map(|text| text.parse().unwrap()).collect();
        is_fit(text.parse().unwrap(), &allowed)
    }

    #[test]
    fn what_is_not_everybodys_is_refused() {
        let refused = "
            0.0.0.0 0.1.2.3 10.0.0.0 10.255.255.255 100.64.0.0 100.100.100.200 100.127.255.255
            127.0.0.1 127.255.255.255 168.63.129.16 169.254.169.254 169.254.0.1 172.16.0.0 172.31.255.255
            192.0.0.1 192.0.0.192 192.0.2.1 192.31.196.1 192.88.99.1 192.168.0.1 192.175.48.1
            198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1
            255.255.255.255
            :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
            64:ff9b::127.0.0.1 64:ff9b::10.1.2.3 64:ff9b::169.254.169.254 64:ff9b:1::8.8.8.8
            100::1 2001::1 2001:1ff:ffff::1 2001:db8::1 2002:7f00:1:: 2002:808:808:: 2620:4f:8000::1
            3fff::1 3fff:fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fdff::1 fe80::1 fec0::1
            febf::1 ff00::1 ff02::1";
        for address in refused.split_whitespace() {
            assert!(!fit(address, &["10.1.2.4", "::2"]), "{address}");
        }
        let public = "
            1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
            168.63.129.15 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255
            192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 ::ffff:8.8.8.8 64:ff9b::8.8.8.8
            2001:200::1 2001:db9::1 2003::1 2606:4700::1111 2a00::1 3ffe::1";
        for address in public.split_whitespace() {
            assert!(fit(address, &[]), "{address}");
        }
    }

    /// As people and resolvers write addresses: what is judged is what would be connected to.
    #[test]
    fn a_call_goes_nowhere_that_is_not_fit() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let call = |host: &str, allowed: &[&str]| {
            let url: Uri = format!("http://{host}:{port}/").parse().unwrap();
            let allowed = allowed.iter().map(|text| text.parse().unwrap()).collect();
            let addresses = FitAddresses { allowed, system: DefaultResolver::default() };
            let (no_roots, patience) = (Path::new("/dev/null"), Duration::from_millis(500));
            outgoing::client(&url, no_roots, patience, addresses).unwrap().get(&url).call()
        };
        let hosts = ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::1]"];
        for host in hosts.iter().chain(&["[::ffff:127.0.0.1]", "[64:ff9b::127.0.0.1]"]) {
            match call(host, &["10.1.2.3"]).unwrap_err() {
                ureq::Error::Other(error) => assert!(error.is::<Unfit>(), "{host}: {error}"),
                error => panic!("{host}: {error}"),
            }
        }
        assert!(listener.accept().is_err(), "somebody was connected to");
        // A control: where it is named, a connection is made, though nobody answers.
        assert!(matches!(call("localhost", &["127.0.0.1"]), Err(ureq::Error::Timeout(_))));
        assert!(listener.accept().is_ok());
    }

    #[test]
    fn what_is_named_is_fit_and_nothing_beside_it() {
        assert!(fit("10.1.2.3", &["10.1.2.3"]) && fit("::ffff:10.1.2.3", &["10.1.2.3"]));
        assert!(fit("fd00::1", &["fd00::1"]) && fit("127.0.0.1", &["127.0.0.1", "::1"]));
        for other in ["10.1.2.4", "64:ff9b::10.1.2.3", "::10.1.2.3", "127.0.0.1"] {
            assert!(!fit(other, &["10.1.2.3"]), "{other}");
        }
    }
}
