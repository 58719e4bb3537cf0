//! Who gains and who loses what.

use std::collections::BTreeMap;

use jit_ca_core::{Action, RoleName, SubjectId};
use serde::Serialize;

use crate::access::Holding;
use crate::engine::Unasked;
use crate::reach::{Crowd, Deed, Kind, Sampled, Side, Survey, survey};

/// Some people may do more, less or otherwise than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccessChange {
    /// In which way it changes.
    pub way: Way,
    /// For whom; by the groups of the old policy if they lose it, and of the new one otherwise.
    pub people: Crowd,
    /// What is done.
    pub action: Action,
    /// With which roles; none where the action concerns none.
    pub roles: Vec<RoleName>,
    /// What was allowed.
    pub was: Option<Holding>,
    /// What is allowed.
    pub now: Option<Holding>,
}

/// In which way access changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Not allowed before, allowed now.
    Gains,
    /// Allowed before, not now.
    Loses,
    /// Allowed in more situations than before.
    Wider,
    /// Allowed in fewer situations than before.
    Narrower,
    /// Allowed in some situations where it was not, and not in some where it was.
    Moved,
    /// Allowed as before, by other rules.
    OtherRules,
}

/// What all people with the same change have in common.
type Change = (Way, Action, Option<Holding>, Option<Holding>);

/// Everybody's changes, with those people and those roles together that share one.
pub(super) fn changes(sides: &[Side<'_>; 2]) -> Result<(Vec<AccessChange>, Sampled), Unasked> {
    let [old, new] = sides;
    let mut sampled = Sampled::default();
    let mut changes: BTreeMap<(Change, Crowd), Vec<RoleName>> = BTreeMap::new();
    for deed in Deed::all(&[old.bundle, new.bundle]) {
        let survey = survey(sides, &deed, None)?;
        sampled.add(&survey);
        let mut of_deed: BTreeMap<Change, Vec<&SubjectId>> = BTreeMap::new();
        for kind in &survey.kinds {
            if let Some(change) = change(sides, &survey, kind) {
                of_deed.entry(change).or_default().extend(&kind.people);
            }
        }
        for (change, people) in of_deed {
            let groups = if change.0 == Way::Loses { &old.groups } else { &new.groups };
            let key = (change, groups.name(people));
            changes.entry(key).or_default().extend(deed.role.clone());
        }
    }
    let changes = changes.into_iter().map(|(((way, action, was, now), people), roles)| {
        AccessChange { way, people, action, roles, was, now }
    });
    Ok((changes.collect(), sampled))
}

/// What changes for one kind of people.
fn change(sides: &[Side<'_>; 2], survey: &Survey, kind: &Kind) -> Option<Change> {
    let [old, new] = sides;
    let [before, after] = kind.verdicts.as_slice() else {
        return None;
    };
    // A situation that only one of the roles leaves room for is a change of the role, and told there.
    let both = before.allowed.iter().zip(&after.allowed);
    let both: Vec<(bool, bool)> = both.filter_map(|(was, now)| (*was).zip(*now)).collect();
    let way = match (before.is_never(), after.is_never()) {
        (true, true) => return None,
        (true, false) => Way::Gains,
        (false, true) => Way::Loses,
        (false, false) => match (both.contains(&(false, true)), both.contains(&(true, false))) {
            (true, true) => Way::Moved,
            (true, false) => Way::Wider,
            (false, true) => Way::Narrower,
            (false, false) if before.permits != after.permits => Way::OtherRules,
            (false, false) => return None,
        },
    };
    let holding = |side, which| Holding::of(survey, kind, side, which);
    Some((way, survey.deed.action, holding(old, 0), holding(new, 1)))
}
