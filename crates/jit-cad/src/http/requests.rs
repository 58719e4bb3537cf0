//! Requests, and what is said to them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jit_ca_api::{
    ApprovalView, ApproveCall, DenyCall, GrantView, Request, RequestCall, RequestStatus,
    StateFilter, WaitQuery,
};
use jit_ca_core::workflow::{Access, Approval, Approver, RequestState};
use jit_ca_core::{Action, Facts, PersonName, RequestId, UnixTime};
use jit_ca_policy::who_can_approve;

use super::call::{Call, Filter, Id, Nothing, WithMfa};
use super::poll::Poll;
use crate::app::App;
use crate::clock;
use crate::service::{self, Caller, Fault, access};
use crate::store::{AccessRecord, Whose};

/// How many of the newest requests a list looks at, of the caller's own and of the others, and how many it holds at most.
const LOOKED_AT: usize = 10_000;
const LONGEST_LIST: usize = 500;

/// `POST /v1/requests`.
pub(super) async fn make(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    call: Call<RequestCall>,
) -> Result<Json<Request>, Fault> {
    let id = access::request(&app, &caller, &call.body, &call.key).await?;
    answer(&app, &caller, id)
}

/// `GET /v1/requests`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Filter(filter): Filter<StateFilter>,
) -> Result<Json<Vec<Request>>, Fault> {
    let now = clock::now();
    let asking = caller.clone();
    let records = service::in_turn(&app, &caller, move |app| {
        let own = [Whose::Subject(&asking.person.id)];
        let roles = if filter.mine { Vec::new() } else { access::approvable_by(&asking) };
        let is_over = may_be_over(filter.status);
        let wanted = |record: &AccessRecord| {
            filter.status.is_none_or(|status| status == status_of(&record.access, now))
        };
        Ok(app.store.read()?.newest(&[&own, &roles], is_over, (LOOKED_AT, LONGEST_LIST), wanted)?)
    });
    let records = records.await?;
    Ok(Json(records.iter().map(|record| view(&record.access, Vec::new(), now)).collect()))
}

/// `GET /v1/requests/ID`. With `wait`, the answer comes when the request has changed, or when the time is over.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(id): Id<RequestId>,
    Filter(query): Filter<WaitQuery>,
) -> Result<Json<Request>, Fault> {
    let mut poll = Poll::new(&app, query.wait);
    loop {
        let caller = &*caller.today(&app)?;
        let record = access::visible(&app, caller, id)?;
        let access = &record.access;
        let pending = status_of(access, clock::now()) == RequestStatus::Pending;
        if !pending || access.approvals.len() > query.approvals || !poll.again().await {
            return answer(&app, caller, id);
        }
    }
}

/// `POST /v1/requests/ID/approve`.
pub(super) async fn approve(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(id): Id<RequestId>,
    call: Call<ApproveCall>,
) -> Result<Json<Request>, Fault> {
    access::approve(&app, &caller, id, &call.body, &call.key).await?;
    answer(&app, &caller, id)
}

/// `POST /v1/requests/ID/deny`.
pub(super) async fn deny(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(id): Id<RequestId>,
    call: Call<DenyCall>,
) -> Result<Json<Request>, Fault> {
    access::deny(&app, &caller, id, &call.body, &call.key).await?;
    answer(&app, &caller, id)
}

/// `POST /v1/requests/ID/cancel`.
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(id): Id<RequestId>,
    call: Call<Nothing>,
) -> Result<Json<Request>, Fault> {
    access::cancel(&app, &caller, id, &call.key).await?;
    answer(&app, &caller, id)
}

fn answer(app: &App, caller: &Caller, id: RequestId) -> Result<Json<Request>, Fault> {
    let record = access::visible(app, caller, id)?;
    let now = clock::now();
    let approvers = match status_of(&record.access, now) {
        RequestStatus::Pending => approvers(caller, &record.access, now),
        _ => Vec::new(),
    };
    Ok(Json(view(&record.access, approvers, now)))
}

fn view(access: &Access, approvers: Vec<PersonName>, now: UnixTime) -> Request {
    let request = &access.request;
    let denied = match &access.state {
        RequestState::Denied { by, name, reason } => Some(ApprovalView {
            by: Approver::Person { subject: by.clone(), name: name.clone() },
            duration: None,
            rows: Vec::new(),
            comment: reason.clone(),
        }),
        _ => None,
    };
    let approval = |approval: &Approval| ApprovalView {
        by: approval.by.clone(),
        duration: Some(approval.duration),
        rows: approval.rows.clone(),
        comment: approval.comment.clone(),
    };
    let status = status_of(access, now);
    Request {
        id: request.id,
        subject: request.subject.clone(),
        name: request.name.clone(),
        role: request.role.clone(),
        rows: request.rows.clone(),
        hosts: request.hosts.clone(),
        duration: request.duration,
        start: request.start,
        reason: request.reason.clone(),
        ticket: request.ticket.clone(),
        bundle: request.bundle,
        hash: request.hash,
        made: request.made,
        lapses: request.lapses,
        status,
        approvals_needed: request.approvals_needed,
        approvals: access.approvals.iter().map(approval).collect(),
        approvers,
        denied,
        grant: access.grant().map(|grant| GrantView {
            id: grant.id,
            rows: grant.rows.clone(),
            window: grant.window,
            state: grant.state(now),
        }),
    }
}

/// Whether time alone can still change a request of this status, or of any. Of those whose time has come, the entry that
/// says so may be still to come.
fn may_be_over(status: Option<RequestStatus>) -> &'static [bool] {
    match status {
        Some(RequestStatus::Pending) => &[false],
        Some(RequestStatus::Denied | RequestStatus::Cancelled) => &[true],
        _ => &[false, true],
    }
}

/// A request is over at its time, also where the entry that says so is still to come.
fn status_of(access: &Access, now: UnixTime) -> RequestStatus {
    match access.state {
        RequestState::Pending if now < access.request.lapses => RequestStatus::Pending,
        RequestState::Pending | RequestState::Lapsed => RequestStatus::Lapsed,
        RequestState::Approved(_) => RequestStatus::Approved,
        RequestState::Denied { .. } => RequestStatus::Denied,
        RequestState::Cancelled => RequestStatus::Cancelled,
    }
}

/// Who can still approve it, by name.
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
    let gave = access.approvers();
    let people =
        who_can_approve(&caller.policy.bundle, &access::facts_about(access, asked)).into_iter();
    people.filter(|person| !gave.contains(&person.id)).map(|person| person.name.clone()).collect()
}
