//! The calls of the page's script.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse as _, Response};
use jit_ca_api::{ApproveCall, DenyCall, Request, RequestFilter, RequestStatus, Which};
use jit_ca_core::{Bytes, RequestId};

use super::caller::{OnPage, OwnCall, cookie, no_cookie};
use super::wire::{
    Approved, CaView, DeviceCode, DeviceConfirmed, DeviceShown, EnrolBegin, EnrolFinish, Enrolment,
    LoginBegun, LoginFinish, OnPageView, Waiting,
};
use crate::app::App;
use crate::clock;
use crate::http::call::{Id, Nothing, Peer};
use crate::http::requests::{answer, search};
use crate::service::approval::{self, SignedWith};
use crate::service::login::{self, find_device as find};
use crate::service::page_login::{self, PageLogin};
use crate::service::{self, Caller, Fault, access, logins, passkeys};

/// `GET /page/ca`: what statements have of the CA, for the page makes those from what it shows.
pub(super) async fn ca(State(app): State<Arc<App>>) -> Result<Json<CaView>, Fault> {
    let host = passkeys::page(&app)?.host().to_owned();
    Ok(Json(CaView { host, origin: app.config.origin.clone(), pin: app.pin() }))
}

/// `POST /page/enrol/begin`. It changes nothing: a link that somebody else opens first is not used up.
pub(super) async fn begin_enrolment(
    State(app): State<Arc<App>>,
    OwnCall(call): OwnCall<EnrolBegin>,
) -> Result<Json<Enrolment>, Fault> {
    let (link, caller) = passkeys::follow(&app, &call.body.link)?;
    Ok(Json(Enrolment {
        name: caller.person.name.clone(),
        label: link.label.clone(),
        host: passkeys::page(&app)?.host().to_owned(),
        user: caller.actor.as_bytes().as_slice().into(),
        statement: passkeys::statement(&app, &link),
        existing: own(&app, &caller)?,
        expires: link.expires,
    }))
}

/// `POST /page/enrol/finish`.
pub(super) async fn finish_enrolment(
    State(app): State<Arc<App>>,
    OwnCall(call): OwnCall<EnrolFinish>,
) -> Result<StatusCode, Fault> {
    let EnrolFinish { link, registration, consent } = &call.body;
    passkeys::add(&app, link, registration, consent.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /page/login/begin`.
pub(super) async fn begin_login(
    State(app): State<Arc<App>>,
    _: OwnCall<Nothing>,
) -> Result<Json<LoginBegun>, Fault> {
    let (challenge, _) = app.challenges.make(clock::now())?;
    let (host, statement) =
        (passkeys::page(&app)?.host().to_owned(), page_login::statement(&app, &challenge));
    Ok(Json(LoginBegun { host, challenge, statement }))
}

/// `POST /page/login/finish`.
pub(super) async fn finish_login(
    State(app): State<Arc<App>>,
    peer: Peer,
    OwnCall(call): OwnCall<LoginFinish>,
) -> Result<Response, Fault> {
    let LoginFinish { challenge, assertion, user } = &call.body;
    let login = PageLogin { challenge, assertion, user };
    let secret = page_login::log_in(&app, &login, peer.address.ip().to_canonical()).await?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie(&secret))]).into_response())
}

/// `POST /page/device/find`. Nobody need be logged in here: who it is is the issuer's to say.
pub(super) async fn find_device(
    State(app): State<Arc<App>>,
    peer: Peer,
    OwnCall(call): OwnCall<DeviceCode>,
) -> Result<Json<DeviceShown>, Fault> {
    let device = find(&app, &call.body.code, peer.address.ip().to_canonical())?;
    Ok(Json(DeviceShown {
        issuer: device.issuer,
        address: device.address,
        begun: device.begun,
        expires: device.expires,
        login_key: device.login_key.short(),
    }))
}

/// `POST /page/device/confirm`.
pub(super) async fn confirm_device(
    State(app): State<Arc<App>>,
    peer: Peer,
    OwnCall(call): OwnCall<DeviceCode>,
) -> Result<Json<DeviceConfirmed>, Fault> {
    let address = peer.address.ip().to_canonical();
    let device = login::confirm_device(&app, &call.body.code, address)?;
    let (url, code) = (device.authorization.verification_uri, device.authorization.user_code);
    Ok(Json(DeviceConfirmed { url, code }))
}

/// `POST /page/device/deny`.
pub(super) async fn deny_device(
    State(app): State<Arc<App>>,
    peer: Peer,
    OwnCall(call): OwnCall<DeviceCode>,
) -> Result<StatusCode, Fault> {
    login::deny_device(&app, &call.body.code, peer.address.ip().to_canonical())?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /page/logout`.
pub(super) async fn log_out(
    State(app): State<Arc<App>>,
    OnPage(caller): OnPage,
    OwnCall(call): OwnCall<Nothing>,
) -> Result<Response, Fault> {
    logins::end(&app, &caller, &Which::This, &call.key).await?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, no_cookie())]).into_response())
}

