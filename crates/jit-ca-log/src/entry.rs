//! Entries: the leaf that the tree holds for ever, and its commitment to a payload that can be
//! erased.
//!
//! A leaf is one CBOR item (RFC 8949) in the deterministic encoding of section 4.2.1: definite
//! lengths, the shortest form of every number, the keys of a map sorted by their encoded bytes. It
//! is a map from text to:
//!
//! ```text
//! key      value                                                             present
//! "v"      1                                                                 always
//! "ids"    map: "g" grant, "i" issuance, "r" request, 16-byte strings        always, with the ids that there are
//! "idx"    unsigned: the leaf's index in the tree, from 0                    always
//! "tbs"    32-byte string: SHA-256 of the to-be-signed bytes                 in an intent
//! "type"   text: what happened, such as "grant.revoke"                       always
//! "actor"  16-byte string: the acting subject's pseudonym, zeros: the CA     always
//! "ts_ms"  unsigned: milliseconds since 1970-01-01T00:00:00Z                 always
//! "bundle" 32-byte string: the policy in force                               once there is one; not in an intent's outcome
//! "commit" 32-byte string: SHA-256("jit-ca/payload/v1\0" ‖ salt ‖ payload)   always
//! ```
//!
//! The keys stand in this order, which is the sorted one. A type is
//! `^[a-z][a-z0-9]*([._-][a-z][a-z0-9]*)*$` of at most 63 characters. The salt is 32 random bytes,
//! fresh for each entry, and is erased with the payload: what is left says nothing of either. A
//! reader refuses every other key, a missing one, any other encoding, and more than 65,535 bytes
//! (C2SP tlog-tiles bounds an entry by its 2-byte length).

use std::fmt;
use std::str::FromStr;

use jit_ca_core::event::Event;
use jit_ca_core::{ActorRef, Digest, GrantId, IssuanceId, RequestId};
use minicbor::{Decoder, Encoder};

use crate::Error;
use crate::hash::{sha256, sha256_of};

pub use jit_ca_core::event::Ids;

/// No leaf is longer.
pub const LONGEST_LEAF: usize = 65_535;

/// The public part of an entry, which the tree holds for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// What happened.
    pub entry_type: EntryType,
    /// The leaf's index in the tree.
    pub idx: u64,
    /// When, in milliseconds since 1970.
    pub ts_ms: u64,
    /// Who did it.
    pub actor: ActorRef,
    /// What it concerns.
    pub ids: Ids,
    /// The policy bundle that was in force; none before the first, and where the type [`has none`](EntryType::has_bundle).
    pub bundle: Option<Digest>,
    /// The SHA-256 of the to-be-signed bytes; in intents only.
    pub tbs: Option<Digest>,
    /// The commitment to the payload: see [`commit`].
    pub commit: Digest,
}

/// What an entry tells of, such as `grant.revoke`. A reader may meet types that it does not know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryType(String);

impl EntryType {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the leaf names the bundle in force. In the outcome of an intent nothing is decided: there it does not.
    pub fn has_bundle(&self) -> bool {
        !matches!(self.as_str(), "issue.done" | "issue.failed")
    }
}

impl fmt::Display for EntryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for EntryType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        if text.len() <= 63 && text.split(['.', '_', '-']).all(word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::EntryType(text.chars().take(80).collect()))
        }
    }
}

/// The commitment that stands in the leaf for a payload: `SHA-256("jit-ca/payload/v1\0" ‖ salt ‖
/// payload)`.
pub fn commit(salt: &[u8; 32], payload: &[u8]) -> Digest {
    sha256_of(&[b"jit-ca/payload/v1\0", salt, payload])
}

/// The hash of the bytes that are to be signed, which stands in the leaf of an intent and of no other event.
pub fn tbs(event: &Event) -> Option<Digest> {
    match event {
        Event::CertificateIntended(intended) => Some(sha256(intended.tbs.as_slice())),
        _ => None,
    }
}

