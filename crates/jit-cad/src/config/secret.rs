//! Secrets: never in the configuration, only where to find them.

use std::path::{Path, PathBuf};
use std::{env, fs};

use zeroize::Zeroizing;

/// Where a secret comes from: the passphrase of the CA's keys, and what notifications are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of this name.
    Env(String),
    /// The first line of this file.
    File(PathBuf),
    /// A systemd credential of this name (systemd.exec(5), `LoadCredential=`).
    Credential(String),
}

/// A secret can't be had.
#[derive(Debug, thiserror::Error)]
pub enum NoSecret {
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
    #[error("the secret is empty")]
    Empty,
}

impl SecretSource {
    pub(super) fn relative_to(self, base: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(base.join(path)),
            other => other,
        }
    }

    /// The secret itself.
    ///
    /// # Errors
    /// If it can't be had, or is empty.
    pub fn read(&self) -> Result<Zeroizing<String>, NoSecret> {
        let variable = |name: &String| env::var(name).map_err(|_| NoSecret::Unset(name.clone()));
        let first_line = |path: PathBuf| match fs::read_to_string(&path) {
            Ok(text) => Ok(Zeroizing::new(text).lines().next().unwrap_or_default().to_owned()),
            Err(source) => Err(NoSecret::Unreadable { path, source }),
        };
        let secret = match self {
            Self::Env(name) => variable(name)?,
            Self::File(path) => first_line(path.clone())?,
            Self::Credential(name) => {
                first_line(Path::new(&variable(&"CREDENTIALS_DIRECTORY".to_owned())?).join(name))?
            }
        };
        if secret.is_empty() { Err(NoSecret::Empty) } else { Ok(Zeroizing::new(secret)) }
    }
}
