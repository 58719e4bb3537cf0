//! A connection that is open.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use jit_ca_core::SessionId;

use super::notice::Notices;
use super::saved::Saved;
use crate::certificate::Accepted;
use crate::cgroup::Group;
use crate::process::{Executable, Process};
use crate::protocol::Open;
use crate::recording::End;

/// How long a process may run beside sshd before a guard has it: the login shell that starts the guard, `xauth`.
const GRACE: Duration = Duration::from_secs(2);
/// How long there may always be one that has another parent than sshd: none by itself is older than that.
const STRAYS: Duration = Duration::from_secs(10);
/// More than that at once is no login shell.
const MOST_UNGUARDED: usize = 512;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// What is kept of it on the disk.
    pub(super) saved: Saved,
    /// The sshd process that stands for it, root's, as long as it is there.
    pub(super) monitor: Option<OwnedFd>,
    /// That sshd's program.
    sshd: Option<Executable>,
    /// Its guards, by their channel's number: those that are, or may be, still there.
    pub(super) channels: BTreeMap<u32, Channel>,
    /// What its terminals were told.
    pub(super) notices: Notices,
    /// How far it is.
    pub(super) phase: Phase,
    /// Whether its terminals know that it ends.
    pub(super) is_told: bool,
    unguarded: HashMap<Process, Instant>,
    strays_since: Option<Instant>,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// It may go on.
    Open,
    /// sshd has closed it. What it has left behind may stay until the certificate's end, if it had a guard.
    Left(Instant),
    /// It is being ended: since when, and why.
    Ending(Instant, End),
}

/// A guard.
#[derive(Debug)]
pub(super) struct Channel {
    /// Its process.
    pub(super) guard: Process,
    /// Where it is reached; else since when it isn't.
    pub(super) line: Result<UnixStream, Instant>,
    /// Whether it is at a terminal.
    pub(super) is_terminal: bool,
}

impl Connection {
    /// One that begins, or is taken up again.
    pub(super) fn new(
        saved: Saved,
        monitor: Option<OwnedFd>,
        sshd: Option<Executable>,
        now_ms: u64,
    ) -> Self {
        let notices = Notices::new(saved.certificate.as_ref(), now_ms);
        Self {
            saved,
            monitor,
            sshd,
            channels: BTreeMap::new(),
            notices,
            phase: Phase::Open,
            is_told: false,
            unguarded: HashMap::new(),
            strays_since: None,
        }
    }

    /// Its session.
    pub(super) fn id(&self) -> SessionId {
        self.saved.id
    }

    /// What holds it.
    pub(super) fn group(&self) -> &Group {
        &self.saved.group
    }

    /// Goes by another certificate from now on: before a login is complete, each that is offered is told, and the last one
    /// is the one that counts.
    pub(super) fn take(&mut self, certificate: Option<Accepted>, now_ms: u64) {
        self.notices = Notices::new(certificate.as_ref(), now_ms);
        self.saved.certificate = certificate;
    }

    /// Whether its time is over.
    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        self.saved.certificate.as_ref().is_some_and(|certificate| now_ms >= certificate.end_ms())
    }

    /// Begins to end it. What has begun is not begun again.
    pub(super) fn end(&mut self, why: End) {
        if !matches!(self.phase, Phase::Ending(..)) {
            self.phase = Phase::Ending(Instant::now(), why);
        }
    }

    /// Whether somebody works in it beside the guards: a startup file of the login shell that doesn't come to its end, say.
    pub(super) fn is_unguarded(&mut self, now: Instant) -> bool {
        if self.saved.is_unrecorded {
            return false;
        }
        let mut found = HashMap::new();
        let mut strays = false;
        for pid in self.group().own_processes() {
            let Ok(process) = Process::of(pid) else { continue };
            // Whose program can't be read is ending.
            let Ok(executable) = process.executable() else { continue };
            // What PAM has started for sshd is root's.
            let is_roots = self.saved.uid != 0 && process.user().is_ok_and(|user| user == 0);
            if Some(executable) == self.sshd || is_roots {
                continue;
            }
            // A chain of processes, each of which starts the next and ends, is none of sshd's children but the first.
            let parent = process.parent().and_then(Process::executable);
            strays |= parent.is_ok_and(|parent| Some(parent) != self.sshd);
            found.insert(process, self.unguarded.get(&process).copied().unwrap_or(now));
        }
        self.unguarded = found;
        self.strays_since = if strays { self.strays_since.or(Some(now)) } else { None };
        let too_long = self.unguarded.values().any(|since| now.duration_since(*since) >= GRACE);
        let strays = self.strays_since.is_some_and(|since| now.duration_since(since) >= STRAYS);
        too_long || strays || self.unguarded.len() > MOST_UNGUARDED
    }

    /// What is told of it.
    pub(super) fn shown(&self) -> Open {
        let certificate = self.saved.certificate.as_ref();
        Open {
            id: self.id().to_string(),
            account: self.saved.account.clone(),
            from: self.saved.from.clone(),
            certificate: certificate.map(|found| (found.key_id.clone(), found.serial)),
            ends: certificate.map(|found| found.valid_before),
            channels: self.channels.len(),
        }
    }
}
