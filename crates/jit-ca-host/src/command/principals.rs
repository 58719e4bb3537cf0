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
    /// The certificate is one that install tries a login by, and in no log.
    #[arg(long, hide = true)]
    trial: bool,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Fault> {
    let Arguments { account, certificate, trial } = arguments;
    for principal in hook::principals(config, account, certificate, *trial)? {
        writeln!(io::stdout(), "{principal}")?;
    }
    Ok(())
}
