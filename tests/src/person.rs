//! Somebody who uses the CA: a home, an SSH key, an authenticator, `jit-ca`.

use std::cell::Cell;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::program::run_with_input;
use crate::{Output, now, program, run, security_key, wait_for};

/// A home folder.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn of(homes: &Path, name: &str) -> Self {
        let home = homes.join(name);
        for (folder, mode) in [("", 0o755), (".ssh", 0o700), ("run", 0o700)] {
            let folder = home.join(folder);
            fs::create_dir_all(&folder).expect("a folder");
            fs::set_permissions(folder, PermissionsExt::from_mode(mode)).expect("permissions");
        }
        Self(home)
    }

    /// Makes an SSH key without a passphrase, and gives its public half.
    pub(crate) fn make_key(&self, name: &str, kind: &str) -> String {
        let file = self.0.join(".ssh").join(name);
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", kind, "-N", "", "-C", name, "-f"]);
        run(keygen.arg(&file)).ok();
        let public = fs::read_to_string(file.with_extension("pub")).expect("a public key");
        public.trim_end().to_owned()
    }
}

/// Somebody who uses the CA by `jit-ca`.
#[derive(Debug)]
pub struct Person {
    name: String,
    home: Home,
    url: String,
    pin: String,
    agent: Option<Child>,
}

impl Person {
    pub(crate) fn new(home: Home, name: &str, url: String, pin: String) -> Self {
        Self { name: name.to_owned(), home, url, pin, agent: None }
    }

    /// What the CA calls the person.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A file of the person's.
    pub fn file(&self, name: &str) -> PathBuf {
        self.home.0.join(name)
    }

    /// The SSH key that the CA knows the person by.
    pub fn key(&self) -> PathBuf {
        self.file(".ssh/id_ed25519")
    }

    /// Makes one more SSH key, unknown to the CA.
    pub fn make_key(&self, name: &str, kind: &str) -> PathBuf {
        self.home.make_key(name, kind);
        self.file(".ssh").join(name)
    }

    /// Starts an ssh-agent, which the person uses from then on.
    pub fn start_agent(&mut self) {
        self.start_agent_by(&mut Command::new("ssh-agent"));
    }

    /// The same of one that takes keys of the security key.
    pub fn start_agent_for_security_keys(&mut self) {
        let mut agent = Command::new("ssh-agent");
        security_key::plug_in(&mut agent).arg("-P").arg(security_key::provider());
        self.start_agent_by(&mut agent);
    }

    fn start_agent_by(&mut self, agent: &mut Command) {
        let socket = self.agent_socket();
        agent.arg("-D").arg("-a").arg(&socket).stdin(Stdio::null()).stdout(Stdio::null());
        self.agent = Some(agent.spawn().expect("ssh-agent"));
        wait_for("ssh-agent", || socket.exists().then_some(()));
    }

