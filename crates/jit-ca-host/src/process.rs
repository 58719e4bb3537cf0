//! Processes, as `/proc` tells of them (proc(5)).

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A process for good: its number is given again one day, its number and start together are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) pid: i32,
    /// When it started, in clock ticks since the machine's start.
    pub(crate) start: u64,
}

/// A running program: the file, whatever it is called by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Executable {
    device: u64,
    inode: u64,
}

impl Process {
    /// The process of this number.
    pub(crate) fn of(pid: i32) -> io::Result<Self> {
        Ok(Self { pid, start: stat(pid)?.start })
    }

    /// Its parent.
    pub(crate) fn parent(self) -> io::Result<Self> {
        Self::of(stat(self.pid)?.parent)
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(self) -> bool {
        stat(self.pid).is_ok_and(|stat| stat.start == self.start && stat.state != "Z")
    }

    /// A handle that stays the process's own.
    pub(crate) fn open(self) -> io::Result<OwnedFd> {
        let pid = Pid::from_raw(self.pid).ok_or(io::ErrorKind::NotFound)?;
        let handle = pidfd_open(pid, PidfdFlags::empty())?;
        // Opened by number; only now can that number not be another's any more.
        if self.is_alive() { Ok(handle) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// The program that it runs.
    pub(crate) fn executable(self) -> io::Result<Executable> {
        Executable::of(&PathBuf::from(format!("/proc/{}/exe", self.pid)))
    }

    /// Its program's path, as it was when it was started.
    pub(crate) fn program(self) -> io::Result<PathBuf> {
        fs::read_link(format!("/proc/{}/exe", self.pid))
    }

    /// Its real user.
    pub(crate) fn user(self) -> io::Result<u32> {
        // The owner of /proc/PID is root for what is not dumpable.
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Uid:"));
        let user = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
        user.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Its cgroup in the unified hierarchy, from `/` on (cgroups(7)).
    pub(crate) fn cgroup(self) -> io::Result<String> {
        let text = fs::read_to_string(format!("/proc/{}/cgroup", self.pid))?;
        let path = text.lines().find_map(|line| line.strip_prefix("0::"));
        path.map(str::to_owned).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Executable {
    /// The program in a file.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self { device: found.dev(), inode: found.ino() })
    }
}

/// Sends a signal. A process that is gone needs none.
pub(crate) fn signal(handle: &OwnedFd, signal: Signal) {
    let _ = pidfd_send_signal(handle, signal);
}

struct Stat {
    state: String,
    parent: i32,
    start: u64,
}

fn stat(pid: i32) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in brackets, may hold anything.
    let (_, rest) = text.rsplit_once(") ").ok_or(io::ErrorKind::InvalidData)?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or_default();
    let wrong = |_| io::Error::from(io::ErrorKind::InvalidData);
    Ok(Stat {
        state: field(3).to_owned(),
        parent: field(4).parse().map_err(wrong)?,
        start: field(22).parse().map_err(wrong)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, id};

    #[test]
    fn a_process_is_known_by_number_and_start() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let sleep = Process::of(child.id().try_into().unwrap()).unwrap();
        assert_eq!(sleep.parent().unwrap(), Process::of(id().try_into().unwrap()).unwrap());
        assert_eq!(sleep.executable().unwrap(), Executable::of(&sleep.program().unwrap()).unwrap());
        assert!(sleep.cgroup().unwrap().starts_with('/'));
        let handle = sleep.open().unwrap();
        assert!(sleep.is_alive() && !Process { start: sleep.start + 1, ..sleep }.is_alive());
        signal(&handle, Signal::KILL);
        child.wait().unwrap();
        assert!(!sleep.is_alive() && sleep.open().is_err());
    }
}
