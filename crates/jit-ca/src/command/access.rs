//! `roles`, `request`, `requests`, `cancel`.

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{Request, RequestCall, RequestStatus, Role, StateFilter};
use jit_ca_core::workflow::GrantState;
use jit_ca_core::{HostName, RoleName, Text};

use crate::cli::{RequestCommand, WishArgs};
use crate::command::{Context, request_named};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::printer::{fields, join, table};
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
    let wish = wish(arguments.role, arguments.hosts, &arguments.wish)?;
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

pub(super) fn requests(context: &Context, mine: bool, status: Option<RequestStatus>) -> Result<()> {
    let ca = context.ca()?;
    let requests = ca.client.requests(&StateFilter { status, mine })?;
    context.printer.data(&requests, |requests| requests_table(requests));
    Ok(())
}

pub(super) fn cancel(context: &Context, id: &str) -> Result<()> {
    let ca = context.ca()?;
    let request = request_named(&ca, id)?;
    let request = ca.client.cancel(&request.id, &IdempotencyKey::random()?)?;
    context.printer.data(&request, request_fields);
    Ok(())
}

/// A wish for a role, with the reason asked for if it was not given.
pub(super) fn wish(role: RoleName, hosts: Vec<HostName>, wish: &WishArgs) -> Result<RequestCall> {
    let reason: Text = match &wish.reason {
        Some(reason) => reason.clone(),
        None => {
            let answer = terminal::ask(
                &format!("reason for {role}: "),
                "a reason",
                "say why: --reason \"INC-42\"",
            )?;
            answer.parse().map_err(Error::Value)?
        }
    };
    Ok(RequestCall { role, hosts, duration: wish.duration, reason, ticket: wish.ticket.clone() })
}

pub(super) fn requests_table(requests: &[Request]) -> String {
    let rows: Vec<[String; 7]> = requests
        .iter()
        .map(|request| {
            let until = match &request.grant {
                Some(grant) => format!("until {}", grant.window.end()),
                None => format!("for {}", request.duration),
            };
            let status = match &request.grant {
                Some(grant) => state(grant.state).to_owned(),
                None => request.status.to_string(),
            };
            [
                request.id.to_string(),
                status,
                request.name.to_string(),
                request.role.to_string(),
                request.hosts.to_string(),
                until,
                request.reason.to_string(),
            ]
        })
        .collect();
    match rows.is_empty() {
        true => "there are no requests".to_owned(),
        false => table(["id", "status", "who", "role", "hosts", "how long", "reason"], &rows),
    }
}

pub(super) fn request_fields(request: &Request) -> String {
    let approvals = request.approvals.iter().map(|approval| wait::approver(&approval.by));
    let approvers = match request.status {
        RequestStatus::Pending => join(&request.approvers),
        _ => String::new(),
    };
    let ticket = request.ticket.as_ref().map(ToString::to_string);
    let denied = request.denied.as_ref().map(|denial| wait::approver(&denial.by));
    let grant = request.grant.as_ref();
    let rows = grant.map_or(&request.rows, |grant| &grant.rows);
    let mut lines = vec![
        ("request", request.id.to_string()),
        ("status", request.status.to_string()),
        ("subject", format!("{} ({})", request.subject, request.name)),
        ("role", request.role.to_string()),
    ];
    lines.extend(rows.iter().map(|row| ("row", row.to_string())));
    lines.extend([
        ("hosts", request.hosts.to_string()),
        ("duration", request.duration.to_string()),
        ("reason", request.reason.to_string()),
        ("ticket", ticket.unwrap_or_default()),
        ("approved by", join(approvals)),
        ("denied by", denied.unwrap_or_default()),
        ("can approve", approvers),
        ("grant", grant.map(|grant| grant.id.to_string()).unwrap_or_default()),
        ("window", grant.map(|grant| grant.window.to_string()).unwrap_or_default()),
        ("state", grant.map(|grant| state(grant.state).to_owned()).unwrap_or_default()),
    ]);
    fields(&lines)
}

/// How a grant stands, in a word.
pub(super) fn state(state: GrantState) -> &'static str {
    match state {
        GrantState::Waiting => "waiting",
        GrantState::Active => "active",
        GrantState::Ended => "ended",
    }
}

fn role_fields(role: &Role) -> String {
    let approval = match (role.approved_by_rule, role.approvals) {
        (true, _) => "by rule, at once".to_owned(),
        (false, 0) => "not needed".to_owned(),
        (false, count) => format!("{count} of {}", join(&role.approvers)),
    };
    let mfa = role.mfa_max_age.map(|age| format!("a code of the last {age}"));
    let ticket = if role.ticket_required { "needed" } else { "" };
    let mut lines = vec![
        ("role", role.name.to_string()),
        ("what for", role.description.clone()),
        ("how long", format!("{}, at most {}", role.default, role.longest)),
        ("approval", approval),
        ("second factor", mfa.unwrap_or_default()),
        ("ticket", ticket.to_owned()),
    ];
    lines.extend(role.rows.iter().map(|row| ("row", row.to_string())));
    fields(&lines)
}
