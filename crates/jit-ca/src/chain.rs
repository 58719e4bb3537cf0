//! Entries as the API gives them, held against their leaves, and these against the tree.

use base64ct::{Base64Unpadded, Encoding as _};
use jit_ca_api::Entry;
use jit_ca_core::UnixTime;
use jit_ca_log::tree::{Frontier, leaf_hash};
use jit_ca_log::{Checkpoint, Leaf};

use crate::error::{Error, Result};

/// The log as far as it has been read: each entry's leaf is hashed on, so that a checkpoint shows whether it is what
/// the CA signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain(pub(crate) Frontier);

impl Chain {
    /// The index of the entry that comes next.
    pub(crate) fn next(&self) -> u64 {
        self.0.size()
    }

    /// Takes in the next entry.
    ///
    /// # Errors
    /// If it is another one, or is not what its leaf says.
    pub(crate) fn take(&mut self, entry: &Entry) -> Result<()> {
        if entry.index != self.next() {
            return Err(Error::unverified(format!(
                "the CA gives entry {} where entry {} comes next",
                entry.index,
                self.next()
            )));
        }
        self.0.push(leaf_hash(&leaf_bytes(entry)?));
        Ok(())
    }

    /// Checks that what was read is what the checkpoint covers.
    ///
    /// # Errors
    /// If it is not, or the checkpoint is of another size.
    pub(crate) fn check(&self, checkpoint: &Checkpoint) -> Result<()> {
        let (size, root) = (self.next(), self.0.root());
        if (size, root) == (checkpoint.size, checkpoint.root) {
            return Ok(());
        }
        Err(Error::unverified(format!(
            "the CA's checkpoint of {} entries has the root {}, and the {size} entries that were read give {root}",
            checkpoint.size, checkpoint.root
        )))
    }
}

/// The bytes of an entry's leaf, where that says the same as the entry.
///
/// Names, the role and the payload are not in the leaf. What the payload has to be, it says ([`crate::payloads`]); names
/// and the role are the CA's word, which the export as an archive shows to be so.
///
/// # Errors
/// If the leaf is not canonical or says something else.
pub(crate) fn leaf_bytes(entry: &Entry) -> Result<Vec<u8>> {
    let index = entry.index;
    let bytes = Base64Unpadded::decode_vec(&entry.leaf)
        .map_err(|_| Error::unverified(format!("the leaf of entry {index} is no base64")))?;
    let leaf = Leaf::decode(&bytes)
        .map_err(|error| Error::unverified(format!("the leaf of entry {index}: {error}")))?;
    let same = leaf.idx == index
        && UnixTime::from_secs(leaf.ts_ms / 1_000) == entry.time
        && leaf.entry_type.as_str() == entry.entry_type
        && leaf.actor == entry.actor
        // An entry of a grant is shown with the request that it is of, which its leaf need not say.
        && (leaf.ids.request.is_none() || leaf.ids.request == entry.request)
        && leaf.ids.grant == entry.grant
        && leaf.ids.issuance == entry.issuance
        && leaf.bundle == entry.bundle
        && leaf.tbs == entry.tbs;
    match same {
        true => Ok(bytes),
        false => Err(Error::unverified(format!("entry {index} is not what its leaf says"))),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use jit_ca_core::{ActorRef, Digest, GrantId};
    use jit_ca_log::Ids;

    /// An entry as a CA gives it.
    pub(crate) fn entry(index: u64) -> Entry {
        let leaf = Leaf {
            entry_type: "grant.end".parse().unwrap(),
            idx: index,
            ts_ms: 1_795_338_000_000 + index,
            actor: ActorRef::from_bytes([7; 16]),
            ids: Ids { grant: Some(GrantId::from_bytes([1; 16])), ..Ids::default() },
            bundle: Some(Digest::from_bytes([2; 32])),
            tbs: None,
            commit: Digest::from_bytes([3; 32]),
        };
        Entry {
            index,
            time: UnixTime::from_secs(leaf.ts_ms / 1_000),
            entry_type: "grant.end".to_owned(),
            actor: leaf.actor,
            name: Some("alice".to_owned()),
            request: None,
            grant: leaf.ids.grant,
            issuance: None,
            role: Some("web-shell".parse().unwrap()),
            bundle: leaf.bundle,
            tbs: None,
            leaf: Base64Unpadded::encode_string(&leaf.encode()),
            payload: Some(serde_json::json!({"reason": "say \"no\",\nor, well: =1+1"})),
        }
    }

    #[test]
    fn entries_are_taken_in_order_and_lead_to_the_root() {
        let mut chain = Chain::default();
        let mut frontier = Frontier::default();
        for index in 0..5 {
            let entry = entry(index);
            chain.take(&entry).unwrap();
            frontier.push(leaf_hash(&Base64Unpadded::decode_vec(&entry.leaf).unwrap()));
        }
        let origin: jit_ca_core::Origin = "ca.example.org/jit-ca".parse().unwrap();
        let checkpoint = Checkpoint { origin, size: 5, root: frontier.root() };
        chain.check(&checkpoint).unwrap();
        chain.check(&Checkpoint { size: 4, ..checkpoint.clone() }).unwrap_err();
        let root = Digest::from_bytes([0; 32]);
        chain.check(&Checkpoint { root, ..checkpoint }).unwrap_err();
        // Neither again nor one too far.
        chain.take(&entry(4)).unwrap_err();
        chain.take(&entry(6)).unwrap_err();
        assert_eq!(chain.next(), 5);
    }

    #[test]
    fn an_entry_is_what_its_leaf_says() {
        let honest = entry(3);
        leaf_bytes(&honest).unwrap();
        let forged: [fn(&mut Entry); 7] = [
            |entry| entry.index = 4,
            |entry| entry.entry_type = "grant".to_owned(),
            |entry| entry.actor = ActorRef::DAEMON,
            |entry| entry.grant = None,
            |entry| entry.tbs = entry.bundle,
            |entry| entry.time = UnixTime::from_secs(1),
            |entry| entry.leaf.truncate(40),
        ];
        for forge in forged {
            let mut entry = honest.clone();
            forge(&mut entry);
            assert!(leaf_bytes(&entry).is_err(), "{entry:?}");
        }
    }
}
