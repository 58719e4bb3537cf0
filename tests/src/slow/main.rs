//! Slow clients by the thousand, and honest ones that are measured beside them.
//!
//! ```text
//! jit-ca-slow hold ADDRESS      holds so many slow connections of all kinds open, opens each anew when it is
//!                               closed, and says each second how it stands; ends with its standard input
//! jit-ca-slow honest ADDRESS    calls with a login, on open connections and on new ones, and says how long it took
//! ```
//!
//! Both take whoever answers for the CA: they measure, and trust nothing that they are told.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "an attack that does not work fails the test that uses it"
)]

mod connect;
mod fat;
mod hold;
mod honest;
mod kinds;

use clap::{Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Slow clients by the thousand, and honest ones that are measured beside them
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Hold slow connections open
    Hold(hold::HoldArgs),
    /// Measure honest calls
    Honest(honest::HonestArgs),
}

fn main() {
    let cli = Cli::parse();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("open files");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match cli.command {
        Command::Hold(args) => runtime.block_on(hold::hold(args)),
        Command::Honest(args) => runtime.block_on(honest::measure(args)),
    }
    // Nothing is waited for: all connections end with the process.
    runtime.shutdown_background();
}
