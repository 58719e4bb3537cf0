//! Signing on: `jit-ca` sends a browser to an issuer, and waits for it to come back.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use crate::{Ca, Means, Output, Person, Visitor, program, run};

/// A `jit-ca` that waits for a browser.
#[derive(Debug)]
pub struct SigningOn {
    jit_ca: Child,
    stderr: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Person {
    /// What a person says to a CA at first contact who signs on at this issuer.
    pub fn by_issuer<'a>(ca: &'a Ca, url: &'a str, issuer: &'a str) -> [&'a str; 7] {
        ["login", "--ca", url, "--ca-pin", ca.pin(), "--issuer", issuer]
    }

    /// Starts `jit-ca`, which is to want a browser at once or later.
    pub fn starts_to_sign_on(&self, arguments: &[&str]) -> SigningOn {
        let mut command = self.command("timeout");
        command.arg("120").arg(program("jit-ca"));
        // A browser that shows nothing: the address is on stderr as well.
        command.args(arguments).env("BROWSER", "true");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut jit_ca = command.spawn().expect("jit-ca");
        let stderr = BufReader::new(jit_ca.stderr.take().expect("a pipe"));
        SigningOn { jit_ca, stderr, said: String::new() }
    }

    /// Runs `jit-ca` to its end, with somebody who signs on in this browser when it asks for it.
    pub fn signs_on(
        &self,
        arguments: &[&str],
        browser: &Visitor,
        (sub, means): (&str, Means<'_>),
    ) -> Output {
        let mut signing_on = self.starts_to_sign_on(arguments);
        let back = browser.logs_in(&signing_on.address(), sub, means);
        signing_on.comes_back(&back);
        signing_on.ends()
    }
}

impl SigningOn {
    /// The address that the browser is sent to.
    pub fn address(&mut self) -> String {
        self.says("in your browser: ")
    }

    /// Waits until it says this, and gives what stands behind it on the line.
    pub fn says(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).expect("text");
            assert!(read > 0, "jit-ca does not say {text:?}:\n{}", self.said);
            self.said += &line;
            if let Some((_, rest)) = line.split_once(text) {
                return rest.trim().to_owned();
            }
        }
    }

    /// The browser comes back to where it was sent: gives what it is shown.
    pub fn comes_back(&self, address: &str) -> String {
        run(Command::new("curl").args(["-sS", "--max-time", "10", address])).stdout
    }

    /// Waits for its end.
    pub fn ends(mut self) -> Output {
        self.stderr.read_to_string(&mut self.said).expect("text");
        let ended = self.jit_ca.wait_with_output().expect("jit-ca ends");
        Output {
            command: "jit-ca".to_owned(),
            code: ended.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&ended.stdout).into_owned(),
            stderr: self.said,
        }
    }
}
