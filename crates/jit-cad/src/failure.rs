//! What ends the program: said once, with its causes and a hint.

use std::fmt;

/// A command that failed.
#[derive(Debug)]
pub struct Failure {
    /// The exit code: 1 failed, 2 usage or configuration.
    pub code: u8,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// What was asked for can't be done like that.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: 2, message: message.into(), hint: Some(hint.into()) }
    }

    /// It was tried, and failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into(), hint: None }
    }

    /// With what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

/// An error with all its causes, in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

macro_rules! from_errors {
    ($($error:ty => $code:literal $hint:literal)*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                let hint = Some($hint).filter(|hint| !hint.is_empty()).map(str::to_owned);
                Self { code: $code, message: with_causes(&error), hint }
            }
        })*
    };
}

from_errors! {
    crate::authority::AuthorityError => 1 "put the folder back from a backup"
    crate::clock::NoRandomness => 1 ""
    crate::config::NoSecret => 2 "the configuration's [keys] passphrase says where it comes from"
    crate::issuer::IssueError => 1 ""
    crate::keys::KeysError => 1 "is this the folder, and the passphrase, that `jit-cad init` was given?"
    crate::sequencer::CommitError => 1 ""
    crate::service::Fault => 1 ""
    crate::store::StoreError => 1 "see `jit-cad --help`; a damaged log is put back from a backup, never repaired"
    jit_ca_cert::Error => 1 ""
    rustls::Error => 1 ""
    std::io::Error => 1 ""
}

impl From<crate::reload::NotReloaded> for Failure {
    fn from(error: crate::reload::NotReloaded) -> Self {
        use crate::reload::NotReloaded;
        match error {
            NotReloaded::Faults(_) => Self { code: 2, message: error.to_string(), hint: None },
            NotReloaded::Fault(fault) => fault.into(),
        }
    }
}

impl From<crate::config::Faults> for Failure {
    fn from(faults: crate::config::Faults) -> Self {
        Self { code: 2, message: format!("the configuration has faults\n{faults}"), hint: None }
    }
}
