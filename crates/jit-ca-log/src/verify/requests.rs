//! Requests, approvals and grants.
//!
//! What a request said is held until it is no longer pending, and of a grant what certificates under it have to be.

use std::collections::{BTreeSet, HashMap};

use jit_ca_core::event::{ApprovalGiven, GrantEnded, GrantMade, RequestDenied, RequestMade};
use jit_ca_core::statement::{self, Kind};
use jit_ca_core::workflow::Approver;
use jit_ca_core::{
    Action, ActorRef, Digest, GrantId, Hosts, PersonName, RequestId, RoleName, Row, Span,
    SubjectId, UnixTime, Window,
};

use super::fault::{Fault, LONGEST_DELAY, must, must_be_allowed, must_be_near};
use super::people::has_key;
use super::state::{Log, second_of};
use super::{Code, People, Signatures, signatures};
use crate::hash::sha256;
use crate::{Ids, Leaf};

/// All requests and grants.
#[derive(Debug, Default)]
pub(super) struct Requests {
    requests: HashMap<RequestId, Request>,
    grants: HashMap<GrantId, Grant>,
}

/// A request. What is `None` is erased, or of no use any more.
#[derive(Debug)]
struct Request {
    /// Who asked, as the leaf says.
    actor: ActorRef,
    who: Option<(SubjectId, PersonName)>,
    /// When its entry was written, in milliseconds since 1970.
    made: u64,
    pending: Option<Box<Pending>>,
}

#[derive(Debug)]
struct Pending {
    asked: Option<Asked>,
    approvals: Vec<Approval>,
}

#[derive(Debug)]
struct Asked {
    role: RoleName,
    rows: Vec<Row>,
    hosts: Hosts,
    duration: Span,
    hash: Digest,
    approvals: u8,
    lapses: UnixTime,
}

#[derive(Debug)]
struct Approval {
    /// Who gave it, as the leaf says.
    actor: ActorRef,
    /// None if it is erased.
    given: Option<Given>,
}

#[derive(Debug)]
struct Given {
    by: Approver,
    duration: Span,
    rows: Vec<Row>,
}

/// A grant.
#[derive(Debug)]
pub(super) struct Grant {
    request: RequestId,
    /// What it says; none if it is erased.
    pub(super) said: Option<Box<GrantMade>>,
    /// When its entry was written, in milliseconds since 1970.
    made: u64,
    pub(super) ended: bool,
}

impl Requests {
    /// The grant of this id.
    pub(super) fn grant(&self, id: GrantId) -> Option<&Grant> {
        self.grants.get(&id)
    }

    /// Who asked for the request that became this grant, where that is known.
    pub(super) fn holder(&self, grant: GrantId) -> Option<&(SubjectId, PersonName)> {
        self.requests.get(&self.grants.get(&grant)?.request)?.who.as_ref()
    }

    /// The pseudonym of whoever asked for the request that became this grant.
    pub(super) fn holder_actor(&self, grant: &Grant) -> Option<ActorRef> {
        self.requests.get(&grant.request).map(|request| request.actor)
    }

    pub(super) fn request(
        &mut self,
        log: &Log,
        people: &People,
        leaf: &Leaf,
        made: &RequestMade,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &made.subject)?;
        must_be_allowed(&made.decision, Action::Request, Some(&made.subject))?;
        let is_new = !self.requests.contains_key(&made.request);
        must(is_new, Code::Request, "the request's id was used before")?;
        let statement = statement::Request {
            origin: &log.origin,
            id: &made.request,
            subject: &made.subject,
            role: &made.role,
            rows: &made.rows,
            hosts: &made.hosts,
            duration: made.duration,
            start: &made.start,
            reason: &made.reason,
            ticket: made.ticket.as_ref(),
            bundle: &made.bundle,
        };
        let hash = sha256(statement.text().as_bytes());
        must(hash == made.hash, Code::Request, "the hash is not that of the request")?;
        let is_in_force = people.may_be_in_force(Some(made.bundle));
        must(is_in_force, Code::Request, "the bundle is not the one in force")?;
        people.person(leaf.actor, &made.subject, Code::Request)?;
        let has_role = people.may_have_role(&made.role);
        must(has_role, Code::Request, "the role is not in the bundle in force")?;
        must_be_near(leaf, made.made, Code::Request, "the request was made at another time")?;

