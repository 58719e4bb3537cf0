//! `jit-ca-hostd`: ends SSH connections when the access does, and keeps their recordings.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use jit_ca_host::config::{self, Config};
use jit_ca_host::hostd;

/// Ends the SSH connections of this host when the access does, and keeps their recordings. Runs as root.
#[derive(Debug, Parser)]
#[command(name = "jit-ca-hostd", version)]
struct Cli {
    /// The host's configuration.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT)]
    config: PathBuf,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).init();
    let run = Config::load(&cli.config)
        .map_err(|error| error.to_string())
        .and_then(|config| hostd::run(config).map_err(|fault| fault.to_string()));
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            let _ = writeln!(io::stderr(), "jit-ca-hostd: {fault}");
            ExitCode::FAILURE
        }
    }
}
