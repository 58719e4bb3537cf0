//! `roles`, `request` and `cancel`.

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{RequestCall, RequestStatus, Role};
use jit_ca_core::{HostName, KeyType, RoleName, Text};

use crate::cli::{RequestCommand, WishArgs};
use crate::command::Context;
use crate::command::shown::request_fields;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::named;
use crate::printer::{fields, join};
use crate::terminal;
use crate::wait;

pub(super) fn roles(context: &Context) -> Result<()> {
    let roles = context.ca()?.client.roles()?;
    context.printer.data(&roles, |roles| {
        let texts: Vec<String> = roles.iter().map(role_fields).collect();
        match texts.is_empty() {
            true => "there is no role that you may ask for".to_owned(),
            false => texts.join("\n\n"),
        }
    });
    Ok(())
}

pub(super) fn request(context: &Context, arguments: RequestCommand) -> Result<Exit> {
    let ca = context.ca()?;
    let mut wish = wish(arguments.role, arguments.hosts, &arguments.wish)?;
    wish.start = arguments.at.map(|at| at.time(context.now));
    let request = ca.client.request(&wish, &IdempotencyKey::random()?)?;
    let is_pending = request.status == RequestStatus::Pending;
    if arguments.no_wait && is_pending {
        context.printer.data(&request, request_fields);
        return Ok(Exit::Pending);
    }
    let request = wait::until_granted(&context.printer, &ca.client, request)?;
    context.printer.data(&request, request_fields);
    Ok(Exit::Done)
}

pub(super) fn cancel(context: &Context, id: &str) -> Result<()> {
    let ca = context.ca()?;
    let request = named::request(&ca, id)?;
    let request = ca.client.cancel(&request.id, &IdempotencyKey::random()?)?;
    context.printer.data(&request, request_fields);
    Ok(())
}

/// A wish for a role, with the reason asked for if it was not given.
pub(super) fn wish(role: RoleName, hosts: Vec<HostName>, wish: &WishArgs) -> Result<RequestCall> {
    let reason = reason(role.as_str(), wish)?;
    let (duration, ticket) = (wish.duration, wish.ticket.clone());
    Ok(RequestCall { role, hosts, duration, start: None, reason, ticket })
}

/// The reason, which is asked for if it was not given.
pub(super) fn reason(what: &str, wish: &WishArgs) -> Result<Text> {
    match &wish.reason {
        Some(reason) => Ok(reason.clone()),
        None => {
            let hint = "say why: --reason \"INC-42\"";
            let answer = terminal::ask(&format!("reason for {what}: "), "a reason", hint)?;
            answer.parse().map_err(Error::Value)
        }
    }
}

fn role_fields(role: &Role) -> String {
    let approval = match role.approved_by_rule {
        true => "by rule, at once".to_owned(),
        false => join(&role.approvals),
    };
    let mfa = role.mfa_max_age.map(|age| format!("a code of the last {age}"));
    let starts = role.start_within.map(|within| format!("with its first use, within {within}"));
    let certificates = role.certificate_max.map(|longest| format!("of {longest}, renewed"));
    let is_usual = role.keys.iter().eq(&KeyType::USUAL);
    let keys = role.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let emergency = role.break_glass.map(|longest| format!("at once, for {longest} at most"));
    let ticket = role.ticket.as_ref().map(|pattern| format!("needed, as {pattern}"));
    let mut lines = vec![
        ("role", role.name.to_string()),
        ("what for", role.description.clone()),
        ("how long", format!("{}, at most {}", role.default, role.longest)),
        ("starts", starts.unwrap_or_default()),
        ("certificates", certificates.unwrap_or_default()),
        ("keys", if is_usual { String::new() } else { keys }),
        ("approval", approval),
        ("emergency", emergency.unwrap_or_default()),
        ("second factor", mfa.unwrap_or_default()),
        ("ticket", ticket.unwrap_or_default()),
    ];
    lines.extend(role.rows.iter().map(|row| ("row", row.to_string())));
    fields(&lines)
}
