//! The passphrase that the CA's keys are sealed under: never in the configuration, only where to find it.

use std::path::{Path, PathBuf};
use std::{env, fs};

use zeroize::Zeroizing;

/// Where the passphrase of the CA's keys comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passphrase {
    /// An environment variable of this name.
    Env(String),
    /// The first line of this file.
    File(PathBuf),
    /// A systemd credential of this name (systemd.exec(5), `LoadCredential=`).
    Credential(String),
}

/// The passphrase can't be had.
#[derive(Debug, thiserror::Error)]
pub enum NoPassphrase {
    /// The variable, or the credentials' folder, is not set.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The file can't be read.
    #[error("{} can't be read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// There is none in it.
    #[error("the passphrase is empty")]
    Empty,
}

impl Passphrase {
    pub(super) fn relative_to(self, base: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(base.join(path)),
            other => other,
        }
    }

    /// The passphrase itself.
    ///
    /// # Errors
    /// If it can't be had, or is empty.
    pub fn read(&self) -> Result<Zeroizing<String>, NoPassphrase> {
        let variable =
            |name: &String| env::var(name).map_err(|_| NoPassphrase::Unset(name.clone()));
        let first_line = |path: PathBuf| match fs::read_to_string(&path) {
            Ok(text) => Ok(Zeroizing::new(text).lines().next().unwrap_or_default().to_owned()),
            Err(source) => Err(NoPassphrase::Unreadable { path, source }),
        };
        let passphrase = match self {
            Self::Env(name) => variable(name)?,
            Self::File(path) => first_line(path.clone())?,
            Self::Credential(name) => {
                first_line(Path::new(&variable(&"CREDENTIALS_DIRECTORY".to_owned())?).join(name))?
            }
        };
        if passphrase.is_empty() {
            Err(NoPassphrase::Empty)
        } else {
            Ok(Zeroizing::new(passphrase))
        }
    }
}
