//! From when to when a grant gives access: as long as all have agreed to, from the start that was asked for.

use jit_ca_core::event::RequestMade;
use jit_ca_core::workflow::{Start, Term};
use jit_ca_core::{Span, UnixTime, Window};

use super::Code;
use super::agreement::Agreement;
use super::fault::{Fault, LONGEST_DELAY, must, must_be_near};
use super::log::second_of;
use crate::Leaf;

/// A grant that is made now must have this term by what was asked for and agreed on.
pub(super) fn must_be_agreed(
    agreement: &Agreement<'_>,
    leaf: &Leaf,
    term: Term,
) -> Result<(), Fault> {
    let fault = |is_so, message| must(is_so, Code::Grant, message);
    let agreed = agreement.duration();
    let is_no_longer = agreed.is_none_or(|agreed| length(term) <= agreed);
    fault(is_no_longer, "the grant is longer than was asked for and approved")?;
    match term {
        Term::Open(window) => {
            let message = "the grant's window does not start with the grant";
            must_be_near(leaf, window.start(), Code::Grant, message)?;
        }
        Term::Scheduled(window) => {
            let is_to_come = second_of(leaf) < window.start().plus(LONGEST_DELAY);
            fault(is_to_come, "the grant waits for a start that is past")?;
        }
        Term::FirstUse { .. } => {}
    }
    match (agreement.asked, agreed) {
        (Some(asked), Some(agreed)) => {
            must_start_as_asked(asked, leaf, term)?;
            let is_as_long = ends_as_agreed(asked.start, term, agreed);
            let message = "the grant is not as long as the shortest approval";
            fault(is_as_long || !agreement.is_known(), message)
        }
        _ => Ok(()),
    }
}

fn must_start_as_asked(asked: &RequestMade, leaf: &Leaf, term: Term) -> Result<(), Fault> {
    let starts = match (asked.start, term) {
        (Start::AtApproval, Term::Open(_)) => true,
        (Start::At(start), Term::Scheduled(window)) => window.start() == start,
        (Start::At(start), Term::Open(window)) => window.start() >= start,
        (Start::FirstUse, Term::FirstUse { duration, by }) => {
            let within = asked.use_within.unwrap_or(duration);
            let message = "the grant is to be used within another time than was asked for";
            return must_be_near(leaf, by.minus(within), Code::Grant, message);
        }
        _ => false,
    };
    must(starts, Code::Grant, "the grant starts at another time than was asked for")
}

/// What is agreed on late still ends when it was to end.
fn ends_as_agreed(start: Start, term: Term, agreed: Span) -> bool {
    match (start, term) {
        (Start::At(start), Term::Open(window)) => window.end() == start.plus(agreed),
        _ => length(term) == agreed,
    }
}

fn length(term: Term) -> Span {
    match term {
        Term::Open(window) | Term::Scheduled(window) => window.end().since(window.start()),
        Term::FirstUse { duration, .. } => duration,
    }
}

/// The window of a grant, where it has one by now.
pub(super) fn window(term: Term) -> Option<Window> {
    match term {
        Term::Open(window) | Term::Scheduled(window) => Some(window),
        Term::FirstUse { .. } => None,
    }
}

/// When a grant is over if nothing happens before.
pub(super) fn deadline(term: Term) -> UnixTime {
    match term {
        Term::Open(window) | Term::Scheduled(window) => window.end(),
        Term::FirstUse { by, .. } => by,
    }
}
