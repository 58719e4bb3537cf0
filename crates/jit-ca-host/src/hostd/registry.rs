//! All connections that are open.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jit_ca_core::{SessionId, UnixTime, Use};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::connection::{Channel, Connection, Phase};
use super::saved::Saved;
use super::{Fault, places};
use crate::certificate::Accepted;
use crate::cgroup::Group;
use crate::clock;
use crate::config::Config;
use crate::observed::Observed;
use crate::passwd::Passwd;
use crate::process::Process;
use crate::recording::{self, Bounds, Certified, End, SessionClosed, SessionOpened, Spool};

/// The programs that sshd consists of: since OpenSSH 9.8 the one that stands for a connection is `sshd-session`.
const SSHD: [&str; 3] = ["sshd", "sshd-session", "sshd-auth"];

/// The connections, and what they rest on.
#[derive(Debug)]
pub(super) struct Registry {
    /// How the host is configured.
    pub(super) config: Config,
    /// Where cgroups are mounted.
    pub(super) mount: PathBuf,
    /// Where recordings wait.
    pub(super) spool: Spool,
    groups: PathBuf,
    folder: PathBuf,
    connections: Mutex<BTreeMap<SessionId, Connection>>,
}

/// Somebody who is let in, or tries to be.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    /// The account.
    pub(super) account: Passwd,
    /// From where.
    pub(super) from: Option<String>,
    /// By what certificate.
    pub(super) certificate: Option<Accepted>,
    /// Whether sshd has let them in.
    pub(super) is_session: bool,
}

impl Registry {
    /// Takes up what an earlier hostd has left: connections that go on, and those that ended meanwhile.
    pub(super) fn open(config: Config) -> Result<Self, Fault> {
        let bounds = Bounds {
            all: config.recording.spool.bytes(),
            session: config.recording.session.bytes(),
        };
        let (mount, groups) = places::groups(&config.places)?;
        let folder = places::connections(&config.places)?;
        let spool = Spool::open(&config.places.state, bounds)?;
        let registry = Self { config, mount, spool, groups, folder, connections: Mutex::default() };
        registry
            .take_up()
            .map_err(|error| Fault::Machine("what was open can't be taken up", error))?;
        registry.close_what_is_over()?;
        Ok(registry)
    }

