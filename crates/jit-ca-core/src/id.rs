//! Ids: 48 bits of milliseconds and 80 random bits, so that they sort by time in the store's trees.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ValueError;
use crate::digest::serde_bytes_or_text;

/// Crockford's base 32, lower case: no `i`, `l`, `o` or `u`, which people misread.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 26 characters of 5 bits hold 128 bits; the first character holds the 3 bits left over.
const LENGTH: usize = 26;

macro_rules! id {
    ($(#[$doc:meta])* $type:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type([u8; 16]);

        impl $type {
            /// An id made at `milliseconds` since 1970 (48 bits are kept) from 10 random bytes.
            pub fn new(milliseconds: u64, random: [u8; 10]) -> Self {
                Self(assemble(milliseconds, random))
            }

            /// When it was made, in milliseconds since 1970.
            pub fn milliseconds(&self) -> u64 {
                let [a, b, c, d, e, f, ..] = self.0;
                u64::from_be_bytes([0, 0, a, b, c, d, e, f])
            }

            /// Takes 16 bytes that were an id.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes; their order is the order in time.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&format!(concat!($prefix, "-{}"), encode(&self.0)))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $type {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix(concat!($prefix, "-")).and_then(decode).map(Self).ok_or_else(|| {
                    ValueError::new($kind, text, concat!("write ", $prefix, "- and 26 characters"))
                })
            }
        }

        serde_bytes_or_text!($type, |v| &v.0, |bytes| bytes.try_into().ok().map($type));
    };
}

id!(
    /// Names a request.
    RequestId, "r", "request id"
);
id!(
    /// Names a grant.
    GrantId, "g", "grant id"
);
id!(
    /// Names an issuance: one certificate, or the attempt to make it.
    IssuanceId, "i", "issuance id"
);
id!(
    /// Names a session: one connection to a host that was opened with a certificate.
    SessionId, "s", "session id"
);
id!(
    /// Names a call, so that it can be made again: our client's idempotency keys.
    CallId, "c", "call id"
);

fn assemble(milliseconds: u64, random: [u8; 10]) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (time, rest) = bytes.split_at_mut(6);
    let [_, _, milliseconds @ ..] = milliseconds.to_be_bytes();
    time.copy_from_slice(&milliseconds);
    rest.copy_from_slice(&random);
    bytes
}

fn encode(bytes: &[u8; 16]) -> String {
    let number = u128::from_be_bytes(*bytes);
    (0..LENGTH)
        .rev()
        .filter_map(|place| usize::try_from((number >> (5 * place)) & 31).ok())
        .filter_map(|value| ALPHABET.get(value))
        .map(|&character| char::from(character))
        .collect()
}

fn decode(text: &str) -> Option<[u8; 16]> {
    if text.len() != LENGTH {
        return None;
    }
    let mut number: u128 = 0;
    for character in text.bytes() {
        let value = ALPHABET.iter().position(|&known| known == character)?;
        // Overflow would be a first character above `7`: not the canonical form of any 128 bits.
        number = number.checked_mul(32)?.checked_add(u128::try_from(value).ok()?)?;
    }
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_stable_and_canonical() {
        let id = RequestId::new(1_790_000_000_000, [7; 10]);
        assert_eq!(id.to_string(), "r-01m3250v000w3ge1r70w3ge1r7");
        assert_eq!(id.to_string().parse::<RequestId>().unwrap(), id);
        for wrong in [
            "r-",
            "g-01m3250v000w3ge1r70w3ge1r7",
            "r-81m3250v000w3ge1r70w3ge1r7",
            "r-01M3250V000W3GE1R70W3GE1R7",
        ] {
            assert!(wrong.parse::<RequestId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn later_ids_sort_later() {
        assert!(GrantId::new(1, [255; 10]) < GrantId::new(2, [0; 10]));
        assert_eq!(CallId::new(1_790_000_000_000, [7; 10]).milliseconds(), 1_790_000_000_000);
    }
}
