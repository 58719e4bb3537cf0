//! Locks.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jit_ca_api::{Lock, LockCall};

use super::call::{Call, WithMfa};
use crate::app::App;
use crate::service::Fault;
use crate::service::locking::{self, Turn};

/// `GET /v1/locks`: those that hold. Whoever is stopped by one may know by whom, and why.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    WithMfa(_): WithMfa,
) -> Result<Json<Vec<Lock>>, Fault> {
    Ok(Json(locking::held(&app)?))
}

/// `POST /v1/locks`.
pub(super) async fn lock(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    call: Call<LockCall>,
) -> Result<Json<Vec<Lock>>, Fault> {
    locking::turn(&app, &caller, Turn::Lock, &call.body, &call.key).await?;
    list(State(app), WithMfa(caller)).await
}

/// `POST /v1/locks/lift`.
pub(super) async fn lift(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    call: Call<LockCall>,
) -> Result<Json<Vec<Lock>>, Fault> {
    locking::turn(&app, &caller, Turn::Unlock, &call.body, &call.key).await?;
    list(State(app), WithMfa(caller)).await
}
