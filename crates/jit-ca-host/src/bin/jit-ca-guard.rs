//! `jit-ca-guard`: what sshd runs in place of each shell and command.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use jit_ca_host::{config, guard};

/// Runs what the user of an SSH connection wants, and tells jit-ca-hostd: sshd's ForceCommand.
#[derive(Debug, Parser)]
#[command(name = "jit-ca-guard", version)]
struct Cli {
    /// The host's configuration.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT)]
    config: PathBuf,
    /// How the guard calls itself within the terminal that it has made.
    #[arg(long, hide = true, num_args = 2.., allow_hyphen_values = true)]
    inner: Vec<OsString>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let code = if cli.inner.is_empty() { guard::run(&cli.config) } else { guard::inner(cli.inner) };
    ExitCode::from(code)
}
