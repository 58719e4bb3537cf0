//! The page for browsers: its files, and the calls that its script makes.
//!
//! It is another face of the daemon than the API, at an address of its own. Whoever calls is known by a cookie that only
//! this page is sent, and no certificate counts; at the API it is the other way round.
//!
//! Against other pages in the same browser: the cookie is `__Host-`, `HttpOnly` and `SameSite=Strict`; what writes is a POST
//! of JSON that bears the page's own `Origin`; no GET changes anything; and an approval is signed by a passkey, which no
//! other page can ask for. Against itself: nothing of anybody else's is loaded, no script stands in a document, and none of
//! this is kept by the browser.

mod caller;
mod calls;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::problem;
use crate::app::App;

/// Where a request comes from, as browsers say it (Fetch Metadata).
pub(super) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The headers of a call that are read.
pub(super) static READ: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    HeaderName::from_static(jit_ca_api::IDEMPOTENCY_KEY),
    header::COOKIE,
    header::ORIGIN,
    SEC_FETCH_SITE,
];

/// What every answer bears.
static HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "publickey-credentials-create=(self), publickey-credentials-get=(self)",
    ),
    (header::CACHE_CONTROL, "no-store"),
];

/// The page's files and calls, and what is answered to others.
pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(
            "/",
            get(|| async { file("text/html; charset=utf-8", include_str!("page/index.html")) }),
        )
        .route(
            "/page.js",
            get(|| async { file("text/javascript; charset=utf-8", include_str!("page/page.js")) }),
        )
        .route(
            "/page.css",
            get(|| async { file("text/css; charset=utf-8", include_str!("page/page.css")) }),
        )
        .route("/page/ca", get(calls::ca))
        .route("/page/enrol/begin", post(calls::begin_enrolment))
        .route("/page/enrol/finish", post(calls::finish_enrolment))
        .route("/page/login/begin", post(calls::begin_login))
        .route("/page/login/finish", post(calls::finish_login))
        .route("/page/device/find", post(calls::find_device))
        .route("/page/device/confirm", post(calls::confirm_device))
        .route("/page/device/deny", post(calls::deny_device))
        .route("/page/logout", post(calls::log_out))
        .route("/page/me", get(calls::me))
        .route("/page/requests", get(calls::requests))
        .route("/page/requests/{id}", get(calls::request))
        .route("/page/requests/{id}/approve", post(calls::approve))
        .route("/page/requests/{id}/deny", post(calls::deny))
        .fallback(problem::no_such_call)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(map_response(with_headers))
        .with_state(app)
}

fn file(content_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}

async fn with_headers(mut response: Response) -> Response {
    for (name, value) in &HEADERS {
        response.headers_mut().insert(name.clone(), HeaderValue::from_static(value));
    }
    response
}
