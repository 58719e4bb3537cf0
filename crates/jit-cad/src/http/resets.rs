//! Resets of second factors.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jit_ca_api::{Reset, ResetCall, ResetDone, ResetTurn};

use super::call::{Call, WithMfa};
use crate::app::App;
use crate::service::{Fault, resets};

/// `GET /v1/mfa/resets`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
) -> Result<Json<Vec<Reset>>, Fault> {
    Ok(Json(resets::list(&app, &caller)?))
}

/// `POST /v1/mfa/resets`.
pub(super) async fn ask(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    call: Call<ResetCall>,
) -> Result<Json<Vec<Reset>>, Fault> {
    resets::ask(&app, &caller, &call.body, &call.key).await?;
    Ok(Json(resets::list(&app, &caller)?))
}

/// `POST /v1/mfa/resets/confirm`.
pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    call: Call<ResetTurn>,
) -> Result<Json<ResetDone>, Fault> {
    Ok(Json(resets::confirm(&app, &caller, &call.body, &call.key).await?))
}

/// `POST /v1/mfa/resets/withdraw`.
pub(super) async fn withdraw(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    call: Call<ResetTurn>,
) -> Result<Json<Vec<Reset>>, Fault> {
    resets::withdraw(&app, &caller, &call.body, &call.key).await?;
    Ok(Json(resets::list(&app, &caller)?))
}
