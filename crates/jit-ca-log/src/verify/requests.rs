//! Requests: what is asked for, and how that ends without a grant.
//!
//! ```text
//! requests    what was asked for        approvals   who agreed to what        agreement   what that comes to
//! grants      from making to end        terms       from when to when         scope       what ends say once more
//! ```
//!
//! What a request said is held until all that came of it is over.

use std::collections::HashMap;

use jit_ca_core::event::{GlassBroken, RequestDenied, RequestLapsed, RequestMade};
use jit_ca_core::statement;
use jit_ca_core::workflow::{Start, Term};
use jit_ca_core::{
    Action, ActorRef, Digest, GrantId, Origin, PersonName, RequestId, RoleName, SubjectId,
};

use super::approvals::Approval;
use super::fault::{
    Fault, LONGEST_DELAY, is_past, must, must_be_allowed, must_be_near, must_be_past,
};
use super::grants::Grant;
use super::log::{Log, second_of};
use super::scope::must_be_scope;
use super::terms::deadline;
use super::{Code, People};
use crate::Leaf;
use crate::hash::sha256;

/// All requests and grants.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) requests: HashMap<RequestId, Request>,
    pub(super) grants: HashMap<GrantId, Grant>,
}

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    /// Who asked, as the leaf says.
    pub(super) actor: ActorRef,
    /// None if it is erased.
    pub(super) who: Option<(SubjectId, PersonName)>,
    /// What it says; none if it is erased, or all that came of it is over.
    pub(super) asked: Option<Box<RequestMade>>,
    /// When its entry was written, in milliseconds since 1970.
    made: u64,
    pub(super) is_pending: bool,
    /// Until it is no longer pending, and what it became no longer waits.
    pub(super) approvals: Vec<Approval>,
    /// Whether a glass was broken.
    pub(super) is_emergency: bool,
    pub(super) is_reviewed: bool,
    /// What it became.
    pub(super) grant: Option<GrantId>,
}

impl Requests {
    pub(super) fn request(
        &mut self,
        log: &Log,
        people: &People,
        leaf: &Leaf,
        made: &RequestMade,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &made.subject)?;
        // An emergency is allowed by rules of its own.
        let action = match made.decision.facts.action {
            Action::BreakGlass => Action::BreakGlass,
            _ => Action::Request,
        };
        must_be_allowed(&made.decision, action, Some(&made.subject))?;
        let is_new = !self.requests.contains_key(&made.request);
        must(is_new, Code::Request, "the request's id was used before")?;
        let is_its = made.hash == hash_of(&log.origin, made);
        must(is_its, Code::Request, "the hash is not that of the request")?;
        let is_in_force = people.may_be_in_force(Some(made.bundle));
        must(is_in_force, Code::Request, "the bundle is not the one in force")?;
        people.person(leaf.actor, &made.subject, Code::Request)?;
        let has_role = people.may_have_role(&made.role);
        must(has_role, Code::Request, "the role is not in the bundle in force")?;
        must_be_near(leaf, made.made, Code::Request, "the request was made at another time")?;
        let asks_people = !made.approvals.is_empty()
            && made.approvals.iter().all(|quorum| quorum.count > 0 && !quorum.from.is_empty());
        must(asks_people, Code::Request, "the request asks nobody to approve it")?;
        self.must_follow_on(leaf, made)?;

