//! Who calls the page, and from where.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{CONTENT_TYPE, COOKIE, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_log::hash::sha256;
use serde::de::DeserializeOwned;

use super::SEC_FETCH_SITE;
use crate::app::App;
use crate::clock;
use crate::http::call::{Call, Peer};
use crate::service::{Caller, Fault, passkeys};

/// The cookie's name. Browsers take one that begins so from a secure page alone, for all of its host and for no other
/// (RFC 6265bis section 4.1.3.2).
const NAME: &str = "__Host-jit-ca";

/// A caller with an open login to the page.
#[derive(Clone, Debug)]
pub(super) struct OnPage(pub(super) Caller);

impl FromRequestParts<Arc<App>> for OnPage {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let peer = Peer::from_request_parts(parts, app).await?;
        let caller = must_be_own_page(app, &parts.method, &parts.headers).and_then(|()| {
            let serial = serial(&parts.headers).ok_or(Fault::Unauthenticated {
                detail: "nobody is logged in here",
                hint: "log in with a passkey",
            })?;
            Caller::identify(app, &serial, peer.address.ip().to_canonical(), clock::now())
        });
        caller.map(Self).map_err(IntoResponse::into_response)
    }
}

/// A call that the page's own script makes, with its JSON body.
#[derive(Debug)]
pub(super) struct OwnCall<T>(pub(super) Call<T>);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for OwnCall<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        must_be_own_page(app, request.method(), request.headers())
            .map_err(IntoResponse::into_response)?;
        // What a form of another page can send is never this (Fetch, "CORS-safelisted request-header").
        let kind = request.headers().get(CONTENT_TYPE).map(|kind| kind.as_bytes().to_vec());
        if kind.as_deref() != Some(b"application/json") {
            let fault = Fault::bad("the body is not JSON", "call it from the page itself");
            return Err(fault.into_response());
        }
        Call::from_request(request, app).await.map(Self)
    }
}

/// The cookie that a login is known by from here on.
pub(super) fn cookie(secret: &[u8; 32]) -> String {
    let secret = Base64UrlUnpadded::encode_string(secret);
    format!("{NAME}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict")
}

/// That the cookie is no more.
pub(super) fn no_cookie() -> String {
    format!("{NAME}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")
}

/// The hash of the cookie's secret, which the login goes by: so no comparison says how much of a guess was right.
fn serial(headers: &HeaderMap) -> Option<[u8; 32]> {
    let mut cookies = headers.get_all(COOKIE).iter().flat_map(|header| {
        let pairs = header.to_str().unwrap_or_default().split(';');
        pairs.filter_map(|pair| pair.trim().split_once('='))
    });
    let secret = cookies.find(|(name, _)| *name == NAME)?.1;
    let mut bytes = [0; 32];
    let decoded = Base64UrlUnpadded::decode(secret, &mut bytes).ok()?;
    (decoded.len() == 32).then(|| *sha256(decoded).as_bytes())
}

/// Browsers say from which page a call comes, and no script of another one can have them say otherwise.
fn must_be_own_page(app: &App, method: &Method, headers: &HeaderMap) -> Result<(), Fault> {
    let is_same = |value: &[u8]| value == b"same-origin";
    let comes_from_here = headers.get_all(SEC_FETCH_SITE).iter().all(|it| is_same(it.as_bytes()));
    let own = passkeys::page(app)?.origin().as_bytes();
    let mut origins = headers.get_all(ORIGIN).iter().map(HeaderValue::as_bytes);
    let is_own = match origins.next() {
        Some(origin) => origin == own && origins.next().is_none(),
        // Browsers leave it out of a GET to the page's own host.
        None => method == Method::GET,
    };
    match comes_from_here && is_own {
        true => Ok(()),
        false => {
            Err(Fault::bad("the call comes from another page", "call it from the page itself"))
        }
    }
}
