//! Grants, from their making to their end, and what is looked at afterwards.

use std::collections::BTreeSet;

use jit_ca_core::event::{
    Decided, EndCause, GrantEnded, GrantMade, GrantRevoked, GrantStarted, Reviewed,
};
use jit_ca_core::workflow::{Approver, Term};
use jit_ca_core::{Action, ActorRef, GrantId, Outcome, PersonName, RequestId, SubjectId, UnixTime};

use super::agreement::Agreement;
use super::fault::{
    Fault, LONGEST_DELAY, is_past, must, must_be_allowed, must_be_asked, must_be_near, must_be_past,
};
use super::locks::Locks;
use super::log::second_of;
use super::requests::{Request, Requests, must_be_pending, must_be_the_daemons};
use super::scope::must_be_scope;
use super::terms::{self, deadline};
use super::{Code, People};
use crate::Leaf;

/// A grant.
#[derive(Debug)]
pub(super) struct Grant {
    /// None if that is erased, and its leaf does not say it.
    pub(super) request: Option<RequestId>,
    /// What it says; none if it is erased, or over.
    pub(super) said: Option<Box<GrantMade>>,
    /// For which time it gives access by now; none if that is erased.
    pub(super) term: Option<Term>,
    /// When its entry was written or, if it began later, the one that says so, in milliseconds since 1970.
    pub(super) made: u64,
    /// How many certificates were issued under it.
    pub(super) issued: u32,
    /// The requests for more time after it.
    pub(super) followers: Vec<RequestId>,
    pub(super) ended: bool,
}

impl Requests {
    /// The grant of this id.
    pub(super) fn grant(&self, id: GrantId) -> Option<&Grant> {
        self.grants.get(&id)
    }

    /// Who asked for the request that became this grant, where that is known.
    pub(super) fn holder(&self, grant: GrantId) -> Option<&(SubjectId, PersonName)> {
        self.request_of(self.grants.get(&grant)?)?.who.as_ref()
    }

    /// The pseudonym of whoever asked for the request that became this grant.
    pub(super) fn holder_actor(&self, grant: &Grant) -> Option<ActorRef> {
        self.request_of(grant).map(|request| request.actor)
    }

    /// The request that became this grant.
    pub(super) fn request_of(&self, grant: &Grant) -> Option<&Request> {
        self.requests.get(&grant.request?)
    }

    pub(super) fn grant_made(
        &mut self,
        locks: &Locks,
        leaf: &Leaf,
        made: &GrantMade,
    ) -> Result<(), Fault> {
        let request = must_be_pending(self.requests.get_mut(&made.request))?;
        request.must_not_have_lapsed(leaf)?;
        let is_new = !self.grants.contains_key(&made.grant);
        must(is_new, Code::Grant, "the grant's id was used before")?;
        let is_theirs = request.subject().is_none_or(|subject| made.subject == *subject);
        must(is_theirs, Code::Grant, "the grant is not the requester's")?;
        let agreement = Agreement::of(request);
        agreement.must_be_reached(locks)?;
        agreement.must_give(made)?;
        terms::must_be_agreed(&agreement, leaf, made.term)?;
        request.become_grant(made.grant, !matches!(made.term, Term::Open(_)));
        let (said, term) = (Some(Box::new(made.clone())), Some(made.term));
        self.grants.insert(made.grant, Grant { said, term, ..Grant::new(leaf) });
        Ok(())
    }

    /// Its time has come, or its holder takes the first certificate.
    pub(super) fn grant_started(
        &mut self,
        leaf: &Leaf,
        started: &GrantStarted,
    ) -> Result<(), Fault> {
        let fault = |is_so, message| must(is_so, Code::State, message);
        let request = self.requests.get_mut(&started.request);
        let requester = request.as_ref().and_then(|request| request.subject());
        must_be_allowed(&started.decision, Action::Request, requester)?;
        for decided in &started.approvals {
            let (action, by) = match decided.facts.action {
                Action::SkipApproval => (Action::SkipApproval, requester),
                _ => (Action::Approve, None),
            };
            must_be_allowed(decided, action, by)?;
        }
        let grant = must_be_open(self.grants.get_mut(&started.grant), started.request)?;
        let is_scheduled = leaf.actor == ActorRef::DAEMON;
        let is_theirs = request.as_ref().is_some_and(|request| request.actor == leaf.actor);
        fault(is_scheduled || is_theirs, "somebody else than the holder started the grant")?;
        let window = started.window;
        match grant.term {
            Some(Term::Scheduled(scheduled)) if is_scheduled => {
                let is_in_it = is_past(leaf, window.start())
                    && second_of(leaf) < window.end().plus(LONGEST_DELAY);
                fault(is_in_it && window == scheduled, "the grant starts at another time")?;
            }
            Some(Term::FirstUse { duration, by }) if !is_scheduled => {
                let message = "the grant does not start with its first use";
                must_be_near(leaf, window.start(), Code::State, message)?;
                let is_as_long = window.end().since(window.start()) == duration;
                let is_in_time = is_as_long && window.start() < by;
                fault(is_in_time, "the grant's first use is too late, or of another length")?;
            }
            None => {}
            Some(_) => return Err(Fault::new(Code::State, "the grant does not start like this")),
        }
        if let (Some(request), Some(_)) = (request, grant.term) {
            let message = "others are said to agree still than had agreed, or none";
            fault(are_who_agreed(request, &started.approvals), message)?;
            request.approvals = Vec::new();
        }
        (grant.term, grant.made) = (Some(Term::Open(window)), leaf.ts_ms);
        Ok(())
    }