        if let Some(extended) = made.extends.and_then(|grant| self.grants.get_mut(&grant)) {
            extended.followers.push(made.request);
        }
        let request = Request {
            who: Some((made.subject.clone(), made.name.clone())),
            asked: Some(Box::new(made.clone())),
            ..Request::new(leaf)
        };
        self.requests.insert(made.request, request);
        Ok(())
    }

    /// What asks for more time starts when a grant of the same role and person ends that has begun and is not over, and
    /// on which nothing else follows.
    fn must_follow_on(&self, leaf: &Leaf, made: &RequestMade) -> Result<(), Fault> {
        let fault = |is_so, message| must(is_so, Code::Request, message);
        let Some(extended) = made.extends else { return Ok(()) };
        let grant = self.grants.get(&extended).filter(|grant| !grant.ended);
        let no_grant = || Fault::new(Code::Request, "there is no such grant to extend");
        let grant = grant.ok_or_else(no_grant)?;
        let is_theirs = self.holder_actor(grant) == Some(leaf.actor);
        fault(is_theirs, "the grant to extend is somebody else's")?;
        let is_its = grant.said.as_ref().is_none_or(|said| said.role == made.role);
        fault(is_its, "the grant to extend is of another role")?;
        let (Start::At(start), now) = (made.start, second_of(leaf)) else {
            return Err(Fault::new(
                Code::Request,
                "what extends a grant does not start at its end",
            ));
        };
        let follows = match grant.term {
            Some(Term::Open(window)) => {
                start == window.end() && now < window.end().plus(LONGEST_DELAY)
            }
            Some(Term::Scheduled(_) | Term::FirstUse { .. }) => false,
            None => true,
        };
        fault(follows, "what extends a grant does not start at the end of one that has begun")?;
        let is_only = !grant.followers.iter().any(|other| self.is_in_force(leaf, *other));
        fault(is_only, "something follows on the grant already")
    }

    /// Whether a request is pending, or its grant goes on, as far as that is known.
    fn is_in_force(&self, leaf: &Leaf, request: RequestId) -> bool {
        let Some(request) = self.requests.get(&request) else { return false };
        let lapses = request.asked.as_ref().map(|asked| asked.lapses);
        let grant = request.grant.and_then(|grant| self.grants.get(&grant));
        let ends = match grant.filter(|grant| !grant.ended) {
            _ if request.is_pending => lapses,
            Some(grant) => grant.term.map(deadline),
            None => None,
        };
        ends.is_some_and(|end| !is_past(leaf, end))
    }

    /// Nobody is asked, as it is an emergency.
    pub(super) fn break_glass(&mut self, leaf: &Leaf, broken: &GlassBroken) -> Result<(), Fault> {
        let request = self.requests.get_mut(&broken.request);
        let requester = request.as_ref().and_then(|request| request.subject());
        must_be_allowed(&broken.decision, Action::BreakGlass, requester)?;
        let request = must_be_pending(request)?;
        request.must_not_have_lapsed(leaf)?;
        let is_theirs = request.actor == leaf.actor;
        must(is_theirs, Code::State, "somebody else than the requester broke the glass")?;
        must(!request.is_emergency, Code::State, "the glass was broken before")?;
        request.is_emergency = true;
        Ok(())
    }

    pub(super) fn denial(
        &mut self,
        people: &People,
        leaf: &Leaf,
        denied: &RequestDenied,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &denied.by)?;
        // What nobody can approve any more is denied by who may revoke.
        let action = match denied.decision.facts.action {
            Action::Revoke => Action::Revoke,
            _ => Action::Approve,
        };
        must_be_allowed(&denied.decision, action, Some(&denied.by))?;
        self.end_pending(denied.request)
    }

    pub(super) fn cancel(&mut self, leaf: &Leaf, request: RequestId) -> Result<(), Fault> {
        let requester = self.requests.get(&request).map(|request| request.actor);
        let is_theirs = requester == Some(leaf.actor);
        must(is_theirs, Code::State, "somebody else than the requester took the request back")?;
        self.end_pending(request)
    }

    /// Time is up.
    pub(super) fn lapse(&mut self, leaf: &Leaf, lapsed: &RequestLapsed) -> Result<(), Fault> {
        must_be_the_daemons(leaf)?;
        let request = must_be_pending(self.requests.get_mut(&lapsed.request))?;
        if let Some(asked) = &request.asked {
            let is_its_end = lapsed.lapsed == asked.lapses;
            must(is_its_end, Code::State, "the request lapses at another time")?;
        }
        must_be_past(leaf, lapsed.lapsed, "the request's time is not over")?;
        must_be_scope(&lapsed.scope, request.asked.as_deref(), None)?;
        self.end_pending(lapsed.request)
    }

    /// The request must be pending, and is so no longer.
    fn end_pending(&mut self, request: RequestId) -> Result<(), Fault> {
        must_be_pending(self.requests.get_mut(&request))?.end();
        Ok(())
    }

    /// Time goes back to `now`: what was made later is over.
    pub(super) fn take_back(&mut self, now: u64) {
        let requests = self.requests.values_mut().filter(|request| request.made > now);
        requests.for_each(|request| request.is_pending = false);
        let grants = self.grants.values_mut().filter(|grant| grant.made > now);
        grants.for_each(|grant| grant.ended = true);
    }

    /// Takes in what the leaf of an entry still says whose payload is erased.
    pub(super) fn erased(&mut self, leaf: &Leaf) -> Result<(), Fault> {
        self.erased_of_a_grant(leaf);
        if let Some(request) = leaf.ids.request {
            if leaf.entry_type.as_str() == "request" {
                self.requests.entry(request).or_insert_with(|| Request::new(leaf));
            }
            if let Some(request) = self.requests.get_mut(&request) {
                request.erased(leaf)?;
            }
        }
        Ok(())
    }
}

