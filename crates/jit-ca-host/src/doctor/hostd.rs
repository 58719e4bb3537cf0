//! hostd, and what it needs of the machine.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::Finding;
use crate::config::Config;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    vec![socket(&config.places.socket()), cgroups()]
}

fn socket(path: &Path) -> Finding {
    match UnixStream::connect(path) {
        Ok(_) => Finding::fine("hostd is there"),
        Err(error) => Finding::fault(
            format!(
                "hostd does not answer, so nobody is let in but to break-glass accounts: {}: {error}",
                path.display()
            ),
            "start it: systemctl start jit-ca-hostd",
        ),
    }
}

/// cgroups(7), version 2: what holds a connection's processes together.
fn cgroups() -> Finding {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let is_v2 =
        |line: &str| line.split(" - ").nth(1).is_some_and(|rest| rest.starts_with("cgroup2 "));
    match mounts.lines().any(is_v2) {
        true => Finding::fine("cgroups of version 2 are mounted"),
        false => Finding::fault(
            "no cgroups of version 2 are mounted, so that processes can't be ended with their connection",
            "mount them: mount -t cgroup2 none /sys/fs/cgroup",
        ),
    }
}
