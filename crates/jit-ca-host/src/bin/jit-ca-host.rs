//! `jit-ca-host`: the hooks that sshd calls on a host, and what its administrator asks.

use std::process::ExitCode;

use clap::Parser as _;
use jit_ca_host::command::{Cli, run};

fn main() -> ExitCode {
    run(&Cli::parse())
}