    /// The connections, by session.
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionId, Connection>> {
        // Each change is whole by itself, so a thread that died in one leaves nothing to mend.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sshd process that stands for a connection that somebody is a child of: root's, and sshd's program.
    pub(super) fn monitor(&self, process: Process) -> Result<Process, String> {
        let program = process.program().unwrap_or_default();
        let is_sshd = program.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            SSHD.contains(&name.trim_end_matches(" (deleted)"))
        });
        match is_sshd && process.user().is_ok_and(|user| user == 0) {
            true => Ok(process),
            false => Err("only sshd tells of connections".to_owned()),
        }
    }

    /// Holds a connection from now on, or holds it to another certificate.
    pub(super) fn hold(&self, monitor: Process, arrival: Arrival) -> Result<SessionId, String> {
        let mut connections = self.lock();
        let known = connections.values_mut().find(|known| known.saved.monitor == monitor);
        if let Some(connection) = known {
            return self.hold_anew(connection, arrival);
        }
        let id = new_id().map_err(|error| error.to_string())?;
        let hold = || {
            let (handle, sshd) = (monitor.open()?, monitor.executable()?);
            let group = Group::hold(&self.mount, &self.groups, &id.to_string(), monitor)?;
            let saved = Saved {
                id,
                account: arrival.account.name.clone(),
                uid: arrival.account.uid,
                shell: arrival.account.shell.clone(),
                from: arrival.from.clone(),
                certificate: arrival.certificate.clone(),
                opened_ms: clock::now_ms(),
                is_session: false,
                is_unrecorded: false,
                monitor,
                group,
                channels: 0,
                guards: BTreeMap::new(),
            };
            saved.write(&self.folder)?;
            io::Result::Ok(Connection::new(saved, Some(handle), Some(sshd), clock::now_ms()))
        };
        let mut connection =
            hold().map_err(|error| format!("the connection can't be held: {error}"))?;
        let opened = if arrival.is_session { self.let_in(&mut connection) } else { Ok(()) };
        // Refused, it is held all the same until sshd has closed it.
        connections.insert(id, connection);
        opened.map(|()| id)
    }

    fn hold_anew(
        &self,
        connection: &mut Connection,
        arrival: Arrival,
    ) -> Result<SessionId, String> {
        if !matches!(connection.phase, Phase::Open) {
            return Err("this connection is being ended".to_owned());
        }
        if connection.saved.is_session && connection.saved.certificate != arrival.certificate {
            return Err("this connection was let in by another certificate".to_owned());
        }
        let saved = &mut connection.saved;
        (saved.account, saved.uid) = (arrival.account.name, arrival.account.uid);
        saved.shell = arrival.account.shell;
        saved.from = arrival.from.or(saved.from.take());
        connection.take(arrival.certificate, clock::now_ms());
        if arrival.is_session {
            self.let_in(connection)?;
        }
        self.save(connection)?;
        Ok(connection.id())
    }

    /// What was a try is a session from now on; recorded, unless it can't be and somebody has to be able to mend that.
    pub(super) fn let_in(&self, connection: &mut Connection) -> Result<(), String> {
        match self.open_session(connection) {
            Err(why) if self.config.is_break_glass(&connection.saved.account) => {
                tracing::warn!(session = %connection.id(), why, "let in unrecorded");
                connection.saved.is_unrecorded = true;
                self.save(connection)
            }
            opened => opened,
        }
    }

    /// Begins to keep what is done in it.
    pub(super) fn open_session(&self, connection: &mut Connection) -> Result<(), String> {
        if connection.saved.is_session {
            return Ok(());
        }
        let saved = &connection.saved;
        let opened = SessionOpened {
            id: saved.id,
            host: self.config.host.name.clone(),
            account: saved.account.clone(),
            from: saved.from.clone(),
            certificate: saved.certificate.as_ref().map(|found| Certified {
                ca: found.ca.to_string(),
                serial: found.serial,
                key_id: found.key_id.clone(),
                valid_before: found.valid_before,
            }),
            opened_ms: saved.opened_ms,
        };
        self.spool.open_session(&opened).map_err(|fault| fault.to_string())?;
        self.observe(saved)
            .map_err(|error| format!("the list of certificates that were used: {error}"))?;
        tracing::info!(session = %saved.id, account = %saved.account, "let in");
        connection.saved.is_session = true;
        self.save(connection)
    }

    /// Notes which certificate was used, for whoever compares that with the CA's log.
    fn observe(&self, saved: &Saved) -> io::Result<()> {
        let Some(certificate) = &saved.certificate else { return Ok(()) };
        Observed::of(&self.config.places.state).add(&Use {
            time: UnixTime::from_secs(saved.opened_ms / 1000),
            host: self.config.host.name.clone(),
            account: saved.account.clone(),
            ca: certificate.ca,
            serial: certificate.serial,
            key_id: certificate.key_id.clone(),
            tbs: certificate.tbs,
        })
    }

    /// Keeps what has changed of a connection.
    pub(super) fn save(&self, connection: &mut Connection) -> Result<(), String> {
        let guards = connection.channels.iter();
        connection.saved.guards = guards
            .map(|(&number, channel)| (number, (channel.guard, channel.is_terminal)))
            .collect();
        connection
            .saved
            .write(&self.folder)
            .map_err(|error| format!("the connection can't be kept: {error}"))
    }

    /// A connection of which nothing is left.
    pub(super) fn close(&self, connection: &Connection, why: End) {
        let saved = &connection.saved;
        if saved.is_session {
            let closed = SessionClosed { why, closed_ms: clock::now_ms() };
            if let Err(fault) = self.spool.close_session(&saved.id, &closed) {
                tracing::error!(session = %saved.id, %fault, "its end can't be kept");
            }
            tracing::info!(session = %saved.id, ?why, "over");
        }
        connection.group().remove();
        saved.remove(&self.folder);
    }

    fn take_up(&self) -> io::Result<()> {
        let (now, now_ms) = (Instant::now(), clock::now_ms());
        let mut known = BTreeSet::new();
        for saved in Saved::all(&self.folder)? {
            known.insert(saved.id.to_string());
            let monitor = saved.monitor.open();
            let sshd = saved.monitor.executable().ok();
            let guards = saved.guards.clone();
            let mut connection = Connection::new(saved, monitor.ok(), sshd, now_ms);
            for (number, (guard, is_terminal)) in guards {
                if !guard.is_alive() {
                    // It would have waited for us to say how it ended.
                    connection.end(End::Unguarded);
                    continue;
                }
                connection.channels.insert(number, Channel { guard, line: Err(now), is_terminal });
            }
            tracing::info!(session = %connection.id(), "taken up");
            self.lock().insert(connection.id(), connection);
        }
        for entry in fs::read_dir(&self.groups)?.flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && !known.contains(&*name.to_string_lossy()) {
                // Nobody knows until when they may stay.
                tracing::warn!(group = %path.display(), "of no connection that is known: killed");
                let group = Group::left(path);
                group.kill();
                group.remove();
            }
        }
        Ok(())
    }

    /// Sessions that were open when the machine was stopped.
    fn close_what_is_over(&self) -> Result<(), recording::Fault> {
        let closed = SessionClosed { why: End::Stopped, closed_ms: clock::now_ms() };
        for id in self.spool.sessions()? {
            if !self.lock().contains_key(&id) && self.spool.closed(&id)?.is_none() {
                self.spool.close_session(&id, &closed)?;
            }
        }
        Ok(())
    }
}

fn new_id() -> io::Result<SessionId> {
    let mut random = [0; 10];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| io::Error::other("the machine gives no random bytes"))?;
    Ok(SessionId::new(clock::now_ms(), random))
}