/// `GET /page/me`.
pub(super) async fn me(
    State(app): State<Arc<App>>,
    OnPage(caller): OnPage,
) -> Result<Json<OnPageView>, Fault> {
    Ok(Json(OnPageView {
        name: caller.person.name.clone(),
        groups: caller.person.groups.iter().cloned().collect(),
        expires: caller.login.window.end(),
        host: passkeys::page(&app)?.host().to_owned(),
    }))
}

/// `GET /page/requests`: those that wait for the caller.
pub(super) async fn requests(
    State(app): State<Arc<App>>,
    OnPage(caller): OnPage,
) -> Result<Json<Vec<Request>>, Fault> {
    let (now, asking) = (clock::now(), caller.clone());
    let filter = RequestFilter { status: Some(RequestStatus::Pending), ..RequestFilter::default() };
    let found = service::in_turn(&app, &caller, move |app| search(app, &asking, &filter, now));
    let mut requests = found.await?.requests;
    requests.retain(|request| waits_for(request, &caller));
    Ok(Json(requests))
}

/// `GET /page/requests/ID`.
pub(super) async fn request(
    State(app): State<Arc<App>>,
    OnPage(caller): OnPage,
    Id(id): Id<RequestId>,
) -> Result<Json<Waiting>, Fault> {
    waiting(&app, &caller, id)
}

/// `POST /page/requests/ID/approve`.
pub(super) async fn approve(
    State(app): State<Arc<App>>,
    OnPage(caller): OnPage,
    Id(id): Id<RequestId>,
    OwnCall(call): OwnCall<Approved>,
) -> Result<Json<Waiting>, Fault> {
    let record = access::visible(&app, &caller, id)?;
    let asked = &record.access.request;
    // Whoever asks for it anew has another hash, so that what is signed is what was shown.
    let approve = ApproveCall {
        hash: asked.hash,
        duration: asked.duration,
        rows: asked.rows.clone(),
        hosts: asked.hosts.clone(),
        comment: call.body.comment.clone(),
        signature: None,
    };
    let with = SignedWith::Passkey(&call.body.assertion);
    approval::approve(&app, &caller, id, &approve, with, &call.key).await?;
    waiting(&app, &caller, id)
}

/// `POST /page/requests/ID/deny`.
pub(super) async fn deny(
    State(app): State<Arc<App>>,
    OnPage(caller): OnPage,
    Id(id): Id<RequestId>,
    OwnCall(call): OwnCall<DenyCall>,
) -> Result<Json<Waiting>, Fault> {
    approval::deny(&app, &caller, id, &call.body, &call.key).await?;
    waiting(&app, &caller, id)
}

fn waiting(app: &App, caller: &Caller, id: RequestId) -> Result<Json<Waiting>, Fault> {
    let Json(request) = answer(app, caller, id)?;
    let (origin, waits_for_me) = (app.config.origin.clone(), waits_for(&request, caller));
    Ok(Json(Waiting { request, origin, passkeys: own(app, caller)?, waits_for_me }))
}

fn waits_for(request: &Request, caller: &Caller) -> bool {
    request.subject != caller.person.id && request.approvers.contains(&caller.person.name)
}

/// The ids of the caller's passkeys.
fn own(app: &App, caller: &Caller) -> Result<Vec<Bytes>, Fault> {
    Ok(passkeys::list(app, caller)?.into_iter().map(|(id, _)| id).collect())
}
