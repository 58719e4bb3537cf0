//! What differs between two policies: who gains and who loses what, and every change of roles, people and rules.
//!
//! Access is compared by asking both policies the same questions, about everybody, each action and each role. Rules'
//! conditions are sampled for that (`reach.rs`), so their texts are compared as well, and so are the files: a
//! change that no question brought out is told all the same.

mod access;
mod files;
mod people;
mod roles;
mod rules;

use serde::Serialize;

pub use self::access::{AccessChange, Way};
pub use self::files::{CaseChange, FileChange};
pub use self::people::{GroupChange, PeopleChanges, Renamed};
pub use self::roles::{RoleChange, Setting};
pub use self::rules::{RuleChange, RuleText};
use crate::reach::{Sampled, Side};
use crate::{Bundle, Faults};

/// Everything in which two policies differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Who gains and who loses what.
    pub access: Vec<AccessChange>,
    /// What roles require and give.
    pub roles: Vec<RoleChange>,
    /// Who there is, and in which groups.
    pub people: PeopleChanges,
    /// Rules, by their ids and texts.
    pub rules: Vec<RuleChange>,
    /// The zone in which rules read weekday and minute.
    pub zone: Option<Setting>,
    /// The policies' own tests.
    pub cases: Vec<CaseChange>,
    /// Every file that is not the same to the letter.
    pub files: Vec<FileChange>,
    /// How access was compared.
    pub asked: Sampled,
}

impl Diff {
    /// Whether the policies are the same, file by file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// What differs between `old` and `new`.
///
/// # Errors
/// If the rules can't be asked, which is a fault of this crate's.
pub fn diff(old: &Bundle, new: &Bundle) -> Result<Diff, Faults> {
    let side = |bundle| Side::new(bundle).map_err(|error| Faults::of_engine(error.as_ref()));
    let sides = [side(old)?, side(new)?];
    let (access, asked) =
        access::changes(&sides).map_err(|error| Faults::of_engine(error.as_ref()))?;
    let zones = [old.zone_name(), new.zone_name()].map(ToOwned::to_owned);
    let [was, now] = zones;
    let zone =
        (was != now).then(|| Setting { what: "zone".to_owned(), was: Some(was), now: Some(now) });
    Ok(Diff {
        access,
        roles: roles::changes(old, new),
        people: people::changes(old, new),
        rules: rules::changes(old, new),
        zone,
        cases: files::cases(old, new),
        files: files::changes(old, new),
        asked,
    })
}
