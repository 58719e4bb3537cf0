//! What the calls are, for programs.

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

/// `GET /v1/openapi.json`.
pub(super) async fn document() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], jit_ca_api::OPENAPI)
}
