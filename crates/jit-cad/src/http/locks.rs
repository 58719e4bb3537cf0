//! Locks.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jit_ca_api::{Lock, LockCall};
use jit_ca_core::event::Locked;

use super::call::{Call, WithMfa};
use crate::app::App;
use crate::service::Fault;
use crate::service::locking::{self, Turn};

/// `GET /v1/locks`: those that hold. Whoever is stopped by one may know by whom, and why.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    WithMfa(_): WithMfa,
) -> Result<Json<Vec<Lock>>, Fault> {
    let snapshot = app.store.read()?;
    let mut locks = Vec::new();
    for record in snapshot.locks()? {
        let name = match &record.lock {
            Locked::Subject(subject) => snapshot.subject(subject)?.map(|known| known.name.clone()),
            Locked::All | Locked::Role(_) => None,
        };
        let (lock, by, reason) = (record.lock, record.by, record.reason);
        locks.push(Lock { lock, name, by, reason, since: record.since, entry: record.entry });
    }
    Ok(Json(locks))
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
