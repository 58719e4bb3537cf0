//! The types of keys that subjects may have.

use std::fmt;
use std::str::FromStr;

use crate::value::{ValueError, serde_by_text};

/// The type of a subject's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// RSA of [`KeyType::SHORTEST_RSA`] bits or more.
    Rsa,
}

impl KeyType {
    /// All that there are.
    pub const ALL: [Self; 4] = [Self::Ed25519, Self::EcdsaP256, Self::EcdsaP384, Self::Rsa];

    /// Those that are certified where nothing else is said: short, quick to make, and as good as any.
    pub const USUAL: [Self; 2] = [Self::Ed25519, Self::EcdsaP256];

    /// As strong as 128 bits (NIST SP 800-57 part 1, table 2).
    pub const SHORTEST_RSA: u64 = 3072;

    /// What takes longer to verify than it is worth.
    pub const LONGEST_RSA: u64 = 8192;
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::Rsa => "rsa",
        })
    }
}

impl FromStr for KeyType {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|known| known.to_string() == text);
        let expected = "use ed25519, ecdsa-p256, ecdsa-p384 or rsa, which means 3072 bits or more";
        found.ok_or_else(|| ValueError::new("key type", text, expected))
    }
}

serde_by_text!(KeyType);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_text() {
        for known in KeyType::ALL {
            assert_eq!(known.to_string().parse(), Ok(known));
        }
        for wrong in ["", "RSA", "rsa-2048", "ssh-ed25519", "ecdsa"] {
            assert!(wrong.parse::<KeyType>().is_err(), "{wrong}");
        }
    }
}
