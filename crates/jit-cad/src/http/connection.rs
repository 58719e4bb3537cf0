//! One connection, from its handshake to its end, with a bound for everything that the other side may do slowly,
//! often or without end.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::call::Peer;
use super::calls::Calls;
use super::connections::Place;
use super::paced::Paced;
use crate::failure::with_causes;

/// How long a connection lives at most that has shown no login certificate. A login is a few short calls.
const STRANGER_LIFE: Duration = Duration::from_secs(60);
/// How long a connection with a login certificate lives at most; then its certificate is looked at anew.
const LOGIN_LIFE: Duration = Duration::from_secs(60 * 60);
/// How long a TLS handshake may take.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the head of a call may take to arrive. In HTTP/1 the pause before it counts, so that an idle
/// connection ends as soon.
const LONGEST_HEAD: Duration = Duration::from_secs(10);
/// How large the head of a call may be.
const LARGEST_HEAD: usize = 16 * 1024;
/// How many calls one HTTP/2 connection may have under way, with a login certificate and without.
const MOST_STREAMS: u32 = 32;
const MOST_STRANGERS_STREAMS: u32 = 4;
/// How much of HTTP/2's bodies waits in memory for who reads them: the least that a connection can have.
const WINDOW: u32 = 65_535;
/// How much of an answer waits in memory for the other side to read it, in TLS and in HTTP each.
const UNREAD: usize = 16 * 1024;
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

/// A connection that was accepted.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) place: Place,
    pub(super) watcher: Watcher,
}

/// What all connections have in common.
pub(super) struct Serving {
    pub(super) router: Router,
    pub(super) tls: Arc<ServerConfig>,
    /// Whose turn it is to compute in a handshake.
    pub(super) turns: Arc<Semaphore>,
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
        let Self { stream, address, place, watcher } = self;
        // Answers are small and waited for.
        let _ = stream.set_nodelay(true);
        let Some(stream) = shake_hands(stream, address, serving.tls, &serving.turns).await else {
            return;
        };
        let tls = stream.get_ref().1;
        let certificate = tls.peer_certificates().and_then(|chain| chain.first());
        // TLS has verified what it read; what can't be read again is nobody's.
        let certificate = certificate.and_then(|leaf| X509Certificate::from_der(leaf).ok());
        let certificate = certificate.map(|(_, certificate)| certificate.tbs_certificate);
        let login = certificate.as_ref().map(|certificate| certificate.raw_serial().to_vec());
        let calling = place.calling(certificate.as_ref().map(|leaf| leaf.subject.as_raw()));
        let (life, streams) = if calling.is_known() {
            // Pages of the log are large. Where the kernel does not let us, they are only slower.
            let _ = set_socket_send_buffer_size(stream.get_ref().0.stream(), KERNEL_SEND_BUFFER);
            (LOGIN_LIFE, MOST_STREAMS)
        } else {
            (STRANGER_LIFE, MOST_STRANGERS_STREAMS)
        };
        let speaks_h2 = tls.alpn_protocol() == Some(b"h2");
        let calls = Calls::new(serving.router, Peer { address, login }, calling);

        let stream = TokioIo::new(stream);
        // Boxed, so that one that is still in its handshake takes no room for what it may never come to.
        let ended = if speaks_h2 {
            let served = watcher.watch(http2(streams).serve_connection(stream, calls));
            tokio::time::timeout(life, Box::pin(served)).await
        } else {
            let served = watcher.watch(http1().serve_connection(stream, calls));
            tokio::time::timeout(life, Box::pin(served)).await
        };
        if let Ok(Err(error)) = ended {
            tracing::debug!(%address, error = with_causes(&error), "a connection ended");
        }
    }
}

async fn shake_hands(
    stream: TcpStream,
    address: SocketAddr,
    tls: Arc<ServerConfig>,
    turns: &Semaphore,
) -> Option<TlsStream<Paced<TcpStream>>> {
    let handshake = TlsAcceptor::from(tls).accept(Paced::new(stream));
    let handshake = in_turn(turns, Box::pin(handshake));
    match tokio::time::timeout(LONGEST_HANDSHAKE, handshake).await {
        Ok(Ok(mut stream)) => {
            let (paced, tls) = stream.get_mut();
            paced.handshake_done();
            tls.set_buffer_limit(Some(UNREAD));
            Some(stream)
        }
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

/// Runs a handshake, which computes only when it is its turn: so that thousands that begin at once stand in a line
/// of their own, and calls on open connections pass by. One that waits for the other side has no turn.
async fn in_turn<F: Future>(turns: &Semaphore, handshake: F) -> F::Output {
    let mut handshake = pin!(handshake);
    loop {
        // The semaphore is never closed; if it were, there would be no turns to wait for.
        let turn = turns.acquire().await;
        let step = std::future::poll_fn(|context| Poll::Ready(handshake.as_mut().poll(context)));
        if let Poll::Ready(done) = step.await {
            return done;
        }
        drop(turn);
        let mut is_woken = false;
        std::future::poll_fn(|_| match std::mem::replace(&mut is_woken, true) {
            false => Poll::Pending,
            true => Poll::Ready(()),
        })
        .await;
    }
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(LONGEST_HEAD).max_buf_size(LARGEST_HEAD);
    builder
}

fn http2(streams: u32) -> http2::Builder<Bounded> {
    let mut builder = http2::Builder::new(Bounded);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams)
        .max_header_list_size(LARGEST_HEAD.try_into().unwrap_or(u32::MAX))
        .initial_connection_window_size(WINDOW)
        .initial_stream_window_size(WINDOW)
        .max_send_buf_size(UNREAD)
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
