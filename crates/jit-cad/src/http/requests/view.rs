//! Requests as callers see them.

use jit_ca_api::{ApprovalView, DenialView, GrantView, Request, RequestStatus};
use jit_ca_core::workflow::{Access, Approval, Grant, Quorum, RequestState, Today};
use jit_ca_core::{Action, Facts, Means, PersonName, UnixTime};
use jit_ca_policy::who_can_approve;

use crate::service::standing::Standing;
use crate::service::{Caller, Fault, access};
use crate::store::Snapshot;

/// A request, with who can still approve it, and whom its role asks for by now.
///
/// # Errors
/// If the store fails.
pub(super) fn view(
    snapshot: &Snapshot,
    caller: &Caller,
    access: &Access,
    now: UnixTime,
) -> Result<Request, Fault> {
    let request = &access.request;
    let denied = match &access.state {
        RequestState::Denied { at, by, name, reason } => {
            let (at, by, name, reason) = (*at, by.clone(), name.clone(), reason.clone());
            Some(DenialView { at, by, name, reason })
        }
        _ => None,
    };
    let status = status_of(access, now);
    let today = match status {
        RequestStatus::Pending => {
            Some(Standing::read(snapshot, &caller.policy.bundle, access, now)?.today()?)
        }
        _ => None,
    };
    let approvers = today.as_ref().map(|today| approvers(caller, access, today, now));
    Ok(Request {
        id: request.id,
        subject: request.subject.clone(),
        name: request.name.clone(),
        role: request.role.clone(),
        rows: request.rows.clone(),
        hosts: request.hosts.clone(),
        duration: request.duration,
        start: request.start,
        extends: request.extends,
        reason: request.reason.clone(),
        ticket: request.ticket.clone(),
        bundle: request.bundle,
        hash: request.hash,
        made: request.made,
        lapses: request.lapses,
        status,
        quorums: quorums(access, today.as_ref()),
        still_needed: today.as_ref().map_or(0, |today| access.still_needed(today)),
        approvals: access.approvals.iter().map(approval).collect(),
        approvers: approvers.unwrap_or_default(),
        denied,
        grant: access.grant().map(|it| grant(it, now)),
        emergency: access.emergency.clone(),
    })
}

/// Those that the request asked for, and those of today's that are others: both have to be met.
fn quorums(access: &Access, today: Option<&Today>) -> Vec<Quorum> {
    let asked = &access.request.approvals;
    let new = today.iter().flat_map(|today| &today.quorums).filter(|it| !asked.contains(it));
    asked.iter().chain(new).cloned().collect()
}

fn approval(given: &Approval) -> ApprovalView {
    ApprovalView {
        at: given.at,
        by: given.by.clone(),
        groups: given.groups.clone(),
        signed: given.signed,
        duration: given.duration,
        rows: given.rows.clone(),
        hosts: given.hosts.clone(),
        comment: given.comment.clone(),
    }
}

fn grant(grant: &Grant, now: UnixTime) -> GrantView {
    GrantView {
        id: grant.id,
        rows: grant.rows.clone(),
        hosts: grant.hosts.clone(),
        term: grant.term,
        window: grant.window(),
        state: grant.state(now),
        over: grant.over.clone(),
        certificates: grant.certificates,
    }
}

/// A request is over at its time, also where the entry that says so is still to come.
pub(super) fn status_of(access: &Access, now: UnixTime) -> RequestStatus {
    match access.state {
        RequestState::Pending if now < access.request.lapses => RequestStatus::Pending,
        RequestState::Pending | RequestState::Lapsed => RequestStatus::Lapsed,
        RequestState::Approved(_) => RequestStatus::Approved,
        RequestState::Denied { .. } => RequestStatus::Denied,
        RequestState::Cancelled => RequestStatus::Cancelled,
    }
}

/// Who can still approve it by today's policy, by name: all of it, or as much as its role still gives. Not those whose
/// approval counts today, unless it is enough: then one of them has to say so again.
fn approvers(caller: &Caller, access: &Access, today: &Today, now: UnixTime) -> Vec<PersonName> {
    let asked = Facts {
        action: Action::Request,
        subject: access.request.subject.clone(),
        now,
        address: caller.address,
        mfa_at: Some(now),
        means: Means::default(),
        role: None,
        requester: None,
        hosts: None,
        duration: None,
        reason: None,
        ticket: None,
    };
    let bundle = &caller.policy.bundle;
    let mut facts = access::facts_about(access, asked);
    access::leave_what_is_given(bundle, &mut facts);
    let people = who_can_approve(bundle, &facts).into_iter();
    let is_enough = access.still_needed(today) == 0;
    let those = people.filter(|person| {
        access.would_count(&person.groups, today)
            && (is_enough || !access.counts(&person.id, today))
    });
    those.map(|person| person.name.clone()).collect()
}
