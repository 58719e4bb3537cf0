//! Locks: for whom and for what nothing is done.

use std::collections::BTreeSet;

use jit_ca_core::event::{Event, Locked, Officer, Resetter};
use jit_ca_core::workflow::Approver;
use jit_ca_core::{Action, ActorRef, GrantId, RequestId, RoleName, SubjectId};

use super::fault::{Fault, must, must_be_allowed};
use super::requests::{Request, Requests};
use super::{Code, People};
use crate::Leaf;

/// What is locked.
#[derive(Debug, Default)]
pub(super) struct Locks {
    held: BTreeSet<Locked>,
    /// Whether the payload of a lock was erased: anything else may be locked as well.
    are_partial: bool,
}

impl Locks {
    pub(super) fn lock(
        &mut self,
        people: &People,
        leaf: &Leaf,
        lock: &Locked,
        by: &Officer,
    ) -> Result<(), Fault> {
        must_be_by(people, leaf, by)?;
        must(self.held.insert(lock.clone()), Code::Lock, "it is locked already")
    }

    pub(super) fn unlock(
        &mut self,
        people: &People,
        leaf: &Leaf,
        lock: &Locked,
        by: &Officer,
    ) -> Result<(), Fault> {
        must_be_by(people, leaf, by)?;
        // Nobody lifts the lock that keeps them from lifting it.
        self.must_let(Done::by(by))?;
        must(self.held.remove(lock) || self.are_partial, Code::Lock, "it is not locked")
    }

    /// Takes in what the leaf of an entry still says whose payload is erased.
    pub(super) fn erased(&mut self, leaf: &Leaf) {
        match leaf.entry_type.as_str() {
            "lock" => self.are_partial = true,
            "unlock" => {
                self.held.clear();
                self.are_partial = true;
            }
            _ => {}
        }
    }

    /// Whether a subject is locked.
    pub(super) fn hold(&self, subject: &SubjectId) -> bool {
        !self.held.is_empty() && self.held.contains(&Locked::Subject(subject.clone()))
    }

    /// Nothing is done by or for whom is locked, nor for a role that is. Who is locked vouches for nothing.
    pub(super) fn must_let(&self, done: Option<Done<'_>>) -> Result<(), Fault> {
        let Some(done) = done.filter(|_| !self.held.is_empty()) else { return Ok(()) };
        let subjects = done.subjects.iter().map(|&subject| Locked::Subject(subject.clone()));
        let roles = done.role.into_iter().map(|role| Locked::Role(role.clone()));
        let mut concerned = subjects.chain(roles).chain([Locked::All]);
        let is_locked = concerned.any(|lock| self.held.contains(&lock));
        must(!is_locked, Code::Lock, "it is done for whom or what is locked")
    }
}

/// Whom and what an entry concerns that a lock would stop, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Done<'a> {
    subjects: Vec<&'a SubjectId>,
    role: Option<&'a RoleName>,
}

impl<'a> Done<'a> {
    /// What happens there; none where no lock stops it. Who is locked can still end things.
    pub(super) fn of(event: &'a Event, requests: &'a Requests) -> Option<Self> {
        let mut done = Self::default();
        match event {
            Event::LoggedIn(login) => done.subjects.push(&login.subject),
            Event::LoggedInByToken(login) => done.subjects.push(&login.subject),
            Event::LoggedInByCertificate(login) => done.subjects.push(&login.subject),
            Event::PageLoggedIn(login) => done.subjects.push(&login.subject),
            Event::HostTokenMade(made) => done.subjects.push(&made.by),
            Event::HostEnrolled(enrolled) => done.subjects.push(&enrolled.subject),
            Event::HostLoggedIn(login) => done.subjects.push(&login.subject),
            Event::LoginSteppedUp(stepped) => done.subjects.push(&stepped.subject),
            Event::PasskeyAdded(added) => done.subjects.push(&added.subject),
            Event::RequestMade(made) => {
                done.subjects.push(&made.subject);
                done.role = Some(&made.role);
            }
            Event::ApprovalGiven(given) => {
                if let Approver::Person { subject, .. } = &given.by {
                    done.subjects.push(subject);
                }
                done.add_request(requests, given.request);
            }
            Event::GlassBroken(broken) => done.add_request(requests, broken.request),
            Event::GrantMade(made) => done.add_grant(requests, made.grant),
            Event::GrantStarted(started) => {
                let agreed = started.approvals.iter();
                done.subjects.extend(agreed.map(|decided| &decided.facts.subject));
                done.add_grant(requests, started.grant);
            }
            Event::CertificateIntended(intent) => {
                done.add_grant(requests, intent.under.as_ref()?.grant);
            }
            Event::MfaResetAsked(asked) => done.subjects.push(&asked.by),
            Event::MfaReset(reset) => match &reset.by {
                Resetter::Person { subject, .. } => done.subjects.push(subject),
                Resetter::Machine { .. } => return None,
            },
            Event::MfaEnrolled(enrolled) => done.subjects.push(&enrolled.subject),
            Event::Reviewed(reviewed) => done.subjects.push(&reviewed.by),
            Event::BundleApproved(approved) => done.subjects.push(&approved.by),
            Event::ErasureOrdered(order) => done.subjects.push(&order.by),
            _ => return None,
        }
        Some(done)
    }

    /// What is done for a host: its certificates.
    pub(super) fn by_host(host: &'a SubjectId) -> Self {
        Self { subjects: vec![host], role: None }
    }

    /// What a person does to a lock; none on the daemon's machine, where no lock stops it.
    fn by(officer: &'a Officer) -> Option<Self> {
        match officer {
            Officer::Person { subject, .. } => Some(Self { subjects: vec![subject], role: None }),
            Officer::Machine { .. } => None,
        }
    }

    fn add_request(&mut self, requests: &'a Requests, id: RequestId) {
        let request = requests.requests.get(&id);
        self.subjects.extend(request.and_then(Request::subject));
        self.role = request.and_then(Request::role);
    }

    fn add_grant(&mut self, requests: &'a Requests, id: GrantId) {
        let Some(grant) = requests.grant(id) else { return };
        if let Some(request) = grant.request {
            self.add_request(requests, request);
        }
        if let Some(said) = &grant.said {
            self.subjects.push(&said.subject);
            self.role = Some(&said.role);
        }
    }
}

fn must_be_by(people: &People, leaf: &Leaf, by: &Officer) -> Result<(), Fault> {
    match by {
        Officer::Person { subject, decision, .. } => {
            people.must_act(leaf.actor, subject)?;
            must_be_allowed(decision, Action::Lock, Some(subject))
        }
        Officer::Machine { .. } => {
            let is_daemons = leaf.actor == ActorRef::DAEMON;
            must(is_daemons, Code::Lock, "somebody else says what was done on the machine")
        }
    }
}
