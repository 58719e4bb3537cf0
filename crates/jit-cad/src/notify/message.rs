//! What a target is told, made from the log and its fold at the moment in which it is sent.
//!
//! Nothing of it is kept: what was erased meanwhile can't be told any more.

use std::collections::BTreeSet;

use jit_ca_core::event::{Event, Locked, Officer, Resetter};
use jit_ca_core::workflow::{Access, Approver, GrantState, Over, Quorum};
use jit_ca_core::{
    GrantId, GroupName, Hosts, PersonName, RequestId, RoleName, Span, SubjectId, Text, UnixTime,
    Window,
};
use jit_ca_log::Leaf;
use serde::{Serialize, Serializer};

use super::Kind;
use crate::clock::Millis;
use crate::policy::Policy;
use crate::store::{Letter, Snapshot, StoreError};

/// What a target is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// What happened.
    pub(super) kind: Kind,
    /// When.
    pub(super) time: UnixTime,
    /// To whom and what.
    pub(super) facts: Facts,
}

/// What a message says, as far as there is something to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Facts {
    /// The request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request: Option<RequestId>,
    /// The grant that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grant: Option<GrantId>,
    /// The grant that it is to follow on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extends: Option<GrantId>,
    /// Who asked, or whose second factors are reset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<PersonName>,
    /// For which role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<RoleName>,
    /// On which hosts.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_list")]
    pub(super) hosts: Option<Hosts>,
    /// For how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<Span>,
    /// From when to when, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window: Option<Window>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<Text>,
    /// The ticket that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ticket: Option<Text>,
    /// Who has to agree.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) approvals: Vec<Quorum>,
    /// When it lapses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lapses: Option<UnixTime>,
    /// Who did it: the people, or the rules of the policy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) by: Vec<String>,
    /// What they had to say, or why it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    /// What is locked, or was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lock: Option<String>,
    /// The people to be told of an emergency: the members of the groups that the role names.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) tell: BTreeSet<PersonName>,
    /// The command to act on it, for whom the policy lets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<String>,
}

impl Message {
    /// What a letter says now; nothing if its entry is erased, or it is too late for it.
    pub(super) fn of(
        letter: &Letter,
        ending_soon: Span,
        snapshot: &Snapshot,
        policy: &Policy,
        now: UnixTime,
    ) -> Result<Option<Self>, StoreError> {
        let bytes = snapshot.leaf(letter.entry)?;
        let missing = || StoreError::Damaged(format!("entry {} is missing", letter.entry));
        let leaf = Leaf::decode(&bytes.ok_or_else(missing)?)?;
        let Some(event) = snapshot.event(&leaf)? else { return Ok(None) };
        let mut message =
            Self { kind: letter.kind, time: Millis(leaf.ts_ms).time(), facts: Facts::default() };
        match (&event, event.request()) {
            (Event::LockSet(set), _) => {
                message.facts.lock(&set.lock, &set.by, &set.reason, "jit-ca locks");
            }
            (Event::LockLifted(lifted), _) => {
                message.facts.lock(&lifted.lock, &lifted.by, &lifted.reason, "jit-ca locks");
            }
            (Event::MfaResetAsked(asked), _) => {
                message.facts.reset(&asked.subject, asked.name.to_string(), snapshot)?;
                message.facts.reason = Some(asked.reason.clone());
                message.facts.lapses = Some(asked.lapses);
            }
            (Event::MfaReset(reset), _) => match &reset.by {
                Resetter::Person { name, .. } => {
                    message.facts.reset(&reset.subject, name.to_string(), snapshot)?;
                }
                Resetter::Machine { uid, reason } => {
                    message.facts.reset(&reset.subject, on_the_machine(*uid), snapshot)?;
                    message.facts.reason = Some(reason.clone());
                }
            },
            (_, Some(request)) => {
                let Some(record) = snapshot.access(request)? else { return Ok(None) };
                message.facts.access(&record.access);
                message.facts.what_happened(letter.kind, &event, &record.access, policy);
            }
            (_, None) => return Ok(None),
        }
        if letter.kind == Kind::EndingSoon {
            // Of a grant that somebody took away or gave back there is nothing left to end.
            let record = event.request().map_or(Ok(None), |request| snapshot.access(request))?;
            let grant = record.as_ref().and_then(|record| record.access.grant());
            match grant.filter(|grant| grant.state(now) == GrantState::Active) {
                Some(grant) => message.time = grant.deadline().minus(ending_soon),
                None => return Ok(None),
            }
        }
        Ok(Some(message))
    }

    /// The role that it is about. A lock on a person, or on everything, is about all of them.
    pub(super) fn role(&self) -> Option<&RoleName> {
        self.facts.role.as_ref()
    }
}

