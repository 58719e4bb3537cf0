//! Whether the CA's clock was right, as far as its log says: what time goes back by, and what waits until then.

use jit_ca_core::ActorRef;

use super::Code;
use super::fault::{Fault, must};
use crate::{EntryType, Leaf};

/// Whether a fault of the clock waits for somebody to look at it. Leaves say it all, whatever is erased.
#[derive(Debug, Default)]
pub(super) struct Clock {
    is_held: bool,
}

impl Clock {
    pub(super) fn pass(&mut self, leaf: &Leaf) -> Result<(), Fault> {
        let fault = |is_so, message| must(is_so, Code::Clock, message);
        let is_daemons = leaf.actor == ActorRef::DAEMON;
        match leaf.entry_type.as_str() {
            "clock.fault" => {
                fault(is_daemons, "somebody else than the daemon says it")?;
                fault(!self.is_held, "the fault of the clock before was not acknowledged")?;
                self.is_held = true;
            }
            "clock.ack" => {
                fault(is_daemons, "somebody else than the daemon says it")?;
                fault(self.is_held, "the clock has no fault to acknowledge")?;
                self.is_held = false;
            }
            // The daemon's own, by which it is called, is no access.
            "issue.intent" => {
                fault(is_daemons || !self.is_held, "the clock's fault was not acknowledged")?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether an entry of this type may be older than the one before.
pub(super) fn may_go_back(entry_type: &EntryType) -> bool {
    entry_type.as_str() == "clock.ack"
}
