//! What the log has to be told so that it says which bundle is in force, and knows everybody in it.

use std::collections::BTreeMap;

use jit_ca_core::event::{
    Asker, BundleActivated, BundleChanges, BundleProposed, Changed, Event, FileListed, FileRemoved,
    PersonRemoved, SubjectKnown,
};
use jit_ca_core::{ActorRef, Digest, SubjectId};
use jit_ca_log::Bundle;

use crate::clock::{self, NoRandomness};

/// Pseudonyms of subjects whom the log does not know yet.
pub type Pseudonyms = BTreeMap<SubjectId, ActorRef>;

/// The way from the bundle that the log lists to another one.
#[derive(Debug)]
pub struct Activation {
    /// The files and people, each an entry.
    parts: Vec<(ActorRef, Event)>,
    /// The same in short.
    pub changes: BundleChanges,
    /// The paths of the files among that.
    pub files: Changed<String>,
    /// The pseudonyms that are new with it.
    pub pseudonyms: Pseudonyms,
    hash: Digest,
    zone: String,
}

impl Activation {
    /// The way from the bundle that is listed to the one that is wanted; none if it is that already.
    ///
    /// `actor` tells a subject's pseudonym, if the log knows it; who is new takes that of `pseudonyms`, or a random one.
    ///
    /// # Errors
    /// If the system has no randomness for a new pseudonym.
    pub fn new<E: From<NoRandomness>>(
        listed: &Bundle,
        wanted: &Bundle,
        actor: impl Fn(&SubjectId) -> Result<Option<ActorRef>, E>,
        mut pseudonyms: Pseudonyms,
    ) -> Result<Option<Self>, E> {
        let mut parts: Vec<(ActorRef, Event)> = Vec::new();
        for path in listed.files.keys().filter(|path| !wanted.files.contains_key(*path)) {
            parts.push((ActorRef::DAEMON, FileRemoved { path: path.clone() }.into()));
        }
        for (path, text) in &wanted.files {
            if listed.files.get(path) != Some(text) {
                let file = FileListed { path: path.clone(), text: text.clone() };
                parts.push((ActorRef::DAEMON, file.into()));
            }
        }
        let mut actors = BTreeMap::new();
        for subject in listed.people.keys().filter(|id| !wanted.people.contains_key(*id)) {
            if let Some(actor) = actor(subject)? {
                actors.insert(subject, actor);
                parts.push((ActorRef::DAEMON, PersonRemoved { actor }.into()));
            }
        }
        for (subject, person) in &wanted.people {
            let known = actor(subject)?;
            let pseudonym = match (known, pseudonyms.get(subject)) {
                (Some(actor), _) | (None, Some(&actor)) => actor,
                (None, None) => ActorRef::from_bytes(clock::random()?),
            };
            actors.insert(subject, pseudonym);
            if known.is_none() {
                let name = person.name.clone();
                let known = SubjectKnown { subject: subject.clone(), name, actor: pseudonym };
                parts.push((pseudonym, known.into()));
                pseudonyms.insert(subject.clone(), pseudonym);
            } else {
                pseudonyms.remove(subject);
            }
            if listed.people.get(subject) != Some(person) {
                parts.push((pseudonym, person.clone().into()));
            }
        }
        if parts.is_empty() && listed.zone == wanted.zone {
            return Ok(None);
        }
        let changes = listed.changes_to(wanted, |subject| actors.get(subject).copied());
        let files = listed.files_to(wanted);
        let (hash, zone) = (wanted.hash(), wanted.zone.clone());
        Ok(Some(Self { parts, changes, files, pseudonyms, hash, zone }))
    }

    /// The entry that proposes it.
    pub fn proposed(&self, asked: Asker) -> Event {
        let (hash, zone, changes) = (self.hash, self.zone.clone(), self.changes.clone());
        BundleProposed { hash, zone, changes, files: self.files.clone(), asked }.into()
    }

    /// The entries that bring it into force; `approval` is the one that says who approved it.
    pub fn entries(
        self,
        asked: Asker,
        approval: Option<(ActorRef, Event)>,
    ) -> Vec<(ActorRef, Event)> {
        let Self { parts: mut entries, changes, hash, zone, .. } = self;
        let approved = approval.as_ref().map(|(actor, _)| *actor);
        entries.extend(approval);
        let activated = BundleActivated { hash, zone, changes, asked, approved };
        entries.push((ActorRef::DAEMON, activated.into()));
        entries
    }
}
