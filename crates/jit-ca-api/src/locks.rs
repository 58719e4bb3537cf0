//! Locks.

use std::fmt;

use jit_ca_core::event::Locked;
use jit_ca_core::{PersonName, Text, UnixTime};
use serde::{Deserialize, Serialize};

/// Something is to be locked, or to be so no longer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockCall {
    /// What: `all`, a person's name or id, or a role. `person:NAME` and `role:NAME` where both are called so.
    pub what: String,
    /// Why.
    pub reason: Text,
}

/// A lock that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// On what.
    pub lock: Locked,
    /// What the subject is called, if it is on one.
    pub name: Option<PersonName>,
    /// Who locked it; nobody in particular where that was done on the CA's machine.
    pub by: Option<PersonName>,
    /// Why.
    pub reason: Text,
    /// Since when.
    pub since: UnixTime,
    /// The log entry that says so.
    pub entry: u64,
}

impl Lock {
    /// What to write in a [`LockCall`] for it.
    pub fn what(&self) -> String {
        match (&self.lock, &self.name) {
            (Locked::All, _) => "all".to_owned(),
            (Locked::Subject(_), Some(name)) => format!("person:{name}"),
            (Locked::Subject(subject), None) => format!("person:{subject}"),
            (Locked::Role(role), _) => format!("role:{role}"),
        }
    }

    /// The same, with whom a name stands for.
    pub fn shown(&self) -> String {
        match (&self.lock, &self.name) {
            (Locked::Subject(subject), Some(_)) => format!("{} ({subject})", self.what()),
            _ => self.what(),
        }
    }
}

impl fmt::Display for Lock {
    /// For whoever reads one line of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is locked since {}", self.shown(), self.since)?;
        if let Some(by) = &self.by {
            write!(f, " by {by}")?;
        }
        write!(f, ": {}", self.reason)
    }
}
