//! How fast jit-ca and its peers issue, what it costs them, and how near the machine's limit that is.
//!
//! `tests/bench/run.sh` starts everything and calls this program; `docs/PERFORMANCE.md` says how to read what
//! comes out.
//!
//! ```text
//! prepare     a CA with people who are logged in and have a grant    (jit-ca is started with it by run.sh)
//! limit       a server that does only what no CA of this kind can leave out
//! load        one server, so many connections, one line of JSON
//! coldstart   a server's start, again and again
//! command     a program's run, again and again
//! disk        bytes under a folder, for each certificate
//! report      lines of JSON to tables
//! ```

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement that does not work ends; nobody's input is read here"
)]

mod certificate;
mod client;
mod disk;
mod drive;
mod limit;
mod load;
mod pool;
mod prepare;
mod report;
mod runs;
mod sshsig;
mod sys;
mod target;

use std::error::Error;

use clap::{Parser, Subcommand};

/// What can go wrong with a measurement is read by people alone.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Measures CAs.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Debug, Subcommand)]
enum Measurement {
    /// Make a CA whose policy has 100 rules, with people who are logged in and have a grant
    Prepare(prepare::PrepareArgs),
    /// Serve the physical limit
    Limit(limit::LimitArgs),
    /// Load a server with connections that issue, and append a line of results
    Load(Box<load::LoadArgs>),
    /// Start a server repeatedly: time to ready, idle memory
    Coldstart(runs::ColdstartArgs),
    /// Run a command repeatedly: wall and CPU time
    Command(runs::CommandArgs),
    /// Bytes on disk, for each certificate of a series
    Disk(disk::DiskArgs),
    /// Make tables of result lines
    Report(report::ReportArgs),
}

fn main() -> Result<()> {
    match Cli::parse().measurement {
        Measurement::Prepare(args) => prepare::main(&args),
        Measurement::Limit(args) => limit::main(&args),
        Measurement::Load(args) => load::main(&args),
        Measurement::Coldstart(args) => runs::coldstart(&args),
        Measurement::Command(args) => runs::command(&args),
        Measurement::Disk(args) => disk::main(&args),
        Measurement::Report(args) => report::main(&args),
    }
}

/// Prints a line of results.
#[expect(clippy::print_stdout, reason = "the one place where this program says something")]
fn say(line: &str) {
    println!("{line}");
}
