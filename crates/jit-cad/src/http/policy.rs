//! The policy that waits for a second administrator.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jit_ca_api::{ActivateCall, FileChange, PendingPolicy, PolicyState};

use super::call::{Call, WithMfa};
use crate::app::App;
use crate::policy::Policy;
use crate::reload::Proposed;
use crate::service::{Fault, policy};

/// `GET /v1/policy`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
) -> Result<Json<PolicyState>, Fault> {
    policy::may_administer(&app, &caller)?;
    Ok(Json(state(&app).await))
}

/// `POST /v1/policy/activate`.
pub(super) async fn activate(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    call: Call<ActivateCall>,
) -> Result<Json<PolicyState>, Fault> {
    policy::activate(&app, &caller, call.body.hash, call.key).await?;
    Ok(Json(state(&app).await))
}

async fn state(app: &App) -> PolicyState {
    let proposed = app.proposed.lock().await;
    let in_force = app.policy();
    let pending = proposed.as_ref().map(|proposed| pending(&in_force, proposed));
    PolicyState { in_force: in_force.hash, pending }
}

fn pending(in_force: &Policy, proposed: &Proposed) -> PendingPolicy {
    let (before, after) = (in_force.listed.all_files(), proposed.policy.listed.all_files());
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let files = paths.into_iter().map(|path| FileChange {
        path: path.clone(),
        before: before.get(path).cloned(),
        after: after.get(path).cloned(),
    });
    PendingPolicy {
        hash: proposed.hash(),
        asked: proposed.asked,
        proposed: proposed.at,
        files: files.collect(),
    }
}
