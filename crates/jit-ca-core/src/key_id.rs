//! What an SSH certificate says of where it comes from.

use std::fmt;

use crate::{GrantId, IssuanceId};

/// The key id of a certificate that was issued under a grant, as sshd logs it: `jit-ca:<grant>:<issuance>:<name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyId {
    /// The grant.
    pub grant: GrantId,
    /// The issuance.
    pub issuance: IssuanceId,
    /// What the holder is called: a name or a pseudonym.
    pub name: String,
}

impl KeyId {
    /// Reads one; `None` if it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("jit-ca:")?.splitn(3, ':');
        Some(Self {
            grant: parts.next()?.parse().ok()?,
            issuance: parts.next()?.parse().ok()?,
            name: parts.next()?.to_owned(),
        })
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "jit-ca:{}:{}:{}", self.grant, self.issuance, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_are_read_as_they_are_written() {
        let text = "jit-ca:g-01m3250v000w3ge1r70w3ge1r7:i-01m3250v000w3ge1r70w3ge1r7:alice";
        let id = KeyId::parse(text).unwrap();
        assert_eq!(
            (id.grant.to_string().as_str(), id.name.as_str()),
            ("g-01m3250v000w3ge1r70w3ge1r7", "alice")
        );
        assert_eq!(id.to_string(), text);
        for wrong in ["", "alice", "jit-ca:x:y:alice", "jit-ca:g-01m3250v000w3ge1r70w3ge1r7:alice"]
        {
            assert_eq!(KeyId::parse(wrong), None, "{wrong}");
        }
    }
}
