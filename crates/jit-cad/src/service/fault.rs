//! Why a call was not done.

use jit_ca_core::workflow::Refusal;
use jit_ca_core::{RefusalCode, Span};

use crate::clock::NoRandomness;
use crate::issuer::IssueError;
use crate::provider::ProviderFault;
use crate::sequencer::CommitError;
use crate::store::StoreError;

/// Why a call was not done. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It was understood, and is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too many attempts failed.
    #[error("too many attempts have failed")]
    SlowDown {
        /// For how long to wait.
        wait: Span,
    },
    /// The call has no login that can be used.
    #[error("{detail}")]
    Unauthenticated {
        /// What is wrong with it.
        detail: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The call can't be understood.
    #[error("{detail}")]
    Bad {
        /// What can't be understood.
        detail: String,
        /// What would be.
        hint: &'static str,
    },
    /// There is no such thing, or none that the caller may see.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Nothing has the name that somebody gave.
    #[error("{detail}")]
    NoSuch {
        /// Which name.
        detail: String,
        /// What to name.
        hint: &'static str,
    },
    /// An issuer is not reached, or what it says does not count.
    #[error(transparent)]
    Issuer(#[from] ProviderFault),
    /// What somebody brought from an issuer does not let them in.
    #[error("{detail}")]
    NotVouched {
        /// Why not.
        detail: String,
        /// What to do.
        hint: &'static str,
    },
    /// A login waits for somebody who has not signed on yet.
    #[error("nobody has signed on yet")]
    NotYet,
    /// As many logins of the caller's network wait for somebody to sign on as may.
    #[error("too many logins from your network wait to be confirmed")]
    TooManyBegunHere,
    /// As many wait as may, from everywhere.
    #[error("too many logins from everywhere wait to be confirmed")]
    TooManyBegun,
    /// It can't be beside what was said before.
    #[error("{detail}")]
    Conflict {
        /// What can't be.
        detail: String,
        /// What is.
        hint: &'static str,
    },
    /// The idempotency key was used for another call.
    #[error("the idempotency key was used for another call before")]
    KeyReused,
    /// The log was not written.
    #[error(transparent)]
    Commit(CommitError),
    /// It is our fault.
    #[error("the daemon failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Fault {
    /// The caller's login is over.
    pub const fn login_ended() -> Self {
        Self::Unauthenticated { detail: "the login has ended", hint: "log in again: jit-ca login" }
    }

    /// Input that can't be understood.
    pub fn bad(detail: impl Into<String>, hint: &'static str) -> Self {
        Self::Bad { detail: detail.into(), hint }
    }

    /// A name that nothing has.
    pub fn no_such(detail: impl Into<String>, hint: &'static str) -> Self {
        Self::NoSuch { detail: detail.into(), hint }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<NoRandomness> for Fault {
    fn from(error: NoRandomness) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<IssueError> for Fault {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Commit(error) => Self::Commit(error),
            error => Self::Internal(Box::new(error)),
        }
    }
}

/// A key, or a request for one, that the caller sent and that is not taken.
impl From<jit_ca_cert::Error> for Fault {
    fn from(error: jit_ca_cert::Error) -> Self {
        use jit_ca_cert::Error;
        match error {
            Error::MalformedKey(_) => {
                Self::bad(error.to_string(), "send the key as its .pub file has it")
            }
            Error::KeyType { .. } => {
                Self::Refused(Refusal::new(RefusalCode::KeyRefused, error.to_string()))
            }
            Error::Possession => {
                Self::Refused(Refusal::new(RefusalCode::NoPossession, error.to_string()))
            }
            Error::Request(_) => Self::bad(
                error.to_string(),
                "send a PKCS#10 request as PEM, such as `openssl req -new` makes",
            ),
            error => Self::Internal(Box::new(error)),
        }
    }
}
