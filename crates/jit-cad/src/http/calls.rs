//! The calls of one connection: who makes them, how many at once, and until when each is answered.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Request, Response, Uri};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::Service;
use tower::Service as _;

use super::call::Peer;
use super::connections::{Calling, Large, UnderWay};
use super::problem;

/// The largest body of a call, with a login certificate and without: a login is a name, a key and a signature.
pub(super) const LARGEST_BODY: usize = 64 * 1024;
const LARGEST_STRANGERS_BODY: usize = 8 * 1024;
/// How much of a body that is too large is read, so that its sender reads the answer.
const MOST_IGNORED: usize = 1024 * 1024;
/// How long a body may take to arrive.
const LONGEST_BODY_TIME: Duration = Duration::from_secs(10);
/// The longest that a call may take until its answer begins, beyond what it asks to wait: our own client gives up some
/// seconds later.
const LONGEST_CALL: Duration = Duration::from_secs(20);
/// How much of an answer is handed over at once: as much as is kept in memory for somebody who does not read.
const PIECE: usize = 16 * 1024;

/// The calls of one connection.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    router: Router,
    headers: &'static [HeaderName],
    peer: Arc<Peer>,
    calling: Calling,
}

impl Calls {
    pub(super) fn new(
        router: Router,
        headers: &'static [HeaderName],
        peer: Peer,
        calling: Calling,
    ) -> Self {
        Self { router, headers, peer: Arc::new(peer), calling }
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
        let (parts, body) = request.into_parts();
        let longest = LONGEST_CALL + wanted_wait(&parts.uri);
        let mut call = kept(&parts, self.headers);
        drop(parts);
        call.extensions_mut().insert(Arc::clone(&self.peer));
        let (mut router, calling) = (self.router.clone(), self.calling.clone());
        Box::pin(async move {
            let answer = match arrived(body, &calling).await {
                // Its share is held until nothing is left of the body.
                Ok((body, _share)) => {
                    let call = router.call(call.map(|()| Body::from(body)));
                    let answer = tokio::time::timeout(longest, call).await;
                    answer.unwrap_or_else(|_| Ok(problem::took_too_long()))?
                }
                Err(answer) => answer(),
            };
            Ok(answer
                .map(|body| Body::new(Answer { body, piece: Bytes::new(), _under_way: under_way })))
        })
    }
}

/// How long a call asks to wait. Who asks where nothing is waited for gains nothing.
fn wanted_wait(uri: &Uri) -> Duration {
    let mut fields = uri.query().unwrap_or_default().split('&');
    let wait = fields.find_map(|field| field.strip_prefix("wait="));
    let wait: u64 = wait.and_then(|wait| wait.parse().ok()).unwrap_or_default();
    Duration::from_secs(wait.min(jit_ca_api::LONGEST_WAIT))
}

/// What is read of a call's head, in memory of its own: all of it is many times as large, and the body may be long in
/// coming.
fn kept(parts: &Parts, headers: &[HeaderName]) -> Request<()> {
    let mut call = Request::new(());
    call.method_mut().clone_from(&parts.method);
    let path = parts.uri.path_and_query().and_then(|path| path.as_str().parse().ok());
    // What has no path is no call of ours.
    *call.uri_mut() = path.unwrap_or_else(|| Uri::from_static("*"));
    for name in headers {
        // A second one is read to be refused; but cookies may come in a field each (RFC 9113 8.2.3).
        let most = if *name == COOKIE { usize::MAX } else { 2 };
        for value in parts.headers.get_all(name).iter().take(most) {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                call.headers_mut().append(name, value);
            }
        }
    }
    call
}

/// The body of a call, before anything is made of the call: an answer to somebody who still sends may be lost with the
/// connection. A large one comes with its share of the memory that there is for them.
async fn arrived(
    mut body: Incoming,
    calling: &Calling,
) -> Result<(Bytes, Option<Large>), fn() -> Response<Body>> {
    let largest = if calling.is_known() { LARGEST_BODY } else { LARGEST_STRANGERS_BODY };
    let read = async {
        let (mut bytes, mut share) = (Vec::new(), None);
        let mut length = 0;
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let Ok(frame) = frame else { return Err(problem::broke_off as fn() -> Response<Body>) };
            let Some(data) = frame.data_ref() else { continue };
            length += data.len();
            if length > MOST_IGNORED {
                break;
            }
            if length > largest {
                (bytes, share) = (Vec::new(), None);
                continue;
            }
            if length > LARGEST_STRANGERS_BODY && share.is_none() {
                share = Some(calling.large().ok_or(problem::too_many_large_calls as fn() -> _)?);
            }
            bytes.extend_from_slice(data);
        }
        if length > largest {
            Err(problem::too_large as _)
        } else {
            Ok((Bytes::from(bytes), share))
        }
    };
    let read = tokio::time::timeout(LONGEST_BODY_TIME, read).await;
    read.unwrap_or(Err(problem::body_took_too_long))
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
