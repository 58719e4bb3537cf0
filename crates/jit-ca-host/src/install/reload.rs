//! sshd reads its configuration again. Connections that are open stay as they are.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::fault::Fault;
use crate::sshd::Sshd;

/// How sshd came to know of its new configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reloaded {
    /// systemd was told to.
    ByService,
    /// It was sent a SIGHUP (sshd(8)).
    BySignal,
    /// None runs here. The next that starts knows.
    NotRunning,
}

/// Has sshd read its configuration again.
///
/// # Errors
/// If it can't be told.
pub(crate) fn reload(sshd: &Sshd) -> Result<Reloaded, Fault> {
    let by_hand = "reload sshd by hand, as this host does it";
    // systemd.unit(5): sd_booted(3) looks for this folder, too.
    if Path::new("/run/systemd/system").exists() {
        // Debian calls it ssh, most others sshd.
        for name in ["ssh", "sshd"] {
            let output = Command::new("systemctl").args(["reload", name]).output();
            if output.is_ok_and(|output| output.status.success()) {
                return Ok(Reloaded::ByService);
            }
        }
        return Err(Fault::new("systemctl reload ssh, and sshd, failed", by_hand));
    }
    let effective = sshd.effective(None)?;
    let number = fs::read_to_string(effective.value("pidfile")).unwrap_or_default();
    let Some(pid) = number.trim().parse().ok().and_then(Pid::from_raw) else {
        return Ok(Reloaded::NotRunning);
    };
    // The file outlives its sshd where that was killed.
    let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if command.trim() != "sshd" {
        return Ok(Reloaded::NotRunning);
    }
    kill_process(pid, Signal::HUP).map_err(|error| {
        Fault::new(format!("sshd (process {pid}) can't be told: {error}"), by_hand)
    })?;
    Ok(Reloaded::BySignal)
}
