//! The bundle in force, as entries add up to it: each file and each person is an entry of its own.
//!
//! ```text
//! bundle.file, bundle.file.removed, person, person.removed ──apply──> Bundle ──hash──> what `bundle` says
//! ```
//!
//! So that one person can be erased without the others, `users.toml` is not in the log as it was
//! written; it is made from the people in it, in one form ([`Bundle::users_toml`]), over which
//! the bundle's hash goes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jit_ca_core::event::{BundleChanges, Changed, Event, PersonListed};
use jit_ca_core::{ActorRef, Digest, SubjectId};

use crate::hash::sha256;

/// The path of the file that people are written in.
pub const USERS: &str = "users.toml";

/// Files and people.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The time zone in which rules read weekday and minute.
    pub zone: String,
    /// All files but `users.toml`, by path.
    pub files: BTreeMap<String, String>,
    /// The people, by id.
    pub people: BTreeMap<SubjectId, PersonListed>,
    /// Whose pseudonym is whose, as entries said it.
    actors: BTreeMap<ActorRef, SubjectId>,
}

impl Bundle {
    /// A bundle of these parts.
    pub fn new(
        zone: &str,
        files: impl IntoIterator<Item = (String, String)>,
        people: impl IntoIterator<Item = PersonListed>,
    ) -> Self {
        Self {
            zone: zone.to_owned(),
            files: files.into_iter().collect(),
            people: people.into_iter().map(|person| (person.subject.clone(), person)).collect(),
            actors: BTreeMap::new(),
        }
    }

    /// No files and nobody: what the first entries add to.
    pub fn empty() -> Self {
        Self::new("UTC", [], [])
    }

    /// Takes in an entry's event; one that is not about bundles changes nothing.
    pub fn apply(&mut self, actor: ActorRef, event: &Event) {
        match event {
            Event::FileListed(file) => {
                self.files.insert(file.path.clone(), file.text.clone());
            }
            Event::FileRemoved(file) => {
                self.files.remove(&file.path);
            }
            Event::PersonListed(person) => {
                self.actors.insert(actor, person.subject.clone());
                self.people.insert(person.subject.clone(), person.as_ref().clone());
            }
            Event::PersonRemoved(person) => {
                if let Some(subject) = self.actors.remove(&person.actor) {
                    self.people.remove(&subject);
                }
            }
            Event::BundleActivated(activated) => self.zone.clone_from(&activated.zone),
            _ => {}
        }
    }

    /// What another bundle changes of this one, in short. `actor` tells a subject's pseudonym; of whom it tells none,
    /// nothing is said.
    pub fn changes_to(
        &self,
        after: &Self,
        actor: impl Fn(&SubjectId) -> Option<ActorRef>,
    ) -> BundleChanges {
        let known = |bundle: &Self| -> BTreeMap<ActorRef, PersonListed> {
            let people = bundle.people.iter();
            people.filter_map(|(id, person)| Some((actor(id)?, person.clone()))).collect()
        };
        BundleChanges {
            files: (&self.files_to(after)).into(),
            people: Changed::between(&known(self), &known(after), |actor| *actor),
        }
    }

    /// The paths of the files that another bundle changes of this one.
    pub fn files_to(&self, after: &Self) -> Changed<String> {
        Changed::between(&self.files, &after.files, String::clone)
    }

    /// The pseudonyms of the people, as entries said them.
    pub fn actors(&self) -> impl Iterator<Item = (&SubjectId, ActorRef)> {
        self.actors.iter().map(|(actor, subject)| (subject, *actor))
    }

    /// `users.toml` in its one form: the people sorted by id, their groups sorted.
    ///
    /// No value in it needs escaping: all are of characters that TOML takes as they are.
    pub fn users_toml(&self) -> String {
        let mut text = format!("zone = \"{}\"\n", self.zone);
        for person in self.people.values() {
            let groups = list(&person.groups);
            // Writing to a String can't fail.
            let _ = write!(
                text,
                "\n[[person]]\nid = \"{}\"\nname = \"{}\"\ngroups = [{groups}]\nssh_keys = [{}]\n",
                person.subject.sub(),
                person.name,
                list(&person.ssh_keys)
            );
        }
        text
    }

    /// All files by path, `users.toml` among them.
    pub fn all_files(&self) -> BTreeMap<String, String> {
        let mut files = self.files.clone();
        files.insert(USERS.to_owned(), self.users_toml());
        files
    }

    /// The hash over all files: [`hash_of`].
    pub fn hash(&self) -> Digest {
        hash_of(&self.all_files())
    }
}

/// SHA-256 over files in the order of their paths; of each the length of the path in bytes and of its text, as decimal
/// lines, then both.
pub fn hash_of(files: &BTreeMap<String, String>) -> Digest {
    let mut bytes = Vec::new();
    for (path, text) in files {
        bytes.extend(format!("{}\n{}\n", path.len(), text.len()).bytes());
        bytes.extend(path.bytes());
        bytes.extend(text.bytes());
    }
    sha256(&bytes)
}

fn list(items: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let quoted: Vec<String> = items.into_iter().map(|item| format!("\"{item}\"")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str, name: &str, groups: &[&str]) -> PersonListed {
        PersonListed {
            subject: format!("local/{id}").parse().unwrap(),
            name: name.parse().unwrap(),
            groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
            ssh_keys: vec!["ssh-ed25519 AAAA".to_owned()],
        }
    }

    #[test]
    fn entries_add_up_and_have_one_form() {
        let mut bundle = Bundle::empty();
        let (alice, bob) = (ActorRef::from_bytes([2; 16]), ActorRef::from_bytes([1; 16]));
        bundle.apply(bob, &person("u-2", "bob", &[]).into());
        bundle.apply(alice, &person("u-1", "alice", &["sre", "dev"]).into());
        assert_eq!(
            bundle.users_toml(),
            "zone = \"UTC\"\n\n\
             [[person]]\nid = \"u-1\"\nname = \"alice\"\ngroups = [\"dev\", \"sre\"]\n\
             ssh_keys = [\"ssh-ed25519 AAAA\"]\n\n\
             [[person]]\nid = \"u-2\"\nname = \"bob\"\ngroups = []\nssh_keys = [\"ssh-ed25519 AAAA\"]\n"
        );
        let both = bundle.hash();
        bundle.apply(bob, &jit_ca_core::event::PersonRemoved { actor: bob }.into());
        assert_ne!(bundle.hash(), both);
        bundle.apply(bob, &person("u-2", "bob", &[]).into());
        assert_eq!(bundle.hash(), both);
    }
}
