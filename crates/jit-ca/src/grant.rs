//! Which grant, and which row of it, is meant.

use jit_ca_api::{GrantView, Request, RequestFilter, RequestStatus};
use jit_ca_core::workflow::{GrantState, Term};
use jit_ca_core::{Row, RowName, SshRow};

use crate::cli::GrantArgs;
use crate::error::{Error, Result};
use crate::login::Ca;
use crate::named;
use crate::printer::join;

/// The caller's requests that are grants of which certificates can be had now: active ones, and those that begin with
/// the first.
pub(crate) fn usable(ca: &Ca) -> Result<Vec<Request>> {
    let status = Some(RequestStatus::Approved);
    let filter = RequestFilter { status, mine: true, ..RequestFilter::default() };
    let mut requests = ca.client.requests(&filter)?.requests;
    requests.retain(|request| {
        let grant = request.grant.as_ref();
        grant.is_some_and(GrantView::is_usable) && request.subject == ca.login.me.subject
    });
    Ok(requests)
}

/// The grant that the arguments mean, among those that are active and have a row of the kind: of one
/// role, the longest.
pub(crate) fn choose<'r>(
    ca: &Ca,
    requests: &'r [Request],
    arguments: &GrantArgs,
    is_of_kind: fn(&Row) -> bool,
) -> Result<(&'r Request, &'r GrantView)> {
    let of = |request: &'r Request| request.grant.as_ref().map(|grant| (request, grant));
    let mut grants: Vec<_> = requests.iter().filter_map(of).collect();
    grants.retain(|(_, grant)| grant.rows.iter().any(is_of_kind));
    if let Some(text) = &arguments.grant {
        let named = named::grant_among(requests, text, false).ok();
        grants.retain(|(_, grant)| named == Some(grant.id));
    }
    if let Some(role) = &arguments.role {
        grants.retain(|(request, _)| request.role == *role);
    }
    let Some(longest) = grants.iter().max_by_key(|(_, grant)| grant.last_end()) else {
        return Err(why_none(ca, arguments)?);
    };
    let mut roles: Vec<_> = grants.iter().map(|(request, _)| &request.role).collect();
    roles.sort();
    roles.dedup();
    match roles.as_slice() {
        [_] => Ok(*longest),
        several => Err(Error::usage(
            "you hold grants of several roles",
            format!("choose one with --role: {}", join(several)),
        )),
    }
}

/// Why none can be used that the arguments mean: it is still to begin, or to be approved, or is over, or there is none.
fn why_none(ca: &Ca, arguments: &GrantArgs) -> Result<Error> {
    let role = arguments.role.clone();
    let filter = RequestFilter { mine: true, role, ..RequestFilter::default() };
    let list = ca.client.requests(&filter)?;
    let named = match &arguments.grant {
        Some(text) => Some(named::grant_among(&list.requests, text, list.more)?),
        None => None,
    };
    for request in &list.requests {
        match &request.grant {
            None if named.is_none() && request.status == RequestStatus::Pending => {
                return Ok(Error::Pending { id: request.id });
            }
            Some(grant) if named.is_none_or(|id| id == grant.id) => {
                let (id, role) = (grant.id, &request.role);
                let what = match (grant.state, named) {
                    (GrantState::Waiting, _) => {
                        format!("{id} of {role} waits: it {}", begins(grant))
                    }
                    (GrantState::Ended | GrantState::Revoked, Some(_)) => {
                        format!("{id} of {role} is over")
                    }
                    _ => continue,
                };
                let hint = Some(format!("see all of it: jit-ca grant show {id}"));
                return Ok(Error::Denied { what, hint });
            }
            _ => {}
        }
    }
    Ok(Error::usage(
        "you hold no such grant",
        "see what you hold with jit-ca status, and ask with jit-ca request ROLE --reason TEXT",
    ))
}

/// What begins a grant that waits for its first use.
pub(crate) fn first_use(grant: &GrantView) -> String {
    let id = grant.id;
    // A row of a role may be on none of the hosts that were asked for.
    let gives_ssh = |row: &Row| matches!(row, Row::Ssh(_)) && row.gives_on(&grant.hosts);
    match grant.rows.iter().any(gives_ssh) {
        true => format!("jit-ca cert ssh --grant {id}"),
        false => format!("jit-ca cert x509 --grant {id} --out DIR"),
    }
}

/// When a grant begins that waits.
fn begins(grant: &GrantView) -> String {
    match grant.term {
        Term::Open(window) | Term::Scheduled(window) => {
            format!("begins at {} and ends at {}", window.start(), window.end())
        }
        Term::FirstUse { by, .. } => format!("begins with its first use, by {by}"),
    }
}

/// The SSH row that is meant, of those that the grant has.
pub(crate) fn ssh_row<'g>(grant: &'g GrantView, name: Option<&RowName>) -> Result<&'g SshRow> {
    let rows = grant.rows.iter().filter_map(|row| match row {
        Row::Ssh(ssh) => Some((row.name(), ssh)),
        Row::X509(_) => None,
    });
    the_one("SSH", rows.collect(), name).map(|(_, row)| row)
}

/// The X.509 row that is meant, of those that the grant has.
pub(crate) fn x509_row(grant: &GrantView, name: Option<&RowName>) -> Result<RowName> {
    let rows = grant.rows.iter().filter_map(|row| match row {
        Row::Ssh(_) => None,
        Row::X509(_) => Some((row.name(), ())),
    });
    the_one("X.509", rows.collect(), name).map(|(name, ())| name)
}

fn the_one<T>(
    kind: &str,
    mut rows: Vec<(RowName, T)>,
    name: Option<&RowName>,
) -> Result<(RowName, T)> {
    rows.retain(|(own, _)| name.is_none_or(|name| name == own));
    let names = join(rows.iter().map(|(name, _)| name));
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => Ok(row),
        (None, _) => Err(Error::usage(
            format!("the grant has no such {kind} row"),
            "see what it gives: jit-ca status",
        )),
        (Some(_), false) => Err(Error::usage(
            format!("the grant has several {kind} rows"),
            format!("choose one with --row: {names}"),
        )),
    }
}
