//! Names that only certificates have.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use jit_ca_core::{ActorRef, HostName, PersonName, ValueError};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    return Ok(Self(text.to_owned()));
                }
                let given = text.chars().take(80).collect();
                Err(ValueError { kind: $kind, given, expected: $expected })
            }
        }
    };
}

name!(
    /// What a certificate calls its subject: a person's name or, where names are not to leave the CA,
    /// the pseudonym. It has no colon, so that a key id falls into its parts in one way.
    SubjectName, "subject's name", "use a-z, 0-9, '.', '_', '-' and '@', starting with a letter or digit, at most 63",
    |text| {
        text.len() <= 63
            && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'@'))
    }
);

impl From<&PersonName> for SubjectName {
    fn from(name: &PersonName) -> Self {
        Self(name.as_str().to_owned())
    }
}

impl From<ActorRef> for SubjectName {
    fn from(pseudonym: ActorRef) -> Self {
        Self(pseudonym.to_string())
    }
}

name!(
    /// The trust domain of the SPIFFE ids in X.509 certificates: `example.org` (SPIFFE-ID 2.1).
    TrustDomain, "trust domain", "use a-z, 0-9, '.', '_', '-', at most 255",
    |text| {
        (1..=255).contains(&text.len())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
    }
);

name!(
    /// What the CA is called in its own certificates, before "Root" or "Clients": `Example Access`.
    CaName, "name for a CA", "use letters, digits, spaces, '.', '_', '-', at most 48, no space at an end",
    |text| {
        (1..=48).contains(&text.len())
            && text.trim() == text
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'.' | b'_' | b'-'))
    }
);

/// What a TLS client knows a server by (RFC 6125): exact, no wildcards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerName {
    /// A DNS name.
    Dns(HostName),
    /// An address.
    Ip(IpAddr),
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => fmt::Display::fmt(name, f),
            Self::Ip(address) => fmt::Display::fmt(address, f),
        }
    }
}

impl FromStr for ServerName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(address) => Ok(Self::Ip(address)),
            Err(_) => text.parse().map(Self::Dns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_separators() {
        for wrong in ["", "a:b", "a b", "Alice", ".a", "a/b", &"a".repeat(64)] {
            assert!(wrong.parse::<SubjectName>().is_err(), "{wrong:?}");
        }
        for wrong in ["", "a/b", "Example.org", "a:1"] {
            assert!(wrong.parse::<TrustDomain>().is_err(), "{wrong:?}");
        }
        for wrong in ["", " a", "a,b", "a=b", &"a".repeat(49)] {
            assert!(wrong.parse::<CaName>().is_err(), "{wrong:?}");
        }
        assert_eq!("::1".parse::<ServerName>().unwrap(), ServerName::Ip("::1".parse().unwrap()));
        assert!("*.example.org".parse::<ServerName>().is_err());
    }
}
