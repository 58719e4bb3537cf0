//! The just-in-time certificate authority's daemon: parse, build, run.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use jit_ca_api::LockCall;
use jit_ca_core::event::{DaemonStarted, DaemonStopped};
use jit_ca_core::{ActorRef, PersonName, Text};
use tikv_jemallocator::Jemalloc;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use jit_cad::admin::{self, AdminSocket};
use jit_cad::app::App;
use jit_cad::cli::{Cli, Clock, Command, Log, Notify, User};
use jit_cad::config::Config;
use jit_cad::failure::{Failure, with_causes};
use jit_cad::sequencer::Proposal;
use jit_cad::store::Store;
use jit_cad::{
    anchor, clock, erasure, http, init, notify, passage, recheck, reload, succeed, upkeep,
};

/// A certificate is some hundred allocations, made on one thread and freed on another.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// How long threads that still work may go on once the program has done what it was asked.
const SHUTDOWN: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    match logged() {
        Ok(targets) => {
            let layer = tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(std::io::stderr().is_terminal());
            tracing_subscriber::registry().with(layer.with_filter(targets)).init();
        }
        Err(failure) => return end(&failure),
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            return end(&Failure::failed(format!("the runtime can't be started: {error}")));
        }
    };
    let ended = runtime.block_on(run(cli.command));
    // An anchor on a dead network mount may hang for ever; nothing else is left to wait for.
    runtime.shutdown_timeout(SHUTDOWN);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => end(&failure),
    }
}

/// What of the daemon's own messages is written: `JIT_CAD_LOG`, such as `info,jit_cad=debug`.
fn logged() -> Result<Targets, Failure> {
    let text = std::env::var("JIT_CAD_LOG");
    // What h2 warns of is what others do to it: nobody is to fill our log.
    text.as_deref().unwrap_or("info,h2=error").parse().map_err(|error| {
        Failure::usage(format!("JIT_CAD_LOG can't be read: {error}"), "write it like info,h2=error")
    })
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Init { dir, config_from } => {
            let pin = init::init(&dir, config_from.as_deref()).await?;
            let file = dir.join("config/jit-cad.toml");
            say(&format!("pin {pin}\nconfiguration {}", file.display()))
        }
        Command::Serve { config, listen } => serve(&config.file, listen).await,
        Command::CheckConfig(config) => {
            let (_, policy) = Config::read_with_policy(&config.file)?;
            say(&format!("no faults; the bundle is {}", policy.hash))
        }
        Command::Reload(config) => {
            let config = Config::read(&config.file)?;
            say(&admin::ask_to_reload(&config.admin_socket).await?.to_string())
        }
        Command::Unlock { what, reason, config } => {
            let socket = Config::read(&config.file)?.admin_socket;
            let (Some(what), Some(reason)) = (what, reason) else {
                let locks = admin::ask_for_locks(&socket).await?;
                if locks.is_empty() {
                    return say("nothing is locked");
                }
                return locks.iter().try_for_each(|lock| say(&lock.to_string()));
            };
            let entry = admin::ask_to_unlock(&socket, LockCall { what, reason }).await?;
            say(&format!("unlocked by entry {entry}"))
        }
        Command::User(User::Enroll { name, alone: _, reason, config }) => {
            let socket = Config::read(&config.file)?.admin_socket;
            match reason {
                Some(reason) => reset(&socket, name, reason).await,
                None => enroll(&socket, name).await,
            }
        }
        Command::Clock(Clock::Show(config)) => {
            let config = Config::read(&config.file)?;
            let shown = admin::ask_for_clock(&config.admin_socket).await?;
            let stands = if shown.is_held { "held" } else { "right" };
            say(&format!("{stands}\ndaemon {}\nmachine {}", shown.now, shown.machine))
        }
        Command::Clock(Clock::Ack { reason, config }) => {
            let config = Config::read(&config.file)?;
            let (entry, now) = admin::acknowledge_clock(&config.admin_socket, reason).await?;
            tracing::info!(entry, "certificates are issued again");
            say(&now.to_string())
        }
        Command::Notify(Notify::List(config)) => {
            let config = Config::read(&config.file)?;
            let targets = admin::ask_for_outbox(&config.admin_socket).await?;
            let shown: Vec<String> = targets.iter().map(ToString::to_string).collect();
            say(&shown.join("\n"))
        }
        Command::Notify(Notify::Retry { which, config }) => {
            let config = Config::read(&config.file)?;
            let retried = admin::ask_to_retry(&config.admin_socket, which).await?;
            say(&format!("{} to be sent again", retried.messages))
        }
        Command::Log(Log::Erase { erase, config }) => {
            let config = Config::read(&config.file)?;
            say(&erasure::command::run(&config, &erase).await?)
        }
        Command::Log(Log::Backup { to, config }) => {
            let config = Config::read(&config.file)?;
            say(&upkeep::run_backup(&config, &to).await?)
        }
        Command::Log(Log::Compact(config)) => {
            let config = Config::read(&config.file)?;
            say(&upkeep::run_compact(&config).await?)
        }
        Command::Log(Log::Check { backup, config }) => {
            let config = Config::read(&config.file)?;
            let head = match backup {
                Some(backup) => Store::look(&backup)?.check()?,
                None => Store::open(&config.store)?.check()?,
            };
            say(&format!("{} entries hold, with the root {}", head.size, head.root))
        }
        Command::Log(Log::Succeed { origin, reason, from_anchor, config }) => {
            let done = succeed::succeed(&config.file, &origin, reason, from_anchor).await?;
            say(&done.to_string())
        }
    }
}

