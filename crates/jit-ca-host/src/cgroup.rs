//! The cgroups (v2) that connections are held in: whoever is in one can't leave it, and nor can what they start.
//!
//! ```text
//! <cgroup2>/jit-ca/<host>/<session>/             the connection: sshd's own processes
//! <cgroup2>/jit-ca/<host>/<session>/channel-1/   a guard, and all that it started
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::process::Process;

/// How many processes and threads a connection may have at once, where the kernel counts them in this hierarchy.
const MOST_PROCESSES: &str = "4096";

/// Where the unified hierarchy is mounted: `/sys/fs/cgroup`, or below it beside the old one.
pub(crate) fn mount() -> io::Result<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo")?;
    let is_unified =
        |line: &&str| line.split_once(" - ").is_some_and(|(_, kind)| kind.starts_with("cgroup2 "));
    let place = text.lines().find(is_unified).and_then(|line| line.split(' ').nth(4));
    place.map(PathBuf::from).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, "no cgroup2 is mounted: connections can't be held")
    })
}

/// A connection's cgroup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    path: PathBuf,
    /// Whether we made it. A scope of systemd's is removed by systemd.
    ours: bool,
}

impl Group {
    /// The group for a connection whose sshd is this: where pam_systemd has put it into a scope, that scope; else one
    /// of our own, made in `parent`, that it is moved into.
    pub(crate) fn hold(
        mount: &Path,
        parent: &Path,
        name: &str,
        monitor: Process,
    ) -> io::Result<Self> {
        let current = monitor.cgroup()?;
        let is_scope = current
            .rsplit('/')
            .next()
            .is_some_and(|last| last.starts_with("session-") && last.ends_with(".scope"));
        if is_scope {
            return Ok(Self { path: mount.join(current.trim_start_matches('/')), ours: false });
        }
        fs::create_dir_all(parent)?;
        let group = Self { path: parent.join(name), ours: true };
        fs::create_dir(&group.path)?;
        group.bound();
        group.take(monitor)?;
        Ok(group)
    }

    /// Moves a process into it.
    pub(crate) fn take(&self, process: Process) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), process.pid.to_string())
    }

    /// The group that an earlier hostd made, of which nothing else is known.
    pub(crate) fn left(path: PathBuf) -> Self {
        Self { path, ours: true }
    }

    /// Moves a guard into a group of its own in this one.
    pub(crate) fn channel(&self, number: u32, guard: Process) -> io::Result<()> {
        let path = self.path.join(format!("channel-{number}"));
        fs::create_dir(&path)?;
        fs::write(path.join("cgroup.procs"), guard.pid.to_string())
    }

    /// Whether a process of this cgroup, as `/proc` has it, is in here.
    pub(crate) fn holds(&self, mount: &Path, cgroup: &str) -> bool {
        mount.join(cgroup.trim_start_matches('/')).starts_with(&self.path)
    }

    /// The processes in the connection's own group, none of which belongs to a guard.
    pub(crate) fn own_processes(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Whether nobody is in it, nor in the groups in it.
    pub(crate) fn is_empty(&self) -> bool {
        match fs::read_to_string(self.path.join("cgroup.events")) {
            Ok(text) => text.lines().any(|line| line == "populated 0"),
            // A scope that systemd has removed.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Kills everybody in it. Nobody can start another process meanwhile: the kernel does it at once, or, before
    /// Linux 5.14, the group is frozen first.
    pub(crate) fn kill(&self) {
        if fs::write(self.path.join("cgroup.kill"), "1").is_ok() {
            return;
        }
        let _ = fs::write(self.path.join("cgroup.freeze"), "1");
        for folder in std::iter::once(self.path.clone()).chain(self.channels()) {
            let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            for pid in text.lines().filter_map(|line| line.parse().ok()) {
                if let Some(pid) = Pid::from_raw(pid) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
        }
        let _ = fs::write(self.path.join("cgroup.freeze"), "0");
    }

    /// Removes it, empty as it is. One that can't be removed yet is tried again by the next hostd.
    pub(crate) fn remove(&self) {
        for folder in self.channels() {
            let _ = fs::remove_dir(folder);
        }
        if self.ours {
            let _ = fs::remove_dir(&self.path);
        }
    }

    fn channels(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let is_channel = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("channel-"))
        };
        entries.map(|entry| entry.path()).filter(is_channel).collect()
    }

    /// Bounds how many processes there may be. The controller may be in the old hierarchy, or not be there: then the
    /// account's own limits hold (limits.conf(5)).
    fn bound(&self) {
        let folders: Vec<&Path> = self.path.ancestors().skip(1).take(3).collect();
        for folder in folders.into_iter().rev() {
            let _ = fs::write(folder.join("cgroup.subtree_control"), "+pids");
        }
        let _ = fs::write(self.path.join("pids.max"), MOST_PROCESSES);
    }
}
