//! The log as C2SP tlog-tiles has it, below `/log/`: what anybody reads to check it, and what only those read who
//! may know what stands in it.
//!
//! No part is served before a signed checkpoint covers it, so that what is cached for ever never changes.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use jit_ca_log::{Part, PartKind};

use super::call::WithMfa;
use crate::app::App;
use crate::service::{self, Fault, log};

/// A checkpoint is asked for anew each time.
const FRESH: &str = "no-cache";
/// Hashes never change.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Leaves never change, but are not for everybody that a cache is for.
const FOR_THE_CALLER: &str = "private, max-age=31536000, immutable";
/// A payload can be erased, and then there shall be no copy.
const NOT_AT_ALL: &str = "no-store";

/// `GET /log/checkpoint`: the newest signed note, for anybody.
pub(super) async fn checkpoint(State(app): State<Arc<App>>) -> Response {
    let note = app.sequencer.newest().note.to_string();
    ([(CACHE_CONTROL, FRESH)], note).into_response()
}

/// `GET /log/tile/L/N[.p/W]`: hashes, for anybody.
pub(super) async fn hashes(
    State(app): State<Arc<App>>,
    PartAsked(part): PartAsked,
) -> Result<Response, Fault> {
    match part.kind {
        PartKind::Hashes(_) => answer(&app, part, FOR_EVER),
        PartKind::Entries | PartKind::Payloads => Err(Fault::NotFound("part of the log")),
    }
}

/// `GET /log/tile/entries/N[.p/W]`: leaves.
pub(super) async fn entries(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    PartAsked(part): PartAsked,
) -> Result<Response, Fault> {
    service::may_read_log(&app, &caller)?;
    answer(&app, part, FOR_THE_CALLER)
}

/// `GET /log/payloads/N[.p/W]`: payloads, with their salts.
pub(super) async fn payloads(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    PartAsked(part): PartAsked,
) -> Result<Response, Fault> {
    service::may_read_log(&app, &caller)?;
    answer(&app, part, NOT_AT_ALL)
}

fn answer(app: &App, part: Part, caching: &'static str) -> Result<Response, Fault> {
    let bytes = log::part(app, part)?;
    let headers = [(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, caching)];
    Ok((headers, bytes).into_response())
}

/// The part that the path names, as it is written: a part has one path, and no other way to say it.
#[derive(Debug)]
pub(super) struct PartAsked(Part);

impl FromRequestParts<Arc<App>> for PartAsked {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Response> {
        let path = parts.uri.path().strip_prefix("/log/").and_then(|path| path.parse().ok());
        path.map(Self).ok_or_else(|| Fault::NotFound("part of the log").into_response())
    }
}
