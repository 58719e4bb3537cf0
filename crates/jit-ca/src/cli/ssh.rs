//! What `ssh-config` takes, and what ssh runs by it.

use std::str::FromStr;

use clap::Args;
use jit_ca_core::RoleName;

use crate::cli::WishArgs;
use crate::error::{Error, Result};
use crate::target::Target;

#[derive(Debug, Args)]
pub(crate) struct SshConfigCommand {
    /// Write it to ~/.ssh/jit-ca.conf, and have the first line of ~/.ssh/config include it
    #[arg(long, conflicts_with = "remove")]
    pub(crate) install: bool,
    /// Ask for this role where several give an account; of several of these, for the first that gives it
    ///
    /// Other roles are then left out.
    #[arg(long = "role", value_name = "ROLE", conflicts_with = "remove")]
    pub(crate) roles: Vec<RoleName>,
    /// Keep keys in files, not in ssh-agent
    #[arg(long, conflicts_with = "remove")]
    pub(crate) no_agent: bool,
    /// Take away what --install wrote
    #[arg(long)]
    pub(crate) remove: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SshReadyCommand {
    /// The role to ask for
    #[arg(long)]
    pub(crate) role: Option<RoleName>,
    #[command(flatten)]
    pub(crate) wish: WishArgs,
    /// Keep the key in a file, not in ssh-agent
    #[arg(long)]
    pub(crate) no_agent: bool,
    /// Where ssh goes: user@host
    pub(crate) place: Place,
}

/// Where ssh goes, as it says it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) target: Target,
    /// With the host as it was typed: ssh matches names in either case, and keeps them as they are. Letters, digits and
    /// `_.-@`: what a file can be called.
    pub(crate) typed: String,
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let target = match text.split_once('@') {
            Some((login, host)) => format!("{login}@{}", host.to_ascii_lowercase()).parse()?,
            None => text.parse()?,
        };
        Ok(Self { target, typed: text.to_owned() })
    }
}
