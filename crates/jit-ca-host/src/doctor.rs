//! `jit-ca-host doctor`: what is wrong on this host, and what to do about it. It changes nothing.

mod accounts;
mod ca;
mod feed;
pub(crate) mod files;
mod hostd;
mod sshd;
mod versions;

use serde::Serialize;

use crate::config::Config;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    /// As it should be.
    Fine,
    /// Works, and leaves something open.
    Warning,
    /// Does not work, or lets somebody stay or in.
    Fault,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// How bad it is.
    pub(crate) level: Level,
    /// What was found.
    pub(crate) what: String,
    /// What to do; empty where nothing is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) hint: String,
}

impl Finding {
    fn fine(what: impl Into<String>) -> Self {
        Self { level: Level::Fine, what: what.into(), hint: String::new() }
    }

    fn warning(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Warning, what: what.into(), hint: hint.into() }
    }

    fn fault(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Fault, what: what.into(), hint: hint.into() }
    }
}

/// Looks at everything, in the order in which a login meets it.
pub(crate) fn look(config: &Config, now: u64) -> Vec<Finding> {
    let mut findings = versions::look();
    findings.extend(sshd::look(config));
    findings.extend(hostd::look(config));
    findings.extend(feed::look(config, now));
    findings.extend(files::look(config, now));
    findings.extend(accounts::look(config));
    findings.extend(ca::look(config));
    findings
}
