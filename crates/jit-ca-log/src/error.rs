//! What can be wrong with a log.

use jit_ca_core::Digest;

/// A log, a proof or a signature that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bytes that are not CBOR, or not of the shape asked for.
    #[error("the CBOR does not decode")]
    Cbor(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More bytes follow after the item.
    #[error("{0} bytes follow after the CBOR item")]
    TrailingBytes(usize),
    /// A payload that can't be written as CBOR.
    #[error("the payload can't be written as CBOR")]
    Payload(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A leaf that is well-formed CBOR but not a leaf.
    #[error("the leaf is malformed: {0}")]
    Leaf(&'static str),
    /// A leaf's type that is no name.
    #[error(
        "{0:?} is not an entry type: write lower-case words joined by dots, at most 63 characters"
    )]
    EntryType(String),
    /// Another leaf stands at this place.
    #[error("the leaf says that its index is {found}, and it stands at {expected}")]
    Index {
        /// Where it stands.
        expected: u64,
        /// What it says.
        found: u64,
    },

    /// The store could not be read.
    #[error("tile {index} of level {level} can't be read")]
    Store {
        /// The tile's level.
        level: u8,
        /// The tile's index.
        index: u64,
        /// What the store said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store lacks hashes that a tree of this size has.
    #[error("tile {index} of level {level} holds {found} bytes, and the tree needs {needed}")]
    Tile {
        /// The tile's level.
        level: u8,
        /// The tile's index.
        index: u64,
        /// The bytes needed.
        needed: usize,
        /// The bytes found.
        found: usize,
    },
    /// A leaf, or an older tree, that the tree does not hold.
    #[error("{index} lies outside a tree of {size} leaves")]
    OutOfRange {
        /// The leaf's index or the older tree's size.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// Hashes that are not the right edge of a tree of this size.
    #[error("the edge of a tree of {size} leaves does not have {found} hashes")]
    Edge {
        /// The number of leaves.
        size: u64,
        /// The number of hashes.
        found: usize,
    },
    /// The tree can't grow any more.
    #[error("the tree is full")]
    Full,
    /// A proof of another length than the tree's shape asks for.
    #[error("the proof has too few or too many hashes")]
    ProofLength,
    /// A proof that leads to another root.
    #[error("the proof leads to the root {found}, and the checkpoint says {expected}")]
    Root {
        /// What the checkpoint says.
        expected: Digest,
        /// Where the proof leads.
        found: Digest,
    },

    /// A log key that is none.
    #[error("{0:?} is not a log key: write <origin>+<8 hexadecimal digits>+<base64>")]
    LogKey(String),
    /// A checkpoint that is none.
    #[error("the checkpoint is malformed: {0}")]
    Checkpoint(&'static str),
    /// A checkpoint of another log, or by another key.
    #[error("the checkpoint bears no signature of {0}")]
    Unsigned(String),

    /// A proof file that is none.
    #[error("the proof is malformed: it is no c2sp.org/tlog-proof@v1 of an entry")]
    Proof,
    /// A path of no part of a log.
    #[error("{0:?} is no part of a log: write tile/0/000 or tile/0/001.p/17")]
    Part(String),

    /// An SSH signature that can't be read.
    #[error("the SSH signature is malformed")]
    SshSig(#[source] ssh_key::Error),
    /// An SSH signature larger than any key makes one.
    #[error("the SSH signature is longer than {0} bytes")]
    SshSigTooLong(usize),
    /// An SSH signature by another key.
    #[error("the SSH signature is by another key")]
    OtherKey,
    /// An SSH signature made for another purpose.
    #[error("the SSH signature is for {found:?} and not for {expected:?}")]
    Namespace {
        /// What it should be for.
        expected: String,
        /// What it is for.
        found: String,
    },
    /// A kind of key or signature that is not accepted.
    #[error(
        "{0} is not accepted: use ed25519 or ECDSA P-256, both also of a security key, ECDSA P-384, or RSA-2048 and up with SHA-2"
    )]
    Algorithm(String),
    /// A security key's signature that does not count.
    #[error("the security key {0}")]
    SecurityKey(&'static str),
    /// The signature does not verify.
    #[error("the signature is wrong")]
    Signature,
}
