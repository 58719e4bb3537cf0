//! `install` and `uninstall`.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::fault::Fault;
use crate::install::{self, Done, Reloaded};
use crate::printer;

/// What `install` is given.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The CA's keys for SSH certificates of users, as `jit-ca trust --ssh-user-ca` prints them. Where it is left out, those
    /// that were installed before; the first time, what the CA of the configuration says
    #[arg(long, value_name = "FILE")]
    user_ca: Option<PathBuf>,
}

/// Has sshd do what `host.toml` says.
///
/// # Errors
/// If anything stands against it. Then nothing is changed.
pub(super) fn install(config: &Config, file: &Path, arguments: &Arguments) -> Result<(), Fault> {
    let file = std::path::absolute(file).map_err(|error| Fault::file(file, &error))?;
    let file = file.to_string_lossy();
    if file.contains(char::is_whitespace) {
        let what = format!("{file:?} has a space in it, which sshd does not take");
        return Err(Fault::new(what, "put it where none is"));
    }
    let done = install::install(config, &file, arguments.user_ca.as_deref())?;
    tell(&done);
    if config.sshd.static_keys {
        printer::note(
            "the old ways in are still open. Log in from another terminal by a certificate; then say static_keys = false in \
             host.toml, and install again",
        );
    }
    Ok(())
}

/// Has sshd do none of it any more.
///
/// # Errors
/// If sshd would not start without it. Then nothing is changed.
pub(super) fn uninstall(config: &Config) -> Result<(), Fault> {
    tell(&install::uninstall(config)?);
    Ok(())
}

fn tell(done: &Done) {
    for line in &done.lines {
        printer::data(line);
    }
    printer::data(match done.reloaded {
        Reloaded::ByService | Reloaded::BySignal => {
            "sshd has read it; connections that are open stay as they are"
        }
        Reloaded::NotRunning => "no sshd runs here; the next that starts will read it",
    });
}
