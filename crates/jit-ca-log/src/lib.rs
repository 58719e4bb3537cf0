//! The log: what an entry's bytes are, the Merkle tree over them, the signed checkpoints, the
//! proofs.
//!
//! Everything here is a pure function of bytes. The crate knows no store, no network and no private
//! key, so that an auditor runs the very code that the daemon runs; each module's documentation
//! is meant to be enough for a second implementation in another language.
//!
//! ```text
//! payload ──commit──> Leaf ──leaf_hash──> Tree ──root──> Checkpoint ──LogKey──> SignedCheckpoint
//! (erasable)          entry               tree           checkpoint                    │
//!                       └────────── inclusion proof ───────────────────> Recorded<T> <─┘
//! ```
//!
//! [`Archive`] is a whole log in one file, and [`verify`](verify::verify) says whether it holds.
//!
//! INVARIANT (bytes once hashed are never re-encoded): leaves and checkpoints are kept and handed
//! on as the bytes that were hashed or signed. Each has one encoding, and reading refuses every
//! other.

pub mod archive;
pub mod bundle;
pub mod checkpoint;
pub mod entry;
mod error;
pub mod hash;
pub mod part;
pub mod payload;
pub mod proof;
pub mod recorded;
pub mod sshsig;
pub mod tree;
pub mod verify;
pub mod webauthn;

pub use archive::{Archive, ArchiveError, ArchiveWriter, Copies};
pub use bundle::Bundle;
pub use checkpoint::{Checkpoint, LogKey, LogVerifier, SignedCheckpoint};
pub use entry::{EntryType, Ids, Leaf};
pub use error::Error;
pub use part::{Part, PartKind};
pub use proof::Proof;
pub use recorded::Recorded;
pub use verify::{Verdict, verify};
