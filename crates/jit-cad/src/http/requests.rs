//! Requests, and what is said to them.

mod search;
mod view;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jit_ca_api::{
    ApproveCall, BreakGlassCall, DenyCall, Request, RequestCall, RequestFilter, RequestList,
    RequestStatus, ReviewCall, WaitQuery,
};
use jit_ca_core::RequestId;

pub(super) use self::search::search;
use self::view::{status_of, view};
use super::call::{Call, Filter, Id, Nothing, WithMfa};
use super::poll::Poll;
use crate::app::App;
use crate::clock;
use crate::service::approval::SignedWith;
use crate::service::{self, Caller, Fault, access, approval, asking, ending};

/// `POST /v1/requests`.
pub(super) async fn make(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    call: Call<RequestCall>,
) -> Result<Json<Request>, Fault> {
    let id = asking::request(&app, &caller, &call.body, &call.key).await?;
    answer(&app, &caller, id)
}

/// `GET /v1/requests`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Filter(filter): Filter<RequestFilter>,
) -> Result<Json<RequestList>, Fault> {
    let (now, asking) = (clock::now(), caller.clone());
    let found = service::in_turn(&app, &caller, move |app| search(app, &asking, &filter, now));
    Ok(Json(found.await?))
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
            return answer(&app, &*caller.today(&app)?, id);
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
    let with = SignedWith::SshKey;
    approval::approve(&app, &caller, id, &call.body, with, &call.key).await?;
    answer(&app, &caller, id)
}

/// `POST /v1/requests/ID/deny`.
pub(super) async fn deny(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(id): Id<RequestId>,
    call: Call<DenyCall>,
) -> Result<Json<Request>, Fault> {
    approval::deny(&app, &caller, id, &call.body, &call.key).await?;
    answer(&app, &caller, id)
}

/// `POST /v1/requests/ID/cancel`.
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(id): Id<RequestId>,
    call: Call<Nothing>,
) -> Result<Json<Request>, Fault> {
    approval::cancel(&app, &caller, id, &call.key).await?;
    answer(&app, &caller, id)
}

/// `POST /v1/requests/ID/review`.
pub(super) async fn review(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(id): Id<RequestId>,
    call: Call<ReviewCall>,
) -> Result<Json<Request>, Fault> {
    ending::review(&app, &caller, id, &call.body, &call.key).await?;
    answer(&app, &caller, id)
}

/// `POST /v1/break-glass`.
pub(super) async fn break_glass(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    call: Call<BreakGlassCall>,
) -> Result<Json<Request>, Fault> {
    let id = asking::break_glass(&app, &caller, &call.body, &call.key).await?;
    answer(&app, &caller, id)
}

/// A request as the caller may see it now.
pub(super) fn answer(app: &App, caller: &Caller, id: RequestId) -> Result<Json<Request>, Fault> {
    let record = access::visible(app, caller, id)?;
    Ok(Json(view(&app.store.read()?, caller, &record.access, clock::now())?))
}
