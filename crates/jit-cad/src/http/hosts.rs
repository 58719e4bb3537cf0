//! Hosts: what people have them do, and what they do themselves.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jit_ca_api::{
    EnrolCall, Host, HostCertificate, HostLoginCall, HostLoginReply, HostRevokeCall, HostToken,
    HostTokenCall,
};

use super::call::{Call, Id, Nothing, OfHost, Peer, WithMfa};
use crate::app::App;
use crate::service::{Fault, hosts};

/// `GET /v1/hosts`. Whoever asks for a role sees hosts' names as well.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    WithMfa(_): WithMfa,
) -> Result<Json<Vec<Host>>, Fault> {
    Ok(Json(hosts::list(&app)?))
}

/// `POST /v1/hosts/tokens`.
pub(super) async fn token(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    call: Call<HostTokenCall>,
) -> Result<Json<HostToken>, Fault> {
    Ok(Json(hosts::make_token(&app, &caller, &call.body, &call.key).await?))
}

/// `POST /v1/hosts/NAME/revoke`.
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(name): Id<String>,
    call: Call<HostRevokeCall>,
) -> Result<Json<Vec<Host>>, Fault> {
    hosts::revoke(&app, &caller, &name, &call.body, &call.key).await?;
    Ok(Json(hosts::list(&app)?))
}

/// `POST /v1/hosts/enrolment`.
pub(super) async fn enrol(
    State(app): State<Arc<App>>,
    peer: Peer,
    call: Call<EnrolCall>,
) -> Result<Json<HostCertificate>, Fault> {
    let address = peer.address.ip().to_canonical();
    Ok(Json(hosts::enrol(&app, &call.body, address, &call.key).await?))
}

/// `POST /v1/hosts/login`.
pub(super) async fn log_in(
    State(app): State<Arc<App>>,
    peer: Peer,
    call: Call<HostLoginCall>,
) -> Result<Json<HostLoginReply>, Fault> {
    let address = peer.address.ip().to_canonical();
    let login = hosts::log_in(&app, &call.body, address, &call.key).await?;
    let certificate = login.certificate + &app.authorities.logins.pem();
    Ok(Json(HostLoginReply { certificate, expires: login.expires }))
}

/// `POST /v1/host/certificate`.
pub(super) async fn certificate(
    State(app): State<Arc<App>>,
    OfHost(caller): OfHost,
    call: Call<Nothing>,
) -> Result<Json<HostCertificate>, Fault> {
    Ok(Json(hosts::renew(&app, &caller, &call.key).await?))
}