    pub(super) fn grant_ended(&mut self, leaf: &Leaf, ended: &GrantEnded) -> Result<(), Fault> {
        let fault = |is_so, message| must(is_so, Code::State, message);
        let request = self.requests.get(&ended.request);
        if let Some(decided) = &ended.decision {
            let requester = request.and_then(Request::subject);
            let action = match decided.facts.action {
                Action::SkipApproval => Action::SkipApproval,
                _ => Action::Request,
            };
            must_be_asked(decided, action, requester, Outcome::Deny)?;
        }
        let grant = must_be_open(self.grants.get_mut(&ended.grant), ended.request)?;
        let was_asked = ended.decision.is_some() == (ended.cause == EndCause::Policy);
        fault(was_asked, "the end is by the policy, which was not asked, or it is not")?;
        match ended.cause {
            EndCause::GivenBack => {
                let is_theirs = request.is_some_and(|request| request.actor == leaf.actor);
                fault(is_theirs, "somebody else than the holder gave the grant back")?;
                grant.must_still_be(leaf, ended.ended)?;
            }
            EndCause::Policy => {
                must_be_the_daemons(leaf)?;
                grant.must_still_be(leaf, ended.ended)?;
                let has_come = match grant.term {
                    Some(Term::Scheduled(window)) => window.contains(ended.ended),
                    Some(Term::Open(_)) => false,
                    Some(Term::FirstUse { .. }) | None => true,
                };
                fault(has_come, "the grant was not to start then")?;
            }
            EndCause::Over | EndCause::Unused => {
                must_be_the_daemons(leaf)?;
                let is_its_end = grant.term.is_none_or(|term| ended.ended == deadline(term));
                fault(is_its_end, "the grant ends at another time")?;
                must_be_past(leaf, ended.ended, "the grant's time is not over")?;
                let was_open = grant.term.map(|term| matches!(term, Term::Open(_)));
                let is_so = was_open.is_none_or(|open| open == (ended.cause == EndCause::Over));
                fault(is_so, "the grant had begun and is said to be unused, or the reverse")?;
            }
        }
        let asked = request.and_then(|request| request.asked.as_deref());
        must_be_scope(&ended.scope, asked, Some(grant))?;
        self.end_grant(ended.grant);
        Ok(())
    }

