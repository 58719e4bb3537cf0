//! What `jit-ca-host` does.

mod doctor;
mod enroll;
mod feed;
mod install;
mod observed;
mod pam;
mod principals;
mod status;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::client::Unanswered;
use crate::config::{self, Config};
use crate::{clock, courier, fault, hook};

/// A host's part of jit-ca: sshd's trust, sessions that end when the access ends, and what is wrong with either
#[derive(Debug, Parser)]
#[command(name = "jit-ca-host", version)]
pub struct Cli {
    /// The host's configuration
    #[arg(long, global = true, value_name = "FILE", default_value = config::DEFAULT)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Have sshd do what the configuration says: checked and tried first, and undone if that fails
    Install(install::Arguments),
    /// Have sshd do none of it any more
    Uninstall,
    /// Enrol this host by a one-use token: `jit-ca host token` makes one. Its key gets a certificate, by which clients know it
    Enroll(enroll::Arguments),
    /// Get a new certificate for the host key; a timer does it
    Renew(enroll::Renewal),
    /// Say what is wrong on this host
    Doctor(doctor::Arguments),
    /// List the connections that are open
    Status(status::Arguments),
    /// Print which certificates were used here, for `jit-ca log verify --observed`
    Observed,
    /// Ask the CA which certificates are in its log, and keep them with the proofs checked; for strict hosts
    Feed(feed::Arguments),
    /// Carry recordings to the CA, and end sessions whose grant has ended: a service does it, as the account jit-ca-host
    Courier,
    /// Tell jit-ca-hostd of a connection; pam_exec(8) calls it in the `account` and `session` phases
    Pam,
    /// Print the principals that open an account, and tell jit-ca-hostd of the connection; for sshd's
    /// AuthorizedPrincipalsCommand
    Principals(principals::Arguments),
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
    #[error("{0}")]
    Feed(#[from] crate::feed::Refused),
    #[error("{0}")]
    Stopped(#[from] fault::Fault),
}

/// Does what the command line says.
pub fn run(cli: &Cli) -> ExitCode {
    match perform(cli) {
        Ok(code) => code,
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

fn perform(cli: &Cli) -> Result<ExitCode, Fault> {
    let config = Config::load(&cli.config)?;
    match &cli.command {
        Command::Install(arguments) => install::install(&config, &cli.config, arguments)?,
        Command::Uninstall => install::uninstall(&config)?,
        Command::Enroll(arguments) => enroll::enroll(&config, arguments)?,
        Command::Renew(arguments) => enroll::renew(&config, arguments)?,
        Command::Doctor(arguments) => {
            return Ok(doctor::run(&config, arguments, clock::now_ms() / 1000));
        }
        Command::Status(arguments) => status::run(&config, arguments)?,
        Command::Observed => observed::run(&config)?,
        Command::Feed(arguments) => feed::run(&config, arguments)?,
        Command::Courier => courier::run(&config)?,
        Command::Pam => pam::run(&config)?,
        Command::Principals(arguments) => principals::run(&config, arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
