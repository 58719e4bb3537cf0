//! Hosts with hostd and the guard: connections end when the certificate does, and what is done is recorded.

mod carried;
mod cheats;
mod restarts;
mod runs;
mod stays;
mod strict;
mod systemd;

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Command, Stdio};

use jit_ca_tests::processes;

/// A client that is stopped with the test.
struct Client(Child);

impl Client {
    /// Starts one; what it says is seen in the recording.
    fn start(command: &mut Command) -> Self {
        let started =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(started.expect("ssh"))
    }

    /// Types into it.
    fn types(&mut self, text: &str) {
        self.0.stdin.as_mut().expect("a pipe").write_all(text.as_bytes()).expect("a keyboard");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is in a session's cgroup.
fn held(session: &str) -> Vec<String> {
    let all = processes().into_iter();
    all.filter(|process| process.cgroups.contains(session)).map(|process| process.words).collect()
}

/// An account's processes with this mark: the client's bear it, too.
fn marked(account: &str, mark: &str) -> Vec<String> {
    let user = std::fs::metadata(format!("/home/{account}")).expect("a home").uid();
    let all = processes().into_iter();
    all.filter(|process| process.user == user && process.words.contains(mark))
        .map(|process| process.words)
        .collect()
}
