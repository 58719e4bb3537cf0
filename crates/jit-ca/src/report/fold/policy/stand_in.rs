//! Somebody unknown, for each person of a bundle who has been erased.
//!
//! A rule may be about a group that they alone were in, a role may need as many approvers as there were with them, and
//! a bundle of which that is no longer so can't be read at all. So somebody without a key stands in for each of them,
//! in all groups that the files could mean. What the rules say of everybody else is as it was.

use std::collections::BTreeSet;

use jit_ca_core::event::PersonListed;
use jit_ca_core::{GroupName, SubjectId};
use jit_ca_log::Bundle;

/// Who stands in for the erased.
#[derive(Debug, Default)]
pub(super) struct StandIns(BTreeSet<SubjectId>);

impl StandIns {
    /// Adds them to a bundle in which so many people are missing.
    pub(super) fn add(bundle: &mut Bundle, missing: usize) -> Self {
        // Whatever stands in quotes and could be a group's name; one too many says nothing of anybody.
        let quoted = bundle.files.values().flat_map(|text| text.split('"'));
        let groups: BTreeSet<GroupName> = quoted.filter_map(|text| text.parse().ok()).collect();
        // Nobody who is there is called so: they would be hidden.
        let is_free = |text: &String| {
            let mut people = bundle.people.values();
            !people.any(|person| person.subject.sub() == text || person.name.as_str() == text)
        };
        let free = (1_u64..).map(|number| format!("erased.{number}")).filter(is_free);
        let person = |text: String| {
            let subject = format!("{}/{text}", SubjectId::LOCAL).parse().ok()?;
            let (groups, ssh_keys) = (groups.clone(), Vec::new());
            Some(PersonListed { subject, name: text.parse().ok()?, groups, ssh_keys })
        };
        let people: Vec<PersonListed> = free.take(missing).filter_map(person).collect();
        let subjects = people.iter().map(|person| person.subject.clone()).collect();
        bundle.people.extend(people.into_iter().map(|person| (person.subject.clone(), person)));
        Self(subjects)
    }

    /// Whether it is one of them, and nobody who was there.
    pub(super) fn include(&self, subject: &SubjectId) -> bool {
        self.0.contains(subject)
    }
}
