//! What roles require and give.

use std::collections::{BTreeMap, BTreeSet};

use jit_ca_core::{GroupName, RoleName};
use serde::Serialize;

use crate::{BreakGlass, Bundle, Limits, Role, Starts};

/// A role that was added, removed or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoleChange {
    /// Which.
    pub role: RoleName,
    /// What it requires and gives, as far as it differs: all of it where the role is new or gone.
    pub settings: Vec<Setting>,
    /// Whether it was there.
    pub was_there: bool,
    /// Whether it is there.
    pub is_there: bool,
}

/// Something that has a value, or had one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// What it is.
    pub what: String,
    /// Its value before.
    pub was: Option<String>,
    /// Its value now.
    pub now: Option<String>,
}

pub(super) fn changes(old: &Bundle, new: &Bundle) -> Vec<RoleChange> {
    let names: BTreeSet<&RoleName> =
        old.roles().chain(new.roles()).map(|role| &role.name).collect();
    let changes = names.into_iter().filter_map(|name| {
        let (before, after) = (old.role(name), new.role(name));
        let settings = differing(before.map(settings), after.map(settings));
        (!settings.is_empty()).then(|| RoleChange {
            role: name.clone(),
            settings,
            was_there: before.is_some(),
            is_there: after.is_some(),
        })
    });
    changes.collect()
}

fn differing(
    before: Option<BTreeMap<String, String>>,
    after: Option<BTreeMap<String, String>>,
) -> Vec<Setting> {
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let settings = all.into_iter().map(|what| Setting {
        what: what.clone(),
        was: before.get(what).cloned(),
        now: after.get(what).cloned(),
    });
    settings.filter(|setting| setting.was != setting.now).collect()
}

/// All that a role says, in words. No field is left out: a role that gets another one has to say it here.
fn settings(role: &Role) -> BTreeMap<String, String> {
    let Role {
        name: _,
        description,
        rows,
        longest,
        default,
        pending_for,
        starts,
        schedule_ahead,
        certificate_max,
        keys,
        approvals,
        mfa_max_age,
        ticket,
        break_glass,
        limits: Limits { grants_per_day, certificates },
    } = role;
    let quorums: Vec<String> = approvals.iter().map(ToString::to_string).collect();
    let mut settings = BTreeMap::new();
    let mut say = |what: &str, value: String| _ = settings.insert(what.to_owned(), value);
    say("description", description.to_string());
    say("longest", longest.to_string());
    say("default", default.to_string());
    say("pending_for", pending_for.to_string());
    say("schedule_ahead", schedule_ahead.to_string());
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    say("approvals", quorums.join("; "));
    say("keys", keys.join(", "));
    match starts {
        Starts::AtApproval => {}
        Starts::AtFirstUse { within } => say("start", format!("first-use, within {within}")),
    }
    if let Some(most) = certificate_max {
        say("certificate_max", most.to_string());
    }
    if let Some(age) = mfa_max_age {
        say("mfa max_age", age.to_string());
    }
    if let Some(pattern) = ticket {
        say("ticket", pattern.to_string());
    }
    if let Some(BreakGlass { longest, tell, at: _ }) = break_glass {
        let tell: Vec<&str> = tell.iter().map(GroupName::as_str).collect();
        say("break_glass longest", longest.to_string());
        say("break_glass tell", tell.join(", "));
    }
    if let Some(most) = grants_per_day {
        say("limits grants_per_day", most.to_string());
    }
    if let Some(most) = certificates {
        say("limits certificates", most.to_string());
    }
    settings.extend(rows.iter().map(|row| (format!("row {}", row.name()), row.to_string())));
    settings
}
