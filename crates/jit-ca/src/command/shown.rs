//! How requests and grants are shown.

use jit_ca_api::{GrantView, Request, RequestStatus};
use jit_ca_core::workflow::{GrantState, Over, Term};
use jit_ca_core::{Row, Span, Text};

use crate::printer::{fields, join, table};
use crate::wait;

/// Requests, a line each: what was asked for, and of those that were granted what was given.
pub(super) fn requests_table(requests: &[Request]) -> String {
    let rows: Vec<[String; 8]> = requests
        .iter()
        .map(|request| {
            let grant = request.grant.as_ref();
            let how_long = grant.map_or_else(|| format!("for {}", request.duration), until);
            let hosts = grant.map_or(&request.hosts, |grant| &grant.hosts);
            [
                request.id.to_string(),
                request.made.to_string(),
                stands(request),
                request.name.to_string(),
                request.role.to_string(),
                hosts.to_string(),
                how_long,
                request.reason.to_string(),
            ]
        })
        .collect();
    let heading = ["id", "asked", "status", "who", "role", "hosts", "how long", "reason"];
    match rows.is_empty() {
        true => "there are no requests".to_owned(),
        false => table(heading, &rows),
    }
}

/// All of one request: what was asked for, what was said to it, and what came of it.
pub(super) fn request_fields(request: &Request) -> String {
    let text = |text: Option<&Text>| text.map(ToString::to_string).unwrap_or_default();
    let is_pending = request.status == RequestStatus::Pending;
    let if_pending = |text: String| if is_pending { text } else { String::new() };
    let needed = match request.still_needed {
        0 => "none more: one of those who approved says so again".to_owned(),
        more => format!("{more} more: {}", join(&request.quorums)),
    };
    let grant = request.grant.as_ref();
    let mut lines = vec![
        ("request", request.id.to_string()),
        ("asked", request.made.to_string()),
        ("status", request.status.to_string()),
        ("subject", format!("{} ({})", request.subject, request.name)),
        ("role", request.role.to_string()),
    ];
    lines.extend(rows(request).map(|row| ("row", row)));
    lines.extend([
        ("hosts", hosts(request)),
        ("duration", duration(request)),
        ("start", request.start.to_string()),
        ("extends", request.extends.map(|grant| grant.to_string()).unwrap_or_default()),
        ("reason", request.reason.to_string()),
        ("ticket", text(request.ticket.as_ref())),
        ("needed", if_pending(needed)),
        ("can approve", if_pending(wait::can_approve(request))),
        ("lapses", if_pending(request.lapses.to_string())),
    ]);
    let approvals = request.approvals.iter();
    lines.extend(approvals.map(|given| {
        ("approved by", format!("{} ({})", wait::approval(request, given), given.at))
    }));
    if let Some(denial) = &request.denied {
        let why = denial.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        lines.push(("denied by", format!("{}{why} ({})", denial.name, denial.at)));
    }
    if let Some(emergency) = &request.emergency {
        let review = emergency.review.as_ref();
        let review = review.map(|review| format!("{}: {}", review.name, review.comment));
        lines.push(("emergency", format!("shown to {}", join(&emergency.told))));
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

/// For how long and until when a grant lasts, or by when it has to be used.
pub(super) fn until(grant: &GrantView) -> String {
    let length = given_for(grant);
    match (&grant.over, grant.term) {
        (Some(Over::Ended { at, .. } | Over::Revoked { at, .. }), _) => format!("until {at}"),
        (_, Term::Open(window)) => format!("{length}, until {}", window.end()),
        (_, Term::Scheduled(window)) => {
            format!("{length}, from {} to {}", window.start(), window.end())
        }
        (_, Term::FirstUse { by, .. }) => format!("{length} from first use, by {by}"),
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

/// How a request stands, or the grant that it became.
fn stands(request: &Request) -> String {
    match &request.grant {
        Some(grant) => state(grant.state).to_owned(),
        None => request.status.to_string(),
    }
}

/// The rows that were given, and those that were asked for and were not.
fn rows(request: &Request) -> impl Iterator<Item = String> {
    let asked = &request.rows;
    let given = request.grant.as_ref().map_or(asked, |grant| &grant.rows);
    let dropped = asked.iter().filter(|row| !given.contains(row));
    let dropped = dropped.map(|row| format!("{row} (asked for, not given)"));
    given.iter().map(Row::to_string).chain(dropped)
}

fn hosts(request: &Request) -> String {
    match &request.grant {
        Some(grant) if grant.hosts != request.hosts => {
            format!("{} (asked for: {})", grant.hosts, request.hosts)
        }
        _ => request.hosts.to_string(),
    }
}

fn duration(request: &Request) -> String {
    let asked = request.duration;
    match request.grant.as_ref().map(given_for) {
        Some(given) if given != asked => format!("{given} (asked for: {asked})"),
        _ => asked.to_string(),
    }
}

/// For how long a grant gives access, if nothing ends it before.
pub(super) fn given_for(grant: &GrantView) -> Span {
    match grant.term {
        Term::Open(window) | Term::Scheduled(window) => window.end().since(window.start()),
        Term::FirstUse { duration, .. } => duration,
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
