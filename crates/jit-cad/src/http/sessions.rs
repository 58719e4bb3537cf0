//! Sessions: what hosts tell and send, and what people see and watch.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll as Turn, ready};

use axum::Json;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Frame;
use jit_ca_api::{Session, SessionList, SessionsCall, SessionsFilter, Standing, StandingCall};
use jit_ca_core::SessionId;
use tokio::task::JoinHandle;

use super::call::{Call, Filter, Id, OfHost, WithMfa};
use super::poll::Poll;
use super::problem;
use crate::app::App;
use crate::recordings::Recordings;
use crate::service::{self, Fault, HostCaller, sessions};

/// `POST /v1/host/sessions`.
pub(super) async fn tell(
    State(app): State<Arc<App>>,
    OfHost(host): OfHost,
    call: Call<SessionsCall>,
) -> Result<StatusCode, Fault> {
    sessions::tell(&app, &host, &call.body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/host/sessions/ID/channels/N/chunks/K`: the bytes of a chunk. The same again is taken again.
pub(super) async fn keep(
    State(app): State<Arc<App>>,
    OfHost(host): OfHost,
    Id(chunk): Id<(SessionId, u32, u64)>,
    request: Request,
) -> Result<StatusCode, Response> {
    let bytes = Bytes::from_request(request, &app).await.map_err(|_| problem::broke_off())?;
    let kept = sessions::keep(&app, &host, chunk, bytes.to_vec()).await;
    kept.map(|()| StatusCode::NO_CONTENT).map_err(Fault::into_response)
}

/// `POST /v1/host/standing`. With `wait`, the answer comes when one of them has ended, or when the time is over.
pub(super) async fn standing(
    State(app): State<Arc<App>>,
    OfHost(host): OfHost,
    Filter(query): Filter<Wait>,
    call: Call<StandingCall>,
) -> Result<Json<Standing>, Fault> {
    let mut poll = Poll::new(&app, query.wait);
    loop {
        let standing = sessions::standing(&app, &call.body)?;
        if !standing.ended.is_empty() || !poll.again().await {
            return Ok(Json(standing));
        }
        // It may have been revoked meanwhile.
        HostCaller::identify(&app, &host.login, crate::clock::now())?;
    }
}

/// For how many seconds to wait.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    #[serde(default)]
    wait: u64,
}

/// `GET /v1/sessions`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Filter(filter): Filter<SessionsFilter>,
) -> Result<Json<SessionList>, Fault> {
    let asking = caller.clone();
    let found = service::in_turn(&app, &caller, move |app| sessions::list(app, &asking, &filter));
    Ok(Json(found.await?))
}

/// `GET /v1/sessions/ID`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(id): Id<SessionId>,
) -> Result<Json<Session>, Fault> {
    let record = sessions::visible(&app, &caller, id)?;
    Ok(Json(sessions::view(&app, &app.store.read()?, &record)?))
}

/// `GET /v1/sessions/ID/channels/N/recording`: the chunks that are here, each behind its length in 4 bytes, big endian.
pub(super) async fn watch(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id((session, channel)): Id<(SessionId, u32)>,
) -> Result<Response, Fault> {
    let (recordings, chunks) = sessions::watch(&app, &caller, session, channel).await?;
    let recording = Recording { recordings, session, channel, next: 0, chunks, reading: None };
    let headers = [(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::new(recording)).into_response())
}

type Read = std::io::Result<Option<Vec<u8>>>;

/// A recording on its way: one chunk of it is in memory.
struct Recording {
    recordings: Arc<Recordings>,
    session: SessionId,
    channel: u32,
    next: u64,
    chunks: u64,
    reading: Option<JoinHandle<Read>>,
}

impl HttpBody for Recording {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Turn<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.next == self.chunks {
            return Turn::Ready(None);
        }
        let (session, channel, chunk) = (self.session, self.channel, self.next);
        let recordings = Arc::clone(&self.recordings);
        let reading = self.reading.get_or_insert_with(|| {
            tokio::task::spawn_blocking(move || recordings.chunk(session, channel, chunk))
        });
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        self.next += 1;
        let read = read.map_err(std::io::Error::other).and_then(|read| read);
        Turn::Ready(Some(read.and_then(|bytes| {
            // It was removed meanwhile: whoever reads sees that it breaks off.
            let bytes = bytes.ok_or(std::io::ErrorKind::NotFound)?;
            let length = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
            Ok(Frame::data([length.to_be_bytes().as_slice(), &bytes].concat().into()))
        })))
    }
}
