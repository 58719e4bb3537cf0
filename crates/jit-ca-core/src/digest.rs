//! Fixed and free byte strings: text for people (JSON, statements), plain bytes in the log (CBOR).

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64Unpadded, Encoding as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ValueError;

/// A SHA-256. Written as OpenSSH writes fingerprints: `SHA256:` and unpadded base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Takes the 32 bytes of a SHA-256 as they are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its beginning, for two people, or one at two screens, to compare: 72 bits of it.
    pub fn short(&self) -> String {
        self.to_string().chars().take("SHA256:".len() + 12).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", Base64Unpadded::encode_string(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || ValueError::new("digest", text, "write SHA256: and 43 base64 characters");
        let mut bytes = [0; 32];
        let encoded = text.strip_prefix("SHA256:").ok_or_else(fault)?;
        let decoded = Base64Unpadded::decode(encoded, &mut bytes).map_err(|_| fault())?;
        if decoded.len() == 32 { Ok(Self(bytes)) } else { Err(fault()) }
    }
}

/// A subject's pseudonym in the log's leaves: 16 random bytes, written as 32 hexadecimal digits.
///
/// Which subject it stands for is known from a payload alone, which can be erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorRef([u8; 16]);

impl ActorRef {
    /// The daemon itself, which acts in entries that no subject asked for.
    pub const DAEMON: Self = Self([0; 16]);

    /// Takes 16 random bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for ActorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ActorRef {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || ValueError::new("actor", text, "write 32 lower-case hexadecimal digits");
        if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(fault());
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| fault())?;
        Ok(Self(number.to_be_bytes()))
    }
}

/// Bytes of any length that others made: keys, signatures, to-be-signed bytes. Written as base64.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(Vec<u8>);

impl Bytes {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, owned.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64Unpadded::encode_string(&self.0))
    }
}

impl FromStr for Bytes {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Base64Unpadded::decode_vec(text)
            .map(Self)
            .map_err(|_| ValueError::new("byte string", text, "write unpadded base64"))
    }
}

/// Text where a person reads, bytes where the log counts every one of them.
macro_rules! serde_bytes_or_text {
    ($type:ty, $bytes:expr, $from:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    let bytes: fn(&$type) -> &[u8] = $bytes;
                    serializer.serialize_bytes(bytes(self))
                }
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error as _;
                if deserializer.is_human_readable() {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                    text.parse().map_err(D::Error::custom)
                } else {
                    let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?.into_vec();
                    let from: fn(Vec<u8>) -> Option<$type> = $from;
                    from(bytes).ok_or_else(|| D::Error::custom("byte string of another length"))
                }
            }
        }
    };
}
pub(crate) use serde_bytes_or_text;

serde_bytes_or_text!(Digest, |v| &v.0, |bytes| bytes.try_into().ok().map(Self));
serde_bytes_or_text!(ActorRef, |v| &v.0, |bytes| bytes.try_into().ok().map(Self));
serde_bytes_or_text!(Bytes, |v| &v.0, |bytes| Some(Self(bytes)));
