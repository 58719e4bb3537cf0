//! Where things lie: the profile, the login, certificates and keys, the agent.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The folders and names that the environment gives.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The person's home.
    pub(crate) home: PathBuf,
    /// What is remembered for long: the profile, checkpoints, evidence. XDG Base Directory Specification.
    pub(crate) config: PathBuf,
    /// What ends with the login: keys and certificates.
    pub(crate) runtime: PathBuf,
    /// ssh-agent's socket.
    pub(crate) agent: Option<PathBuf>,
    /// The person's account here.
    pub(crate) user: Option<String>,
}

impl Places {
    /// Reads the environment by `variable`.
    pub(crate) fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        // The specification: a path that is not absolute is to be taken as not set.
        let folder = |name| set(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let home = folder("HOME").ok_or_else(|| {
            Error::usage("HOME is not set", "set it to your home folder: export HOME=…")
        })?;
        let config = folder("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        // Never below /tmp, where others could have made the folder before us.
        let runtime = folder("XDG_RUNTIME_DIR").unwrap_or_else(|| {
            let cache = folder("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache"));
            cache.join("jit-ca-runtime")
        });
        Ok(Self {
            config: config.join("jit-ca"),
            runtime: runtime.join("jit-ca"),
            agent: set("SSH_AUTH_SOCK").map(PathBuf::from),
            user: set("USER").and_then(|user| user.into_string().ok()),
            home,
        })
    }

    pub(crate) fn profile(&self) -> PathBuf {
        self.config.join("profile.json")
    }

    /// What ssh knows the CA's hosts by.
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.config.join("known_hosts")
    }

    /// The newest checkpoint of each log that was seen.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.config.join("checkpoints")
    }

    /// What is saved of logs that are not what they were.
    pub(crate) fn evidence(&self) -> PathBuf {
        self.config.join("evidence")
    }

    pub(crate) fn login(&self) -> PathBuf {
        self.runtime.join("login.json")
    }

    pub(crate) fn certificates(&self) -> PathBuf {
        self.runtime.join("certificates")
    }

    /// Where ssh looks for certificates, by account and host.
    pub(crate) fn identities(&self) -> PathBuf {
        self.config.join("ssh")
    }

    /// What leads to the certificate for an account on a host, `user@host`.
    pub(crate) fn identity(&self, place: &str) -> PathBuf {
        self.identities().join(place)
    }

    /// The folder of ssh's own files.
    pub(crate) fn ssh_folder(&self) -> PathBuf {
        self.home.join(".ssh")
    }

    /// The same path from anywhere, with the person's `~` written out.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        match path.strip_prefix("~") {
            Ok(below) => self.home.join(below),
            Err(_) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_the_environment_and_never_a_relative_path() {
        let places = |set: &[(&str, &str)]| {
            let set: Vec<_> = set.iter().map(|(n, v)| (n.to_string(), v.into())).collect();
            Places::from_environment(|name| {
                let found = set.iter().find(|(other, _)| other == name);
                found.map(|(_, value): &(String, OsString)| value.clone())
            })
        };
        let bare = places(&[("HOME", "/home/alice"), ("XDG_RUNTIME_DIR", "run")]).unwrap();
        assert_eq!(bare.profile(), Path::new("/home/alice/.config/jit-ca/profile.json"));
        assert_eq!(bare.runtime, Path::new("/home/alice/.cache/jit-ca-runtime/jit-ca"));
        let full = [
            ("HOME", "/home/alice"),
            ("XDG_RUNTIME_DIR", "/run/user/1000"),
            ("XDG_CONFIG_HOME", "/etc/alice"),
        ];
        let full = places(&full).unwrap();
        assert_eq!(full.config, Path::new("/etc/alice/jit-ca"));
        assert_eq!(full.login(), Path::new("/run/user/1000/jit-ca/login.json"));
        assert!(places(&[]).is_err());
    }
}
