//! What every call brings: who calls, a body, and the key that makes it repeatable.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use jit_ca_core::IssuanceId;
use jit_ca_log::hash::sha256_of;
use serde::de::DeserializeOwned;

use super::problem;
use crate::app::App;
use crate::clock;
use crate::service::{CallKey, Caller, Fault, HostCaller};
use crate::store::KeyName;

/// The other end of a connection, as the TLS handshake found it.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Its address.
    pub(super) address: SocketAddr,
    /// The serial of its login certificate, whose chain and key TLS has verified.
    pub(super) login: Option<Vec<u8>>,
    /// The issuance of its X.509 certificate, verified likewise, where it shows one that was issued under a grant.
    pub(super) certificate: Option<IssuanceId>,
}

impl FromRequestParts<Arc<App>> for Peer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Response> {
        peer(parts).map(|peer| Self::clone(peer)).map_err(IntoResponse::into_response)
    }
}

fn peer(parts: &Parts) -> Result<&Arc<Peer>, Fault> {
    let peer = parts.extensions.get::<Arc<Peer>>();
    peer.ok_or_else(|| Fault::Internal("a call without a connection".into()))
}

/// A caller with an open login, of whatever kind.
#[derive(Clone, Debug)]
pub(super) struct LoggedIn(pub(super) Caller);

impl FromRequestParts<Arc<App>> for LoggedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let caller = peer(parts).and_then(|peer| identify(app, peer));
        caller.map(Self).map_err(IntoResponse::into_response)
    }
}

/// A caller whose login has a second factor.
#[derive(Clone, Debug)]
pub(super) struct WithMfa(pub(super) Caller);

impl FromRequestParts<Arc<App>> for WithMfa {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let LoggedIn(caller) = LoggedIn::from_request_parts(parts, app).await?;
        caller.with_mfa().map(Self).map_err(IntoResponse::into_response)
    }
}

/// A host with an open login. It makes no call of a person's or a workload's, and they make none of a host's.
#[derive(Clone, Debug)]
pub(super) struct OfHost(pub(super) HostCaller);

impl FromRequestParts<Arc<App>> for OfHost {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let caller = peer(parts).and_then(|peer| {
            let login = peer.login.as_ref().ok_or(Fault::Unauthenticated {
                detail: "the call bears no login certificate",
                hint: "log in with the host key: jit-ca-host renew",
            })?;
            HostCaller::identify(app, login, clock::now())
        });
        caller.map(Self).map_err(IntoResponse::into_response)
    }
}

/// A caller that shows an X.509 certificate, which is no login.
#[derive(Clone, Copy, Debug)]
pub(super) struct WithCertificate(pub(super) IssuanceId);

impl FromRequestParts<Arc<App>> for WithCertificate {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Response> {
        let shown = peer(parts).and_then(|peer| {
            peer.certificate.ok_or(Fault::Unauthenticated {
                detail: "the call bears no X.509 certificate of this CA",
                hint: "call with one and its key: jit-ca login --workload --certificate DIR",
            })
        });
        shown.map(Self).map_err(IntoResponse::into_response)
    }
}

pub(super) fn identify(app: &App, peer: &Peer) -> Result<Caller, Fault> {
    let login = peer.login.as_ref().ok_or(Fault::Unauthenticated {
        detail: "the call bears no login certificate",
        hint: "log in: jit-ca login",
    })?;
    Caller::identify(app, login, peer.address.ip().to_canonical(), clock::now())
}

/// A call that writes: its JSON body, and the key that makes it repeatable.
#[derive(Debug)]
pub(super) struct Call<T> {
    /// What is asked for.
    pub(super) body: T,
    /// The idempotency key, as sent.
    pub(super) idempotency_key: String,
    /// The same as it is kept, with the hash of the whole call.
    pub(super) key: CallKey,
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Call<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let idempotency_key = idempotency_key(&request).map_err(IntoResponse::into_response)?;
        let head = format!("{} {}\n", request.method(), request.uri().path());
        let bytes = body(request, app).await?;
        let key = CallKey {
            key: KeyName::new(&idempotency_key),
            call: sha256_of(&[head.as_bytes(), &bytes]),
        };
        let body = parse(&bytes).map_err(IntoResponse::into_response)?;
        Ok(Self { body, idempotency_key, key })
    }
}

/// The id in a path.
#[derive(Debug)]
pub(super) struct Id<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<App>> for Id<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let id = Path::<T>::from_request_parts(parts, app).await;
        let fault = |error: axum::extract::rejection::PathRejection| {
            Fault::bad(
                format!("the path has no such id: {}", error.body_text()),
                "ids look like r-01m3250v000w3ge1r70w3ge1r7",
            )
            .into_response()
        };
        id.map(|Path(id)| Self(id)).map_err(fault)
    }
}

/// The query of a call.
#[derive(Debug)]
pub(super) struct Filter<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Filter<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let query = Query::<T>::from_request_parts(parts, app).await;
        let fault = |error: axum::extract::rejection::QueryRejection| {
            Fault::bad(
                format!("the query can't be understood: {}", error.body_text()),
                "see the table of calls",
            )
            .into_response()
        };
        query.map(|Query(query)| Self(query)).map_err(fault)
    }
}

fn idempotency_key(request: &Request) -> Result<String, Fault> {
    let hint = "send an Idempotency-Key header of 1 to 128 visible ASCII characters, a new one for each new call";
    let mut values = request.headers().get_all(jit_ca_api::IDEMPOTENCY_KEY).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Fault::bad("the call needs one idempotency key", hint));
    };
    let value = value.to_str().ok().filter(|value| {
        (1..=128).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic())
    });
    value.map(str::to_owned).ok_or_else(|| Fault::bad("the idempotency key is malformed", hint))
}

async fn body(request: Request, app: &Arc<App>) -> Result<Bytes, Response> {
    let is_json = request
        .headers()
        .get(CONTENT_TYPE)
        .is_none_or(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_json {
        return Err(Fault::bad("the body is not JSON", "send Content-Type: application/json")
            .into_response());
    }
    // It has arrived before the call began.
    Bytes::from_request(request, app).await.map_err(|_| problem::broke_off())
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    // A call with nothing to say may say it in no bytes.
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| {
        Fault::bad(
            format!("the body can't be understood: {error}"),
            "send the JSON that the call takes",
        )
    })
}

/// The body of a call that says nothing: `{}`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}
