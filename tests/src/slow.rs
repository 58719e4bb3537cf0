//! Slow clients, held by a program of their own, and honest ones that it measures: `jit-ca-slow`.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Ca, Wire, program, run};

/// How long slow clients may take to get to where they are slow, and the other side to end them.
const SOON: Duration = Duration::from_secs(120);

/// Slow clients, until this is dropped.
#[derive(Debug)]
pub struct Slow {
    child: Child,
    says: BufReader<ChildStdout>,
    stdin: Option<ChildStdin>,
}

impl Slow {
    /// So many without a login; and so many with one, if there is one.
    pub fn hold(ca: &Ca, strangers: usize, known: Option<(&Wire, usize)>, more: &[&str]) -> Self {
        let mut hold = jit_ca_slow("hold", ca, known.map(|(wire, _)| wire));
        hold.arg("--strangers").arg(strangers.to_string()).args(more);
        if let Some((_, known)) = known {
            hold.arg("--known").arg(known.to_string());
        }
        hold.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = hold.spawn().expect("jit-ca-slow");
        let says = BufReader::new(child.stdout.take().expect("a pipe"));
        let stdin = child.stdin.take();
        Self { child, says, stdin }
    }

    /// Waits until so many have got to where they are slow.
    pub fn opened(&mut self, wanted: u64) {
        self.wait_for("opened", wanted);
    }

    /// Waits until so many were ended by the other side.
    pub fn ended(&mut self, wanted: u64) {
        self.wait_for("ended", wanted);
    }

    /// How it stands: it says so each second.
    pub fn stands(&mut self) -> Value {
        let mut line = String::new();
        self.says.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).expect("JSON")
    }

    fn wait_for(&mut self, what: &str, wanted: u64) {
        let begun = Instant::now();
        loop {
            let stands = self.stands();
            if stands[what].as_u64() >= Some(wanted) {
                return;
            }
            assert!(begun.elapsed() < SOON, "waited in vain for {wanted} {what}: {stands}");
        }
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // However it ends, it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ca {
    /// Honest calls on open connections and on new ones: how long they took, in milliseconds.
    pub fn honest_calls(&self, caller: &Wire, more: &[&str]) -> Value {
        run(jit_ca_slow("honest", self, Some(caller)).args(more)).ok().json()
    }
}

fn jit_ca_slow(what: &str, ca: &Ca, login: Option<&Wire>) -> Command {
    let mut command = Command::new(program("jit-ca-slow"));
    command.arg(what).arg(ca.url().trim_start_matches("https://"));
    if let Some(login) = login {
        let (key, certificate) = login.login_files();
        command.arg("--certificate").arg(certificate).arg("--key").arg(key);
    }
    command
}
