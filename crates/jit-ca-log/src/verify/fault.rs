//! What is wrong with an entry.

use jit_ca_core::event::Decided;
use jit_ca_core::{Action, Outcome, Span, SubjectId, UnixTime};

use super::Code;
use super::log::second_of;
use crate::Leaf;

/// A check of an entry that failed.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The check `code`, which fails with this message where something is not so.
pub(super) fn must(is_so: bool, code: Code, message: &'static str) -> Result<(), Fault> {
    if is_so { Ok(()) } else { Err(Fault::new(code, message)) }
}

/// The policy must have let this subject do this. A subject that is not known is not compared.
pub(super) fn must_be_allowed(
    decided: &Decided,
    action: Action,
    subject: Option<&SubjectId>,
) -> Result<(), Fault> {
    must_be_asked(decided, action, subject, Outcome::Allow)
}

/// The policy must have been asked whether this subject may do this, and have said so.
pub(super) fn must_be_asked(
    decided: &Decided,
    action: Action,
    subject: Option<&SubjectId>,
    outcome: Outcome,
) -> Result<(), Fault> {
    let Decided { facts, decision } = decided;
    must(decision.outcome == outcome, Code::Decision, "the policy decided otherwise")?;
    must(facts.action == action, Code::Decision, "the policy was asked about another action")?;
    must(
        subject.is_none_or(|subject| facts.subject == *subject),
        Code::Decision,
        "the policy was asked about somebody else",
    )
}

/// What was decided then must have been written about then: it only waited for its commit.
pub(super) fn must_be_near(
    leaf: &Leaf,
    time: UnixTime,
    code: Code,
    message: &'static str,
) -> Result<(), Fault> {
    let entry = second_of(leaf);
    let is_near = time.since(entry) <= LONGEST_DELAY && entry.since(time) <= LONGEST_DELAY;
    must(is_near, code, message)
}

/// Whether this time is over; a clock may have been set back a little since that was seen.
pub(super) fn is_past(leaf: &Leaf, time: UnixTime) -> bool {
    second_of(leaf).plus(LONGEST_DELAY) >= time
}

pub(super) fn must_be_past(
    leaf: &Leaf,
    time: UnixTime,
    message: &'static str,
) -> Result<(), Fault> {
    must(is_past(leaf, time), Code::State, message)
}

/// How long the commit of what was decided may take.
pub(super) const LONGEST_DELAY: Span = Span::from_secs(10);
