//! `policy who-can` and `policy what-can`: the policy read the other way round.

use jit_ca_core::{Action, RoleName};
use jit_ca_policy::{
    Access, Bundle, Deed, Holding, Reach, Sampled, concerns_a_role, what_can, who_can,
};

use super::person;
use crate::command::Context;
use crate::error::{Error, Result};
use crate::printer::join;

pub(super) fn who_can_do(
    context: &Context,
    bundle: &Bundle,
    action: Action,
    role: Option<RoleName>,
) -> Result<()> {
    let name_it = format!("name it: jit-ca policy who-can DIR ROLE --action {action}");
    let leave_it = format!("leave it out: jit-ca policy who-can DIR --action {action}");
    must_fit(bundle, action, role.as_ref(), &name_it, &leave_it)?;
    let reach = who_can(bundle, &Deed { action, role }).map_err(|faults| super::fault(&faults))?;
    print(context, &reach, "nobody", |Access { people, .. }| people.to_string());
    Ok(())
}

/// A role of the policy is named if and only if the action concerns one.
pub(super) fn must_fit(
    bundle: &Bundle,
    action: Action,
    role: Option<&RoleName>,
    name_it: &str,
    leave_it: &str,
) -> Result<()> {
    match (role, concerns_a_role(action)) {
        (None, true) => Err(Error::usage(format!("`{action}` concerns a role"), name_it)),
        (Some(_), false) => Err(Error::usage(format!("`{action}` concerns no role"), leave_it)),
        (Some(role), true) if bundle.role(role).is_none() => {
            let names = join(bundle.roles().map(|role| &role.name));
            let hint = format!("its roles are {names}");
            Err(Error::usage(format!("the policy has no role {role}"), hint))
        }
        _ => Ok(()),
    }
}

pub(super) fn what_somebody_can(context: &Context, bundle: &Bundle, subject: &str) -> Result<()> {
    let subject = person(bundle, subject)?;
    let reach = what_can(bundle, &subject).map_err(|faults| super::fault(&faults))?;
    let count = bundle.roles().count();
    print(context, &reach, "nothing", |Access { action, roles, .. }| {
        format!("{action}{}", on(roles, count))
    });
    Ok(())
}

/// Each under its heading; and where not all was asked.
fn print(context: &Context, reach: &Reach, none: &str, heading: impl Fn(&Access) -> String) {
    context.printer.data(reach, |Reach { access, asked }| {
        let lines =
            access.iter().map(|one| format!("{}\n{}", heading(one), indented(&one.holding)));
        let mut text = lines.collect::<Vec<_>>().join("\n");
        if text.is_empty() {
            none.clone_into(&mut text);
        }
        text.extend(caveat(asked).map(|caveat| format!("\n\n{caveat}")));
        text
    });
}

/// What may be otherwise, as not all combinations of facts were asked about.
pub(super) fn caveat(asked: &Sampled) -> Option<String> {
    let deeds = asked.in_pairs.iter();
    let deeds = deeds.map(|deed| format!("{}{}", deed.action, on(deed.role.as_slice(), 0)));
    (!asked.in_pairs.is_empty()).then(|| {
        format!(
            "Rules look at so many facts here that these were combined two by two, and as each rule wants them: {}.",
            join(deeds)
        )
    })
}

/// With which roles, of so many; nothing where the action concerns none.
pub(super) fn on(roles: &[RoleName], of: usize) -> String {
    match roles.len() {
        0 => String::new(),
        1 => format!(" {}", join(roles)),
        count if count == of => format!(" every role ({count})"),
        count => format!(" {count} roles: {}", join(roles)),
    }
}

/// When, and by which rules.
pub(super) fn indented(holding: &Holding) -> String {
    let Holding { when, rules, stopped_by } = holding;
    let mut text = format!("  {when}, by {}", join(rules));
    if !stopped_by.is_empty() {
        text.push_str(&format!("; otherwise stopped by {}", join(stopped_by)));
    }
    text
}
