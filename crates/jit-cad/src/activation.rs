//! What the log has to be told so that it says which bundle is in force, and knows everybody in it.

use jit_ca_core::event::{
    BundleActivated, Event, FileListed, FileRemoved, PersonRemoved, SubjectKnown,
};
use jit_ca_core::{ActorRef, SubjectId};
use jit_ca_log::Bundle;

use crate::clock::{self, NoRandomness};

/// The entries that lead from the bundle that the log lists to the one in force; none if it is that already.
///
/// `actor` tells a subject's pseudonym, if the log knows it.
///
/// # Errors
/// If the system has no randomness for a new pseudonym.
pub fn entries<E: From<NoRandomness>>(
    listed: &Bundle,
    in_force: &Bundle,
    actor: impl Fn(&SubjectId) -> Result<Option<ActorRef>, E>,
) -> Result<Vec<(ActorRef, Event)>, E> {
    let mut entries: Vec<(ActorRef, Event)> = Vec::new();
    for path in listed.files.keys().filter(|path| !in_force.files.contains_key(*path)) {
        entries.push((ActorRef::DAEMON, FileRemoved { path: path.clone() }.into()));
    }
    for (path, text) in &in_force.files {
        if listed.files.get(path) != Some(text) {
            let file = FileListed { path: path.clone(), text: text.clone() };
            entries.push((ActorRef::DAEMON, file.into()));
        }
    }
    for subject in listed.people.keys().filter(|id| !in_force.people.contains_key(*id)) {
        if let Some(actor) = actor(subject)? {
            entries.push((ActorRef::DAEMON, PersonRemoved { actor }.into()));
        }
    }
    for (subject, person) in &in_force.people {
        let known = actor(subject)?;
        let pseudonym = match known {
            Some(actor) => actor,
            None => ActorRef::from_bytes(clock::random()?),
        };
        if known.is_none() {
            let name = person.name.clone();
            let known = SubjectKnown { subject: subject.clone(), name, actor: pseudonym };
            entries.push((pseudonym, known.into()));
        }
        if listed.people.get(subject) != Some(person) {
            entries.push((pseudonym, person.clone().into()));
        }
    }
    if !entries.is_empty() || listed.zone != in_force.zone {
        let activated = BundleActivated { hash: in_force.hash(), zone: in_force.zone.clone() };
        entries.push((ActorRef::DAEMON, activated.into()));
    }
    Ok(entries)
}
