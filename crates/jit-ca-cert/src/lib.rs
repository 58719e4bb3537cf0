//! From a recorded intent to a certificate: the only code that touches a CA key.
//!
//! ```text
//! content ── Intent::new ──> Intent (final to-be-signed bytes, made without a private key, linted)
//!         ── the log ──────> Recorded<Intent> (the bytes' hash is in the log, with its proof)
//!         ── Key::sign ────> Signed (those bytes and no others, with a signature that verifies)
//! ```
//!
//! A *content* says what one certificate is to say, in checked values: [`ssh::UserCertificate`],
//! [`x509::ClientCertificate`] and so on. Each is written by one library (ssh-key, rcgen) and read
//! back by code that shares nothing with it (ours, x509-parser), before the log sees the bytes;
//! after they are signed, what is new is read and verified. Everything a CA key ever signs goes this way, the CA's own
//! certificates included; only the log's key signs something else, which is checkpoints.
//!
//! It performs no I/O, cannot tell the time, and knows no store and no network. What it draws
//! randomness for itself are keys, the nonces that seal secrets, and ECDSA's; what stands in a
//! certificate is a parameter.

mod error;
mod intent;
mod key;
mod lint;
mod names;
pub mod pkcs10;
mod public_key;
pub mod purpose;
mod sealed;
pub mod ssh;
mod stand_in;
mod subject_key;
mod text;
pub mod x509;

pub use error::Error;
pub use intent::{Intent, Parts, Profile, Signed, read};
pub use key::Key;
pub use lint::Lint;
pub use names::{CaName, ServerName, SubjectName, TrustDomain};
pub use public_key::{Algorithm, PublicKey};
pub use purpose::Purpose;
pub use sealed::KeyEncryptionKey;
pub use subject_key::SubjectKey;

use jit_ca_core::Span;

/// How much earlier than its window a certificate begins, for clocks that are behind the CA's.
pub const BACKDATE: Span = Span::from_secs(60);

/// The type of the log's entry that a certificate's to-be-signed bytes are recorded by.
pub const INTENT_ENTRY: &str = "issue.intent";
