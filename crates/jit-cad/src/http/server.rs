//! The accept loop: connections, each with a place of its own, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::Router;
use axum::http::HeaderName;
use jit_ca_core::{Span, UnixTime};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use super::client_certificate::Issuers;
use super::connection::{Connection, Serving};
use super::connections::{Connections, Ended};
use super::room::Room;
use super::tls::{self, Face};
use super::{page, router};
use crate::app::App;
use crate::clock;
use crate::failure::Failure;
use crate::page::Page;

/// How many connections the kernel keeps for us until we accept them, if the system lets it.
const BACKLOG: u32 = 4_096;
/// How much the kernel keeps for a connection, each way: a call or its answer as most are, many times.
const KERNEL_BUFFER: u32 = 32 * 1024;
/// How long calls under way may go on after the daemon was told to stop.
const LONGEST_DRAIN: Duration = Duration::from_secs(10);
/// How often it is looked whether the daemon's certificate is to be renewed, and whether places were short.
const LOOK_AROUND: Duration = Duration::from_secs(15);
/// How long after a warning the same one is not written again.
const WARNING_PAUSE: Duration = Duration::from_secs(1);

/// The API and, if the configuration has one, the page, bound to their addresses.
pub struct Server {
    app: Arc<App>,
    api: Listening,
    page: Option<Listening>,
    connections: Arc<Connections>,
}

/// An address at which something is served.
struct Listening {
    listener: TcpListener,
    router: Router,
    face: Face,
    tls: Arc<ArcSwap<ServerConfig>>,
    issuers: Arc<Issuers>,
    headers: &'static [HeaderName],
}

impl Server {
    /// Issues the daemon's certificates and binds the addresses.
    ///
    /// # Errors
    /// If either can't be done, or the system gives no room for connections.
    pub async fn bind(app: Arc<App>, address: SocketAddr) -> Result<Self, Failure> {
        let connections = Connections::new(Room::make()?);
        let api = Listening::bind(&app, address, Face::Api).await?;
        let page = match app.config.web.clone() {
            Some(web) => {
                let page = Listening::bind(&app, web.address, Face::Page(web.clone())).await?;
                let address = page.listener.local_addr()?;
                app.page.get_or_init(|| Page::new(&web, address));
                Some(page)
            }
            None => None,
        };
        Ok(Self { app, api, page, connections })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> Result<SocketAddr, Failure> {
        Ok(self.api.listener.local_addr()?)
    }

    /// Serves until `stop` comes, then lets calls under way finish.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self { app, api, page, connections } = self;
        let (told, stopping) = watch::channel(false);
        // Beside the loop: a certificate waits for the log's disk, and nobody has to wait with it.
        let faces = [Some(&api), page.as_ref()].into_iter().flatten();
        let faces = faces.map(|at| (at.face.clone(), Arc::clone(&at.tls), renew_at())).collect();
        let keeping =
            Keeping { app: Arc::clone(&app), faces, connections: Arc::clone(&connections) };
        let keeping = tokio::spawn(keeping.keep());
        tokio::select! {
            () = stop => {}
            () = api.accept(&connections, &stopping) => {}
            () = accept_if(page.as_ref(), &connections, &stopping) => {}
        }
        drop((api, page, stopping));
        keeping.abort();
        app.stop();
        let drained = async {
            told.send_replace(true);
            told.closed().await;
        };
        if tokio::time::timeout(LONGEST_DRAIN, drained).await.is_err() {
            tracing::warn!("calls were still under way when the time to drain was over");
        }
    }
}

/// Nothing comes to a page that is not served.
async fn accept_if(
    page: Option<&Listening>,
    connections: &Arc<Connections>,
    stopping: &watch::Receiver<bool>,
) {
    match page {
        Some(page) => page.accept(connections, stopping).await,
        None => std::future::pending().await,
    }
}

impl Listening {
    async fn bind(app: &Arc<App>, address: SocketAddr, face: Face) -> Result<Self, Failure> {
        let tls = Arc::new(ArcSwap::from(tls::config(app, &face).await?));
        let listener = listen(address)
            .map_err(|error| Failure::failed(format!("{address} can't be bound: {error}")))?;
        let (router, headers) = match face {
            Face::Api => (router(Arc::clone(app)), super::READ.as_slice()),
            Face::Page(_) => (page::router(Arc::clone(app)), page::READ.as_slice()),
        };
        let issuers = Arc::new(Issuers::of(app));
        Ok(Self { listener, router, face, tls, issuers, headers })
    }

    /// Takes connections for as long as it is waited for.
    async fn accept(&self, connections: &Arc<Connections>, stopping: &watch::Receiver<bool>) {
        let mut warned = Instant::now().checked_sub(WARNING_PAUSE);
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let place = connections.enter(address.ip());
                    let stopping = stopping.clone();
                    let connection = Connection { stream, address, place, stopping };
                    let router = self.router.clone();
                    let (tls, issuers) = (self.tls.load_full(), Arc::clone(&self.issuers));
                    let serving = Serving { router, tls, issuers, headers: self.headers };
                    tokio::spawn(connection.serve(serving));
                }
                // Out of file descriptors, for instance: connections that end make room.
                Err(error) => {
                    if warned.is_none_or(|at| at.elapsed() >= WARNING_PAUSE) {
                        tracing::warn!(%error, "connections can't be accepted");
                        warned = Some(Instant::now());
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// What is looked at while connections come and go.
struct Keeping {
    app: Arc<App>,
    /// With what each shows, and when that is renewed.
    faces: Vec<(Face, Arc<ArcSwap<ServerConfig>>, UnixTime)>,
    connections: Arc<Connections>,
}

impl Keeping {
    async fn keep(mut self) {
        let mut look_around = tokio::time::interval(LOOK_AROUND);
        loop {
            look_around.tick().await;
            let ended = self.connections.take_ended();
            if ended != Ended::default() {
                let Ended { strangers, known } = ended;
                tracing::warn!(strangers, known, "connections were ended to make room for others");
            }
            self.renew().await;
        }
    }

    /// Renews each certificate half of whose life is over, or behind whose beginning time has gone back. One that can't be
    /// renewed keeps no other from it.
    async fn renew(&mut self) {
        for (face, tls, due) in &mut self.faces {
            if clock::now() < *due && renew_at() >= *due {
                continue;
            }
            match tls::config(&self.app, face).await {
                Ok(config) => {
                    tls.store(config);
                    *due = renew_at();
                }
                Err(error) => tracing::error!(%error, "the daemon's certificate can't be renewed"),
            }
        }
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A daemon that starts again finds its address free, whoever was connected to the one before.
    socket.set_reuseaddr(true)?;
    // Connections inherit these. The kernel would let each unread answer take megabytes of its memory.
    socket.set_send_buffer_size(KERNEL_BUFFER)?;
    socket.set_recv_buffer_size(KERNEL_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// By the wall clock, as the certificate's end is: half of its life from now.
fn renew_at() -> UnixTime {
    clock::now().plus(Span::from_secs(tls::CERTIFICATE_LIFE.secs() / 2))
}
