//! What must come next: entries that are written together, and are nothing without one another.

use jit_ca_core::{ActorRef, GrantId, RequestId};

use super::Code;
use super::fault::{Fault, must};
use crate::Leaf;

/// What the entry before asks for. Leaves say it all, whatever is erased.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    next: Option<Next>,
}

#[derive(Debug)]
enum Next {
    /// A glass was broken: access is given at once.
    Grant(Option<RequestId>),
    /// A grant starts with its first certificate.
    Intent(Option<GrantId>),
    /// A bundle was approved: it comes into force.
    Bundle,
}

impl Sequence {
    pub(super) fn pass(&mut self, leaf: &Leaf) -> Result<(), Fault> {
        let fault = |is_so, message| must(is_so, Code::Sequence, message);
        let (entry_type, ids) = (leaf.entry_type.as_str(), leaf.ids);
        match self.next.take() {
            Some(Next::Grant(request)) => {
                let is_next = entry_type == "grant" && ids.request == request;
                fault(is_next, "a glass was broken before, and no grant of that request follows")?;
            }
            Some(Next::Intent(grant)) => {
                let is_next = entry_type == "issue.intent" && ids.grant == grant;
                fault(is_next, "a grant was first used before, and no certificate of it follows")?;
            }
            Some(Next::Bundle) => {
                fault(entry_type == "bundle", "a bundle was approved before, and is not in force")?;
            }
            None => {}
        }
        self.next = match entry_type {
            "break-glass" => Some(Next::Grant(ids.request)),
            // The daemon starts those that begin by the clock.
            "grant.start" if leaf.actor != ActorRef::DAEMON => Some(Next::Intent(ids.grant)),
            "bundle.approval" => Some(Next::Bundle),
            _ => None,
        };
        Ok(())
    }
}
