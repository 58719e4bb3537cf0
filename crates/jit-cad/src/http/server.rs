//! The accept loop: connections, handshakes off the loop, and an orderly end.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::extract::Extension;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use jit_ca_core::{Span, UnixTime};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::call::Peer;
use super::{router, tls};
use crate::app::App;
use crate::clock;
use crate::failure::{Failure, with_causes};

/// How many connections are open at once at most.
const MOST_CONNECTIONS: usize = 4_096;
/// How many of them one address may have that have shown no login certificate.
const MOST_STRANGERS: usize = 64;
/// How long such a connection lives at most. A login is a few short calls.
const STRANGER_LIFE: Duration = Duration::from_secs(60);
/// How long a connection with a login certificate lives at most; then its certificate is looked at anew.
const LOGIN_LIFE: Duration = Duration::from_secs(60 * 60);
/// How long a TLS handshake may take.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the head of a call may take to arrive.
const LONGEST_HEAD: Duration = Duration::from_secs(10);
/// How large the head of a call may be.
const LARGEST_HEAD: usize = 16 * 1024;
/// How many calls one HTTP/2 connection may have under way, with a login certificate and without.
const MOST_STREAMS: u32 = 64;
const MOST_STRANGERS_STREAMS: u32 = 8;
/// How long calls under way may go on after the daemon was told to stop.
const LONGEST_DRAIN: Duration = Duration::from_secs(10);
/// How often it is looked whether the daemon's certificate is to be renewed.
const RENEWAL_CHECK: Duration = Duration::from_secs(60);

/// The API, bound to its address.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    tls: ArcSwap<ServerConfig>,
    renew_at: UnixTime,
    strangers: Strangers,
}

impl Server {
    /// Issues the daemon's certificate and binds the address.
    ///
    /// # Errors
    /// If either can't be done.
    pub async fn bind(app: Arc<App>, address: SocketAddr) -> Result<Self, Failure> {
        let tls = ArcSwap::from(tls::config(&app).await?);
        let listener = TcpListener::bind(address).await;
        let listener = listener
            .map_err(|error| Failure::failed(format!("{address} can't be bound: {error}")))?;
        Ok(Self { app, listener, tls, renew_at: renew_at(), strangers: Strangers::default() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> Result<SocketAddr, Failure> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until `stop` comes, then lets calls under way finish.
    pub async fn serve(mut self, stop: impl Future<Output = ()>) {
        let router = router(Arc::clone(&self.app));
        let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let graceful = GracefulShutdown::new();
        let mut renewal = tokio::time::interval(RENEWAL_CHECK);
        let mut warned = Instant::now().checked_sub(WARNING_PAUSE);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = renewal.tick() => if clock::now() >= self.renew_at { self.renew().await },
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, address)) => {
                        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else { continue };
                        let Some(stranger) = self.strangers.enter(address.ip().to_canonical()) else { continue };
                        let acceptor = TlsAcceptor::from(self.tls.load_full());
                        let (router, watcher) = (router.clone(), graceful.watcher());
                        tokio::spawn(async move {
                            serve_connection(stream, address, stranger, acceptor, router, watcher).await;
                            drop(permit);
                        });
                    }
                    // Out of file descriptors, for instance: connections that end make room.
                    Err(error) => {
                        if warned.is_none_or(|at| at.elapsed() >= WARNING_PAUSE) {
                            tracing::warn!(%error, "connections can't be accepted");
                            warned = Some(Instant::now());
                        }
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        }
        drop(self.listener);
        self.app.stop();
        if tokio::time::timeout(LONGEST_DRAIN, graceful.shutdown()).await.is_err() {
            tracing::warn!("calls were still under way when the time to drain was over");
        }
    }

    async fn renew(&mut self) {
        match tls::config(&self.app).await {
            Ok(config) => {
                self.tls.store(config);
                self.renew_at = renew_at();
            }
            Err(error) => tracing::error!(%error, "the daemon's certificate can't be renewed"),
        }
    }
}

/// By the wall clock, as the certificate's end is: half of its life from now.
fn renew_at() -> UnixTime {
    clock::now().plus(Span::from_secs(tls::CERTIFICATE_LIFE.secs() / 2))
}

/// How long after a warning the same one is not written again.
const WARNING_PAUSE: Duration = Duration::from_secs(1);

/// Connections that have shown no login certificate, by address.
#[derive(Clone, Debug, Default)]
struct Strangers {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One of them; it counts until this is dropped.
#[derive(Debug)]
struct Stranger {
    strangers: Strangers,
    address: IpAddr,
}

impl Strangers {
    /// One more, if the address may have it.
    fn enter(&self, address: IpAddr) -> Option<Stranger> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= MOST_STRANGERS {
            return None;
        }
        *count += 1;
        Some(Stranger { strangers: self.clone(), address })
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut counts = self.strangers.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    address: SocketAddr,
    stranger: Stranger,
    acceptor: TlsAcceptor,
    router: axum::Router,
    watcher: Watcher,
) {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let handshake = tokio::time::timeout(LONGEST_HANDSHAKE, acceptor.accept(stream)).await;
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return tracing::debug!(%address, error = with_causes(&error), "a handshake failed");
        }
        Err(_) => return tracing::debug!(%address, "a handshake took too long"),
    };
    let tls = stream.get_ref().1;
    let certificate = tls.peer_certificates().and_then(|chain| chain.first());
    let certificate = certificate.map(|leaf| leaf.clone().into_owned());
    let speaks_h2 = tls.alpn_protocol() == Some(b"h2");
    let (life, streams, _stranger) = match &certificate {
        Some(_) => {
            drop(stranger);
            (LOGIN_LIFE, MOST_STREAMS, None)
        }
        None => (STRANGER_LIFE, MOST_STRANGERS_STREAMS, Some(stranger)),
    };
    let service = TowerToHyperService::new(router.layer(Extension(Peer { address, certificate })));

    let stream = TokioIo::new(stream);
    let ended = if speaks_h2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(streams)
            .max_header_list_size(LARGEST_HEAD.try_into().unwrap_or(u32::MAX))
            .keep_alive_interval(Duration::from_secs(30));
        tokio::time::timeout(life, watcher.watch(builder.serve_connection(stream, service))).await
    } else {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(LONGEST_HEAD)
            .max_buf_size(LARGEST_HEAD);
        tokio::time::timeout(life, watcher.watch(builder.serve_connection(stream, service))).await
    };
    if let Ok(Err(error)) = ended {
        tracing::debug!(%address, error = with_causes(&error), "a connection ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_strangers_and_no_more() {
        let strangers = Strangers::default();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let mut entered: Vec<_> = (0..100).filter_map(|_| strangers.enter(address)).collect();
        assert_eq!(entered.len(), MOST_STRANGERS);
        assert!(strangers.enter("192.0.2.2".parse().unwrap()).is_some());
        entered.pop();
        assert!(strangers.enter(address).is_some());
        entered.clear();
        assert!(strangers.counts.lock().unwrap().is_empty());
    }
}
