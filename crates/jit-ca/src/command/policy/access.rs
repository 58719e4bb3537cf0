//! `policy who-can` and `policy what-can`: the policy read the other way round.

use jit_ca_core::{Action, RoleName};
use jit_ca_policy::{Access, Bundle, Deed, Holding, concerns_a_role, what_can, who_can};

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
    match (&role, concerns_a_role(action)) {
        (None, true) => {
            let hint = format!("name it: jit-ca policy who-can DIR ROLE --action {action}");
            return Err(Error::usage(format!("`{action}` concerns a role"), hint));
        }
        (Some(role), false) => {
            let hint = format!("leave {role} out: jit-ca policy who-can DIR --action {action}");
            return Err(Error::usage(format!("`{action}` concerns no role"), hint));
        }
        (Some(role), true) if bundle.role(role).is_none() => {
            let names = join(bundle.roles().map(|role| &role.name));
            let hint = format!("its roles are {names}");
            return Err(Error::usage(format!("the policy has no role {role}"), hint));
        }
        _ => {}
    }
    let accesses =
        who_can(bundle, &Deed { action, role }).map_err(|faults| super::fault(&faults))?;
    context.printer.data(&accesses, |accesses| {
        if accesses.is_empty() {
            return "nobody".to_owned();
        }
        let lines = accesses.iter().map(|access| {
            let Access { people, holding, .. } = access;
            format!("{people}\n{}", indented(holding))
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

pub(super) fn what_somebody_can(context: &Context, bundle: &Bundle, subject: &str) -> Result<()> {
    let subject = person(bundle, subject)?;
    let accesses = what_can(bundle, &subject).map_err(|faults| super::fault(&faults))?;
    let count = bundle.roles().count();
    context.printer.data(&accesses, |accesses| {
        if accesses.is_empty() {
            return "nothing".to_owned();
        }
        let lines = accesses.iter().map(|access| {
            let Access { action, roles, holding, .. } = access;
            format!("{action}{}\n{}", on(roles, count), indented(holding))
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    Ok(())
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
