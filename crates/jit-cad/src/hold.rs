//! Why no certificate is issued now: the one place that says so.
//!
//! ```text
//! clock ─┐
//!        ├─> hold ─┬─> sequencer: an intent for somebody is sent back; all else is written
//! disk  ─┘         └─> /readyz, and the daemon's stderr
//! ```
//!
//! What is refused, denied, asked for and approved is written all the same, and so is the daemon's own TLS
//! certificate, without which nobody could be told.

use jit_ca_core::ActorRef;
use jit_ca_core::event::Event;

use crate::clock;
use crate::store::{Low, Store};

/// Why no certificate is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hold {
    /// The clock jumped, or is behind the log. Somebody has to look at it.
    #[error("no certificate is issued: {0}")]
    Clock(clock::Fault),
    /// The disk is nearly full. It ends by itself when there is room.
    #[error("no certificate is issued: {0}")]
    Disk(Low),
}

/// Why none is issued now; nothing if they are.
pub fn hold(store: &Store) -> Option<Hold> {
    clock::fault().map(Hold::Clock).or_else(|| store.low().map(Hold::Disk))
}

/// Whether this entry would give somebody a certificate. The daemon's own is nobody's.
pub fn gives_access(actor: ActorRef, event: &Event) -> bool {
    actor != ActorRef::DAEMON && matches!(event, Event::CertificateIntended(_))
}
