//! How many people have to agree, and of which groups.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::GroupName;

/// So many people of these groups have to agree.
///
/// A request may ask for several of these. One person counts in one of them alone, however many groups they are in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// How many; at least one.
    pub count: u8,
    /// Members of any of these; never empty.
    pub from: BTreeSet<GroupName>,
    /// Whether only approvals count that the person has signed.
    pub signed: bool,
}

/// What matters of somebody who agrees.
#[derive(Clone, Copy, Debug)]
pub struct Voice<'a> {
    /// The groups that the person is in.
    pub groups: &'a BTreeSet<GroupName>,
    /// Whether the approval is signed.
    pub signed: bool,
}

impl Quorum {
    /// Whether such an approval counts here.
    pub fn hears(&self, voice: Voice<'_>) -> bool {
        (voice.signed || !self.signed) && !self.from.is_disjoint(voice.groups)
    }
}

impl fmt::Display for Quorum {
    /// `2 of sre or security, signed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<&str> = self.from.iter().map(GroupName::as_str).collect();
        let signed = if self.signed { ", signed" } else { "" };
        write!(f, "{} of {}{signed}", self.count, groups.join(" or "))
    }
}

/// How many more people have to agree, if those who do are placed as well as can be.
///
/// None is needed once each quorum is full. Somebody who would fit into two goes where nobody else does: an augmenting
/// path for each voice (Kuhn's algorithm), which is quick for the few people that approve one request.
pub fn still_needed(quorums: &[Quorum], voices: &[Voice<'_>]) -> usize {
    let seats: Vec<&Quorum> =
        quorums.iter().flat_map(|quorum| (0..quorum.count).map(move |_| quorum)).collect();
    let mut taken: Vec<Option<usize>> = vec![None; seats.len()];
    for person in 0..voices.len() {
        seat(person, voices, &seats, &mut taken, &mut BTreeSet::new());
    }
    taken.iter().filter(|seat| seat.is_none()).count()
}

/// Finds a seat for a person, moving others to other seats where that helps.
fn seat(
    person: usize,
    voices: &[Voice<'_>],
    seats: &[&Quorum],
    taken: &mut [Option<usize>],
    asked: &mut BTreeSet<usize>,
) -> bool {
    let Some(&voice) = voices.get(person) else { return false };
    for (number, quorum) in seats.iter().enumerate() {
        if !quorum.hears(voice) || !asked.insert(number) {
            continue;
        }
        let sitter = taken.get(number).copied().flatten();
        if sitter.is_none_or(|sitter| seat(sitter, voices, seats, taken, asked)) {
            if let Some(place) = taken.get_mut(number) {
                *place = Some(person);
            }
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn groups(names: &[&str]) -> BTreeSet<GroupName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn quorum(count: u8, from: &[&str]) -> Quorum {
        Quorum { count, from: groups(from), signed: false }
    }

    fn needed(quorums: &[Quorum], people: &[&[&str]]) -> usize {
        let people: Vec<_> = people.iter().map(|names| groups(names)).collect();
        let voices: Vec<_> = people.iter().map(|groups| Voice { groups, signed: false }).collect();
        still_needed(quorums, &voices)
    }

    #[test]
    fn one_person_counts_once_however_many_groups_they_are_in() {
        let both = [quorum(1, &["sre"]), quorum(1, &["security"])];
        assert_eq!(needed(&both, &[&["sre", "security"]]), 1);
        assert_eq!(needed(&both, &[&["sre", "security"], &["sre"]]), 0);
        assert_eq!(needed(&both, &[&["sre"], &["sre", "security"]]), 0);
        assert_eq!(needed(&both, &[&["sre"], &["sre"]]), 1);
        assert_eq!(needed(&[quorum(2, &["sre", "security"])], &[&["sre", "security"]]), 1);
        assert_eq!(needed(&[quorum(2, &["sre"])], &[&["sre"], &["dev"], &["sre"], &["sre"]]), 0);
    }

    #[test]
    fn where_signatures_are_asked_for_only_signed_ones_count() {
        let (quorum, groups) = (Quorum { signed: true, ..quorum(1, &["sre"]) }, groups(&["sre"]));
        for (signed, needed) in [(true, 0), (false, 1)] {
            let voice = Voice { groups: &groups, signed };
            assert_eq!(still_needed(std::slice::from_ref(&quorum), &[voice]), needed);
        }
        assert_eq!(quorum.to_string(), "1 of sre, signed");
    }

    /// Every way to place people, tried.
    fn by_trying(seats: &[&Quorum], people: &[Voice<'_>]) -> usize {
        let Some((&person, others)) = people.split_first() else { return seats.len() };
        let mut best = by_trying(seats, others);
        for (number, seat) in seats.iter().enumerate() {
            if seat.hears(person) {
                let rest = [&seats[..number], &seats[number + 1..]].concat();
                best = best.min(by_trying(&rest, others));
            }
        }
        best
    }

    proptest! {
        #[test]
        fn nobody_could_be_placed_better(
            quorums in prop::collection::vec((1u8..3, prop::collection::btree_set(0..4usize, 1..4), any::<bool>()), 1..4),
            people in prop::collection::vec((prop::collection::btree_set(0..4usize, 0..4), any::<bool>()), 0..5),
        ) {
            let named = |numbers: &BTreeSet<usize>| {
                numbers.iter().map(|number| format!("g{number}").parse().unwrap()).collect()
            };
            let quorums: Vec<Quorum> = quorums.iter()
                .map(|(count, from, signed)| Quorum { count: *count, from: named(from), signed: *signed })
                .collect();
            let people: Vec<(BTreeSet<GroupName>, bool)> =
                people.iter().map(|(groups, signed)| (named(groups), *signed)).collect();
            let voices: Vec<Voice<'_>> =
                people.iter().map(|(groups, signed)| Voice { groups, signed: *signed }).collect();
            let seats: Vec<&Quorum> =
                quorums.iter().flat_map(|quorum| (0..quorum.count).map(move |_| quorum)).collect();
            prop_assert_eq!(still_needed(&quorums, &voices), by_trying(&seats, &voices));
        }
    }
}
