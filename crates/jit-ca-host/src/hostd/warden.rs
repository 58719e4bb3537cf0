//! One thread that looks at the clock, and at each connection, ten times a second.
//!
//! An end takes three steps: terminals are told; sshd is asked to close (SIGTERM, by which it closes PAM's session and takes
//! itself out of utmp); and a second later everybody who is left is killed, who can neither refuse nor be stopped (SIGSTOP) then.

use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendFlags, send};
use rustix::process::Signal;

use super::connection::{Connection, Phase};
use super::notice;
use super::registry::Registry;
use crate::clock;
use crate::process::{Process, signal};
use crate::protocol::{Frame, Kind};
use crate::recording::End;

/// How often it looks. The clock is read each time, as it may be set.
const TICK: Duration = Duration::from_millis(100);
/// How many of these pass between two looks for what runs without a guard.
const TICKS_BETWEEN_SCANS: u32 = 5;
/// How long sshd and the programs may take to end by themselves.
const GRACE: Duration = Duration::from_secs(1);
/// How long a guard may take to come back after hostd was gone.
const RETURN: Duration = Duration::from_secs(10);

/// Watches until the process ends.
pub(super) fn watch(registry: &Registry) {
    let mut tick: u32 = 0;
    loop {
        tick = tick.wrapping_add(1);
        let mut over = Vec::new();
        {
            let mut connections = registry.lock();
            let now = Instant::now();
            for connection in connections.values_mut() {
                let is_scan = tick.is_multiple_of(TICKS_BETWEEN_SCANS);
                look(registry, connection, now, is_scan);
                over.extend(left(connection).map(|why| (connection.id(), why)));
            }
            let remove = |(id, why)| connections.remove(&id).map(|found| (found, why));
            let closed: Vec<_> = over.into_iter().filter_map(remove).collect();
            drop(connections);
            for (connection, why) in closed {
                registry.close(&connection, why);
            }
        }
        thread::sleep(TICK);
    }
}

fn look(registry: &Registry, connection: &mut Connection, now: Instant, is_scan: bool) {
    let now_ms = clock::now_ms();
    if !matches!(connection.phase, Phase::Ending(..)) {
        if connection.is_over(now_ms) {
            connection.end(End::Expired);
        } else if lost(connection, now) {
            connection.end(End::Unguarded);
        }
    }
    match connection.phase {
        Phase::Open => {
            if is_gone(connection) {
                connection.phase = Phase::Left(now);
            } else if is_scan {
                accepted(registry, connection);
                if connection.is_unguarded(now) {
                    connection.end(End::Unguarded);
                }
            }
            if let Some(words) = connection.notices.due(now_ms) {
                let host = registry.config.host.name.as_str();
                tell(connection, &notice::warning(&connection.saved, host, words));
            }
        }
        // sshd's other half goes on forwarding without the first.
        Phase::Left(since) if now.duration_since(since) >= GRACE => kill_own(connection),
        Phase::Left(_) => {}
        Phase::Ending(since, why) => {
            let elapsed = now.duration_since(since);
            if !connection.is_told {
                connection.is_told = true;
                let text =
                    notice::ending(&connection.saved, registry.config.host.name.as_str(), why);
                tracing::info!(session = %connection.id(), ?why, "ended");
                tell(connection, &text);
            } else if elapsed < GRACE {
                connection.monitor.iter().for_each(|monitor| signal(monitor, Signal::TERM));
            } else {
                connection.group().kill();
            }
        }
    }
}

/// Why a connection is over, if nothing is left of it.
fn left(connection: &mut Connection) -> Option<End> {
    let why = match connection.phase {
        Phase::Open => return None,
        Phase::Left(_) => End::Left,
        Phase::Ending(_, why) => why,
    };
    if !connection.group().is_empty() {
        return None;
    }
    // Guards that had not come back are dead by now; of the others the threads see it.
    connection.channels.retain(|_, channel| channel.line.is_ok());
    connection.channels.is_empty().then_some(why)
}

/// Whether a guard that was there before hostd has not come back.
fn lost(connection: &Connection, now: Instant) -> bool {
    let mut lines = connection.channels.values().map(|channel| &channel.line);
    lines.any(|line| line.as_ref().is_err_and(|since| now.duration_since(*since) >= RETURN))
}

/// Whether sshd has closed it.
fn is_gone(connection: &Connection) -> bool {
    let Some(monitor) = &connection.monitor else { return true };
    let mut polled = [PollFd::new(monitor, PollFlags::IN)];
    poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Without PAM nobody tells that a login was complete: sshd runs as the user then.
fn accepted(registry: &Registry, connection: &mut Connection) {
    let saved = &connection.saved;
    if saved.is_session || saved.is_unrecorded || saved.uid == 0 {
        return;
    }
    let users = connection.group().own_processes().into_iter();
    let mut users = users.filter_map(|pid| Process::of(pid).ok()?.user().ok());
    if users.any(|user| user == connection.saved.uid)
        && let Err(why) = registry.let_in(connection)
    {
        tracing::error!(session = %connection.id(), why, "can't be recorded");
        connection.end(End::Full);
    }
}

/// Kills what of sshd is left without the process that stood for the connection.
fn kill_own(connection: &Connection) {
    for pid in connection.group().own_processes() {
        if let Ok(handle) = Process::of(pid).and_then(Process::open) {
            signal(&handle, Signal::KILL);
        }
    }
}

/// Tells the terminals something. One that doesn't take it at once goes without.
fn tell(connection: &Connection, text: &str) {
    let bytes = Frame::new(Kind::Tell, text).bytes();
    for channel in connection.channels.values().filter(|channel| channel.is_terminal) {
        if let Ok(line) = &channel.line {
            let _ = send(line, &bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        }
    }
}
