//! What `jit-ca-host` does.

mod pam;
mod principals;
mod status;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::client::Unanswered;
use crate::config::{self, Config};
use crate::hook;

/// A host's part of jit-ca: the hooks that sshd calls, and what an administrator asks.
#[derive(Debug, Parser)]
#[command(name = "jit-ca-host", version)]
pub struct Cli {
    /// The host's configuration.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tells jit-ca-hostd of a connection; pam_exec(8) calls it in the `account` and `session` phases.
    Pam,
    /// Writes the principals that open an account, and tells jit-ca-hostd of the connection; for sshd's
    /// AuthorizedPrincipalsCommand.
    Principals(principals::Arguments),
    /// Lists the connections that are open.
    Status(status::Arguments),
}

/// Why it can't be done.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Config(#[from] config::Error),
    #[error("{0}")]
    Hook(#[from] hook::Fault),
    #[error("{0}")]
    Unanswered(#[from] Unanswered),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Does what the command line says.
pub fn run(cli: &Cli) -> ExitCode {
    match perform(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // pam_exec(8) shows a user what is written to standard output, and nothing else.
            let is_for_user = matches!(cli.command, Command::Pam);
            let mut place: Box<dyn io::Write> =
                if is_for_user { Box::new(io::stdout()) } else { Box::new(io::stderr()) };
            let _ = writeln!(place, "{fault}");
            ExitCode::FAILURE
        }
    }
}

fn perform(cli: &Cli) -> Result<(), Fault> {
    let config = Config::load(&cli.config)?;
    match &cli.command {
        Command::Pam => pam::run(&config),
        Command::Principals(arguments) => principals::run(&config, arguments),
        Command::Status(arguments) => status::run(&config, arguments),
    }
}
