//! Whether the daemon lives, and whether it can do its work.

use std::sync::Arc;

use axum::extract::State;

use crate::app::App;
use crate::hold::hold;
use crate::sequencer::CommitError;
use crate::service::Fault;

/// `GET /healthz`: the process answers.
pub(super) async fn lives() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the log can be written, and certificates are issued.
pub(super) async fn is_ready(State(app): State<Arc<App>>) -> Result<&'static str, Fault> {
    app.can_write().await.map_err(Fault::Commit)?;
    match hold(&app.store) {
        Some(hold) => Err(Fault::Commit(CommitError::Held(hold))),
        None => Ok("ok\n"),
    }
}
