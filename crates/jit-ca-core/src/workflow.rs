//! The workflow: request, approval, grant, end, as a pure function.
//!
//! ```text
//!             approve (the last one needed, or a rule), or break glass
//! pending ──────────────────────────────────────────────> a grant: waiting ── start, or first use ──> active
//!    ├── deny ───> denied                                     │                                         │
//!    ├── cancel ─> cancelled                                  ├── its time, give back, policy ─> ended <┤
//!    └── time ───> lapsed                                     └── revoke ─────────────────────> revoked <┘
//! ```
//!
//! [`Access`] is a request with all that came of it. A command on it gives the events to be logged or
//! a [`Refusal`]; folding events, and nothing else, changes it. So the state can be had again from the log.

mod access;
mod command;
mod grant;
#[cfg(test)]
mod model;
mod quorum;
mod running;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use access::{Access, Approval, Emergency, Request, RequestState, Review};
pub use command::{Approve, Refusal, Today};
pub use grant::{Grant, GrantState, Over, Term};
pub use quorum::{Quorum, Voice, still_needed};
pub use running::{Extendable, Reconsidered, Usable, certificate_window};

use crate::value::serde_by_text;
use crate::{PersonName, SubjectId, UnixTime, ValueError};

/// When a grant's window starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the last approval.
    AtApproval,
    /// At a time agreed on.
    At(UnixTime),
    /// With the first certificate.
    FirstUse,
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtApproval => f.write_str("at-approval"),
            Self::At(time) => write!(f, "at {time}"),
            Self::FirstUse => f.write_str("first-use"),
        }
    }
}

impl FromStr for Start {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "at-approval" => Ok(Self::AtApproval),
            "first-use" => Ok(Self::FirstUse),
            _ => {
                let time = text.strip_prefix("at ").and_then(|time| time.parse().ok());
                time.map(Self::At).ok_or_else(|| {
                    ValueError::new("start", text, "write at-approval, first-use or \"at <time>\"")
                })
            }
        }
    }
}

serde_by_text!(Start);

/// Who approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Approver {
    /// Rules of the policy, by their names: they stand for all the people who would be needed.
    Rules(Vec<String>),
    /// A person.
    Person {
        /// Who.
        subject: SubjectId,
        /// What that person is called.
        name: PersonName,
    },
}