    pub(super) fn grant_revoked(
        &mut self,
        people: &People,
        leaf: &Leaf,
        revoked: &GrantRevoked,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &revoked.by)?;
        must_be_allowed(&revoked.decision, Action::Revoke, Some(&revoked.by))?;
        let grant = must_be_open(self.grants.get_mut(&revoked.grant), revoked.request)?;
        grant.must_still_be(leaf, revoked.revoked)?;
        let request = self.requests.get(&revoked.request);
        let asked = request.and_then(|request| request.asked.as_deref());
        must_be_scope(&revoked.scope, asked, Some(grant))?;
        self.end_grant(revoked.grant);
        Ok(())
    }

    /// Somebody looks at an emergency that is over.
    pub(super) fn review(
        &mut self,
        people: &People,
        leaf: &Leaf,
        reviewed: &Reviewed,
    ) -> Result<(), Fault> {
        let fault = |is_so, message| must(is_so, Code::Review, message);
        people.must_act(leaf.actor, &reviewed.by)?;
        must_be_allowed(&reviewed.decision, Action::Review, Some(&reviewed.by))?;
        let request = self.requests.get_mut(&reviewed.request);
        let request = request.filter(|request| request.is_emergency);
        let no_emergency = || Fault::new(Code::Review, "no glass was broken for this request");
        let request = request.ok_or_else(no_emergency)?;
        let is_own = leaf.actor == request.actor || Some(&reviewed.by) == request.subject();
        fault(!is_own, "somebody reviewed their own emergency")?;
        fault(!request.is_reviewed, "it was reviewed before")?;
        let grant = request.grant.and_then(|grant| self.grants.get(&grant));
        let is_over = grant.is_none_or(|grant| {
            grant.ended || grant.term.is_none_or(|term| is_past(leaf, deadline(term)))
        });
        fault(is_over, "it goes on")?;
        request.is_reviewed = true;
        Ok(())
    }

    /// A certificate is issued under it.
    pub(super) fn issued(&mut self, grant: GrantId) {
        if let Some(grant) = self.grants.get_mut(&grant) {
            grant.issued = grant.issued.saturating_add(1);
        }
    }

    /// No certificate is issued under it any more, and what it says is of no use.
    fn end_grant(&mut self, id: GrantId) {
        let Some(grant) = self.grants.get_mut(&id) else { return };
        (grant.ended, grant.said) = (true, None);
        let request = grant.request.and_then(|request| self.requests.get_mut(&request));
        // Another may name the same request.
        if let Some(request) = request.filter(|request| request.grant == Some(id)) {
            (request.asked, request.approvals) = (None, Vec::new());
        }
    }

    /// Takes in what the leaf of an entry about a grant still says whose payload is erased.
    pub(super) fn erased_of_a_grant(&mut self, leaf: &Leaf) {
        let Some(id) = leaf.ids.grant else { return };
        match leaf.entry_type.as_str() {
            "grant" => {
                // Of what is not pending there is none to be had.
                let request = leaf.ids.request.and_then(|request| self.requests.get(&request));
                let ended = !request.is_some_and(|request| request.is_pending);
                self.grants.entry(id).or_insert_with(|| Grant { ended, ..Grant::new(leaf) });
            }
            "grant.start" => {
                self.grants.entry(id).and_modify(|grant| grant.start_unseen(leaf));
            }
            "grant.end" | "grant.revoke" => self.end_grant(id),
            "issue.intent" => self.issued(id),
            _ => {}
        }
    }
}

impl Grant {
    fn new(leaf: &Leaf) -> Self {
        Self {
            request: leaf.ids.request,
            said: None,
            term: None,
            made: leaf.ts_ms,
            issued: 0,
            followers: Vec::new(),
            ended: false,
        }
    }

    /// It has begun, as only a leaf says by now: at the time that it waited for, or at its first use.
    fn start_unseen(&mut self, leaf: &Leaf) {
        self.made = leaf.ts_ms;
        self.term = match self.term {
            Some(Term::Scheduled(window)) => Some(Term::Open(window)),
            Some(Term::FirstUse { .. }) | None => None,
            open => open,
        };
    }

    /// Somebody ends it now, so it must not be over by itself.
    fn must_still_be(&self, leaf: &Leaf, now: UnixTime) -> Result<(), Fault> {
        must_be_near(leaf, now, Code::State, "the grant is ended at another time")?;
        let is_early = self.term.is_none_or(|term| now < deadline(term));
        must(is_early, Code::State, "the grant's time was over")
    }
}

/// The grant, if it is there, of this request and not over.
fn must_be_open(grant: Option<&mut Grant>, request: RequestId) -> Result<&mut Grant, Fault> {
    let grant = grant.filter(|grant| !grant.ended && grant.request == Some(request));
    grant.ok_or_else(|| Fault::new(Code::State, "the grant is not open"))
}

/// Whether these are about rules, where rules had approved, or each about another person who had; where that is known.
fn are_who_agreed(request: &Request, approvals: &[Decided]) -> bool {
    let Some(known) = request.known_approvals() else { return true };
    if known.iter().any(|given| matches!(given.by, Approver::Rules(_))) {
        return matches!(approvals, [only] if only.facts.action == Action::SkipApproval);
    }
    let had_approved = |who: &SubjectId| {
        known.iter().any(|it| matches!(&it.by, Approver::Person { subject, .. } if subject == who))
    };
    let mut seen = BTreeSet::new();
    let are_theirs = approvals.iter().all(|Decided { facts, .. }| {
        let is_new = seen.insert(&facts.subject);
        facts.action == Action::Approve && is_new && had_approved(&facts.subject)
    });
    are_theirs && (request.is_emergency || !approvals.is_empty())
}
