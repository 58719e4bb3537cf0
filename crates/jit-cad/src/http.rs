//! The API: TLS, routes, and the one place that knows status codes.

mod call;
mod grants;
mod health;
mod log;
mod login;
mod problem;
mod requests;
mod roles;
mod server;
mod tls;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use tower_http::timeout::TimeoutLayer;

use crate::app::App;

pub use server::Server;

/// The largest body of a call.
const LARGEST_BODY: usize = 64 * 1024;
/// The longest that a call may take; the longest wait of a long poll and some more.
const LONGEST_CALL: Duration = Duration::from_secs(jit_ca_api::LONGEST_WAIT + 15);

/// All calls of the API.
fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(health::lives))
        .route("/readyz", get(health::is_ready))
        .route("/v1/trust", get(trust::trust))
        .route("/v1/challenges", post(login::challenge))
        .route("/v1/logins", post(login::log_in))
        .route("/v1/logout", post(login::log_out))
        .route("/v1/me", get(login::me))
        .route("/v1/mfa", post(login::begin_mfa))
        .route("/v1/mfa/confirm", post(login::confirm_mfa))
        .route("/v1/roles", get(roles::list))
        .route("/v1/requests", get(requests::list).post(requests::make))
        .route("/v1/requests/{id}", get(requests::get))
        .route("/v1/requests/{id}/approve", post(requests::approve))
        .route("/v1/requests/{id}/deny", post(requests::deny))
        .route("/v1/requests/{id}/cancel", post(requests::cancel))
        .route("/v1/grants/{id}/ssh", post(grants::ssh))
        .route("/v1/grants/{id}/x509", post(grants::x509))
        .route("/v1/log/checkpoint", get(log::checkpoint))
        .route("/v1/log/entries", get(log::list))
        .route("/v1/log/entries/{index}", get(log::get))
        .fallback(problem::no_such_call)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(TimeoutLayer::with_status_code(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            LONGEST_CALL,
        ))
        .with_state(app)
}
