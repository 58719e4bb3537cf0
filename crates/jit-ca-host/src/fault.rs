//! What stops a command: what is wrong, and what to do about it.

use std::fmt;
use std::path::Path;

/// Why a command did nothing.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    what: String,
    hint: String,
}

impl Fault {
    /// A fault, and what whoever called can do.
    pub(crate) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }

    /// A file or folder that can't be read or written.
    pub(crate) fn file(path: &Path, error: &std::io::Error) -> Self {
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => "run it as root: sudo jit-ca-host …",
            _ => "see that its folder is there, and that its disk has room",
        };
        Self::new(format!("{}: {error}", path.display()), hint)
    }

    /// A program that can't be run.
    pub(crate) fn program(name: &str, error: &std::io::Error) -> Self {
        Self::new(format!("{name} can't be run: {error}"), format!("install what brings {name}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\nhint: {}", self.what, self.hint)
    }
}

impl std::error::Error for Fault {}
