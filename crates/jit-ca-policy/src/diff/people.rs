//! Who there is, and in which groups.

use std::collections::{BTreeMap, BTreeSet};

use jit_ca_core::{GroupName, PersonName, SubjectId};
use serde::Serialize;

use crate::{Bundle, Person};

/// What changes of people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PeopleChanges {
    /// Those who are new.
    pub added: Vec<PersonName>,
    /// Those who are gone.
    pub removed: Vec<PersonName>,
    /// Those who are called otherwise.
    pub renamed: Vec<Renamed>,
    /// Those who log in with other keys.
    pub keys: Vec<PersonName>,
    /// Who joined and who left which group; those who are new or gone included.
    pub groups: Vec<GroupChange>,
}

/// Somebody who is called otherwise than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// Who it is.
    pub id: SubjectId,
    /// The old name.
    pub was: PersonName,
    /// The new name.
    pub now: PersonName,
}

/// Who joined and who left a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupChange {
    /// Which.
    pub group: GroupName,
    /// How many are in it now.
    pub members: usize,
    /// Those who are in it now, and were not.
    pub joined: Vec<PersonName>,
    /// Those who were in it, and are not.
    pub left: Vec<PersonName>,
}

impl PeopleChanges {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

pub(super) fn changes(old: &Bundle, new: &Bundle) -> PeopleChanges {
    let mut changes = PeopleChanges::default();
    let mut joined: BTreeMap<&GroupName, BTreeSet<&PersonName>> = BTreeMap::new();
    let mut left = joined.clone();
    let ids: BTreeSet<&SubjectId> =
        old.people().chain(new.people()).map(|person| &person.id).collect();
    for id in ids {
        let (was, now) = (old.person(id), new.person(id));
        match (was, now) {
            (None, Some(now)) => changes.added.push(now.name.clone()),
            (Some(was), None) => changes.removed.push(was.name.clone()),
            (Some(was), Some(now)) => {
                if was.name != now.name {
                    let (was, now) = (was.name.clone(), now.name.clone());
                    changes.renamed.push(Renamed { id: id.clone(), was, now });
                }
                if was.ssh_keys != now.ssh_keys {
                    changes.keys.push(now.name.clone());
                }
            }
            (None, None) => {}
        }
        for (person, other, which) in [(now, was, &mut joined), (was, now, &mut left)] {
            let not_in = |group: &&GroupName| {
                other.is_none_or(|other: &Person| !other.groups.contains(*group))
            };
            for group in person.iter().flat_map(|person| &person.groups).filter(not_in) {
                which.entry(group).or_default().extend(person.map(|person| &person.name));
            }
        }
    }
    let groups: BTreeSet<&GroupName> = joined.keys().chain(left.keys()).copied().collect();
    let names = |of: &BTreeMap<&GroupName, BTreeSet<&PersonName>>, group| {
        of.get(group).into_iter().flatten().map(|name| (*name).clone()).collect()
    };
    let groups = groups.into_iter().map(|group| GroupChange {
        group: group.clone(),
        members: new.people().filter(|person| person.groups.contains(group)).count(),
        joined: names(&joined, group),
        left: names(&left, group),
    });
    changes.groups = groups.collect();
    changes
}