impl Facts {
    fn lock(&mut self, lock: &Locked, by: &Officer, reason: &Text, command: &str) {
        if let Locked::Role(role) = lock {
            self.role = Some(role.clone());
        }
        self.lock = Some(lock.to_string());
        self.by = vec![match by {
            Officer::Person { name, .. } => name.to_string(),
            Officer::Machine { uid } => on_the_machine(*uid),
        }];
        self.reason = Some(reason.clone());
        self.command = Some(command.to_owned());
    }

    /// Whose second factors, and who wants or has them reset.
    fn reset(
        &mut self,
        subject: &SubjectId,
        by: String,
        snapshot: &Snapshot,
    ) -> Result<(), StoreError> {
        self.name = snapshot.subject(subject)?.map(|known| known.name.clone());
        self.by = vec![by];
        self.command = Some("jit-ca mfa resets".to_owned());
        Ok(())
    }

    fn access(&mut self, access: &Access) {
        let request = &access.request;
        self.request = Some(request.id);
        self.extends = request.extends;
        self.name = Some(request.name.clone());
        self.role = Some(request.role.clone());
        self.reason = Some(request.reason.clone());
        self.ticket = request.ticket.clone();
        let (mut hosts, mut duration) = (&request.hosts, request.duration);
        if let Some(grant) = access.grant() {
            self.grant = Some(grant.id);
            self.window = grant.window();
            hosts = &grant.hosts;
            duration = match (grant.window(), grant.term) {
                (Some(window), _) => window.end().since(window.start()),
                (None, jit_ca_core::workflow::Term::FirstUse { duration, .. }) => duration,
                (None, _) => duration,
            };
        }
        (self.hosts, self.duration) = (Some(hosts.clone()), Some(duration));
    }

    /// What is said of one kind of event and not of others.
    fn what_happened(&mut self, kind: Kind, event: &Event, access: &Access, policy: &Policy) {
        let request = access.request.id;
        let grant = |verb: &str| access.grant().map(|grant| format!("jit-ca {verb} {}", grant.id));
        self.command = match kind {
            Kind::Asked => Some(format!("jit-ca approve {request}")),
            Kind::EndingSoon => {
                grant("extend").map(|command| format!("{command} --for 30m --reason …"))
            }
            Kind::BreakGlass => Some(format!("jit-ca review {request} --comment …")),
            Kind::Denied | Kind::Cancelled | Kind::Lapsed => {
                Some(format!("jit-ca requests --status {kind}"))
            }
            _ => grant("grant show"),
        };
        match event {
            Event::RequestMade(made) => {
                self.approvals = made.approvals.clone();
                self.lapses = Some(made.lapses);
            }
            Event::GrantMade(_) if kind == Kind::Approved => {
                self.by = access.approvals.iter().flat_map(|given| names(&given.by)).collect();
                let comments = access.approvals.iter().filter_map(|given| given.comment.as_ref());
                let comments: Vec<&str> = comments.map(Text::as_str).collect();
                self.comment = Some(comments.join("; ")).filter(|comments| !comments.is_empty());
            }
            Event::GlassBroken(broken) => self.tell = members(&broken.told, policy),
            Event::RequestDenied(denied) => {
                self.by = vec![denied.name.to_string()];
                self.comment = denied.reason.as_ref().map(ToString::to_string);
            }
            Event::GrantEnded(ended) => self.comment = Some(ended.cause.to_string()),
            Event::GrantRevoked(revoked) => {
                self.by = vec![revoked.name.to_string()];
                self.comment = Some(revoked.reason.to_string());
            }
            Event::Reviewed(reviewed) => {
                self.by = vec![reviewed.name.to_string()];
                self.comment = Some(reviewed.comment.to_string());
            }
            _ => {}
        }
        if let Some(Over::Ended { at, .. } | Over::Revoked { at, .. }) =
            access.grant().and_then(|grant| grant.over.as_ref())
        {
            // Said once more where it is over: until when it really was.
            self.window = self.window.and_then(|window| Window::new(window.start(), *at).ok());
        }
    }
}

fn on_the_machine(uid: u32) -> String {
    format!("the account {uid} on the CA's machine")
}

fn names(by: &Approver) -> Vec<String> {
    match by {
        Approver::Rules(rules) => rules.iter().map(|rule| format!("the rule {rule}")).collect(),
        Approver::Person { name, .. } => vec![name.to_string()],
    }
}

/// The members of these groups, by the policy in force.
fn members(groups: &BTreeSet<GroupName>, policy: &Policy) -> BTreeSet<PersonName> {
    let people = policy.bundle.people().filter(|person| !person.groups.is_disjoint(groups));
    people.map(|person| person.name.clone()).collect()
}

/// Hosts as the API has them.
fn as_list<S: Serializer>(hosts: &Option<Hosts>, serializer: S) -> Result<S::Ok, S::Error> {
    match hosts {
        Some(hosts) => jit_ca_api::hosts::serialize(hosts, serializer),
        None => serializer.serialize_none(),
    }
}
