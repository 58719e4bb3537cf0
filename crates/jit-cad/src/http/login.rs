//! Logins and second factors.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jit_ca_api::{
    Challenge, LoginCall, LoginReply, LoginView, LoginsFilter, LogoutCall, Me, MfaConfirm,
    MfaSecret, OpenLogin, StepUpCall,
};

use super::call::{Call, Filter, LoggedIn, Nothing, Peer, identify};
use crate::app::App;
use crate::clock;
use crate::service::{Caller, Fault, login, logins, passkeys, second_factor, step_up};

/// `POST /v1/challenges`. It writes nothing, so it needs no idempotency key.
pub(super) async fn challenge(State(app): State<Arc<App>>) -> Result<Json<Challenge>, Fault> {
    let made = clock::now();
    let (challenge, expires) = app.challenges.make(made)?;
    Ok(Json(Challenge { challenge, made, expires }))
}

/// `POST /v1/logins`.
pub(super) async fn log_in(
    State(app): State<Arc<App>>,
    peer: Peer,
    call: Call<LoginCall>,
) -> Result<Json<LoginReply>, Fault> {
    let address = peer.address.ip().to_canonical();
    let login = login::log_in(&app, &call.body, address, &call.key).await?;
    let caller = Caller::identify(&app, &login.serial, address, clock::now())?;
    let certificate = login.certificate + &app.authorities.logins.pem();
    Ok(Json(LoginReply { certificate, me: view(&app, &caller)? }))
}

/// `GET /v1/logins`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    LoggedIn(caller): LoggedIn,
    Filter(filter): Filter<LoginsFilter>,
) -> Result<Json<Vec<OpenLogin>>, Fault> {
    Ok(Json(logins::list(&app, &caller, filter.subject.as_ref())?))
}

/// `POST /v1/logout`. The login that it ended says so again.
pub(super) async fn log_out(
    State(app): State<Arc<App>>,
    peer: Peer,
    call: Call<LogoutCall>,
) -> Result<StatusCode, Fault> {
    match identify(&app, &peer) {
        Ok(caller) => logins::end(&app, &caller, &call.body.which, &call.key).await?,
        Err(fault) => match &peer.login {
            Some(login) if logins::had_ended(&app, login, &call.key)? => {}
            _ => return Err(fault),
        },
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/me`.
pub(super) async fn me(
    State(app): State<Arc<App>>,
    LoggedIn(caller): LoggedIn,
) -> Result<Json<Me>, Fault> {
    Ok(Json(view(&app, &caller)?))
}

/// `POST /v1/step-up`.
pub(super) async fn step_up(
    State(app): State<Arc<App>>,
    LoggedIn(caller): LoggedIn,
    call: Call<StepUpCall>,
) -> Result<Json<Me>, Fault> {
    step_up::step_up(&app, &caller, &call.body, &call.key).await?;
    let caller = Caller::identify(&app, &caller.serial, caller.address, clock::now())?;
    Ok(Json(view(&app, &caller)?))
}

/// `POST /v1/mfa`.
pub(super) async fn begin_mfa(
    State(app): State<Arc<App>>,
    LoggedIn(caller): LoggedIn,
    _: Call<Nothing>,
) -> Result<Json<MfaSecret>, Fault> {
    let secret = second_factor::begin(&app, &caller).await?;
    let uri = secret.uri(&app.config.origin, &caller.person.name);
    Ok(Json(MfaSecret { secret: secret.base32(), uri }))
}

/// `POST /v1/mfa/confirm`.
pub(super) async fn confirm_mfa(
    State(app): State<Arc<App>>,
    LoggedIn(caller): LoggedIn,
    call: Call<MfaConfirm>,
) -> Result<Json<Me>, Fault> {
    second_factor::confirm(&app, &caller, &call.body.code, &call.key).await?;
    let caller = Caller::identify(&app, &caller.serial, caller.address, clock::now())?;
    Ok(Json(view(&app, &caller)?))
}

pub(super) fn view(app: &App, caller: &Caller) -> Result<Me, Fault> {
    Ok(Me {
        subject: caller.person.id.clone(),
        name: caller.person.name.clone(),
        groups: caller.person.groups.iter().cloned().collect(),
        login: LoginView {
            serial: caller.serial_hex(),
            expires: caller.login.window.end(),
            idle_ends: caller.idle_ends,
            mfa_at: caller.login.mfa_at,
        },
        has_passkey: !passkeys::list(app, caller)?.is_empty(),
    })
}
