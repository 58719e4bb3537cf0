//! Who is who: the names that payloads give to the pseudonyms of the leaves.
//!
//! The whole log is read for them before anything is told, so that a person has one name from the
//! report's first line to its last. Of whom every payload has been erased, only the pseudonym is left.

use std::collections::BTreeMap;

use jit_ca_core::event::{Event, Officer, Resetter};
use jit_ca_core::workflow::Approver;
use jit_ca_core::{ActorRef, PersonName, SubjectId};
use jit_ca_log::archive::{Entry, Payload};

/// The names that the log still knows.
#[derive(Debug, Default)]
pub(crate) struct Names {
    people: BTreeMap<ActorRef, (SubjectId, PersonName)>,
    actors: BTreeMap<SubjectId, ActorRef>,
    /// How many people bear each name.
    bearers: BTreeMap<PersonName, usize>,
}

impl Names {
    /// The last name of everybody in these entries.
    pub(crate) fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut people = BTreeMap::new();
        for Entry { leaf, payload } in entries {
            if let Payload::Event(event) = &payload
                && let Some((subject, name)) = named(event)
            {
                people.insert(leaf.actor, (subject.clone(), name.clone()));
            }
        }
        let actors = people.iter().map(|(actor, (subject, _))| (subject.clone(), *actor)).collect();
        let mut bearers: BTreeMap<PersonName, usize> = BTreeMap::new();
        for (_, name) in people.values() {
            *bearers.entry(name.clone()).or_default() += 1;
        }
        Self { people, actors, bearers }
    }

    /// What the report calls whoever acted.
    pub(crate) fn of_actor(&self, actor: ActorRef) -> String {
        match self.people.get(&actor) {
            Some((subject, name)) if self.bearers.get(name).is_some_and(|count| *count > 1) => {
                format!("{name} ({subject})")
            }
            Some((_, name)) => name.to_string(),
            None if actor == ActorRef::DAEMON => THE_CA.to_owned(),
            None => format!("erased (actor {actor})"),
        }
    }

    /// What the report calls a subject.
    pub(crate) fn of_subject(&self, subject: &SubjectId) -> String {
        match self.actors.get(subject) {
            Some(actor) => self.of_actor(*actor),
            None => subject.to_string(),
        }
    }

    /// Who it is.
    pub(crate) fn subject(&self, actor: ActorRef) -> Option<&SubjectId> {
        self.people.get(&actor).map(|(subject, _)| subject)
    }
}

/// What entries that nobody asked for are signed with.
const THE_CA: &str = "the CA";

/// The person that an event names and that its leaf's actor stands for.
fn named(event: &Event) -> Option<(&SubjectId, &PersonName)> {
    match event {
        Event::SubjectKnown(event) => Some((&event.subject, &event.name)),
        Event::PersonListed(event) => Some((&event.subject, &event.name)),
        Event::LoggedIn(event) => Some((&event.subject, &event.name)),
        Event::SubjectVouched(event) => Some((&event.subject, &event.name)),
        Event::LoggedInByToken(event) => Some((&event.subject, &event.name)),
        Event::LoggedInByCertificate(event) => Some((&event.subject, &event.name)),
        Event::RequestMade(event) => Some((&event.subject, &event.name)),
        Event::RequestDenied(event) => Some((&event.by, &event.name)),
        Event::ErasureOrdered(event) => Some((&event.by, &event.name)),
        Event::GrantRevoked(event) => Some((&event.by, &event.name)),
        Event::Reviewed(event) => Some((&event.by, &event.name)),
        Event::SessionWatched(event) => Some((&event.by, &event.name)),
        Event::LockSet(event) => officer(&event.by),
        Event::LockLifted(event) => officer(&event.by),
        Event::HostTokenMade(event) => Some((&event.by, &event.name)),
        Event::MfaResetAsked(event) => Some((&event.by, &event.name)),
        Event::MfaResetWithdrawn(event) => Some((&event.by, &event.name)),
        Event::MfaReset(event) => match &event.by {
            Resetter::Person { subject, name, .. } => Some((subject, name)),
            Resetter::Machine { .. } => None,
        },
        Event::ApprovalGiven(event) => match &event.by {
            Approver::Person { subject, name } => Some((subject, name)),
            Approver::Rules(_) => None,
        },
        _ => None,
    }
}

fn officer(by: &Officer) -> Option<(&SubjectId, &PersonName)> {
    match by {
        Officer::Person { subject, name, .. } => Some((subject, name)),
        Officer::Machine { .. } => None,
    }
}
