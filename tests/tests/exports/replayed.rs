//! Decisions, made again years later: by the bundle in the log, on the facts in the log.

use std::collections::HashMap;

use jit_ca_core::event::{Allowed, Decided, Event, RequestMade};
use jit_ca_core::{Action, Decision, Facts, GrantId, Outcome, RequestId};
use jit_ca_log::Bundle as Listed;
use jit_ca_policy::{Bundle, SourceFile, decide};

use super::forge::Log;

/// Makes all decisions of a log again, and says how many of them are of issuances.
pub(super) fn all(log: &Log) -> usize {
    let (mut listed, mut policy) = (Listed::empty(), None);
    let mut requests: HashMap<RequestId, RequestMade> = HashMap::new();
    let mut grants: HashMap<GrantId, RequestId> = HashMap::new();
    let mut of_issuances = 0;
    for at in 0..log.entries.len() {
        let Some(event) = log.event(at) else { continue };
        listed.apply(log.leaf(at).actor, &event);
        let decided = match event {
            Event::BundleActivated(_) => {
                let files = listed.all_files().into_iter();
                let files = files.map(|(path, text)| SourceFile { path, text });
                policy = Some(Bundle::parse(files).unwrap());
                continue;
            }
            Event::GrantMade(made) => {
                grants.insert(made.grant, made.request);
                continue;
            }
            Event::RequestMade(made) => {
                requests.insert(made.request, made.as_ref().clone());
                made.decision
            }
            Event::ApprovalGiven(given) => given.decision,
            Event::RequestDenied(denied) => denied.decision,
            Event::CertificateIntended(intent) => {
                let Some(under) = intent.under else { continue };
                of_issuances += 1;
                whole(under.decision, &requests[&grants[&under.grant]])
            }
            _ => continue,
        };
        let again = decide(policy.as_ref().unwrap(), &decided.facts);
        assert_eq!(again, decided.decision, "entry {at}: {:#?}", decided.facts);
    }
    of_issuances
}

/// The decision of an issuance, as docs/log-format.md says it is put together.
fn whole(allowed: Allowed, request: &RequestMade) -> Decided {
    let Allowed { now, address, mfa_at, rules } = allowed;
    let facts = Facts {
        action: Action::Issue,
        subject: request.subject.clone(),
        now,
        address,
        mfa_at,
        role: Some(request.role.clone()),
        requester: Some(request.subject.clone()),
        hosts: Some(request.hosts.clone()),
        duration: Some(request.duration),
        reason: Some(request.reason.clone()),
        ticket: request.ticket.clone(),
    };
    Decided { facts, decision: Decision { outcome: Outcome::Allow, rules, reasons: Vec::new() } }
}