    /// Runs a program in the person's home, with nothing of our surroundings but where programs are.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.home.0).env_clear();
        command.env("PATH", env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &self.home.0).env("XDG_CONFIG_HOME", self.file(".config"));
        command.env("XDG_RUNTIME_DIR", self.file("run"));
        if self.agent.is_some() {
            command.env("SSH_AUTH_SOCK", self.agent_socket());
        }
        command
    }

    /// Runs `jit-ca` to its end.
    pub fn jit_ca(&self, arguments: &[&str]) -> Output {
        run(self.command(program("jit-ca")).args(arguments))
    }

    /// Runs `jit-ca`, and gives it something to read.
    pub fn jit_ca_reading(&self, arguments: &[&str], input: &str) -> Output {
        run_with_input(self.command(program("jit-ca")).args(arguments), input)
    }

    /// Starts `jit-ca` and leaves it running.
    pub fn start_jit_ca(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(program("jit-ca"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("jit-ca")
    }

    /// Enrols an authenticator by the administrator's one-use code, and proves it by a code of it.
    pub fn enrol(&self, code: &str) -> Authenticator {
        let mut arguments = self.first_contact(&["mfa", "enroll"]);
        arguments.extend(["--code", code, "--totp-code-file", "-", "--json"]);
        let mut enrolment = self.start_jit_ca(&arguments);
        // The secret comes first, on a line; then a code of it is read.
        let mut stdout = BufReader::new(enrolment.stdout.take().expect("a pipe"));
        let mut shown = String::new();
        stdout.read_line(&mut shown).expect("a line");
        let secret = serde_json::from_str(&shown).ok().and_then(|shown: serde_json::Value| {
            shown.get("secret").and_then(|secret| secret.as_str()).map(str::to_owned)
        });
        let authenticator = secret.map(|secret| Authenticator { secret, last: Cell::new(0) });
        let mut stdin = enrolment.stdin.take().expect("a pipe");
        if let Some(authenticator) = &authenticator {
            writeln!(stdin, "{}", authenticator.code()).expect("a reader");
        }
        drop(stdin);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).expect("text");
        let ended = enrolment.wait_with_output().expect("jit-ca ends");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "mfa enroll: {}\n{shown}{rest}{said}", ended.status);
        authenticator.expect("a secret")
    }

    /// Logs in with a code.
    pub fn login(&self, code: &str) -> Output {
        let mut arguments = self.first_contact(&["login"]);
        arguments.extend(["--code-file", "-"]);
        self.jit_ca_reading(&arguments, code)
    }

    /// A command's words, and all that a person says to a CA at first contact.
    fn first_contact<'a>(&'a self, command: &[&'a str]) -> Vec<&'a str> {
        self.first_contact_with(command, ".ssh/id_ed25519")
    }

    /// The same with another SSH key.
    pub fn first_contact_with<'a>(&'a self, command: &[&'a str], key: &'a str) -> Vec<&'a str> {
        let words = ["--ca", &self.url, "--ca-pin", &self.pin, "--name", &self.name, "--key", key];
        command.iter().copied().chain(words).collect()
    }

    fn agent_socket(&self) -> PathBuf {
        self.file("run/agent.sock")
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        if let Some(agent) = &mut self.agent {
            // It may have ended by itself.
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}

/// The app on a person's telephone (RFC 6238). The codes are oathtool's.
#[derive(Debug)]
pub struct Authenticator {
    secret: String,
    /// The last step of which a code was shown. The CA takes each step once, and none before it.
    last: Cell<u64>,
}

impl Authenticator {
    /// The seconds of a step.
    pub const STEP: u64 = 30;
    /// A code that may be too old when it arrives is not shown.
    const MARGIN: u64 = 6;

    /// One with this secret, in base 32.
    pub fn new(secret: String) -> Self {
        Self { secret, last: Cell::new(0) }
    }

    /// One with the secret that stands in what a terminal shows, as a QR code would have it.
    pub fn shown_in(text: &str) -> Option<Self> {
        let (_, secret) = text.split_once("secret=")?;
        Some(Self::new(secret.chars().take_while(char::is_ascii_alphanumeric).collect()))
    }

    /// A code that the CA has not had yet. The CA takes the step before now's and the one after, too,
    /// so that three codes can be had without waiting.
    pub fn code(&self) -> String {
        let seconds = now() + Self::MARGIN;
        let oldest = seconds / Self::STEP - 1;
        let step = oldest.max(self.last.get() + 1);
        self.last.set(step);
        // The step after now's is the newest that is taken.
        let from = (step - 1) * Self::STEP;
        sleep(Duration::from_secs(from.saturating_sub(now())));
        self.code_of(step)
    }

    /// Shows no code of this step any more, nor of one before it.
    pub fn skip_to(&self, step: u64) {
        self.last.set(self.last.get().max(step));
    }

    /// A code that is right now and newer than all that were shown. It is not counted as shown: for a CA whose
    /// store is set back before the next one.
    pub fn uncounted_code(&self) -> String {
        let step = Self::step().max(self.last.get() + 1);
        let from = (step - 1) * Self::STEP;
        sleep(Duration::from_secs(from.saturating_sub(now())));
        self.code_of(step)
    }

    /// The last code that was shown.
    pub fn last_code(&self) -> String {
        self.code_of(self.last.get())
    }

    /// The code of a step.
    pub fn code_of(&self, step: u64) -> String {
        let mut oathtool = Command::new("oathtool");
        oathtool.args(["--totp", "--base32", "--now", &format!("@{}", step * Self::STEP)]);
        run(oathtool.arg(&self.secret)).ok().line().to_owned()
    }

    /// Now's step.
    pub fn step() -> u64 {
        now() / Self::STEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B: the secret "12345678901234567890", at 59 s and at 1111111109 s; the last six digits.
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".to_owned();
        let authenticator = Authenticator::new(secret);
        assert_eq!(authenticator.code_of(1), "287082");
        assert_eq!(authenticator.code_of(37_037_036), "081804");
        assert_ne!(authenticator.code(), authenticator.code());
    }
}
