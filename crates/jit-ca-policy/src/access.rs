//! Who can do something, and what somebody can: a bundle surveyed.

use std::collections::BTreeMap;

use jit_ca_core::{Action, RoleName, SubjectId};
use serde::Serialize;

use crate::reach::{Crowd, Deed, Kind, Sampled, Side, Survey, When, survey};
use crate::{Bundle, Faults};

/// A bundle, read the other way round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// Who can what.
    pub access: Vec<Access>,
    /// How that was found.
    pub asked: Sampled,
}

/// Some people may do something, at some times, by some rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Access {
    /// Who.
    pub people: Crowd,
    /// What they may do.
    pub action: Action,
    /// With which roles; none where the action concerns none.
    pub roles: Vec<RoleName>,
    /// When, and by which rules.
    #[serde(flatten)]
    pub holding: Holding,
}

/// When something is allowed, and by which rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Holding {
    /// When, as far as it was asked.
    pub when: When,
    /// The rules that permit it.
    pub rules: Vec<String>,
    /// The rules that forbid it at other times, or could not be evaluated.
    pub stopped_by: Vec<String>,
}

impl Holding {
    /// What a kind of people may on one side of a survey; `None` if nothing.
    pub(crate) fn of(survey: &Survey, kind: &Kind, side: &Side<'_>, which: usize) -> Option<Self> {
        let verdict = kind.verdicts.get(which).filter(|verdict| !verdict.is_never())?;
        Some(Self {
            when: When::of(survey, verdict, &side.groups),
            rules: verdict.permits.iter().cloned().collect(),
            stopped_by: verdict.stops.iter().cloned().collect(),
        })
    }
}

/// Who can do it, those first who can in more situations.
///
/// A second factor just given is assumed, and the role's default duration on all of its hosts where no rule looks at
/// these; a missing ticket is overlooked. Rules' conditions are sampled; what was asked says where not whole.
///
/// # Errors
/// If the rules can't be asked, which is a fault of this crate's.
pub fn who_can(bundle: &Bundle, deed: &Deed) -> Result<Reach, Faults> {
    let (sides, mut asked) = ([side(bundle)?], Sampled::default());
    let mut holdings: BTreeMap<Holding, Vec<SubjectId>> = BTreeMap::new();
    let survey = surveyed(&sides, deed, None)?;
    asked.add(&survey);
    let [side] = &sides;
    for kind in &survey.kinds {
        if let Some(holding) = Holding::of(&survey, kind, side, 0) {
            holdings.entry(holding).or_default().extend(kind.people.iter().cloned());
        }
    }
    let accesses = holdings.into_iter().map(|(holding, people)| Access {
        people: side.groups.name(&people),
        action: deed.action,
        roles: deed.role.iter().cloned().collect(),
        holding,
    });
    Ok(Reach { access: accesses.collect(), asked })
}

/// What somebody can do, by action; with all roles together for which the same holds. As [`who_can`].
///
/// # Errors
/// If the rules can't be asked, which is a fault of this crate's.
pub fn what_can(bundle: &Bundle, subject: &SubjectId) -> Result<Reach, Faults> {
    let (sides, mut asked) = ([side(bundle)?], Sampled::default());
    let [side] = &sides;
    let mut holdings: BTreeMap<(Action, Holding), Vec<RoleName>> = BTreeMap::new();
    for deed in Deed::all(&[bundle]) {
        let survey = surveyed(&sides, &deed, Some(subject))?;
        asked.add(&survey);
        for kind in &survey.kinds {
            if let Some(holding) = Holding::of(&survey, kind, side, 0) {
                holdings.entry((deed.action, holding)).or_default().extend(deed.role.clone());
            }
        }
    }
    let accesses = holdings.into_iter().map(|((action, holding), roles)| Access {
        people: side.groups.name([subject]),
        action,
        roles,
        holding,
    });
    Ok(Reach { access: accesses.collect(), asked })
}

fn surveyed(sides: &[Side<'_>], deed: &Deed, only: Option<&SubjectId>) -> Result<Survey, Faults> {
    survey(sides, deed, only).map_err(|error| Faults::of_engine(error.as_ref()))
}

fn side(bundle: &Bundle) -> Result<Side<'_>, Faults> {
    Side::new(bundle).map_err(|error| Faults::of_engine(error.as_ref()))
}
