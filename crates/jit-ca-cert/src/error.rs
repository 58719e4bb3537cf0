//! What can go wrong, by whose fault it is.

use crate::{Lint, Purpose};

/// Why there is no certificate, no key or no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    // The caller's fault.
    /// The key's type is not on the list.
    #[error(
        "a key of type {kind:?} is not accepted; known are ed25519, ECDSA P-256 and P-384, and RSA of 3072 bits and \
         more, and a role says which of them it takes"
    )]
    KeyType {
        /// What the key says it is, shortened.
        kind: String,
    },
    /// The key's type is accepted, the key is none.
    #[error("the public key is malformed: {0}")]
    MalformedKey(&'static str),
    /// The bytes are no PKCS#10 request, or one that we do not take.
    #[error("the certificate request is not accepted: {0}")]
    Request(&'static str),
    /// The request is not signed by the key in it.
    #[error("the certificate request is not signed by the key that it names")]
    Possession,
    /// A certificate without principals was asked for.
    #[error("a certificate needs between 1 and {most} principals, not {found}")]
    Principals {
        /// How many there were.
        found: usize,
        /// How many there may be.
        most: usize,
    },

    // Our own fault, caught before it left.
    /// The certificate breaks a rule of its profile.
    #[error("the certificate breaks a rule of its profile")]
    Lint(#[source] Lint),
    /// The library that writes certificates refused.
    #[error("the certificate can't be written")]
    Write(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was written says something other than what was asked for.
    #[error("the certificate says something other than what was asked for")]
    OtherContent,
    /// The finished certificate holds other bytes than the intent's.
    #[error("the finished certificate does not hold the bytes that were recorded")]
    OtherBytes,
    /// The signature does not verify.
    #[error("the certificate's signature does not verify")]
    Signature,

    // The log's, or its caller's.
    /// The log's record of the intent does not verify.
    #[error("the log does not prove that the intent is recorded")]
    Record(#[source] jit_ca_log::Error),
    /// The checkpoint was not signed rightly.
    #[error("the checkpoint can't be signed")]
    Checkpoint(#[source] jit_ca_log::Error),
    /// The entry is not an intent.
    #[error("the log's entry is of type {found:?}, not {}", crate::INTENT_ENTRY)]
    EntryType {
        /// The entry's type.
        found: String,
    },
    /// The entry records the hash of other bytes.
    #[error("the log's entry records other to-be-signed bytes than the intent's")]
    OtherIntent,
    /// The intent names another key as its issuer.
    #[error("the intent is for another {purpose} key than the one that was to sign it")]
    OtherKey {
        /// What the key is for.
        purpose: Purpose,
    },

    // Keys at rest.
    /// Not what [`KeyEncryptionKey::seal`](crate::KeyEncryptionKey::seal) makes.
    #[error("the sealed bytes are of no known form")]
    SealedForm,
    /// The key-encryption key is another, or the bytes or what they are for were changed.
    #[error(
        "the sealed bytes don't open: the passphrase is wrong, or they were sealed for another use, or changed"
    )]
    Unseal,
    /// What was sealed is not the key that it is said to be.
    #[error("the sealed {purpose} key is malformed")]
    SealedKey {
        /// What the key is for.
        purpose: Purpose,
    },
    /// The system gives no randomness, or the cryptographic library refused to work.
    #[error("the cryptographic library failed")]
    Crypto,
}

impl From<ring::error::Unspecified> for Error {
    fn from(_: ring::error::Unspecified) -> Self {
        Self::Crypto
    }
}
