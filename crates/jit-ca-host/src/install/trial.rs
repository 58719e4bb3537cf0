//! A login that is tried before anybody has to rely on it: by a certificate, through sshd, PAM, hostd and the guard as they
//! will be.
//!
//! sshd serves one connection on its standard input (`-i`), so that nothing listens anywhere. It trusts a key that is made
//! for this and thrown away, in the CA's place.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use jit_ca_core::{Login, Principal};

use crate::fault::Fault;
use crate::sshd::Sshd;

/// How long the certificate is valid: for less than that nobody waits.
const VALID: &str = "+1m";
/// What the command writes.
const ANSWER: &str = "jit-ca-trial";

/// Logs in to an account by a certificate of a principal. `principals` is the command that sshd asks for principals, where
/// the host is strict: the certificate is in no log.
///
/// # Errors
/// If that doesn't work: what ssh and sshd said.
pub(super) fn log_in(
    sshd: &Sshd,
    account: &Login,
    principal: &Principal,
    principals: Option<&str>,
) -> Result<(), Fault> {
    let folder = Folder::new()?;
    let file = |name: &str| folder.0.join(name);
    for name in ["ca", "key"] {
        keygen(&["-q", "-t", "ed25519", "-N", "", "-f"], &file(name))?;
    }
    let (ca, key) = (file("ca"), file("key.pub"));
    let ca = ca.display().to_string();
    let principal = principal.as_str();
    keygen(&["-q", "-s", &ca, "-I", ANSWER, "-n", principal, "-V", VALID], &key)?;

    let mut server = sshd.command();
    let (trusted, log) = (file("ca.pub"), file("log"));
    server.arg("-i").arg("-E").arg(&log);
    server.arg("-o").arg(format!("TrustedUserCAKeys={}", trusted.display()));
    if let Some(command) = principals {
        server.arg("-o").arg(format!("AuthorizedPrincipalsCommand={command} --trial"));
    }
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "none", "-T", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]);
    ssh.args(["-o", "IdentityAgent=none", "-o", "UserKnownHostsFile=/dev/null"]);
    // The way to this server is a pipe.
    ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "ConnectTimeout=20"]);
    ssh.arg("-o").arg(format!("ProxyCommand={}", shell_line(&server)));
    ssh.arg("-i").arg(file("key")).arg(format!("{account}@localhost"));
    let output = run(ssh.arg(format!("echo {ANSWER}")))?;
    if output.status.success() && String::from_utf8_lossy(&output.stdout).contains(ANSWER) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let log = fs::read_to_string(&log).unwrap_or_default();
    Err(Fault::new(
        format!(
            "a login to {account} by a certificate was tried and failed\nssh: {}\nsshd: {}",
            said.trim(),
            log.trim()
        ),
        "nothing was changed; mend what they say, or look with: jit-ca-host doctor",
    ))
}

/// A folder of root's that goes with this.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Result<Self, Fault> {
        // Not below /tmp: sshd's StrictModes does not take a CA's key from where everybody can write.
        let path = Path::new("/run").join(format!("jit-ca-trial-{}", std::process::id()));
        fs::create_dir(&path).map_err(|error| Fault::file(&path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn keygen(arguments: &[&str], file: &Path) -> Result<(), Fault> {
    let output = run(Command::new("ssh-keygen").args(arguments).arg(file))?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(()),
        false => Err(Fault::new(format!("ssh-keygen: {}", said.trim()), "see that /run has room")),
    }
}

fn run(command: &mut Command) -> Result<Output, Fault> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(std::process::Stdio::null());
    command.output().map_err(|error| Fault::program(&name, &error))
}

/// A command as a shell's line. ssh replaces `%` in it (ssh_config(5), TOKENS).
fn shell_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| {
        let word = word.to_string_lossy().replace('\'', r"'\''").replace('%', "%%");
        format!("'{word}'")
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_that_were_meant() {
        let mut command = Command::new("printf");
        command.args(["%s|", "a b", "it's", "$HOME"]);
        let line = shell_line(&command).replace("%%", "%");
        let output = Command::new("sh").args(["-c", &line]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "a b|it's|$HOME|");
    }
}
