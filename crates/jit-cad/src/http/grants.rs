//! Grants: their certificates, their files and their ends.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jit_ca_api::{
    ExtendCall, GrantFile, Request, RevokeCall, SshCall, SshCertificate, X509Call, X509Certificate,
};
use jit_ca_core::GrantId;

use super::call::{Call, Id, Nothing, WithMfa};
use super::requests::answer;
use crate::app::App;
use crate::service::{Caller, Fault, access, asking, certificate, ending, grant_file, in_turn};

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

/// `GET /v1/grants/ID`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(grant): Id<GrantId>,
) -> Result<Json<GrantFile>, Fault> {
    file(&app, &caller, grant).await
}

/// `POST /v1/grants/ID/extend`.
pub(super) async fn extend(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(grant): Id<GrantId>,
    call: Call<ExtendCall>,
) -> Result<Json<Request>, Fault> {
    let id = asking::extend(&app, &caller, grant, &call.body, &call.key).await?;
    answer(&app, &caller, id)
}

/// `POST /v1/grants/ID/end`.
pub(super) async fn end(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(grant): Id<GrantId>,
    call: Call<Nothing>,
) -> Result<Json<GrantFile>, Fault> {
    ending::give_back(&app, &caller, grant, &call.key).await?;
    file(&app, &caller, grant).await
}

/// `POST /v1/grants/ID/revoke`.
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(grant): Id<GrantId>,
    call: Call<RevokeCall>,
) -> Result<Json<GrantFile>, Fault> {
    ending::revoke(&app, &caller, grant, &call.body, &call.key).await?;
    file(&app, &caller, grant).await
}

async fn file(app: &Arc<App>, caller: &Caller, grant: GrantId) -> Result<Json<GrantFile>, Fault> {
    let id = grant_file::request_of(app, caller, grant)?;
    let record = access::visible(app, caller, id)?;
    let Json(request) = answer(app, caller, id)?;
    let read = in_turn(app, caller, move |app| grant_file::read(app, &record)).await?;
    let grant_file::GrantFile { decisions, certificates, extensions } = read;
    Ok(Json(GrantFile { request, decisions, certificates, extensions }))
}
