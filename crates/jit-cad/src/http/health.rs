//! Whether the daemon lives, and whether it can do its work.

use std::sync::Arc;

use axum::extract::State;

use crate::app::App;
use crate::service::Fault;

/// `GET /healthz`: the process answers.
pub(super) async fn lives() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the log can be written.
pub(super) async fn is_ready(State(app): State<Arc<App>>) -> Result<&'static str, Fault> {
    app.can_write().await.map_err(Fault::Commit)?;
    Ok("ok\n")
}
