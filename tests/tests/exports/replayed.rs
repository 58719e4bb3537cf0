//! Decisions, made again years later: by the bundle in the log, on the facts in the log.

use std::collections::HashMap;

use jit_ca_core::event::{Allowed, Decided, Event, GrantMade, Officer, RequestMade};
use jit_ca_core::{Action, Decision, Facts, GrantId, Hosts, Outcome, RequestId};
use jit_ca_log::Bundle as Listed;
use jit_ca_policy::{Bundle, SourceFile, decide};

use super::forge::Log;

/// Makes all decisions of a log again, and says how many of them are of issuances.
pub(super) fn all(log: &Log) -> usize {
    let (mut listed, mut policy) = (Listed::empty(), None);
    let mut requests: HashMap<RequestId, RequestMade> = HashMap::new();
    let mut grants: HashMap<GrantId, GrantMade> = HashMap::new();
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
                grants.insert(made.grant, made.as_ref().clone());
                continue;
            }
            Event::RequestMade(made) => {
                requests.insert(made.request, made.as_ref().clone());
                made.decision
            }
            Event::ApprovalGiven(given) => given.decision,
            Event::RequestDenied(denied) => denied.decision,
            Event::GlassBroken(broken) => broken.decision,
            Event::Reviewed(reviewed) => reviewed.decision,
            Event::GrantStarted(started) => {
                let Some(decided) = started.decision else { continue };
                decided
            }
            Event::GrantRevoked(revoked) => revoked.decision,
            Event::LockSet(set) => match set.by {
                Officer::Person { decision, .. } => *decision,
                Officer::Machine { .. } => continue,
            },
            Event::CertificateIntended(intent) => {
                let Some(under) = intent.under else { continue };
                of_issuances += 1;
                let grant = &grants[&under.grant];
                whole(under.decision, &requests[&grant.request], &grant.hosts)
            }
            _ => continue,
        };
        let again = decide(policy.as_ref().unwrap(), &decided.facts);
        assert_eq!(again, decided.decision, "entry {at}: {:#?}", decided.facts);
    }
    of_issuances
}

/// The decision of an issuance, as docs/log-format.md says it is put together.
fn whole(allowed: Allowed, request: &RequestMade, hosts: &Hosts) -> Decided {
    let Allowed { now, address, mfa_at, rules } = allowed;
    let facts = Facts {
        action: Action::Issue,
        subject: request.subject.clone(),
        now,
        address,
        mfa_at,
        role: Some(request.role.clone()),
        requester: Some(request.subject.clone()),
        hosts: Some(hosts.clone()),
        duration: Some(request.duration),
        reason: Some(request.reason.clone()),
        ticket: request.ticket.clone(),
    };
    Decided { facts, decision: Decision { outcome: Outcome::Allow, rules, reasons: Vec::new() } }
}
