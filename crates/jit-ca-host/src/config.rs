//! `/etc/jit-ca/host.toml`: what this host is called, whom its accounts let in, and where things lie.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jit_ca_core::{Digest, HostName, Login, Principal, Size, Tag};
use serde::Deserialize;

/// Where the file is unless something else is said.
pub const DEFAULT: &str = "/etc/jit-ca/host.toml";

/// A host's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What it is called.
    pub host: Host,
    /// The CA that certifies it, if one does.
    #[serde(default)]
    pub ca: Option<Ca>,
    /// Its accounts that certificates open, by name. Every other account is opened by none.
    #[serde(default)]
    pub accounts: BTreeMap<Login, Account>,
    /// What else sshd is told.
    #[serde(default)]
    pub sshd: Sshd,
    /// How much of what is done is kept until it is fetched.
    #[serde(default)]
    pub recording: Recording,
    /// Where things lie.
    #[serde(default)]
    pub places: Places,
}

/// What the host is called.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its name: the first that its certificate bears.
    pub name: HostName,
    /// Other names that people, and roles, call it by.
    #[serde(default)]
    pub aliases: Vec<HostName>,
}

impl Host {
    /// All its names, its own first.
    pub fn names(&self) -> impl Iterator<Item = &HostName> {
        std::iter::once(&self.name).chain(&self.aliases)
    }
}

/// The CA, as its operators publish it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ca {
    /// Where it is: `https://ca.example.org:8440`.
    pub url: String,
    /// Its pin: the SHA-256 of its X.509 root's SubjectPublicKeyInfo.
    pub pin: Digest,
}

/// Whom an account lets in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Tags of roles' SSH rows (`roles/*.toml`, `[[ssh]] tag`).
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// Whether it is let in while hostd is down, unrecorded and without an end; and by keys of its own, if sshd lets it.
    #[serde(default)]
    pub break_glass: bool,
}

/// What sshd is told beyond that.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sshd {
    /// Whether keys that stand on the host, and passwords, open accounts as before, without an end. Otherwise keys open
    /// those accounts alone that are set apart as break-glass, and passwords none.
    pub static_keys: bool,
    /// Whether certificates that allow it may forward ports. Otherwise none may.
    pub forwarding: bool,
    /// Whether a certificate opens nothing before this host has seen the proof that it is in the CA's log.
    pub strict: bool,
}

impl Default for Sshd {
    fn default() -> Self {
        Self { static_keys: true, forwarding: false, strict: false }
    }
}

/// Recordings.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recording {
    /// Whether what is typed is kept besides what is shown. It holds passwords.
    pub input: bool,
    /// How much may wait here to be fetched, of all sessions; beyond that nobody is let in.
    pub spool: Size,
    /// How much of one session; beyond that it ends.
    pub session: Size,
}

impl Default for Recording {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self { input: false, spool: Size::of(1024 * MIB), session: Size::of(64 * MIB) }
    }
}

/// Where things lie. What is below `run` is gone with the next start of the machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Places {
    /// hostd's socket, and the connections that are open.
    pub run: PathBuf,
    /// Recordings that wait to be fetched.
    pub state: PathBuf,
    /// Which certificates are in the CA's log. It is no secret, and who asks for it for sshd is not root.
    pub feed: PathBuf,
    /// The socket of the system's log.
    pub syslog: PathBuf,
    /// The folder with `sshd_config` and `sshd_config.d`.
    pub ssh: PathBuf,
    /// What PAM does for sshd.
    pub pam: PathBuf,
    /// The folder with our programs.
    pub programs: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            run: "/run/jit-ca".into(),
            state: "/var/lib/jit-ca-host".into(),
            feed: "/var/lib/jit-ca-feed".into(),
            syslog: "/dev/log".into(),
            ssh: "/etc/ssh".into(),
            pam: "/etc/pam.d/sshd".into(),
            programs: "/usr/lib/jit-ca".into(),
        }
    }
}

impl Places {
    /// hostd's socket.
    pub fn socket(&self) -> PathBuf {
        self.run.join("hostd.sock")
    }

    /// The host key that it enrols with.
    pub fn host_key(&self) -> PathBuf {
        self.ssh.join("ssh_host_ed25519_key")
    }

    /// The CA's keys for SSH certificates of users, as sshd reads them.
    pub fn user_ca(&self) -> PathBuf {
        self.ssh.join("jit-ca/user_ca.pub")
    }

    /// A file for each account, with the principals that open it.
    pub fn principals(&self) -> PathBuf {
        self.ssh.join("jit-ca/principals")
    }

