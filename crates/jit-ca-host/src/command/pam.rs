//! `jit-ca-host pam`

use super::Fault;
use crate::config::Config;
use crate::hook;

pub(super) fn run(config: &Config) -> Result<(), Fault> {
    Ok(hook::pam(config, |name| std::env::var(name).ok())?)
}
