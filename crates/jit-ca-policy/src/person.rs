//! People: `users.toml`, the embedded default of who there is, and whom issuers vouch for.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jit_ca_core::{GroupName, PersonName, SubjectId, SubjectKind, ValueError};

use crate::SshKey;
use crate::fault::Page;
use crate::section::{At, Section};

/// Somebody whom `users.toml` names, or a subject for whom an issuer vouches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who it is, for good: `local/` and the file's `id`, or the issuer and that issuer's; never given to anybody else.
    pub id: SubjectId,
    /// What the person is called; may change.
    pub name: PersonName,
    /// Whether it is a person at all.
    pub kind: SubjectKind,
    /// The groups that the person is in.
    pub groups: BTreeSet<GroupName>,
    /// The keys that the person logs in and approves with. Without any, nobody of the file can log in.
    pub ssh_keys: Vec<SshKey>,
}

/// What `users.toml` says.
#[derive(Clone, Debug)]
pub(crate) struct People {
    /// The zone in which rules read the weekday and the minute of the day.
    pub(crate) zone: TimeZone,
    /// Whether the file was read without a fault, so that a name that is not here is nobody's.
    pub(crate) complete: bool,
    people: BTreeMap<SubjectId, Person>,
    names: BTreeMap<PersonName, SubjectId>,
    keys: BTreeMap<SshKey, SubjectId>,
}

impl Default for People {
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            complete: false,
            people: BTreeMap::new(),
            names: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }
}

impl People {
    pub(crate) fn read(page: Page<'_>) -> Self {
        let faults = page.report.count();
        let mut people = Self::default();
        if let Some(mut top) = Section::parse(page) {
            if let Some(name) = top.string("zone") {
                people.zone = zone(page, &name);
            }
            for section in top.sections("person") {
                if let Some(draft) = Draft::read(section) {
                    people.add(page, draft);
                }
            }
            top.finish();
        }
        people.complete = page.report.count() == faults;
        people
    }

    /// One id, one name and one key each stand for one person.
    fn add(&mut self, page: Page<'_>, draft: Draft) {
        let Draft { id, name, groups, ssh_keys } = draft;
        if let Some(other) = self.people.get(&id.value) {
            let message = format!("the id {} is {}'s", id.value.sub(), other.name);
            let hint = "give everybody an id that nobody has had; the log knows people by it";
            page.fault(id.at, message, hint);
            return;
        }
        if self.names.insert(name.value.clone(), id.value.clone()).is_some() {
            let message = format!("two people are called {}", name.value);
            page.fault(name.at, message, "give each a name of their own");
        }
        for key in &ssh_keys {
            let other = self.keys.insert(key.value.clone(), id.value.clone());
            if let Some(other) = other.and_then(|other| self.people.get(&other)) {
                let message = format!("this key is {}'s as well", other.name);
                let hint = "a key stands for one person; make another with ssh-keygen -t ed25519";
                page.fault(key.at, message, hint);
            }
        }
        let person = Person {
            id: id.value,
            name: name.value,
            kind: SubjectKind::Person,
            groups,
            ssh_keys: ssh_keys.into_iter().map(|key| key.value).collect(),
        };
        self.people.insert(person.id.clone(), person);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Person> {
        self.people.values()
    }

    pub(crate) fn by_id(&self, id: &SubjectId) -> Option<&Person> {
        self.people.get(id)
    }

    pub(crate) fn by_name(&self, name: &PersonName) -> Option<&Person> {
        self.by_id(self.names.get(name)?)
    }

    pub(crate) fn by_key(&self, key: &SshKey) -> Option<&Person> {
        self.by_id(self.keys.get(key)?)
    }

    /// Those who are in at least one of the groups.
    pub(crate) fn members<'a>(
        &'a self,
        groups: &'a BTreeSet<GroupName>,
    ) -> impl Iterator<Item = &'a Person> {
        self.iter().filter(|person| !person.groups.is_disjoint(groups))
    }
}

fn zone(page: Page<'_>, name: &At<String>) -> TimeZone {
    // Compiled in: which rule applies must not depend on the machine's zone files.
    match TimeZoneDatabase::bundled().get(&name.value) {
        Ok(zone) => zone,
        Err(_) => {
            let message = format!("{:?} is not a time zone", name.value);
            page.fault(name.at, message, "write a name such as UTC or Europe/Berlin");
            TimeZone::UTC
        }
    }
}

struct Draft {
    id: At<SubjectId>,
    name: At<PersonName>,
    groups: BTreeSet<GroupName>,
    ssh_keys: Vec<At<SshKey>>,
}

impl Draft {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let id = section.require::<LocalId>("id", r#"id = "u-1001", never used for anybody else"#);
        let name = section.require::<PersonName>("name", r#"name = "alice""#);
        if let Some(name) = name.as_ref().filter(|name| name.value.issuer().is_some()) {
            let message = format!("{} is called as if an issuer vouched", name.value);
            section.fault(name.at, message, "leave the '@' out");
        }
        let groups = section.items::<GroupName>("groups");
        let ssh_keys = section.items::<SshKey>("ssh_keys");
        section.finish();
        let groups = groups.into_iter().flat_map(|groups| groups.value);
        let id = id?;
        Some(Self {
            id: At { value: id.value.0, at: id.at },
            name: name?,
            groups: groups.map(|group| group.value).collect(),
            ssh_keys: ssh_keys.map_or_else(Vec::new, |keys| keys.value),
        })
    }
}

/// The `id` of the file, which becomes `local/<id>`.
#[derive(PartialEq)]
struct LocalId(SubjectId);

impl FromStr for LocalId {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || ValueError {
            kind: "person's id",
            given: text.chars().take(80).collect(),
            expected: "use a-z, 0-9, '-', '_', '.', such as u-1001, at most 63",
        };
        let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
        if text.is_empty() || text.len() > 63 || !text.bytes().all(ok) {
            return Err(fault());
        }
        let id = format!("{}/{text}", SubjectId::LOCAL);
        id.parse().map(Self).map_err(|_| fault())
    }
}
