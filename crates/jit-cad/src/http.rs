//! The API: TLS, routes, and the one place that knows status codes.

mod call;
mod calls;
mod client_certificate;
mod connection;
mod connections;
mod grants;
mod health;
mod hosts;
mod issuers;
mod locks;
mod log;
mod login;
mod openapi;
mod paced;
mod page;
mod passkeys;
mod policy;
mod poll;
mod problem;
mod requests;
mod resets;
mod roles;
mod room;
mod server;
mod sessions;
mod tiles;
mod tls;
mod trust;

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::{HeaderName, header};
use axum::routing::{self, MethodRouter};

use crate::app::App;

pub use server::Server;

/// The headers of a call to the API that are read.
static READ: [HeaderName; 2] =
    [header::CONTENT_TYPE, HeaderName::from_static(jit_ca_api::IDEMPOTENCY_KEY)];

/// The API: its calls, and what is answered to others.
fn router(app: Arc<App>) -> Router {
    calls()
        .into_iter()
        .fold(Router::new(), |router, call| router.route(call.path, call.route))
        .fallback(problem::no_such_call)
        .method_not_allowed_fallback(problem::no_such_method)
        .with_state(app)
}

/// All calls, in the order of the table in `jit-ca-api`. Its OpenAPI document lists the same ones.
fn calls() -> Vec<Call> {
    vec![
        get("/healthz", health::lives),
        get("/readyz", health::is_ready),
        get("/v1/trust", trust::trust),
        post("/v1/challenges", login::challenge),
        get("/v1/issuers", issuers::list),
        get("/v1/issuers/{name}", issuers::sign_on),
        post("/v1/issuers/{name}/device", issuers::begin_device),
        post("/v1/logins", login::log_in),
        post("/v1/logins/issuer", issuers::log_in),
        post("/v1/logins/certificate", issuers::log_in_with_certificate),
        get("/v1/logins", login::list),
        post("/v1/logout", login::log_out),
        get("/v1/me", login::me),
        post("/v1/step-up", login::step_up),
        post("/v1/mfa", login::begin_mfa),
        post("/v1/mfa/confirm", login::confirm_mfa),
        get("/v1/mfa/resets", resets::list),
        post("/v1/mfa/resets", resets::ask),
        post("/v1/mfa/resets/confirm", resets::confirm),
        post("/v1/mfa/resets/withdraw", resets::withdraw),
        get("/v1/passkeys", passkeys::list),
        post("/v1/passkeys", passkeys::link),
        post("/v1/passkeys/{id}/remove", passkeys::remove),
        get("/v1/roles", roles::list),
        post("/v1/requests", requests::make),
        get("/v1/requests", requests::list),
        get("/v1/requests/{id}", requests::get),
        post("/v1/requests/{id}/approve", requests::approve),
        post("/v1/requests/{id}/deny", requests::deny),
        post("/v1/requests/{id}/cancel", requests::cancel),
        post("/v1/requests/{id}/review", requests::review),
        post("/v1/break-glass", requests::break_glass),
        get("/v1/grants/{id}", grants::get),
        post("/v1/grants/{id}/extend", grants::extend),
        post("/v1/grants/{id}/end", grants::end),
        post("/v1/grants/{id}/revoke", grants::revoke),
        get("/v1/locks", locks::list),
        post("/v1/locks", locks::lock),
        post("/v1/locks/lift", locks::lift),
        post("/v1/grants/{id}/ssh", grants::ssh),
        post("/v1/grants/{id}/x509", grants::x509),
        get("/v1/hosts", hosts::list),
        post("/v1/hosts/tokens", hosts::token),
        post("/v1/hosts/enrolment", hosts::enrol),
        post("/v1/hosts/login", hosts::log_in),
        post("/v1/hosts/{name}/revoke", hosts::revoke),
        post("/v1/host/certificate", hosts::certificate),
        get("/v1/host/feed", hosts::feed),
        post("/v1/host/sessions", sessions::tell),
        post("/v1/host/sessions/{id}/channels/{channel}/chunks/{chunk}", sessions::keep),
        post("/v1/host/standing", sessions::standing),
        get("/v1/sessions", sessions::list),
        get("/v1/sessions/{id}", sessions::get),
        get("/v1/sessions/{id}/channels/{channel}/recording", sessions::watch),
        get("/v1/policy", policy::get),
        post("/v1/policy/activate", policy::activate),
        get("/v1/log/entries", log::list),
        get("/v1/log/entries/{index}", log::get),
        get("/v1/log/checkpoints/{size}", log::checkpoint),
        get("/v1/log/consistency", log::consistency),
        get("/v1/openapi.json", openapi::document),
        get("/log/checkpoint", tiles::checkpoint),
        get("/log/tile/{*part}", tiles::hashes),
        get("/log/tile/entries/{*part}", tiles::entries),
        get("/log/payloads/{*part}", tiles::payloads),
    ]
}

/// One call of the API.
struct Call {
    #[cfg_attr(not(test), expect(dead_code, reason = "the test of the OpenAPI document reads it"))]
    method: &'static str,
    path: &'static str,
    route: MethodRouter<Arc<App>>,
}

fn get<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, handler: H) -> Call {
    Call { method: "get", path, route: routing::get(handler) }
}

fn post<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, handler: H) -> Call {
    Call { method: "post", path, route: routing::post(handler) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_openapi_document_lists_these_calls_and_no_others() {
        // A parameter that takes in slashes is marked here alone: OpenAPI has no sign for it.
        let calls = calls();
        let ours: BTreeSet<_> =
            calls.iter().map(|call| (call.path.replace("{*", "{"), call.method)).collect();
        assert_eq!(ours.len(), calls.len());
        let document: Value = serde_json::from_str(jit_ca_api::OPENAPI).unwrap();
        let documented: BTreeSet<_> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys();
                methods.map(|method| (path.clone(), method.as_str()))
            })
            .collect();
        assert_eq!(ours, documented);
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
