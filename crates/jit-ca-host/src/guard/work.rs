//! What is to be run.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::sftp;

/// The program that serves sftp; sshd's own, `internal-sftp`, is none that can be run.
const SFTP: &str = "/usr/lib/openssh/sftp-server";

/// A shell, or a command for it.
#[derive(Clone, Debug)]
pub(super) struct Work {
    shell: PathBuf,
    command: Option<OsString>,
    /// What the user wanted, where the certificate has something else run.
    original: Option<OsString>,
}

impl Work {
    /// What the certificate forces, else what the user wants, by the account's own shell: that in the environment is the user's word.
    pub(super) fn new(shell: &Path, original: Option<OsString>, forced: Option<&str>) -> Self {
        let shell = shell.to_owned();
        match forced {
            Some(forced) => Self { shell, command: Some(forced.into()), original },
            None => Self { shell, command: original, original: None },
        }
    }

    /// Whether this is sftp.
    pub(super) fn is_sftp(&self) -> bool {
        let first = self
            .command
            .as_ref()
            .and_then(|command| command.as_bytes().split(|byte| *byte == b' ').next());
        first.is_some_and(|first| first == b"internal-sftp" || first == SFTP.as_bytes())
    }

    /// As the words by which sshd would have started it.
    pub(super) fn words(&self) -> (OsString, Vec<OsString>) {
        match &self.command {
            Some(command) => {
                let command = if self.is_sftp() { SFTP.into() } else { command.clone() };
                (self.shell.clone().into_os_string(), vec!["-c".into(), command])
            }
            // A login shell is told so by the dash before its name (login(1)).
            None => {
                let mut name = OsString::from("-");
                name.push(self.shell.file_name().unwrap_or(OsStr::new("sh")));
                (name, Vec::new())
            }
        }
    }

    /// A command that starts it.
    pub(super) fn command(&self) -> Command {
        let mut command = match self.is_sftp() {
            true => {
                let mut server = Command::new(SFTP);
                // What it does is told on standard error, line by line.
                server.args(sftp::ARGUMENTS);
                server
            }
            false => {
                let (name, rest) = self.words();
                let mut command = Command::new(&self.shell);
                command.arg0(name).args(rest);
                command
            }
        };
        self.dress(&mut command);
        command
    }

    /// Its environment: as it would be without us.
    pub(super) fn dress(&self, command: &mut Command) {
        // `SetEnv SHLVL=1` in sshd's configuration is for the shell that started us.
        command.env_remove("SHLVL").env("SHELL", &self.shell);
        match &self.original {
            Some(original) => command.env("SSH_ORIGINAL_COMMAND", original),
            None => command.env_remove("SSH_ORIGINAL_COMMAND"),
        };
    }

    /// The shell.
    pub(super) fn shell(&self) -> &Path {
        &self.shell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(original: Option<&str>, forced: Option<&str>) -> String {
        let work = Work::new(Path::new("/bin/bash"), original.map(Into::into), forced);
        let (name, rest) = work.words();
        format!("{} {rest:?} {:?}", name.display(), work.original)
    }

    #[test]
    fn what_the_certificate_forces_is_run() {
        assert_eq!(shown(None, None), "-bash [] None");
        assert_eq!(shown(Some("ls -l"), None), r#"/bin/bash ["-c", "ls -l"] None"#);
        assert_eq!(shown(Some("ls"), Some("uptime")), r#"/bin/bash ["-c", "uptime"] Some("ls")"#);
        assert_eq!(shown(None, Some("uptime")), r#"/bin/bash ["-c", "uptime"] None"#);
    }

    #[test]
    fn sftp_is_known_however_sshd_calls_it() {
        for (command, is_sftp) in [
            ("internal-sftp", true),
            ("internal-sftp -l INFO", true),
            ("/usr/lib/openssh/sftp-server", true),
            ("/usr/lib/openssh/sftp-server-of-mine", false),
            ("sftp", false),
        ] {
            let work = Work::new(Path::new("/bin/sh"), Some(command.into()), None);
            assert_eq!(work.is_sftp(), is_sftp, "{command}");
        }
    }
}