impl Leaf {
    /// The one encoding of this leaf.
    ///
    /// Its parts are bounded by their types: it is never longer than some 400 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        #[expect(clippy::expect_used, reason = "writing to a Vec<u8> can't fail")]
        self.write(&mut Encoder::new(&mut bytes)).expect("a Vec<u8> takes all bytes");
        bytes
    }

    /// Reads a leaf from its one encoding.
    ///
    /// # Errors
    /// On any other bytes than those that [`Leaf::encode`] gives for the leaf.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > LONGEST_LEAF {
            return Err(Error::Leaf("it is longer than 65,535 bytes"));
        }
        let leaf = Parts::read(&mut Decoder::new(bytes))?.leaf()?;
        // Reading may be lenient in the order of keys, in doubled keys and in the form of numbers,
        // since whatever is not the one encoding ends here.
        if leaf.encode() == bytes {
            Ok(leaf)
        } else {
            Err(Error::Leaf("it is not in canonical form"))
        }
    }

    fn write(&self, cbor: &mut Encoder<&mut Vec<u8>>) -> Result<(), InfallibleWrite> {
        let Ids { request, grant, issuance } = &self.ids;
        let ids = [
            ("g", grant.as_ref().map(GrantId::as_bytes)),
            ("i", issuance.as_ref().map(IssuanceId::as_bytes)),
            ("r", request.as_ref().map(RequestId::as_bytes)),
        ];
        let optional = u64::from(self.bundle.is_some()) + u64::from(self.tbs.is_some());

        cbor.map(7 + optional)?.str("v")?.u8(VERSION)?;
        cbor.str("ids")?.map(ids.iter().map(|(_, id)| u64::from(id.is_some())).sum())?;
        for (key, id) in ids {
            if let Some(id) = id {
                cbor.str(key)?.bytes(id)?;
            }
        }
        cbor.str("idx")?.u64(self.idx)?;
        if let Some(tbs) = &self.tbs {
            cbor.str("tbs")?.bytes(tbs.as_bytes())?;
        }
        cbor.str("type")?.str(self.entry_type.as_str())?;
        cbor.str("actor")?.bytes(self.actor.as_bytes())?;
        cbor.str("ts_ms")?.u64(self.ts_ms)?;
        if let Some(bundle) = &self.bundle {
            cbor.str("bundle")?.bytes(bundle.as_bytes())?;
        }
        cbor.str("commit")?.bytes(self.commit.as_bytes())?;
        Ok(())
    }
}

const VERSION: u8 = 1;

type InfallibleWrite = minicbor::encode::Error<std::convert::Infallible>;

/// A leaf of which not all is known yet.
#[derive(Default)]
struct Parts {
    version: Option<u8>,
    ids: Option<Ids>,
    idx: Option<u64>,
    tbs: Option<Digest>,
    entry_type: Option<EntryType>,
    actor: Option<ActorRef>,
    ts_ms: Option<u64>,
    bundle: Option<Digest>,
    commit: Option<Digest>,
}

impl Parts {
    fn read(cbor: &mut Decoder<'_>) -> Result<Self, Error> {
        let mut parts = Self::default();
        for _ in 0..map(cbor)? {
            match cbor.str().map_err(cbor_error)? {
                "v" => parts.version = Some(cbor.u8().map_err(cbor_error)?),
                "ids" => parts.ids = Some(ids(cbor)?),
                "idx" => parts.idx = Some(cbor.u64().map_err(cbor_error)?),
                "tbs" => parts.tbs = Some(Digest::from_bytes(bytes(cbor)?)),
                "type" => parts.entry_type = Some(cbor.str().map_err(cbor_error)?.parse()?),
                "actor" => parts.actor = Some(ActorRef::from_bytes(bytes(cbor)?)),
                "ts_ms" => parts.ts_ms = Some(cbor.u64().map_err(cbor_error)?),
                "bundle" => parts.bundle = Some(Digest::from_bytes(bytes(cbor)?)),
                "commit" => parts.commit = Some(Digest::from_bytes(bytes(cbor)?)),
                _ => return Err(Error::Leaf("it has an unknown key")),
            }
        }
        Ok(parts)
    }

    fn leaf(self) -> Result<Leaf, Error> {
        const MISSING: Error = Error::Leaf("it lacks a key");
        if self.version != Some(VERSION) {
            return Err(Error::Leaf("it is not of version 1"));
        }
        Ok(Leaf {
            entry_type: self.entry_type.ok_or(MISSING)?,
            idx: self.idx.ok_or(MISSING)?,
            ts_ms: self.ts_ms.ok_or(MISSING)?,
            actor: self.actor.ok_or(MISSING)?,
            ids: self.ids.ok_or(MISSING)?,
            bundle: self.bundle,
            tbs: self.tbs,
            commit: self.commit.ok_or(MISSING)?,
        })
    }
}

fn ids(cbor: &mut Decoder<'_>) -> Result<Ids, Error> {
    let mut ids = Ids::default();
    for _ in 0..map(cbor)? {
        match cbor.str().map_err(cbor_error)? {
            "g" => ids.grant = Some(GrantId::from_bytes(bytes(cbor)?)),
            "i" => ids.issuance = Some(IssuanceId::from_bytes(bytes(cbor)?)),
            "r" => ids.request = Some(RequestId::from_bytes(bytes(cbor)?)),
            _ => return Err(Error::Leaf("it has an unknown kind of id")),
        }
    }
    Ok(ids)
}

fn map(cbor: &mut Decoder<'_>) -> Result<u64, Error> {
    cbor.map().map_err(cbor_error)?.ok_or(Error::Leaf("it has a map of indefinite length"))
}

fn bytes<const N: usize>(cbor: &mut Decoder<'_>) -> Result<[u8; N], Error> {
    let bytes = cbor.bytes().map_err(cbor_error)?;
    bytes.try_into().map_err(|_| Error::Leaf("it has a byte string of another length"))
}

fn cbor_error(error: minicbor::decode::Error) -> Error {
    Error::Cbor(error.into())
}

#[cfg(test)]
mod tests;
