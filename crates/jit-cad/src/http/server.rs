//! The accept loop: connections, handshakes off the loop, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::Extension;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::call::Peer;
use super::{router, tls};
use crate::app::App;
use crate::failure::{Failure, with_causes};

/// How many connections are open at once at most.
const MOST_CONNECTIONS: usize = 4_096;
/// How long a TLS handshake may take.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the head of a call may take to arrive.
const LONGEST_HEAD: Duration = Duration::from_secs(10);
/// How large the head of a call may be.
const LARGEST_HEAD: usize = 16 * 1024;
/// How many calls one HTTP/2 connection may have under way.
const MOST_STREAMS: u32 = 64;
/// How long calls under way may go on after the daemon was told to stop.
const LONGEST_DRAIN: Duration = Duration::from_secs(10);

/// The API, bound to its address.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    tls: ArcSwap<ServerConfig>,
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
        Ok(Self { app, listener, tls })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> Result<SocketAddr, Failure> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until `stop` comes, then lets calls under way finish.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let router = router(Arc::clone(&self.app));
        let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let graceful = GracefulShutdown::new();
        let mut renewal =
            tokio::time::interval(Duration::from_secs(tls::CERTIFICATE_LIFE.secs() / 2));
        renewal.tick().await;
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = renewal.tick() => self.renew().await,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, address)) => {
                        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else { continue };
                        let acceptor = TlsAcceptor::from(self.tls.load_full());
                        let (router, watcher) = (router.clone(), graceful.watcher());
                        tokio::spawn(async move {
                            serve_connection(stream, address, acceptor, router, watcher).await;
                            drop(permit);
                        });
                    }
                    // Out of file descriptors, for instance: connections that end make room.
                    Err(error) => {
                        tracing::warn!(%error, "a connection can't be accepted");
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

    async fn renew(&self) {
        match tls::config(&self.app).await {
            Ok(config) => self.tls.store(config),
            Err(error) => tracing::error!(%error, "the daemon's certificate can't be renewed"),
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    router: axum::Router,
    watcher: hyper_util::server::graceful::Watcher,
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
    let certificate = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|leaf| leaf.clone().into_owned());
    let service = TowerToHyperService::new(router.layer(Extension(Peer { address, certificate })));

    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(LONGEST_HEAD)
        .max_buf_size(LARGEST_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(LARGEST_HEAD.try_into().unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30));
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%address, error = with_causes(error.as_ref()), "a connection ended");
    }
}