impl Request {
    fn new(leaf: &Leaf) -> Self {
        Self {
            actor: leaf.actor,
            who: None,
            asked: None,
            made: leaf.ts_ms,
            is_pending: true,
            approvals: Vec::new(),
            is_emergency: false,
            is_reviewed: false,
            grant: None,
        }
    }

    /// Who asked, where that is known.
    pub(super) fn subject(&self) -> Option<&SubjectId> {
        self.who.as_ref().map(|(subject, _)| subject)
    }

    /// For which role, where that is known and of any use.
    pub(super) fn role(&self) -> Option<&RoleName> {
        self.asked.as_ref().map(|asked| &asked.role)
    }

    /// It is no longer pending. What it says is of use as long as there is a grant.
    fn end(&mut self) {
        (self.is_pending, self.approvals) = (false, Vec::new());
        if self.grant.is_none() {
            self.asked = None;
        }
    }

    /// It became this grant, which may still have to begin.
    pub(super) fn become_grant(&mut self, grant: GrantId, waits: bool) {
        self.grant = self.grant.or(Some(grant));
        self.is_pending = false;
        if !waits {
            self.approvals = Vec::new();
        }
    }

    /// Nobody agrees to what has lapsed, whether an entry says so by then or not.
    pub(super) fn must_not_have_lapsed(&self, leaf: &Leaf) -> Result<(), Fault> {
        let is_early = |asked: &RequestMade| second_of(leaf) < asked.lapses.plus(LONGEST_DELAY);
        let is_in_time = self.asked.as_deref().is_none_or(is_early);
        must(is_in_time, Code::State, "the request had lapsed")
    }

    fn erased(&mut self, leaf: &Leaf) -> Result<(), Fault> {
        match leaf.entry_type.as_str() {
            "approval" => {
                let is_anothers = leaf.actor != self.actor;
                must(is_anothers, Code::Approval, "the requester approved the request")?;
                if self.is_pending {
                    self.agree(Approval { actor: leaf.actor, given: None });
                }
            }
            "denial" | "cancel" | "lapse" if self.is_pending => self.end(),
            "break-glass" if self.is_pending => self.is_emergency = true,
            "review" => self.is_reviewed = true,
            "grant" if self.is_pending => {
                if let Some(grant) = leaf.ids.grant {
                    self.become_grant(grant, false);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The request, if it is there and pending.
pub(super) fn must_be_pending(request: Option<&mut Request>) -> Result<&mut Request, Fault> {
    let request = request.filter(|request| request.is_pending);
    request.ok_or_else(|| Fault::new(Code::State, "the request is not pending"))
}

pub(super) fn must_be_the_daemons(leaf: &Leaf) -> Result<(), Fault> {
    must(leaf.actor == ActorRef::DAEMON, Code::State, "somebody else than the daemon says it")
}

fn hash_of(origin: &Origin, made: &RequestMade) -> Digest {
    let statement = statement::Request {
        origin,
        id: &made.request,
        subject: &made.subject,
        role: &made.role,
        rows: &made.rows,
        hosts: &made.hosts,
        duration: made.duration,
        start: &made.start,
        extends: made.extends.as_ref(),
        reason: &made.reason,
        ticket: made.ticket.as_ref(),
        bundle: &made.bundle,
    };
    sha256(statement.text().as_bytes())
}
