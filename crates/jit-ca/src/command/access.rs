//! `roles`, `request`, `cancel`; and how requests are shown.

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{GrantView, Request, RequestCall, RequestStatus, Role};
use jit_ca_core::workflow::{GrantState, Over, Term};
use jit_ca_core::{HostName, KeyType, RoleName, Text};

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
    let request = request_named(&ca, id)?;
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

pub(super) fn requests_table(requests: &[Request]) -> String {
    let rows: Vec<[String; 7]> = requests
        .iter()
        .map(|request| {
            let until = match &request.grant {
                Some(grant) => until(grant),
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
    let text = |text: Option<&Text>| text.map(ToString::to_string).unwrap_or_default();
    let is_pending = request.status == RequestStatus::Pending;
    let needed = match is_pending {
        true => format!("{} more: {}", request.still_needed, join(&request.quorums)),
        false => String::new(),
    };
    let approvers = if is_pending { join(&request.approvers) } else { String::new() };
    let denied = request.denied.as_ref().map(|denial| match &denial.reason {
        Some(reason) => format!("{}: {reason}", denial.name),
        None => denial.name.to_string(),
    });
    let grant = request.grant.as_ref();
    let rows = grant.map_or(&request.rows, |grant| &grant.rows);
    let hosts = grant.map_or(&request.hosts, |grant| &grant.hosts);
    let mut lines = vec![
        ("request", request.id.to_string()),
        ("status", request.status.to_string()),
        ("subject", format!("{} ({})", request.subject, request.name)),
        ("role", request.role.to_string()),
    ];
    lines.extend(rows.iter().map(|row| ("row", row.to_string())));
    lines.extend([
        ("hosts", hosts.to_string()),
        ("duration", request.duration.to_string()),
        ("start", request.start.to_string()),
        ("extends", request.extends.map(|grant| grant.to_string()).unwrap_or_default()),
        ("reason", request.reason.to_string()),
        ("ticket", text(request.ticket.as_ref())),
        ("needed", needed),
        ("can approve", approvers),
        ("denied by", denied.unwrap_or_default()),
    ]);
    lines.extend(
        request.approvals.iter().map(|given| ("approved by", wait::approval(request, given))),
    );
    if let Some(emergency) = &request.emergency {
        let review = emergency.review.as_ref();
        let review = review.map(|review| format!("{}: {}", review.name, review.comment));
        lines.push(("emergency", format!("told: {}", join(&emergency.told))));
        lines.push(("review", review.unwrap_or_else(|| "still to be done".to_owned())));
    }
    if let Some(grant) = grant {
        lines.push(("grant", grant.id.to_string()));
        lines.push(("window", grant.window.map(|it| it.to_string()).unwrap_or_default()));
        lines.push(("state", state(grant.state).to_owned()));
        lines.push(("ended", grant.over.as_ref().map(over).unwrap_or_default()));
    }
    fields(&lines)
}

/// Until when a grant lasts, or by when it has to be used.
pub(super) fn until(grant: &GrantView) -> String {
    match grant.term {
        Term::Open(window) => format!("until {}", window.end()),
        Term::Scheduled(window) => format!("from {} to {}", window.start(), window.end()),
        Term::FirstUse { duration, by } => format!("for {duration} from first use, by {by}"),
    }
}

/// What ended a grant.
fn over(over: &Over) -> String {
    match over {
        Over::Ended { at, cause } => format!("{at}: {cause}"),
        Over::Revoked { at, name, reason, .. } => format!("{at}: revoked by {name}: {reason}"),
        Over::TakenBack => "the clock was put back behind it".to_owned(),
    }
}

/// How a grant stands, in a word.
pub(super) fn state(state: GrantState) -> &'static str {
    match state {
        GrantState::Waiting => "waiting",
        GrantState::Active => "active",
        GrantState::Ended => "ended",
        GrantState::Revoked => "revoked",
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
