//! Payloads: what an entry says of people. They lie beside the tree and can be erased.
//!
//! A payload is one CBOR item (RFC 8949) that serde writes: a struct is a map with its fields'
//! names as keys, in the order of their declaration; a digest, an id or a key is a byte string; a
//! time is a number. The tree holds [`crate::entry::commit`] of its bytes, so they are kept as they
//! were first written and need no canonical form.
//!
//! Enums must be tagged externally, serde's default: with `tag`, `untagged` or `flatten` serde
//! reads through a buffer that claims to be human-readable, and byte strings would come back as
//! text.

use jit_ca_core::event::Event;
use minicbor_serde::Deserializer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Leaf};

/// The bytes of a payload.
///
/// # Errors
/// If its `Serialize` fails.
pub fn encode<T: Serialize>(payload: &T) -> Result<Vec<u8>, Error> {
    minicbor_serde::to_vec(payload).map_err(|error| Error::Payload(error.into()))
}

/// Reads a payload.
///
/// # Errors
/// If the bytes are not exactly one `T`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut deserializer = Deserializer::new(bytes);
    let payload = T::deserialize(&mut deserializer).map_err(|error| Error::Cbor(error.into()))?;
    ended(bytes, &deserializer)?;
    Ok(payload)
}

/// Reads the payload of the entry with this leaf; `None` if no such type is known.
///
/// # Errors
/// If the bytes are not exactly one payload of that type, or the leaf lacks an id that such a payload does not repeat.
pub fn decode_event(leaf: &Leaf, bytes: &[u8]) -> Result<Option<Event>, Error> {
    let mut deserializer = Deserializer::new(bytes);
    let event = Event::read(leaf.entry_type.as_str(), &leaf.ids, &mut deserializer);
    let event = event.map_err(|error| Error::Cbor(error.into()))?;
    if event.is_some() {
        ended(bytes, &deserializer)?;
    }
    Ok(event)
}

fn ended(bytes: &[u8], deserializer: &Deserializer<'_>) -> Result<(), Error> {
    match bytes.len() - deserializer.decoder().position() {
        0 => Ok(()),
        trailing => Err(Error::TrailingBytes(trailing)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jit_ca_core::event::{CertificateIssued, DaemonStopped, Ids, IssuanceFailed};
    use jit_ca_core::{ActorRef, Bytes, Digest, GrantId, IssuanceId, RequestId, UnixTime};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Payload {
        request: RequestId,
        digest: Digest,
        statement: Option<Bytes>,
        at: UnixTime,
        outcome: Outcome,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Outcome {
        Done { serial: Bytes },
        Failed(String),
        Nothing,
    }

    fn payload(outcome: Outcome) -> Payload {
        Payload {
            request: RequestId::from_bytes([1; 16]),
            digest: Digest::from_bytes([2; 32]),
            statement: Some(Bytes::from(vec![3; 3])),
            at: UnixTime::from_secs(1_795_338_000),
            outcome,
        }
    }

    #[test]
    fn survive_and_hold_plain_bytes() {
        for outcome in [
            Outcome::Done { serial: Bytes::from(vec![9]) },
            Outcome::Failed("no".into()),
            Outcome::Nothing,
        ] {
            let before = payload(outcome);
            let bytes = encode(&before).unwrap();
            assert!(bytes.windows(33).any(|at| at[0] == 16 + 0x40 && at[1..17] == [1; 16]));
            assert!(bytes.windows(34).any(|at| at[..2] == [0x58, 32] && at[2..] == [2; 32]));
            assert_eq!(decode::<Payload>(&bytes).unwrap(), before);
        }
    }

    #[test]
    fn are_one_item_of_known_fields() {
        let bytes = encode(&payload(Outcome::Nothing)).unwrap();
        let more = [bytes.as_slice(), &[0]].concat();
        assert!(matches!(decode::<Payload>(&more), Err(Error::TrailingBytes(1))));
        assert!(matches!(decode::<Payload>(&bytes[..bytes.len() - 1]), Err(Error::Cbor(_))));
        assert!(matches!(
            decode::<Payload>(&encode(&[("unknown", 1)]).unwrap()),
            Err(Error::Cbor(_))
        ));
    }

    #[test]
    fn of_events_are_read_by_their_type() {
        let event: Event = DaemonStopped { cause: "SIGTERM".into() }.into();
        let leaf = |entry_type| leaf(entry_type, Ids::default());
        let bytes = encode(&event).unwrap();
        assert_eq!(decode_event(&leaf("daemon.stop"), &bytes).unwrap(), Some(event));
        assert!(matches!(
            decode_event(&leaf("daemon.stop"), &[bytes.as_slice(), &[0]].concat()),
            Err(Error::TrailingBytes(1))
        ));
        assert!(matches!(decode_event(&leaf("daemon.start"), &bytes), Err(Error::Cbor(_))));
        assert_eq!(decode_event(&leaf("not.known"), &bytes).unwrap(), None);
    }

    #[test]
    fn of_an_issuance_do_not_repeat_the_ids_of_the_leaf() {
        let issuance = IssuanceId::from_bytes([1; 16]);
        let grant = Some(GrantId::from_bytes([2; 16]));
        let done = |grant| -> Event {
            CertificateIssued { issuance, grant, signature: Bytes::from(vec![3; 64]) }.into()
        };
        let failed =
            |grant| -> Event { IssuanceFailed { issuance, grant, error: "no".into() }.into() };
        for event in [done(grant), done(None), failed(grant), failed(None)] {
            let bytes = encode(&event).unwrap();
            assert!(!bytes.windows(16).any(|at| at == [1; 16] || at == [2; 16]));
            let ids = Ids::of(&event);
            let read = |ids| decode_event(&leaf(event.entry_type(), ids), &bytes);
            assert_eq!(read(ids).unwrap(), Some(event.clone()));
            assert!(matches!(read(Ids { issuance: None, ..ids }), Err(Error::Cbor(_))));
        }
        // Nor may they: what is said once is said in one way.
        let bytes = encode(&BTreeMap::from([("error", "no"), ("issuance", "1")])).unwrap();
        let ids = Ids { issuance: Some(issuance), ..Ids::default() };
        assert!(matches!(decode_event(&leaf("issue.failed", ids), &bytes), Err(Error::Cbor(_))));
    }

    fn leaf(entry_type: &str, ids: Ids) -> Leaf {
        Leaf {
            entry_type: entry_type.parse().unwrap(),
            idx: 0,
            ts_ms: 0,
            actor: ActorRef::DAEMON,
            ids,
            bundle: None,
            tbs: None,
            commit: Digest::from_bytes([0; 32]),
        }
    }
}
