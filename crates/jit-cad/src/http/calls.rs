//! The calls of one connection: who makes them, how many at once, and until when each is answered.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::DefaultBodyLimit;
use axum::http::{Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::Service;
use tower::Service as _;

use super::call::Peer;
use super::connections::{Calling, UnderWay};
use super::problem;

/// The largest body of a call, with a login certificate and without: a login is a name, a key and a signature.
const LARGEST_BODY: usize = 64 * 1024;
const LARGEST_STRANGERS_BODY: usize = 16 * 1024;
/// The longest that a call may take until its answer begins: the longest wait of a long poll and some more.
const LONGEST_CALL: Duration = Duration::from_secs(jit_ca_api::LONGEST_WAIT + 15);
/// How much of an answer is handed over at once: as much as is kept in memory for somebody who does not read.
const PIECE: usize = 16 * 1024;

/// The calls of one connection.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    router: Router,
    peer: Arc<Peer>,
    calling: Calling,
}

impl Calls {
    pub(super) fn new(router: Router, peer: Peer, calling: Calling) -> Self {
        Self { router, peer: Arc::new(peer), calling }
    }
}

impl Service<Request<Incoming>> for Calls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let Some(under_way) = self.calling.begin() else {
            return Box::pin(std::future::ready(Ok(problem::too_many_calls())));
        };
        let largest = if self.calling.is_known() { LARGEST_BODY } else { LARGEST_STRANGERS_BODY };
        let mut request = request.map(Body::new);
        DefaultBodyLimit::max(largest).apply(&mut request);
        request.extensions_mut().insert(Arc::clone(&self.peer));
        let mut router = self.router.clone();
        Box::pin(async move {
            let answer = match tokio::time::timeout(LONGEST_CALL, router.call(request)).await {
                Ok(answer) => answer?,
                Err(_) => problem::took_too_long(),
            };
            Ok(answer
                .map(|body| Body::new(Answer { body, piece: Bytes::new(), _under_way: under_way })))
        })
    }
}

/// What a call is answered. Until it is sent, the call is under way.
struct Answer {
    body: Body,
    /// What is left of the piece that the body gave last.
    piece: Bytes,
    _under_way: UnderWay,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.piece.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.piece = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                other => return Poll::Ready(other),
            }
        }
        let length = self.piece.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.piece.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let left = u64::try_from(self.piece.len()).unwrap_or(u64::MAX);
        let rest = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(left));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(left));
        }
        hint
    }
}
