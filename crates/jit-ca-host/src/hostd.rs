//! The daemon that ends connections: it is told of each by sshd's hooks, holds it in a cgroup, and keeps its recording.
//!
//! ```text
//! places      where all of it is: the socket, what is open, the cgroups, the spool
//! login       a hook's question: may this connection be?
//! connection  one that is open: who, by what certificate, held where, with which guards
//! saved       the same as a file, so that the next hostd takes it up again
//! registry    all that are open
//! clients     who is connected, and how many
//! channel     a guard's thread: takes its frames and keeps them
//! warden      one thread that looks at the clock, and ends what is over
//! courier     the questions of who carries recordings to the CA
//! notice      what terminals are told, and when
//! ```
//!
//! INVARIANT (nothing outlives its grant): a connection that a certificate opened is in the registry, with the certificate's end,
//! before sshd goes on with it; the warden ends it then whatever the user, the guard or sshd do.

mod channel;
mod clients;
mod connection;
mod courier;
mod login;
mod notice;
mod places;
mod registry;
mod saved;
mod warden;

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::socket_peercred;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;
use crate::process::Process;
use crate::protocol::{Frame, Frames, Kind};
use crate::recording;
use clients::Clients;
use registry::Registry;

/// How long a client may think before it says what it wants.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a client's thread does needs little.
const STACK: usize = 256 * 1024;

/// Why hostd can't run.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The machine doesn't give what is needed.
    #[error("{0}: {1}")]
    Machine(&'static str, io::Error),
    /// Recordings can't be kept.
    #[error(transparent)]
    Recording(#[from] recording::Fault),
}

/// Somebody who is connected, as the kernel tells of them.
#[derive(Clone, Copy, Debug)]
struct Peer {
    process: Process,
    user: u32,
}

/// Runs until the process is killed: that costs nothing, as everything is on the disk, and the next hostd goes on.
///
/// # Errors
/// If it can't start.
pub fn run(config: Config) -> Result<(), Fault> {
    let listener = places::listen(&config.places)?;
    // A connection takes one descriptor, and each guard two.
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let registry = Arc::new(Registry::open(config)?);
    let warden = Arc::clone(&registry);
    thread::Builder::new()
        .name("warden".to_owned())
        .spawn(move || warden::watch(&warden))
        .map_err(|error| Fault::Machine("a thread can't be started", error))?;
    tracing::info!(connections = registry.lock().len(), "jit-ca-hostd is up");
    say_ready();
    accept(&listener, &registry);
    Ok(())
}

/// Tells systemd, if it started us and waits for it (sd_notify(3)): sshd is started after us, and asks us from then on.
fn say_ready() {
    let Some(place) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(b"READY=1", place));
    if let Err(error) = sent {
        tracing::warn!(%error, "systemd can't be told that hostd is ready");
    }
}

fn accept(listener: &UnixListener, registry: &Arc<Registry>) {
    let clients = Clients::default();
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of descriptors, say: who waits is served once there are some.
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        let Ok(peer) = peer(&stream) else { continue };
        // Who is one too many finds the line closed.
        let Some(client) = clients.enter(peer.user) else { continue };
        let registry = Arc::clone(registry);
        let serve = move || {
            if let Err(error) = serve(stream, peer, &registry) {
                tracing::debug!(%error, "a client is gone");
            }
            drop(client);
        };
        if let Err(error) = thread::Builder::new().stack_size(STACK).spawn(serve) {
            tracing::warn!(%error, "a thread can't be started");
        }
    }
}

/// Who is connected, as the kernel has it.
fn peer(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = socket_peercred(stream)?;
    let process = Process::of(credentials.pid.as_raw_nonzero().get())?;
    let user = credentials.uid.as_raw();
    // The number may be another's by now; another user's it is not.
    match process.user()? == user {
        true => Ok(Peer { process, user }),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Answers one client.
fn serve(mut stream: UnixStream, peer: Peer, registry: &Arc<Registry>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut frames = Frames::default();
    let Some(frame) = frames.receive(&mut stream)? else { return Ok(()) };
    let answer = match frame.kind {
        Kind::Alive => Ok(Frame::new(Kind::Done, "")),
        Kind::Login => {
            login::admit(registry, peer, &frame.read()?).map(|()| Frame::new(Kind::Done, ""))
        }
        Kind::Status => status(registry, peer),
        Kind::Courier => courier::answer(registry, peer, &frame),
        Kind::Hello | Kind::Resume => {
            return channel::serve(registry, peer, stream, frames, &frame);
        }
        _ => Err("that is not for hostd to answer".to_owned()),
    };
    let answer = answer.unwrap_or_else(|why| Frame::new(Kind::Refused, why));
    answer.send(&mut stream)?;
    stream.flush()?;
    // Who is told no reads it before the socket is gone.
    let _ = stream.read(&mut [0]);
    Ok(())
}

fn status(registry: &Registry, peer: Peer) -> Result<Frame, String> {
    if peer.user != 0 {
        return Err("what is open is told to root alone: use sudo".to_owned());
    }
    let open: Vec<_> = registry.lock().values().map(connection::Connection::shown).collect();
    Frame::json(Kind::Done, &open).map_err(|error| error.to_string())
}
