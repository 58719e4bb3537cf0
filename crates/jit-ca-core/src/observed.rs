//! Which certificates hosts saw, by their own word.

use serde::{Deserialize, Serialize};

use crate::{Digest, HostName, UnixTime};

/// A certificate that opened a connection. A host notes a line of JSON for each, and `jit-ca log verify --observed` holds
/// them against the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// When sshd had accepted it, by the host's clock.
    pub time: UnixTime,
    /// On which host: its own name, not one of its aliases.
    pub host: HostName,
    /// To which account.
    pub account: String,
    /// The fingerprint of the key that signed it, as `ssh-keygen -l` has it: the SHA-256 of the key's SSH wire form.
    pub ca: Digest,
    /// Its serial. Text in JSON, whose numbers are exact to 2^53 alone.
    #[serde(with = "decimal")]
    pub serial: u64,
    /// Its key id.
    pub key_id: String,
    /// The SHA-256 of what is signed of it: of all its bytes but the signature. The log's leaf of it says the same, for ever.
    pub tbs: Digest,
}

/// A number as its decimal digits, without leading zeros.
mod decimal {
    use std::borrow::Cow;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = <Cow<'de, str>>::deserialize(from)?;
        let number = text.parse().ok().filter(|number: &u64| number.to_string() == text);
        number.ok_or_else(|| {
            D::Error::custom(format!("{text:?} is not a serial: write its decimal digits"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"time":"2026-11-24T09:00:00Z","host":"web1.example.org","account":"deploy","ca":"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","serial":"18446744073709551615","key_id":"jit-ca:x","tbs":"SHA256:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}"#;

    #[test]
    fn a_use_is_a_line_of_json() {
        let used: Use = serde_json::from_str(LINE).unwrap();
        assert_eq!((used.serial, used.account.as_str()), (u64::MAX, "deploy"));
        assert_eq!(serde_json::to_string(&used).unwrap(), LINE);
        for (from, to, said) in [
            ("\"serial\":\"18446744073709551615\"", "\"serial\":1", "invalid type: integer"),
            ("18446744073709551615", "18446744073709551616", "is not a serial"),
            ("18446744073709551615", "007", "is not a serial"),
            ("18446744073709551615", "+7", "is not a serial"),
            ("SHA256:", "MD5:", "is not a digest"),
            ("web1.example.org", "Web1", "is not a host"),
            ("{\"time\"", "{\"address\":\"192.0.2.7\",\"time\"", "unknown field `address`"),
            ("\"account\":\"deploy\",", "", "missing field `account`"),
        ] {
            let error = serde_json::from_str::<Use>(&LINE.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
