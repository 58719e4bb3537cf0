//! Issuers, and logging in with what they say.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jit_ca_api::{
    CertificateLoginCall, DeviceBegun, DeviceCall, IssuerLoginCall, IssuerView, LoginReply,
    SignOnView,
};
use jit_ca_core::IssuerName;
use jit_ca_policy::Vouches;

use super::call::{Call, Id, Peer, WithCertificate};
use super::login::view;
use crate::app::App;
use crate::clock;
use crate::service::login::{
    Login, begin_device as begin, log_in_by_certificate, log_in_by_issuer, no_such_issuer, provider,
};
use crate::service::{Caller, Fault, blocking};

/// `GET /v1/issuers`.
pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Vec<IssuerView>> {
    let policy = app.policy();
    let issuers = policy.bundle.issuers().map(|issuer| IssuerView {
        name: issuer.name.clone(),
        kind: issuer.kind(),
        url: issuer.url.clone(),
        audience: match &issuer.vouches {
            Vouches::People(_) => None,
            Vouches::Workloads(workloads) => Some(workloads.audience.clone()),
        },
    });
    Json(issuers.collect())
}

/// `GET /v1/issuers/NAME`.
pub(super) async fn sign_on(
    State(app): State<Arc<App>>,
    Id(name): Id<String>,
) -> Result<Json<SignOnView>, Fault> {
    let policy = app.policy();
    let issuer = name.parse().ok().and_then(|name: IssuerName| policy.bundle.issuer(&name));
    let issuer = issuer.ok_or_else(|| no_such_issuer(&name))?;
    let Vouches::People(people) = &issuer.vouches else {
        let hint =
            "log in with a token of it: jit-ca login --workload --issuer NAME --token-file FILE";
        return Err(Fault::bad(
            format!("nobody signs on at {name}: it vouches for workloads"),
            hint,
        ));
    };
    let asked = provider(&app, issuer).await?;
    let metadata =
        blocking(move || asked.ask(|asked| asked.metadata().map_err(Fault::Issuer))).await?;
    let scopes = std::iter::once("openid".to_owned()).chain(people.scopes.iter().cloned());
    Ok(Json(SignOnView {
        issuer: issuer.url.clone(),
        names_itself: metadata.authorization_response_iss_parameter_supported,
        authorization_endpoint: metadata.authorization_endpoint.to_string(),
        client: people.client.clone(),
        scopes: scopes.collect(),
        acr_values: people.acr.clone(),
    }))
}

/// `POST /v1/issuers/NAME/device`. The same call once more begins another login: nothing is kept of either but in memory.
pub(super) async fn begin_device(
    State(app): State<Arc<App>>,
    peer: Peer,
    Id(name): Id<String>,
    call: Call<DeviceCall>,
) -> Result<Json<DeviceBegun>, Fault> {
    begin(&app, &name, &call.body, peer.address.ip().to_canonical()).await.map(Json)
}

/// `POST /v1/logins/issuer`.
pub(super) async fn log_in(
    State(app): State<Arc<App>>,
    peer: Peer,
    call: Call<IssuerLoginCall>,
) -> Result<Json<LoginReply>, Fault> {
    let address = peer.address.ip().to_canonical();
    let login = log_in_by_issuer(&app, &call.body, address, &call.key).await?;
    reply(&app, login, address)
}

/// `POST /v1/logins/certificate`.
pub(super) async fn log_in_with_certificate(
    State(app): State<Arc<App>>,
    peer: Peer,
    WithCertificate(shown): WithCertificate,
    call: Call<CertificateLoginCall>,
) -> Result<Json<LoginReply>, Fault> {
    let address = peer.address.ip().to_canonical();
    let login = log_in_by_certificate(&app, &call.body, shown, address, &call.key).await?;
    reply(&app, login, address)
}

fn reply(app: &App, login: Login, address: IpAddr) -> Result<Json<LoginReply>, Fault> {
    let caller = Caller::identify(app, &login.serial, address, clock::now())?;
    let certificate = login.certificate + &app.authorities.logins.pem();
    Ok(Json(LoginReply { certificate, me: view(app, &caller)? }))
}
