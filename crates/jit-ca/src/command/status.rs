//! `status`: what I hold, and for how long.

use jit_ca_api::{GrantView, Lock, Me, Request, RequestFilter, RequestStatus};
use jit_ca_core::workflow::{GrantState, Term};
use jit_ca_core::{GrantId, IssuanceId, Row, UnixTime};
use serde::Serialize;

use crate::command::{Context, emergency, locks, login, requests, shown};
use crate::error::{Error, Result};
use crate::held::Held;
use crate::printer::{fields, join, table};

#[derive(Serialize)]
struct Status {
    /// The CA; none if none is known.
    ca: Option<String>,
    /// Who is logged in; none if nobody is.
    login: Option<Me>,
    /// My requests that wait for approval.
    pending: Vec<Request>,
    /// Other people's that wait for mine.
    to_approve: Vec<Request>,
    /// My grants that are not over.
    grants: Vec<Request>,
    /// Emergencies that somebody still has to look at.
    to_review: Vec<Request>,
    /// What is locked.
    locks: Vec<Lock>,
    /// The SSH certificates that I hold.
    certificates: Vec<HeldView>,
}

#[derive(Serialize)]
struct HeldView {
    grant: GrantId,
    issuance: IssuanceId,
    principals: Vec<String>,
    expires: UnixTime,
    /// Whether its key is still there.
    usable: bool,
    file: std::path::PathBuf,
}

pub(super) fn status(context: &Context) -> Result<()> {
    let certificates = Held::list(&context.places, context.now)?;
    let mut status = Status {
        ca: None,
        login: None,
        pending: Vec::new(),
        to_approve: Vec::new(),
        grants: Vec::new(),
        to_review: Vec::new(),
        locks: Vec::new(),
        certificates: certificates.iter().map(|held| view(context, held)).collect(),
    };
    match ask(context, &mut status) {
        Err(error) if error.is_login_over() || matches!(error, Error::NoProfile) => {}
        other => other?,
    }
    context.printer.data(&status, |status| text(status, context.now));
    Ok(())
}

fn ask(context: &Context, status: &mut Status) -> Result<()> {
    let ca = context.ca()?;
    status.ca = Some(ca.profile.ca.url.clone());
    let me = ca.client.me()?;
    let subject = me.subject.clone();
    let can_ask = me.login.mfa_at.is_some();
    status.login = Some(me);
    if !can_ask {
        return Ok(());
    }
    let list = ca.client.requests(&Default::default())?;
    requests::tell_what_is_left_out(context, &list);
    for request in list.requests {
        let is_mine = request.subject == subject;
        let state = request.grant.as_ref().map(|grant| grant.state);
        match (request.status, is_mine) {
            (RequestStatus::Pending, true) => status.pending.push(request),
            (RequestStatus::Pending, false) => status.to_approve.push(request),
            (_, true) if matches!(state, Some(GrantState::Active | GrantState::Waiting)) => {
                status.grants.push(request);
            }
            _ => {}
        }
    }
    let filter = RequestFilter { to_review: true, ..RequestFilter::default() };
    status.to_review = ca.client.requests(&filter)?.requests;
    status.locks = ca.client.locks()?;
    Ok(())
}

fn view(context: &Context, held: &Held) -> HeldView {
    HeldView {
        grant: held.grant,
        issuance: held.issuance,
        principals: held.certificate.valid_principals().to_vec(),
        expires: held.expires(),
        usable: held.is_usable(&context.places),
        file: held.certificate_file(),
    }
}

/// How much is left of a grant, or when it begins.
fn left(grant: &GrantView, now: UnixTime) -> String {
    match grant.term {
        Term::Open(window) => window.left(now).to_string(),
        _ => shown::until(grant),
    }
}

fn text(status: &Status, now: UnixTime) -> String {
    let mut parts = Vec::new();
    parts.push(match (&status.login, &status.ca) {
        (Some(me), Some(ca)) => fields(&login::me_lines(ca, me)),
        _ => "you are not logged in".to_owned(),
    });
    if !status.locks.is_empty() {
        parts.push(locks::locks_table(&status.locks));
    }
    if !status.to_review.is_empty() {
        parts.push(emergency::reviews_table(&status.to_review));
    }
    let lists = [("pending", &status.pending), ("for you to approve", &status.to_approve)];
    for (heading, requests) in lists {
        if !requests.is_empty() {
            parts.push(format!("{heading}\n{}", shown::requests_table(requests)));
        }
    }
    let grants = status.grants.iter().filter_map(|request| {
        let grant = request.grant.as_ref()?;
        Some([
            grant.id.to_string(),
            shown::state(grant.state).to_owned(),
            request.role.to_string(),
            join(grant.rows.iter().map(Row::name)),
            grant.hosts.to_string(),
            left(grant, now),
        ])
    });
    let grants: Vec<[String; 6]> = grants.collect();
    if !grants.is_empty() {
        let heading = ["grant", "state", "role", "rows", "hosts", "left"];
        parts.push(format!("grants\n{}", table(heading, &grants)));
    }
    let rows: Vec<[String; 4]> = status
        .certificates
        .iter()
        .map(|held| {
            let left = match held.usable {
                true => held.expires.since(now).to_string(),
                false => "key is gone".to_owned(),
            };
            [held.grant.to_string(), join(&held.principals), held.expires.to_string(), left]
        })
        .collect();
    if !rows.is_empty() {
        parts.push(format!(
            "ssh certificates\n{}",
            table(["grant", "principals", "until", "left"], &rows)
        ));
    }
    parts.join("\n\n")
}
