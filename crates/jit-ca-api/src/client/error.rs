//! Why a call was not done.

use jit_ca_core::Digest;

use crate::Problem;

/// A call that was not done, by whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The CA understood the call and did not do it.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),

    /// Who answers is not of the CA that the pin names.
    #[error(
        "{url} is not the CA expected: its pin is {}, not {expected}",
        presented.map_or_else(|| "unknown".to_owned(), |pin| pin.to_string())
    )]
    Pin {
        /// Who was called.
        url: String,
        /// The pin expected.
        expected: Digest,
        /// The pin of the last certificate presented.
        presented: Option<Digest>,
    },
    /// The CA refused the login certificate while the connection was set up.
    #[error("{url} does not accept this login's certificate")]
    LoginCertificate {
        /// Who was called.
        url: String,
        /// What TLS said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nobody answered, or not in time.
    #[error("{url} can't be reached")]
    Transport {
        /// Who was called.
        url: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An answer that no CA of this version gives.
    #[error("{url} answered with status {status} and something that can't be read")]
    Protocol {
        /// What was called.
        url: String,
        /// The answer's HTTP status.
        status: u16,
        /// What is wrong with the answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// An address that no CA has.
    #[error("{0:?} is not the address of a CA")]
    Url(String),
    /// The CA's root certificate can't be read.
    #[error("the CA's root certificate can't be read")]
    Root(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The login's certificate or key can't be read.
    #[error("the login's certificate or key can't be read")]
    Login(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A query that can't be written.
    #[error("the call can't be written")]
    Call(#[source] serde_json::Error),
    /// The system gives no randomness.
    #[error("the system gives no random bytes")]
    Randomness,
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        Some(match self {
            Self::Problem(problem) => return problem.hint.as_deref(),
            Self::Pin { .. } => {
                "compare both pins with the one that your CA's operators publish; \
                 somebody may stand between you and the CA"
            }
            Self::LoginCertificate { .. } | Self::Login(_) => "log in again: jit-ca login --again",
            Self::Transport { .. } => {
                "check the address, and that the CA runs; certificates that you hold go on working"
            }
            Self::Protocol { .. } => "check that jit-ca and the CA are of the same version",
            Self::Url(_) => "write https:// and a host, such as https://ca.example.org:8443",
            Self::Root(_) => "forget the CA and meet it anew: jit-ca logout --forget",
            Self::Call(_) | Self::Randomness => return None,
        })
    }
}
