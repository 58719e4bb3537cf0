//! One connection, from its handshake to its end, with a bound for everything that the other side may do slowly,
//! often or without end.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderName;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::call::Peer;
use super::calls::Calls;
use super::client_certificate::{ClientCertificate, Issuers};
use super::connections::Place;
use super::paced::Paced;
use crate::failure::with_causes;

/// What whoever has shown no login certificate may have. A login is a few short calls.
const STRANGERS: Limits = Limits {
    life: Duration::from_secs(60),
    last_calls: Duration::from_secs(10),
    streams: 1,
    unread: 4 * 1024,
};
/// And whoever has. When its life is over, the certificate is looked at anew.
const LOGINS: Limits = Limits {
    life: Duration::from_secs(60 * 60),
    last_calls: LONGEST_STREAM,
    streams: 32,
    unread: 16 * 1024,
};
/// How long a TLS handshake may take.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the head of a call may take to arrive. In HTTP/1 the pause before it counts, so that an idle
/// connection ends as soon.
const LONGEST_HEAD: Duration = Duration::from_secs(10);
/// How large the head of a call of HTTP/1 may be.
const LARGEST_HEAD: usize = 8 * 1024;
/// And that of a call of HTTP/2, where each field counts for 32 bytes more (RFC 9113, section 10.5.1). In memory it is up
/// to four times as much.
const LARGEST_LIST: u32 = 3 * 1024;
/// How much of HTTP/2's bodies waits in memory for who reads them: the least that a connection can have.
const WINDOW: u32 = 65_535;
/// How much the kernel keeps of answers for a connection with a login certificate.
const KERNEL_SEND_BUFFER: usize = 256 * 1024;
/// How long a call of HTTP/2 may take, from its head to the last byte of its answer.
const LONGEST_STREAM: Duration = Duration::from_secs(120);
/// How often an HTTP/2 connection is asked whether it is still there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const LONGEST_PONG: Duration = Duration::from_secs(10);
/// How many calls one may take back before we have seen them, and how many we may have to refuse (CVE-2023-44487,
/// CVE-2025-8671). Then the connection ends.
const MOST_TAKEN_BACK: usize = 20;
const MOST_REFUSED: usize = 64;

/// What a connection may have.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// How long it takes calls.
    life: Duration,
    /// How long its last ones may take from then on.
    last_calls: Duration,
    /// How many calls of HTTP/2 may be under way.
    streams: u32,
    /// How much of an answer waits in memory for the other side to read it, in TLS and in HTTP/2 each.
    unread: usize,
}

/// A connection that was accepted.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) place: Place,
    /// Whether the daemon stops. It waits until this is dropped.
    pub(super) stopping: watch::Receiver<bool>,
}

/// What all connections have in common.
pub(super) struct Serving {
    pub(super) router: Router,
    pub(super) tls: Arc<ServerConfig>,
    /// Whose certificates clients show.
    pub(super) issuers: Arc<Issuers>,
    /// The headers of calls that are read.
    pub(super) headers: &'static [HeaderName],
}

impl Connection {
    /// Serves it to its end, or until its place is another's.
    pub(super) async fn serve(self, serving: Serving) {
        let (address, end) = (self.address, self.place.end());
        tokio::select! {
            () = end.notified() => tracing::debug!(%address, "a connection made room for another"),
            () = self.serve_to_its_end(serving) => {}
        }
    }

    async fn serve_to_its_end(self, serving: Serving) {
        let Self { stream, address, place, mut stopping } = self;
        // Answers are small and waited for.
        let _ = stream.set_nodelay(true);
        let stream = tokio::select! {
            // Who has not called yet loses nothing.
            () = stops(&mut stopping) => return,
            stream = shake_hands(Paced::new(stream, place.memory()), address, serving.tls) => stream,
        };
        let Some(mut stream) = stream else { return };
        let (paced, tls) = stream.get_mut();
        let shown = tls.peer_certificates().and_then(|chain| chain.first());
        let shown = shown.and_then(|leaf| serving.issuers.read(leaf));
        let (login, subject, certificate) = match shown {
            Some(ClientCertificate::Login { serial, subject }) => {
                (Some(serial), Some(subject), None)
            }
            // A stranger, who has one short call to make.
            Some(ClientCertificate::Client(issuance)) => (None, None, Some(issuance)),
            None => (None, None, None),
        };
        let calling = place.calling(subject.as_deref());
        let limits = if calling.is_known() { LOGINS } else { STRANGERS };
        tls.set_buffer_limit(Some(limits.unread));
        let speaks_h2 = tls.alpn_protocol() == Some(b"h2");
        if calling.is_known() {
            // Pages of the log are large. Where the kernel does not let us, they are only slower.
            let _ = set_socket_send_buffer_size(paced.stream(), KERNEL_SEND_BUFFER);
        }
        if speaks_h2 {
            place.memory().speaks_http2();
        }
        paced.handshake_done();
        let peer = Peer { address, login, certificate };
        let calls = Calls::new(serving.router, serving.headers, peer, calling);

        let stream = TokioIo::new(stream);
        // Boxed, so that one that is still in its handshake takes no room for what it may never come to.
        let ended = if speaks_h2 {
            let connection = http2(limits).serve_connection(stream, calls);
            Box::pin(to_its_end(connection, limits, stopping)).await
        } else {
            let connection = http1().serve_connection(stream, calls);
            Box::pin(to_its_end(connection, limits, stopping)).await
        };
        if let Err(error) = ended {
            tracing::debug!(%address, error = with_causes(&error), "a connection ended");
        }
    }
}