        let asked = Asked {
            role: made.role.clone(),
            rows: made.rows.clone(),
            hosts: made.hosts.clone(),
            duration: made.duration,
            hash,
            approvals: made.approvals,
            lapses: made.lapses,
        };
        let pending = Pending { asked: Some(asked), approvals: Vec::new() };
        let who = Some((made.subject.clone(), made.name.clone()));
        let (actor, pending) = (leaf.actor, Some(Box::new(pending)));
        self.requests.insert(made.request, Request { actor, who, made: leaf.ts_ms, pending });
        Ok(())
    }

    pub(super) fn approval(
        &mut self,
        log: &Log,
        people: &People,
        signatures: &Signatures<'_>,
        leaf: &Leaf,
        given: &ApprovalGiven,
    ) -> Result<(), Fault> {
        let known = self.requests.get_mut(&given.request);
        let requester = known.as_ref().and_then(|request| request.who.as_ref()).map(|who| &who.0);
        match &given.by {
            Approver::Rules(_) => {
                must_be_allowed(&given.decision, Action::SkipApproval, requester)?;
            }
            Approver::Person { subject, .. } => {
                people.must_act(leaf.actor, subject)?;
                must_be_allowed(&given.decision, Action::Approve, Some(subject))?;
                check_signature(log, signatures, leaf.idx, given);
            }
        }
        let is_own =
            matches!(&given.by, Approver::Person { subject, .. } if Some(subject) == requester);
        let pending = known.and_then(|request| request.pending.as_mut());
        let Some(pending) = pending else { return Err(not_pending()) };
        pending.must_not_have_lapsed(leaf)?;

        // INVARIANT (no self approval): whatever the rules say.
        must(!is_own, Code::Approval, "the requester approved the request")?;
        must_be_by_its_approver(people, leaf, given)?;
        if let Approver::Person { subject, .. } = &given.by {
            let is_first = !pending.approvers().contains(subject);
            must(is_first, Code::Approval, "the person had approved the request before")?;
        }
        must(!given.rows.is_empty(), Code::Approval, "the approval keeps no row")?;
        if let Some(asked) = &pending.asked {
            must(given.hash == asked.hash, Code::Approval, "the approval is of another request")?;
            let is_no_longer = given.duration <= asked.duration;
            must(is_no_longer, Code::Approval, "the approval is for longer than was asked for")?;
            let is_within = given.rows.iter().all(|row| asked.rows.contains(row));
            must(is_within, Code::Approval, "the approval gives a row that was not asked for")?;
        }
        let (duration, rows) = (given.duration, given.rows.clone());
        let given = Some(Given { by: given.by.clone(), duration, rows });
        pending.approvals.push(Approval { actor: leaf.actor, given });
        Ok(())
    }

    pub(super) fn denial(
        &mut self,
        people: &People,
        leaf: &Leaf,
        denied: &RequestDenied,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &denied.by)?;
        must_be_allowed(&denied.decision, Action::Approve, Some(&denied.by))?;
        self.end_pending(denied.request)
    }

    pub(super) fn cancel(&mut self, leaf: &Leaf, request: RequestId) -> Result<(), Fault> {
        let requester = self.requests.get(&request).map(|request| request.actor);
        let is_theirs = requester == Some(leaf.actor);
        must(is_theirs, Code::State, "somebody else than the requester took the request back")?;
        self.end_pending(request)
    }

    /// Time is up.
    pub(super) fn lapse(&mut self, leaf: &Leaf, request: RequestId) -> Result<(), Fault> {
        must_be_the_daemons(leaf)?;
        self.end_pending(request)
    }

    /// The request must be pending, and is so no longer.
    fn end_pending(&mut self, request: RequestId) -> Result<(), Fault> {
        let pending = self.requests.get_mut(&request).and_then(|request| request.pending.take());
        pending.map(drop).ok_or_else(not_pending)
    }

    pub(super) fn grant_made(&mut self, leaf: &Leaf, made: &GrantMade) -> Result<(), Fault> {
        let request = self.requests.get_mut(&made.request);
        let requester = request.as_ref().and_then(|request| request.who.as_ref()).cloned();
        let actor = request.as_ref().map(|request| request.actor);
        let pending = request.and_then(|request| request.pending.take()).ok_or_else(not_pending)?;
        pending.must_not_have_lapsed(leaf)?;
        let is_new = !self.grants.contains_key(&made.grant);
        must(is_new, Code::Grant, "the grant's id was used before")?;
        if let Some((subject, _)) = &requester {
            must(made.subject == *subject, Code::Grant, "the grant is not the requester's")?;
        }
        pending.must_give(actor, made)?;
        let message = "the grant's window does not start with the grant";
        must_be_near(leaf, made.window.start(), Code::Grant, message)?;
        let said = Some(Box::new(made.clone()));
        let grant = Grant { request: made.request, said, made: leaf.ts_ms, ended: false };
        self.grants.insert(made.grant, grant);
        Ok(())
    }

    pub(super) fn grant_ended(&mut self, leaf: &Leaf, ended: &GrantEnded) -> Result<(), Fault> {
        must_be_the_daemons(leaf)?;
        let grant = self.grants.get_mut(&ended.grant);
        let grant = grant.filter(|grant| !grant.ended && grant.request == ended.request);
        let grant = grant.ok_or_else(|| Fault::new(Code::State, "the grant is not open"))?;
        let is_its_end = grant.window().is_none_or(|window| ended.ended == window.end());
        must(is_its_end, Code::State, "the grant's window ends at another time")?;
        grant.ended = true;
        Ok(())
    }

    /// Time goes back to `now`: what was made later is over.
    pub(super) fn take_back(&mut self, now: u64) {
        let requests = self.requests.values_mut().filter(|request| request.made > now);
        requests.for_each(|request| request.pending = None);
        let grants = self.grants.values_mut().filter(|grant| grant.made > now);
        grants.for_each(|grant| grant.ended = true);
    }

    /// Takes in what the leaf of an entry still says whose payload is erased.
    pub(super) fn erased(&mut self, leaf: &Leaf) -> Result<(), Fault> {
        let Ids { request: Some(id), grant, .. } = leaf.ids else { return Ok(()) };
        let (actor, made, request) = (leaf.actor, leaf.ts_ms, self.requests.get_mut(&id));
        match (leaf.entry_type.as_str(), grant) {
            ("request", _) if request.is_none() => {
                let pending = Some(Box::new(Pending { asked: None, approvals: Vec::new() }));
                self.requests.insert(id, Request { actor, who: None, made, pending });
            }
            ("approval", _) => {
                let Some(request) = request else { return Ok(()) };
                must(actor != request.actor, Code::Approval, "the requester approved the request")?;
                if let Some(pending) = &mut request.pending {
                    pending.approvals.push(Approval { actor, given: None });
                }
            }
            ("denial" | "cancel" | "lapse", _) => {
                if let Some(request) = request {
                    request.pending = None;
                }
            }
            ("grant", Some(grant)) => {
                if let Some(request) = request {
                    request.pending = None;
                }
                let grants = self.grants.entry(grant);
                grants.or_insert(Grant { request: id, said: None, made, ended: false });
            }
            ("grant.end", Some(grant)) => {
                self.grants.entry(grant).and_modify(|grant| grant.ended = true);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Grant {
    /// Its window, where it is known.
    pub(super) fn window(&self) -> Option<Window> {
        self.said.as_ref().map(|said| said.window)
    }
}

impl Pending {
    /// The people who approved, as far as they are known.
    fn approvers(&self) -> BTreeSet<&SubjectId> {
        let people = self.known().filter_map(|given| match &given.by {
            Approver::Person { subject, .. } => Some(subject),
            Approver::Rules(_) => None,
        });
        people.collect()
    }

    /// The approvals that are known.
    fn known(&self) -> impl Iterator<Item = &Given> {
        self.approvals.iter().filter_map(|approval| approval.given.as_ref())
    }

    /// Nobody agrees to what has lapsed, whether an entry says so by then or not.
    fn must_not_have_lapsed(&self, leaf: &Leaf) -> Result<(), Fault> {
        let is_early = |asked: &Asked| second_of(leaf) < asked.lapses.plus(LONGEST_DELAY);
        let is_in_time = self.asked.as_ref().is_none_or(is_early);
        must(is_in_time, Code::State, "the request had lapsed")
    }

    /// Whether rules approved, or as many people as have to. Leaves say who, whatever is erased.
    fn is_agreed(&self, requester: Option<ActorRef>) -> bool {
        let by_rules = |approval: &Approval| match &approval.given {
            Some(given) => matches!(given.by, Approver::Rules(_)),
            None => approval.actor == ActorRef::DAEMON,
        };
        let actors = self.approvals.iter().map(|approval| approval.actor);
        let people = actors.filter(|&actor| actor != ActorRef::DAEMON && Some(actor) != requester);
        let needed = self.asked.as_ref().map_or(1, |asked| asked.approvals.max(1));
        self.approvals.iter().any(by_rules)
            || people.collect::<BTreeSet<_>>().len() >= usize::from(needed)
    }

    /// The grant must be what was asked for and agreed on.
    fn must_give(&self, requester: Option<ActorRef>, made: &GrantMade) -> Result<(), Fault> {
        let fault = |is_so, message| must(is_so, Code::Grant, message);
        let length = made.window.end().since(made.window.start());
        fault(self.is_agreed(requester), "too few people approved the request")?;
        for given in self.known() {
            let is_kept = made.rows.iter().all(|row| given.rows.contains(row));
            fault(is_kept, "the grant has a row that was not approved")?;
            fault(length <= given.duration, "the grant is longer than was approved")?;
        }
        let are_known = self.approvals.iter().all(|approval| approval.given.is_some());
        if let Some(asked) = &self.asked {
            fault(made.role == asked.role, "the grant is of another role")?;
            fault(made.hosts == asked.hosts, "the grant is for other hosts")?;
            let is_asked = made.rows.iter().all(|row| asked.rows.contains(row));
            fault(is_asked, "the grant has a row that was not asked for")?;
            fault(length <= asked.duration, "the grant is longer than was asked for")?;
            let is_kept = |row: &&Row| self.known().all(|given| given.rows.contains(row));
            let is_all = asked.rows.iter().filter(is_kept).eq(&made.rows);
            fault(is_all || !are_known, "the grant's rows are not those approved")?;
        }
        let shortest = self.known().map(|given| given.duration).min();
        let is_as_long = shortest.is_none_or(|shortest| length == shortest);
        fault(is_as_long || !are_known, "the grant is not as long as the shortest approval")
    }
}

/// A person signs with a key of theirs, and rules don't.
fn must_be_by_its_approver(
    people: &People,
    leaf: &Leaf,
    given: &ApprovalGiven,
) -> Result<(), Fault> {
    match (&given.by, &given.signature) {
        (Approver::Rules(rules), None) => {
            let is_daemons = leaf.actor == ActorRef::DAEMON;
            must(is_daemons, Code::Approval, "somebody else than the daemon says what rules say")?;
            let are_rules =
                !rules.is_empty() && rules.iter().all(|rule| people.may_have_rule(rule));
            must(are_rules, Code::Approval, "no such rules are in the bundle in force")
        }
        (Approver::Person { subject, .. }, Some(signature)) => {
            let person = people.person(leaf.actor, subject, Code::Approval)?;
            let is_theirs = person.is_none_or(|own| has_key(own, signature.key.as_slice()));
            must(is_theirs, Code::Approval, "the key is not one of the approver's")
        }
        (Approver::Rules(_), Some(_)) => Err(Fault::new(Code::Approval, "rules sign nothing")),
        (Approver::Person { .. }, None) => {
            Err(Fault::new(Code::Approval, "the approver did not sign"))
        }
    }
}

fn check_signature(log: &Log, signatures: &Signatures<'_>, index: u64, given: &ApprovalGiven) {
    let Some(signature) = given.signature.clone() else { return };
    let statement = statement::Approval {
        origin: &log.origin,
        request: &given.hash,
        duration: given.duration,
        rows: &given.rows,
    }
    .text();
    let message = "the approval's signature does not hold";
    signatures.check(index, Code::Signature, message, move || {
        let (key, sshsig) = (signature.key.as_slice(), signature.sshsig.as_slice());
        signatures::of_statement(key, Kind::Approval, &statement, sshsig)
    });
}

fn must_be_the_daemons(leaf: &Leaf) -> Result<(), Fault> {
    must(leaf.actor == ActorRef::DAEMON, Code::State, "somebody else than the daemon says it")
}

fn not_pending() -> Fault {
    Fault::new(Code::State, "the request is not pending")
}
