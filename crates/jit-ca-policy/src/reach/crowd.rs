//! People, named so that five hundred of them can be read: by groups as far as these go.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jit_ca_core::{GroupName, PersonName, SubjectId};
use serde::Serialize;

use crate::Bundle;

/// Some people of a bundle. Text names groups; `ids` has each of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Crowd {
    /// Whether `groups` and `people` are those of whom it is not: everybody else is meant.
    pub everybody_but: bool,
    /// Groups of which all or nearly all are named.
    pub groups: Vec<GroupShare>,
    /// Those who are named and whom no group stands for.
    pub people: Vec<PersonName>,
    /// All who are meant.
    pub ids: Vec<SubjectId>,
}

/// A group, and who of it is not meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct GroupShare {
    /// The group.
    pub group: GroupName,
    /// How many are in it.
    pub members: usize,
    /// Those of them who are not meant.
    pub but: Vec<PersonName>,
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { everybody_but, groups, people, ids } = self;
        let names = groups.iter().map(ToString::to_string);
        let names = names.chain(people.iter().map(ToString::to_string));
        let names = names.collect::<Vec<_>>().join(", ");
        match (everybody_but, ids.len()) {
            (false, 0) => f.write_str("nobody"),
            (false, _) => f.write_str(&names),
            (true, all) if names.is_empty() => write!(f, "everybody ({all} people)"),
            (true, all) => write!(f, "everybody but {names} ({all} people)"),
        }
    }
}

impl fmt::Display for GroupShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, members, but } = self;
        let but: Vec<&str> = but.iter().map(PersonName::as_str).collect();
        match but.len() {
            0 => write!(f, "group {group} ({members} people)"),
            some => write!(
                f,
                "group {group} ({} of {members} people: not {})",
                members - some,
                but.join(", ")
            ),
        }
    }
}

/// The groups of a bundle, each with who is in it.
pub(crate) struct Groups<'b> {
    bundle: &'b Bundle,
    members: BTreeMap<&'b GroupName, BTreeSet<&'b SubjectId>>,
}

impl<'b> Groups<'b> {
    pub(crate) fn of(bundle: &'b Bundle) -> Self {
        let mut members: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for person in bundle.people() {
            for group in &person.groups {
                members.entry(group).or_default().insert(&person.id);
            }
        }
        Self { bundle, members }
    }

    /// The people, by the largest groups that they fill; who is left is named.
    ///
    /// Those who are not in the bundle are left out.
    pub(crate) fn name<'a>(&self, people: impl IntoIterator<Item = &'a SubjectId>) -> Crowd {
        let known = people.into_iter().filter_map(|id| self.bundle.person(id));
        let wanted: BTreeSet<&SubjectId> = known.map(|person| &person.id).collect();
        let all: BTreeSet<&SubjectId> = self.bundle.people().map(|person| &person.id).collect();
        let others: BTreeSet<&SubjectId> = all.difference(&wanted).copied().collect();
        let (mut groups, mut people) = self.parts(&wanted);
        // Of two people who are all that there are, both names are said.
        let mut everybody_but = false;
        if others.len() < wanted.len() && wanted.len() > 2 {
            let (other_groups, other_people) = self.parts(&others);
            everybody_but = other_groups.len() + other_people.len() < groups.len() + people.len();
            if everybody_but {
                (groups, people) = (other_groups, other_people);
            }
        }
        Crowd { everybody_but, groups, people, ids: wanted.into_iter().cloned().collect() }
    }

    /// The largest groups that they fill, and the names of the rest.
    fn parts(&self, wanted: &BTreeSet<&SubjectId>) -> (Vec<GroupShare>, Vec<PersonName>) {
        let mut groups = Vec::new();
        let mut left = wanted.clone();
        while let Some((group, members)) = self.best(wanted, &left) {
            left.retain(|id| !members.contains(id));
            let but = self.names(members.difference(wanted).copied());
            groups.push(GroupShare { group: group.clone(), members: members.len(), but });
        }
        (groups, self.names(left))
    }

    /// The group that stands for most of those who are left, if it stands for more than one, and for few others.
    fn best(
        &self,
        wanted: &BTreeSet<&SubjectId>,
        left: &BTreeSet<&SubjectId>,
    ) -> Option<(&GroupName, &BTreeSet<&'b SubjectId>)> {
        let stands_for = |members: &BTreeSet<&SubjectId>| {
            let others = members.difference(wanted).count();
            let new = members.intersection(left).count();
            (new > 1 && others <= MOST_OTHERS.min(members.len() / 10)).then_some((new, others))
        };
        let groups = self.members.iter();
        let groups = groups.filter_map(|(group, members)| {
            let (new, others) = stands_for(members)?;
            // The first of several that are as good, by name.
            Some(((new, std::cmp::Reverse((others, *group))), (*group, members)))
        });
        groups.max_by_key(|(good, _)| *good).map(|(_, group)| group)
    }

    fn names<'a>(&self, ids: impl IntoIterator<Item = &'a SubjectId>) -> Vec<PersonName> {
        let people = ids.into_iter().filter_map(|id| self.bundle.person(id));
        let mut names: Vec<PersonName> = people.map(|person| person.name.clone()).collect();
        names.sort();
        names
    }
}

/// More exceptions than this are harder to read than the names of the rest.
const MOST_OTHERS: usize = 3;
