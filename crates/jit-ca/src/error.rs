//! What can go wrong, and what to do about it.

use std::path::PathBuf;

use jit_ca_api::client;
use jit_ca_core::{Digest, RequestId, ValueError};

use crate::agent::AgentError;
use crate::exit::Exit;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The CA was not reached, or said no.
    #[error(transparent)]
    Call(#[from] client::Error),

    /// The command can't be understood, or something has to be said first.
    #[error("{what}")]
    Usage {
        /// What is wrong.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// A value that is none.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// No CA is known yet.
    #[error("no CA is known yet")]
    NoProfile,
    /// Another CA is remembered.
    #[error("the CA remembered has the pin {kept}, not {given}")]
    OtherPin {
        /// The pin remembered.
        kept: Digest,
        /// The pin given.
        given: Digest,
    },
    /// Nobody is logged in.
    #[error("you are not logged in")]
    NotLoggedIn,
    /// Nobody can be asked.
    #[error("{what} is needed, and there is no terminal to ask at")]
    NoTerminal {
        /// What would be asked for.
        what: &'static str,
        /// How to say it otherwise.
        hint: &'static str,
    },

    /// A request that will not become a grant.
    #[error("{what}")]
    Denied {
        /// What became of it.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A request that is still pending.
    #[error("{id} is still pending")]
    Pending {
        /// The request.
        id: RequestId,
    },

    /// Something is not what it is said to be.
    #[error("{what}")]
    Unverified {
        /// What is not so.
        what: String,
    },
    /// A log that is not the one that was seen before.
    #[error("{what}")]
    History {
        /// How it differs, and what was shown.
        what: String,
        /// What to do about it.
        hint: String,
    },

    /// Something changed while it was read.
    #[error("{what}")]
    Changed {
        /// What changed.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// A file or folder.
    #[error("{} can't be {action}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What was to be done with it.
        action: &'static str,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another program.
    #[error("{program} could not {what}")]
    Program {
        /// Which.
        program: &'static str,
        /// What it was to do.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// The ssh-agent.
    #[error("ssh-agent failed")]
    Agent(#[from] AgentError),
    /// Keys of our own making.
    #[error("{what}")]
    Key {
        /// What was to be done.
        what: &'static str,
        /// Why it was not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A policy with faults, or whose tests fail; what is wrong has been printed.
    #[error("{what}")]
    Policy {
        /// How much is wrong.
        what: String,
        /// Whether it could be read at all.
        is_readable: bool,
    },
}

/// A result of this program.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), hint: hint.into() }
    }

    pub(crate) fn unverified(what: impl Into<String>) -> Self {
        Self::Unverified { what: what.into() }
    }

    /// For `map_err`: a failure of making or reading keys.
    pub(crate) fn key<E>(what: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Key { what, source: source.into() }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Call(error) => return error.hint().map(ToOwned::to_owned),
            Self::Denied { hint, .. } => return hint.clone(),
            Self::Usage { hint, .. }
            | Self::Program { hint, .. }
            | Self::History { hint, .. }
            | Self::Changed { hint, .. } => {
                return Some(hint.clone());
            }
            Self::Pending { id } => {
                return Some(format!(
                    "it goes on without you; see it with jit-ca status, or take it back with jit-ca cancel {id}"
                ));
            }
            Self::NoProfile => {
                "meet the CA first: jit-ca login --ca https://HOST:PORT --ca-pin SHA256:…, as its operators publish them"
            }
            Self::OtherPin { .. } => {
                "if you mean another CA, forget this one first: jit-ca logout --forget"
            }
            Self::NotLoggedIn => "log in: jit-ca login",
            Self::NoTerminal { hint, .. } => hint,
            Self::Unverified { .. } => {
                "do not go on; tell your CA's operators, and compare the pin with the one that they publish"
            }
            Self::Agent(_) => "check that ssh-agent runs (ssh-add -l), or do without: --no-agent",
            Self::Value(_) | Self::File { .. } | Self::Key { .. } | Self::Policy { .. } => {
                return None;
            }
        };
        Some(text.to_owned())
    }

    /// How the program ends by it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Call(client::Error::Problem(problem)) => {
                match (problem.status, problem.code.as_str()) {
                    // Whatever kind of thing it is that is not there.
                    (400 | 404, _) | (_, "unknown-role" | "unknown-host" | "unknown-row") => {
                        Exit::Usage
                    }
                    (401 | 403 | 409 | 423 | 429, _) => Exit::Refused,
                    _ => Exit::Failed,
                }
            }
            Self::Call(client::Error::Pin { .. })
            | Self::Unverified { .. }
            | Self::History { .. } => Exit::Unverified,
            Self::Call(client::Error::LoginCertificate { .. })
            | Self::NotLoggedIn
            | Self::Denied { .. } => Exit::Refused,
            Self::Call(client::Error::Url(_))
            | Self::Usage { .. }
            | Self::Value(_)
            | Self::NoProfile
            | Self::OtherPin { .. }
            | Self::NoTerminal { .. } => Exit::Usage,
            Self::Policy { is_readable, .. } => match is_readable {
                true => Exit::Failed,
                false => Exit::Usage,
            },
            Self::Pending { .. } => Exit::Pending,
            Self::Call(_)
            | Self::Changed { .. }
            | Self::File { .. }
            | Self::Program { .. }
            | Self::Agent(_)
            | Self::Key { .. } => Exit::Failed,
        }
    }

    /// Whether it may go by itself: the CA can't be reached, or has too much to do.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Call(client::Error::Transport { .. }) => true,
            Self::Call(client::Error::Problem(problem)) => {
                problem.status == 429 || problem.status >= 500
            }
            _ => false,
        }
    }

    /// Whether the CA says that there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Call(client::Error::Problem(problem)) if problem.status == 404)
    }

    /// Whether the CA wants a second factor, or a newer one.
    pub(crate) fn wants_second_factor(&self) -> bool {
        let Self::Call(client::Error::Problem(problem)) = self else { return false };
        matches!(problem.code.as_str(), "mfa-required" | "mfa-too-old")
    }

    /// Whether logging in would help.
    pub(crate) fn is_login_over(&self) -> bool {
        match self {
            Self::NotLoggedIn | Self::Call(client::Error::LoginCertificate { .. }) => true,
            Self::Call(client::Error::Problem(problem)) => problem.status == 401,
            _ => false,
        }
    }
}