/// Prints a code for a first second factor.
async fn enroll(socket: &Path, name: PersonName) -> Result<(), Failure> {
    let made = admin::ask_for_code(socket, name.clone()).await?;
    tracing::info!(expires = %made.expires, "the code works once");
    if !made.can_log_in {
        warn_of_no_key(&name);
    }
    say(&made.code)
}

/// Resets second factors by nobody else's leave, and prints the code for the next.
async fn reset(socket: &Path, name: PersonName, reason: Text) -> Result<(), Failure> {
    let done = admin::ask_to_reset(socket, name, reason).await?;
    if !done.can_log_in {
        warn_of_no_key(&done.name);
    }
    if done.has_security_keys {
        tracing::warn!(
            name = %done.name,
            "the person's security keys are as they were: take a lost one out of ssh_keys in users.toml, then `jit-cad reload`"
        );
    }
    match (done.code, done.expires) {
        (Some(code), Some(expires)) => {
            tracing::info!(%expires, "the code works once");
            say(&code)
        }
        _ => say(&format!("{} has no passkey any more, and no login", done.name)),
    }
}

fn warn_of_no_key(name: &PersonName) {
    tracing::warn!(
        %name,
        "the person has no SSH key, and can't log in without: add it to ssh_keys in users.toml, then `jit-cad reload`"
    );
}

/// Opens and checks everything, then binds, then serves until it is told to stop.
async fn serve(file: &Path, listen: Option<SocketAddr>) -> Result<(), Failure> {
    let app = App::open(file).await?;
    if let Err(fault) = erasure::finish(&app).await {
        tracing::warn!(error = with_causes(&fault), "an erasure is not finished yet");
    }
    let server = http::Server::bind(Arc::clone(&app), listen.unwrap_or(app.config.address)).await?;
    let admin = AdminSocket::bind(&app.config.admin_socket)?;
    let address = server.address()?;
    let started = DaemonStarted {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: address.to_string(),
    };
    let entry = (ActorRef::DAEMON, started.into());
    let mut proposal = Proposal::new(vec![entry]);
    proposal.keep_clock = true;
    app.sequencer.commit(proposal).await?;
    // Before anybody is told that it is ready, and may stop it.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let hangup = signal(SignalKind::hangup())?;
    let page = app.page.get().map(|page| format!("page {}\n", page.origin()));
    let page = page.unwrap_or_default();
    say(&format!("pin {}\nlistening on https://{address}\n{page}ready", app.pin()))?;

    let mut cause = "SIGTERM";
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => cause = "SIGINT",
        }
    };
    tokio::select! {
        () = server.serve(stop) => {}
        () = passage::run(Arc::clone(&app)) => {}
        () = recheck::run(Arc::clone(&app)) => {}
        () = admin.serve(Arc::clone(&app)) => {}
        () = reload::on_signal(Arc::clone(&app), hangup) => {}
        never = notify::run(Arc::clone(&app)) => match never {},
        failure = anchor::run(Arc::clone(&app)) => return Err(failure),
    }

    // An erasure that has begun is finished, if there is time for it; else the next start does.
    let _alone = app.erasing.lock().await;
    passage::keep(&app, clock::now());
    let stopped = DaemonStopped { cause: cause.to_owned() };
    app.sequencer.commit_last(Proposal::new(vec![(ActorRef::DAEMON, stopped.into())])).await?;
    anchor::finish(&app).await?;
    tracing::info!(cause, "stopped");
    Ok(())
}

/// What was asked for, to standard output. Whoever reads it may have read enough.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn end(failure: &Failure) -> ExitCode {
    // Standard error may be closed; the exit code says it too.
    let _ = writeln!(std::io::stderr(), "{failure}");
    ExitCode::from(failure.code)
}
