//! The courier: carries what hostd keeps to the CA, and brings to hostd what the CA says.
//!
//! ```text
//! hostd    root, on a Unix socket: keeps recordings, ends sessions. Speaks to no network
//! courier  an account that owns nothing, on the network: reads what is kept, says what has been fetched and ended
//!
//! errand   one login at the CA, and the two that go by it until it is over
//! carry    tells the CA of sessions, and sends recordings
//! watch    asks the CA which certificates have ended before their time
//! line     the questions to hostd
//! ```

mod carry;
mod errand;
mod line;
mod watch;

use std::collections::BTreeMap;

use jit_ca_core::SessionId;
use serde::{Deserialize, Serialize};

use crate::recording::{Closed, Header, SessionOpened};

pub(crate) use errand::run;
pub(crate) use line::Line;

/// The account that it runs as; sshd asks for principals as it, too.
pub(crate) const ACCOUNT: &str = "jit-ca-host";

/// What it asks of hostd.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Question {
    /// What is kept: [`Listed`], the oldest first.
    Sessions,
    /// What is known of a session: [`Details`].
    Details {
        /// Which.
        session: SessionId,
    },
    /// Which chunks wait: [`Chunk`]s, in order, the first of them.
    Chunks,
    /// The bytes of one.
    Chunk(Chunk),
    /// It is kept elsewhere, and may go.
    Fetched(Chunk),
    /// All of a session that is over is kept elsewhere, and may go.
    Told {
        /// Which.
        session: SessionId,
    },
    /// The host key's signature over the statement of a host that logs in, and over no other.
    Sign {
        /// The statement.
        statement: String,
    },
    /// The CA says that a session's access has ended before its time.
    End {
        /// Which.
        session: SessionId,
    },
}

/// A session that is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// Which.
    pub(crate) session: SessionId,
    /// The serial of the certificate that it is open by; none if it is over, or was opened by no certificate.
    pub(crate) serial: Option<String>,
    /// Whether it is over.
    pub(crate) is_closed: bool,
}

/// What is known of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Details {
    /// When it was opened.
    pub(crate) opened: SessionOpened,
    /// Its channels.
    pub(crate) channels: BTreeMap<u32, Header>,
    /// When it was closed, if it was.
    pub(crate) closed: Option<Closed>,
}

/// A piece of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Chunk {
    /// Of which session.
    pub(crate) session: SessionId,
    /// Of which channel.
    pub(crate) channel: u32,
    /// Which one, from 0.
    pub(crate) chunk: u64,
}
