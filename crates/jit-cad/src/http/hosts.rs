//! Hosts: what people have them do, and what they do themselves.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jit_ca_api::{
    EnrolCall, Feed, FeedQuery, Host, HostCertificate, HostLoginCall, HostLoginReply,
    HostRevokeCall, HostToken, HostTokenCall,
};

use super::call::{Call, Filter, Id, Nothing, OfHost, Peer, WithMfa};
use super::poll::Poll;
use crate::app::App;
use crate::clock;
use crate::service::{self, Fault, HostCaller, feed, hosts};

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

/// `GET /v1/host/feed`. With `wait`, the answer comes when there is an intent for it, or when the time is over.
pub(super) async fn feed(
    State(app): State<Arc<App>>,
    OfHost(caller): OfHost,
    Filter(mut query): Filter<FeedQuery>,
) -> Result<Json<Feed>, Fault> {
    let mut poll = Poll::new(&app, query.wait);
    loop {
        // The login may be over, or the host revoked, since the call began.
        HostCaller::identify(&app, &caller.login, clock::now())?;
        let asked = Arc::clone(&app);
        let found = service::blocking(move || feed::feed(&asked, &query, clock::now())).await?;
        let goes_on = query.from != Some(found.next);
        query.from = Some(found.next);
        // Who has seen more than there is has to know that now.
        let is_lost = app.sequencer.newest().checkpoint.size < query.seen;
        if !found.intents.is_empty() || is_lost || (!goes_on && !poll.again().await) {
            return Ok(Json(found));
        }
    }
}
