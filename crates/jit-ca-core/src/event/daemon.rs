//! The log begins; the daemon and its clock.

use serde::{Deserialize, Serialize};

use super::{PublicKey, Succession};
use crate::{Origin, Text, UnixTime};

/// The log begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogInit {
    /// The log's name for ever.
    pub origin: Origin,
    /// The public keys of all purposes.
    pub keys: Vec<PublicKey>,
    /// The log that this one goes on from, if the CA had one before.
    pub succeeds: Option<Succession>,
}

/// The daemon starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaemonStarted {
    /// The daemon's version.
    pub version: String,
    /// Where it listens.
    pub address: String,
}

/// The daemon stops in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaemonStopped {
    /// What ended it.
    pub cause: String,
}

/// The machine's clock is not what it should be: nothing is issued from here on, until somebody has looked at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockFaulted {
    /// What it should say: the time goes on like this in the log.
    pub expected: UnixTime,
    /// What it says.
    pub found: UnixTime,
}

/// An administrator says that the machine's clock is right. This entry and those behind it go by it, and it alone
/// may be older than the entry before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockAcknowledged {
    /// What was found out.
    pub reason: Text,
    /// The account on the daemon's machine that said it.
    pub uid: u32,
}
