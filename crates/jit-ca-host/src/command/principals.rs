//! `jit-ca-host principals`

use std::io::{self, Write as _};

use clap::Args;

use super::Fault;
use crate::config::Config;
use crate::hook;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The account: sshd's `%u`.
    account: String,
    /// The certificate that is offered, base64: sshd's `%k`.
    certificate: String,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Fault> {
    for principal in hook::principals(config, &arguments.account, &arguments.certificate)? {
        writeln!(io::stdout(), "{principal}")?;
    }
    Ok(())
}
