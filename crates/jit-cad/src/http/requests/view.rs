//! Requests as callers see them.

use jit_ca_api::{ApprovalView, DenialView, GrantView, Request, RequestStatus};
use jit_ca_core::workflow::{Access, Approval, Grant, RequestState};
use jit_ca_core::{Action, Facts, PersonName, UnixTime};
use jit_ca_policy::who_can_approve;

use crate::service::{Caller, access};

/// A request, with who can still approve it.
pub(super) fn view(caller: &Caller, access: &Access, now: UnixTime) -> Request {
    let request = &access.request;
    let denied = match &access.state {
        RequestState::Denied { at, by, name, reason } => {
            let (at, by, name, reason) = (*at, by.clone(), name.clone(), reason.clone());
            Some(DenialView { at, by, name, reason })
        }
        _ => None,
    };
    let status = status_of(access, now);
    let approvers = match status {
        RequestStatus::Pending => approvers(caller, access, now),
        _ => Vec::new(),
    };
    Request {
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
        quorums: request.approvals.clone(),
        still_needed: match status {
            RequestStatus::Pending => access.still_needed(),
            _ => 0,
        },
        approvals: access.approvals.iter().map(approval).collect(),
        approvers,
        denied,
        grant: access.grant().map(|it| grant(it, now)),
        emergency: access.emergency.clone(),
    }
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

/// Who can still approve it by today's policy, by name: all of it, or as much as its role still gives.
fn approvers(caller: &Caller, access: &Access, now: UnixTime) -> Vec<PersonName> {
    let asked = Facts {
        action: Action::Request,
        subject: access.request.subject.clone(),
        now,
        address: caller.address,
        mfa_at: Some(now),
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
    let gave = access.approvers();
    let people = who_can_approve(bundle, &facts).into_iter();
    people.filter(|person| !gave.contains(&person.id)).map(|person| person.name.clone()).collect()
}