    /// What sshd reads of us. In `sshd_config` the first value wins, so that the name begins with a low number.
    pub fn drop_in(&self) -> PathBuf {
        self.ssh.join("sshd_config.d/10-jit-ca.conf")
    }

    /// The host's certificate, if it is enrolled.
    pub fn host_certificate(&self) -> PathBuf {
        self.ssh.join("ssh_host_ed25519_key-cert.pub")
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("{0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// It says something that it can't.
    #[error("{0}: {1}")]
    Wrong(PathBuf, String),
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// If it can't be read, or isn't a configuration.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text =
            fs::read_to_string(path).map_err(|error| Error::Unreadable(path.to_owned(), error))?;
        Self::parse(&text).map_err(|fault| Error::Wrong(path.to_owned(), fault))
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// If it isn't a configuration: where, and what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let paths = &config.places;
        for path in [
            &paths.run,
            &paths.state,
            &paths.feed,
            &paths.syslog,
            &paths.ssh,
            &paths.pam,
            &paths.programs,
        ] {
            if !path.is_absolute() {
                return Err(format!("{} is relative; write a path from / on", path.display()));
            }
        }
        Ok(config)
    }

    /// The principals that open an account on this host: each tag alone, for who has all of a role's hosts, and for each
    /// of the host's names. None for an account that the file doesn't name.
    pub fn principals(&self, account: &str) -> Vec<Principal> {
        let found = self.accounts.iter().find(|(login, _)| login.as_str() == account);
        let tags = found.into_iter().flat_map(|(_, account)| &account.tags);
        let all = tags.flat_map(|tag| {
            let named = self.host.names().map(move |name| format!("{tag}.{name}"));
            std::iter::once(tag.to_string()).chain(named)
        });
        // A tag of 63 characters and a name of 63 make no more than a principal may have.
        all.filter_map(|principal| principal.parse().ok()).collect()
    }

    /// Whether an account is let in while hostd is down.
    pub fn is_break_glass(&self, account: &str) -> bool {
        self.accounts.iter().any(|(login, found)| login.as_str() == account && found.break_glass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB1: &str = r#"
        [host]
        name = "web1.example.org"
        aliases = ["web1"]
        [accounts.deploy]
        tags = ["web-shell", "web-logs"]
        [accounts.rescue]
        break_glass = true
    "#;

    #[test]
    fn an_account_opens_to_its_tags_on_this_host() {
        let config = Config::parse(WEB1).unwrap();
        let principals: Vec<String> =
            config.principals("deploy").iter().map(ToString::to_string).collect();
        assert_eq!(
            principals,
            [
                "web-shell",
                "web-shell.web1.example.org",
                "web-shell.web1",
                "web-logs",
                "web-logs.web1.example.org",
                "web-logs.web1",
            ]
        );
        assert!(config.principals("root").is_empty());
        assert!(config.is_break_glass("rescue") && !config.is_break_glass("deploy"));
        assert_eq!(config.recording.session.to_string(), "64 MiB");
    }

    #[test]
    fn the_file_to_start_from_says_what_is_so_without_it() {
        let text = include_str!("../../../deploy/host.toml");
        let (given, plain) = (Config::parse(text).unwrap(), "[host]\nname = \"web1\"\n");
        assert_eq!(format!("{given:?}"), format!("{:?}", Config::parse(plain).unwrap()));
        // What it shows in comments is a configuration, too.
        let shown: String = text
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.starts_with('[') || line.contains(" = "))
            .map(|line| format!("{}\n", line.split("   ").next().unwrap_or_default()))
            .collect();
        let shown = Config::parse(&format!("{plain}{shown}")).unwrap();
        assert!(shown.is_break_glass("rescue"));
        assert_eq!(shown.principals("deploy").len(), 4);
        assert_eq!(format!("{:?}", shown.places), format!("{:?}", given.places));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("[host]\nname = \"web1\"\nalias = []", "unknown field `alias`"),
            ("[host]\nname = \"Web1\"", "is not a host"),
            ("[host]\nname = \"web1\"\n[accounts.a]\ntags = [\"a.b\"]", "is not a tag"),
            ("[host]\nname = \"web1\"\n[recording]\nspool = \"1G\"", "is not a size"),
            ("[host]\nname = \"web1\"\n[places]\nrun = \"run\"", "run is relative"),
        ] {
            let fault = Config::parse(text).unwrap_err();
            assert!(fault.contains(said), "{fault}");
        }
    }
}
