//! Real OpenSSH programs for the tests.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ssh_key::{Certificate, PublicKey};

/// An ssh-agent that ends with the test.
pub(crate) struct TestAgent {
    pub(crate) socket: PathBuf,
    process: Child,
}

impl TestAgent {
    pub(crate) fn start(folder: &Path) -> Self {
        let socket = folder.join("agent.sock");
        let process = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while !socket.exists() {
            assert!(begun.elapsed() < Duration::from_secs(20), "no ssh-agent");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { socket, process }
    }

    /// What `ssh-add -l` says.
    pub(crate) fn list(&self) -> String {
        let mut command = Command::new("ssh-add");
        let output = command.arg("-l").env("SSH_AUTH_SOCK", &self.socket).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }
}

impl Drop for TestAgent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A CA that is no more than ssh-keygen.
pub(crate) struct TestCa(PathBuf);

impl TestCa {
    pub(crate) fn new(folder: &Path) -> Self {
        let key = folder.join("ca");
        let arguments = ["-q", "-t", "ed25519", "-N", "", "-f"].map(OsStr::new);
        ssh_keygen(arguments.into_iter().chain([key.as_os_str()]), "");
        Self(key)
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey::read_openssh_file(&self.0.with_extension("pub")).unwrap()
    }

    /// A certificate for `key`, made by `ssh-keygen -s` with these arguments.
    pub(crate) fn certify(&self, key: &PublicKey, arguments: &[&str]) -> Certificate {
        let public = self.0.with_file_name("certified.pub");
        let certificate = self.0.with_file_name("certified-cert.pub");
        let _ = std::fs::remove_file(&certificate);
        key.write_openssh_file(&public).unwrap();
        let head = ["-q".as_ref(), "-s".as_ref(), self.0.as_os_str()];
        let arguments = head.into_iter().chain(arguments.iter().map(OsStr::new));
        ssh_keygen(arguments.chain([public.as_os_str()]), "");
        Certificate::read_file(&certificate).unwrap()
    }
}

/// What ssh-keygen says.
pub(crate) fn ssh_keygen<'a>(
    arguments: impl IntoIterator<Item = &'a OsStr>,
    input: &str,
) -> String {
    let mut child = Command::new("ssh-keygen")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}
