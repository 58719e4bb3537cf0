//! Proofs to keep beside a certificate: C2SP tlog-proof.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <padded base64 of the leaf>
//! index <the leaf's index>
//! <padded base64 of a hash of the inclusion proof>, once for each
//!
//! <the checkpoint, a signed note>
//! ```
//!
//! Each line is ended by LF; base64 is RFC 4648 section 4, padded; the index is decimal without zeros
//! before it; the hashes go from the leaf's sibling up to the root's child; the checkpoint is the
//! signed note, verbatim. A leaf that is alone in its tree has no hashes. Files that hold one end in
//! `.tlog-proof`.
//!
//! The leaf is in the `extra` line, which the format leaves to its users and which nothing vouches
//! for by itself: it is checked as the proof is, by its hash. So the file proves by itself, offline
//! and with the log's key alone, that the log holds it.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding as _};
use jit_ca_core::Digest;

use crate::tree::{leaf_hash, verify_inclusion};
use crate::{Checkpoint, Error, Leaf, LogKey, SignedCheckpoint};

/// That a leaf stands in a log, for whoever has the log's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The leaf, as hashed.
    pub leaf: Vec<u8>,
    /// Its index.
    pub index: u64,
    /// The inclusion proof (RFC 6962 2.1.1).
    pub hashes: Vec<Digest>,
    /// The checkpoint that covers it.
    pub checkpoint: SignedCheckpoint,
}

impl Proof {
    /// Checks all of it against the log's key.
    ///
    /// # Errors
    /// If the checkpoint is not signed by this key, or the leaf is not canonical, says another
    /// index or is not in the tree.
    pub fn verify(&self, key: &LogKey) -> Result<(Leaf, Checkpoint), Error> {
        let checkpoint = self.checkpoint.open(key)?;
        Ok((self.leaf_in(&checkpoint)?, checkpoint))
    }

    /// Checks that the leaf is in the tree of `checkpoint`, the proof's own, once it is opened.
    pub(crate) fn leaf_in(&self, checkpoint: &Checkpoint) -> Result<Leaf, Error> {
        let leaf = Leaf::decode(&self.leaf)?;
        if leaf.idx != self.index {
            return Err(Error::Index { expected: self.index, found: leaf.idx });
        }
        let (hash, size, root) = (leaf_hash(&self.leaf), checkpoint.size, checkpoint.root);
        verify_inclusion(hash, self.index, size, &self.hashes, root)?;
        Ok(leaf)
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nextra {}", Base64::encode_string(&self.leaf))?;
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", Base64::encode_string(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for Proof {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fault = || Error::Proof;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(fault)?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(fault());
        }
        let mut field = |name| lines.next().and_then(|line| line.strip_prefix(name));
        let leaf = field("extra ").ok_or_else(fault)?;
        let leaf = Base64::decode_vec(leaf).map_err(|_| fault())?;
        let index = field("index ").and_then(|index| index.parse().ok()).ok_or_else(fault)?;
        let hash = |line| -> Result<Digest, Error> {
            let bytes = Base64::decode_vec(line).map_err(|_| fault())?;
            Ok(Digest::from_bytes(bytes.try_into().map_err(|_| fault())?))
        };
        let hashes = lines.map(hash).collect::<Result<_, _>>()?;
        let proof = Self { leaf, index, hashes, checkpoint: checkpoint.parse()? };
        // One form, so that a number with a sign or a zero before it is none.
        if proof.to_string() == text { Ok(proof) } else { Err(fault()) }
    }
}

const HEADER: &str = "c2sp.org/tlog-proof@v1";

#[cfg(test)]
mod tests;
