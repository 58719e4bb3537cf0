//! Certificates under a grant.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jit_ca_api::{SshCall, SshCertificate, X509Call, X509Certificate};
use jit_ca_core::GrantId;

use super::call::{Call, Id, WithMfa};
use crate::app::App;
use crate::service::{Fault, certificate};

/// `POST /v1/grants/ID/ssh`.
pub(super) async fn ssh(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(grant): Id<GrantId>,
    call: Call<SshCall>,
) -> Result<Json<SshCertificate>, Fault> {
    let Call { body, idempotency_key, key } = call;
    certificate::ssh(&app, &caller, grant, &body, &idempotency_key, &key).await.map(Json)
}

/// `POST /v1/grants/ID/x509`.
pub(super) async fn x509(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(grant): Id<GrantId>,
    call: Call<X509Call>,
) -> Result<Json<X509Certificate>, Fault> {
    let Call { body, idempotency_key, key } = call;
    certificate::x509(&app, &caller, grant, &body, &idempotency_key, &key).await.map(Json)
}
