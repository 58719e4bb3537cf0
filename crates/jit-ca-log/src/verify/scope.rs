//! What an end says once more of what it ends, so that nobody has to look for it.

use jit_ca_core::event::{RequestMade, Scope};
use jit_ca_core::workflow::Term;

use super::Code;
use super::fault::{Fault, must};
use super::grants::Grant;

/// It must be what entries before said, as far as they are known.
pub(super) fn must_be_scope(
    scope: &Scope,
    asked: Option<&RequestMade>,
    grant: Option<&Grant>,
) -> Result<(), Fault> {
    let fault = |is_so| must(is_so, Code::State, "the end is of something else than what it ends");
    if let Some(asked) = asked {
        let (subject, name, role) = (&asked.subject, &asked.name, &asked.role);
        fault((&scope.subject, &scope.name, &scope.role) == (subject, name, role))?;
        let (reason, ticket) = (&asked.reason, &asked.ticket);
        let is_its = (scope.duration, &scope.reason, &scope.ticket);
        fault(is_its == (asked.duration, reason, ticket))?;
    }
    let Some(grant) = grant else {
        let (rows, hosts) = (&scope.rows, &scope.hosts);
        fault(asked.is_none_or(|asked| (rows, hosts) == (&asked.rows, &asked.hosts)))?;
        return fault(scope.window.is_none());
    };
    if let Some(said) = &grant.said {
        fault((&scope.subject, &scope.role) == (&said.subject, &said.role))?;
        fault((&scope.rows, &scope.hosts) == (&said.rows, &said.hosts))?;
    }
    fault(match grant.term {
        Some(Term::Open(window) | Term::Scheduled(window)) => scope.window == Some(window),
        Some(Term::FirstUse { .. }) => scope.window.is_none(),
        None => true,
    })
}