async fn shake_hands(
    stream: Paced<TcpStream>,
    address: SocketAddr,
    tls: Arc<ServerConfig>,
) -> Option<TlsStream<Paced<TcpStream>>> {
    let handshake = Box::pin(TlsAcceptor::from(tls).accept(stream));
    match tokio::time::timeout(LONGEST_HANDSHAKE, handshake).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%address, error = with_causes(&error), "a handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!(%address, "a handshake took too long");
            None
        }
    }
}

/// Serves a connection for its life, or until the daemon stops; then it takes no more calls, says so, and ends with
/// the last one that is under way.
async fn to_its_end<C: GracefulConnection>(
    connection: C,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), C::Error> {
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = tokio::time::sleep(limits.life) => {}
        () = stops(&mut stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::time::timeout(limits.last_calls, connection).await.unwrap_or(Ok(()))
}

async fn stops(stopping: &mut watch::Receiver<bool>) {
    // Who could say so is gone: that is a stop as well.
    let _ = stopping.wait_for(|stops| *stops).await;
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(LONGEST_HEAD).max_buf_size(LARGEST_HEAD);
    builder
}

fn http2(limits: Limits) -> http2::Builder<Bounded> {
    let mut builder = http2::Builder::new(Bounded);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(LARGEST_LIST)
        .initial_connection_window_size(WINDOW)
        .initial_stream_window_size(WINDOW)
        .max_send_buf_size(limits.unread)
        .max_pending_accept_reset_streams(MOST_TAKEN_BACK)
        .max_local_error_reset_streams(MOST_REFUSED)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(LONGEST_PONG);
    builder
}

/// Runs the calls of HTTP/2 connections, none of them for ever: whoever gives their answers no window loses them.
#[derive(Clone, Debug)]
struct Bounded;

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Bounded {
    fn execute(&self, call: F) {
        tokio::spawn(tokio::time::timeout(LONGEST_STREAM, call));
    }
}

#[cfg(test)]
mod tests {
    use axum::routing;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;
    use crate::http::connections::Connections;
    use crate::http::room::Room;

    const SHORT: Limits = Limits { life: Duration::from_millis(100), ..LOGINS };

    /// What somebody is sent whose call is answered when the connection's life has been over for as long as it was.
    async fn said<C, F>(
        asks: &[u8],
        serve: impl FnOnce(TokioIo<DuplexStream>, Calls) -> C,
    ) -> Vec<u8>
    where
        C: GracefulConnection<Error = F>,
        F: std::fmt::Debug,
    {
        let answer = || async {
            tokio::time::sleep(SHORT.life * 2).await;
            "the answer"
        };
        let router = Router::new().route("/", routing::get(answer));
        let place = Connections::new(Room { strangers: 1, known: 1 }).enter([192, 0, 2, 1].into());
        let peer = Peer { address: ([192, 0, 2, 1], 1).into(), login: None, certificate: None };
        let calls = Calls::new(router, &crate::http::READ, peer, place.calling(None));
        let (ours, mut theirs) = tokio::io::duplex(100_000);
        theirs.write_all(asks).await.unwrap();
        let (_told, stopping) = watch::channel(false);
        let (mut said, mut has_answered) = (Vec::new(), false);
        let read = async {
            while theirs.read_buf(&mut said).await.unwrap() > 0 {
                // PING, of which HTTP/2 wants an ACK before it takes no more calls.
                let ping = place_of(&said, b"\0\0\x08\x06\0\0\0\0\0").filter(|_| !has_answered);
                if let Some(asked) = ping.and_then(|ping| said.get(ping + 9..ping + 17)) {
                    let ack = [b"\0\0\x08\x06\x01\0\0\0\0", asked].concat();
                    theirs.write_all(&ack).await.unwrap();
                    has_answered = true;
                }
            }
        };
        let connection = to_its_end(serve(TokioIo::new(ours), calls), SHORT, stopping);
        let (ended, ()) = tokio::join!(connection, read);
        ended.unwrap();
        said
    }

    fn place_of(said: &[u8], what: &[u8]) -> Option<usize> {
        said.windows(what.len()).position(|bytes| bytes == what)
    }

    fn holds(said: &[u8], what: &[u8]) -> bool {
        place_of(said, what).is_some()
    }

    #[tokio::test]
    async fn a_life_that_is_over_ends_with_the_last_answer() {
        let asks = b"GET / HTTP/1.1\r\nhost: ca\r\n\r\n";
        let http1 = said(asks, |stream, calls| http1().serve_connection(stream, calls)).await;
        assert!(holds(&http1, b"connection: close\r\n") && http1.ends_with(b"the answer"));

        // SETTINGS; HEADERS: GET / (RFC 7541, appendix A).
        let frames = b"\0\0\0\x04\0\0\0\0\0\0\0\x07\x01\x05\0\0\0\x01\x82\x87\x84\x41\x02ca";
        let asks = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frames.as_slice()].concat();
        let http2 = said(&asks, |stream, calls| http2(SHORT).serve_connection(stream, calls)).await;
        // GOAWAY.
        assert!(holds(&http2, b"\0\0\x08\x07\0\0\0\0\0") && holds(&http2, b"the answer"));
    }
}
