//! The CA: `jit-cad` as its users run it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use std::{env, thread};

use serde_json::Value;

use crate::person::Home;
use crate::program::run_with_input;
use crate::stored::{self, Signer};
use crate::{Authenticator, Lab, Output, Person, program, repository, run, wait_for};

/// What the keys of the tests' CAs are sealed under.
pub(crate) const PASSPHRASE: &str = "the passphrase of a test";
/// How long the daemon may take to start or to stop.
const SOON: Duration = Duration::from_secs(60);

/// A CA on loopback. Where its test ends well, the daemon is stopped and the log is checked: the tree is
/// made again, and the tables have to equal the fold of the entries.
#[derive(Debug)]
pub struct Ca {
    folder: PathBuf,
    homes: PathBuf,
    address: SocketAddr,
    pin: String,
    /// The origin of its page, if it serves one.
    page: Option<String>,
    /// The daemon's own clock, if it does not go by the machine's.
    clock: Option<PathBuf>,
    /// How many files the daemon may have open, if it is not as many as we.
    files: Option<u64>,
    daemon: Option<Child>,
}

impl Ca {
    /// A CA with the configuration of `ca-config/`, where everybody has a fresh SSH key.
    pub fn start(lab: &Lab) -> Self {
        Self::start_with(lab, |_| ())
    }

    /// The same, with a configuration that `change` has changed; it is given the configuration's folder.
    pub fn start_with(lab: &Lab, change: impl FnOnce(&Path)) -> Self {
        Self::start_with_people(lab, &[], change)
    }

    /// The same, with more people: name and groups. Their ids are `local/x-<place>`, from 0.
    pub fn start_with_people(
        lab: &Lab,
        people: &[(&str, &[&str])],
        change: impl FnOnce(&Path),
    ) -> Self {
        Self::start_at(lab, Ipv4Addr::LOCALHOST, people, change)
    }

    /// The same, at another address of this machine's, where servers reach it.
    pub fn start_at(
        lab: &Lab,
        address: Ipv4Addr,
        people: &[(&str, &[&str])],
        change: impl FnOnce(&Path),
    ) -> Self {
        let from = lab.folder("config");
        copy(&repository().join("ca-config"), &from);
        let homes = lab.folder("home");
        let mut users = fs::read_to_string(from.join("users.toml")).expect("users.toml");
        for (place, (name, groups)) in people.iter().enumerate() {
            users += &format!(
                "\n[[person]]\nid = \"x-{place}\"\nname = \"{name}\"\ngroups = {groups:?}\n"
            );
        }
        fs::write(from.join("users.toml"), users).expect("users.toml");
        give_keys(&from.join("users.toml"), &homes);
        change(&from);

        let folder = lab.path().join("ca");
        let mut init = daemon_program();
        init.arg("init").arg("--dir").arg(&folder).arg("--config-from").arg(&from);
        let pin = pin_in(run(&mut init).ok().stdout.lines());
        let mut ca = Self {
            folder,
            homes,
            address: (address, 0).into(),
            pin,
            page: None,
            clock: None,
            files: None,
            daemon: None,
        };
        ca.serve();
        ca
    }

    /// Starts the daemon, at the address that it had before.
    pub fn serve(&mut self) {
        let said = self.spawn(&[]);
        assert!(self.becomes_ready(&said), "jit-cad does not start:\n{}", self.log_text());
    }

    /// Starts the daemon and kills it so much later, wherever its start has come to.
    pub fn serve_and_kill(&mut self, after: Duration) {
        let _said = self.spawn(&[]);
        thread::sleep(after);
        self.kill();
    }

    /// Starts the daemon by a program that starts it in its own place: strace -D, with its arguments. Says whether
    /// it became ready; if it did not, it has ended.
    pub fn serve_by(&mut self, starter: &[&str]) -> bool {
        let said = self.spawn(starter);
        self.becomes_ready(&said)
    }

    fn spawn(&mut self, starter: &[&str]) -> Receiver<String> {
        let log =
            File::options().create(true).append(true).open(self.log_file()).expect("a log file");
        let limit = self.files.map(|files| format!("--nofile={files}:{files}"));
        let limited = limit.as_ref().map(|limit| ["prlimit", limit]);
        let mut serve = daemon_program_by(limited.as_ref().map_or(starter, <[&str; 2]>::as_slice));
        serve.arg("serve").arg("--config").arg(self.config());
        serve.arg("--listen").arg(self.address.to_string());
        if let Some(clock) = &self.clock {
            serve.env("LD_PRELOAD", faketime()).env("FAKETIME_TIMESTAMP_FILE", clock);
            // Read at each look at the clock; timers go by another one, as on any machine.
            serve.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        serve.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut daemon = serve.spawn().expect("jit-cad");
        let said = lines(&mut daemon);
        self.daemon = Some(daemon);
        said
    }

    /// Whether the daemon says that it is ready; it has ended if it does not.
    fn becomes_ready(&mut self, said: &Receiver<String>) -> bool {
        loop {
            let line = match said.recv_timeout(SOON) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("jit-cad does not start:\n{}", self.log_text())
                }
            };
            if let Some(pin) = line.strip_prefix("pin ") {
                assert_eq!(pin, self.pin);
            } else if let Some(address) = line.strip_prefix("listening on https://") {
                self.address = address.parse().expect("an address");
            } else if let Some(page) = line.strip_prefix("page ") {
                self.page = Some(page.to_owned());
            } else if line == "ready" {
                return true;
            }
        }
    }

    /// Starts the daemon anew with a clock that tells the time that [`Self::set_clock`] says.
    pub fn serve_by_own_clock(&mut self) {
        self.stop();
        self.clock = Some(self.folder.join("clock"));
        self.set_clock(0);
        self.serve();
    }

    /// Starts the daemon anew, with so many files that it may have open.
    pub fn serve_with_files(&mut self, files: u64) {
        self.stop();
        self.files = Some(files);
        self.serve();
    }

    /// Sets the daemon's own clock so many seconds ahead of the machine's, or behind it.
    pub fn set_clock(&self, ahead: i64) {
        let clock = self.clock.as_ref().expect("a clock of its own");
        // In one step: the daemon may look at any time.
        let new = clock.with_extension("new");
        fs::write(&new, format!("{ahead:+}\n")).expect("a file");
        fs::rename(new, clock).expect("a file");
    }

    /// Has time pass for the daemon, which goes by its own clock: more than five seconds since it was set before.
    pub fn let_pass(&self, ahead: i64) {
        self.set_clock(ahead);
        self.jit_cad(&["clock", "ack", "--reason", "time passes in a test"]).ok();
    }

    /// The daemon's process.
    pub fn process(&self) -> u32 {
        self.daemon.as_ref().expect("the daemon runs").id()
    }

    /// Stops the daemon in order; it has to drain and to end well.
    pub fn stop(&mut self) {
        let mut daemon = self.daemon.take().expect("the daemon runs");
        run(Command::new("kill").arg(daemon.id().to_string())).ok();
        let status = daemon.wait().expect("the daemon ends");
        assert!(status.success(), "jit-cad ended with {status}:\n{}", self.log_text());
    }

    /// Kills the daemon as a power cut would.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("the daemon runs");
        daemon.kill().expect("a process");
        daemon.wait().expect("the daemon ends");
    }

    /// Has the daemon refuse to start, and gives what it said.
    pub fn refuses_to_serve(&self) -> Output {
        assert!(self.daemon.is_none(), "the daemon runs");
        let daemon = daemon_program();
        let mut serve = Command::new("timeout");
        serve.env_clear().envs(daemon.get_envs().filter_map(|(name, value)| Some((name, value?))));
        serve.arg(SOON.as_secs().to_string()).arg(daemon.get_program());
        run(serve.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(self.config()))
    }

    /// Tells the daemon to end, if it has not ended yet, and gives its exit code.
    pub fn end(&mut self) -> Option<i32> {
        let mut daemon = self.daemon.take().expect("the daemon runs");
        run(Command::new("kill").arg(daemon.id().to_string())).ok();
        daemon.wait().expect("the daemon ends").code()
    }

    /// Waits until the daemon has ended by itself, and gives its exit code.
    pub fn ends(&mut self) -> Option<i32> {
        let mut daemon = self.daemon.take().expect("the daemon runs");
        let status = wait_for("the daemon's end", || daemon.try_wait().expect("a process"));
        status.code()
    }

    /// The running daemon's process id.
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("the daemon runs").id()
    }

    /// The most memory that the running daemon has had so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        let kilobytes = peak.trim().trim_end_matches(" kB").parse::<u64>().expect("kilobytes");
        kilobytes << 10
    }

    /// Copies the daemon's data, by which its history can be brought back. The daemon is stopped, or nobody calls it.
    pub fn snapshot(&self, name: &str) -> PathBuf {
        let copy = self.folder.join("snapshots").join(name);
        fs::create_dir_all(self.folder.join("snapshots")).expect("a folder");
        fs::copy(self.data(), &copy).expect("a copy");
        copy
    }

    /// Puts a copy back in the place of the stopped daemon's data: history as it was then.
    pub fn restore(&self, snapshot: &Path) {
        assert!(self.daemon.is_none(), "the daemon runs");
        fs::copy(snapshot, self.data()).expect("a copy");
    }

    /// Checks the log of the stopped daemon: its tree, and that the tables are the fold of its entries.
    pub fn check_log(&self) -> Output {
        self.jit_cad(&["log", "check"])
    }

    /// Runs jit-cad with this CA's configuration.
    pub fn jit_cad(&self, arguments: &[&str]) -> Output {
        run(daemon_program().args(arguments).arg("--config").arg(self.config()))
    }

    /// Runs jit-cad with this CA's configuration, and gives it something to read.
    pub fn jit_cad_reading(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = daemon_program();
        run_with_input(command.args(arguments).arg("--config").arg(self.config()), input)
    }

    /// Where the API is.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Where its page is.
    pub fn page(&self) -> &str {
        self.page.as_deref().expect("it serves a page")
    }

    /// A call as the page's own script makes it. Who is refused has exit code 22 of curl.
    pub fn page_call(&self, path: &str, body: &Value) -> Output {
        self.page_call_by(&[], path, body)
    }

    /// The same, with more arguments of curl's.
    pub fn page_call_by(&self, curls: &[&str], path: &str, body: &Value) -> Output {
        let page = self.page();
        let (host, port) =
            page.trim_start_matches("https://").split_once(':').expect("a host and a port");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail-with-body", "--insecure", "--max-time", "20"]);
        curl.args(["--resolve", &format!("{host}:{port}:127.0.0.1")]);
        curl.args(["-H", "content-type: application/json", "-H", "idempotency-key: k"]);
        curl.args(["-H", &format!("origin: {page}"), "-d", &body.to_string()]);
        run(curl.args(curls).arg(format!("{page}{path}")))
    }

    /// What clients know the CA by.
    pub fn pin(&self) -> &str {
        &self.pin
    }

    /// The daemon's configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("config/jit-cad.toml")
    }

    /// The file that holds the log and all that follows from it.
    pub fn data(&self) -> PathBuf {
        let config = fs::read_to_string(self.config()).expect("jit-cad.toml");
        let config: toml::Table = config.parse().expect("TOML");
        let path = config["store"]["path"].as_str().expect("a path");
        self.folder.join("config").join(path)
    }

    /// What the daemon wrote on stderr.
    pub fn log_text(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Somebody of `users.toml` who has neither enrolled a second factor nor logged in.
    pub fn stranger(&self, name: &str) -> Person {
        Person::new(Home::of(&self.homes, name), name, self.url(), self.pin.clone())
    }

    /// Somebody of `users.toml` with a second factor, not logged in.
    pub fn enrolled(&self, name: &str) -> (Person, Authenticator) {
        let person = self.stranger(name);
        let code = self.enrolment_code(name);
        let authenticator = person.enrol(&code);
        (person, authenticator)
    }

    /// A one-use code for somebody of `users.toml`, who has no other second factor from then on, and no login.
    pub fn enrolment_code(&self, name: &str) -> String {
        let enroll = ["user", "enroll", name];
        let mut made = self.jit_cad(&enroll);
        if made.stderr.contains("--alone") {
            made = self.jit_cad(&[&enroll[..], &["--alone", "--reason", "for a test"]].concat());
        }
        made.ok().line().to_owned()
    }

    /// Somebody of `users.toml`, logged in.
    pub fn person(&self, name: &str) -> Person {
        let (person, authenticator) = self.enrolled(name);
        person.login(&authenticator.code()).ok();
        person
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("jit-cad.log")
    }
}

impl Drop for Ca {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln_log(&self.log_text());
            if self.daemon.is_some() {
                self.kill();
            }
            return;
        }
        if self.daemon.is_some() {
            self.stop();
        }
        self.check_log().ok();
        // Whatever a test has done: its log holds.
        let signer = Signer::of(self);
        let export = stored::export(&self.data(), &signer).expect("an export");
        assert_eq!(stored::verdict(&export, &signer), None);
    }
}

#[expect(clippy::print_stderr, reason = "a failed test shows what the daemon said")]
fn eprintln_log(text: &str) {
    eprintln!("--- jit-cad said:\n{text}---");
}

/// jit-cad, with nothing of our surroundings but where programs are.
fn daemon_program() -> Command {
    daemon_program_by(&[])
}

/// The same, started by another program.
fn daemon_program_by(starter: &[&str]) -> Command {
    let mut command = match starter {
        [] => Command::new(program("jit-cad")),
        [starter, arguments @ ..] => {
            let mut command = Command::new(starter);
            command.args(arguments).arg(program("jit-cad"));
            command
        }
    };
    command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
    command.env("JIT_CAD_PASSPHRASE", PASSPHRASE);
    command
}

/// The library by which a program has a clock of its own.
fn faketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("/usr/lib").filter_map(Result::ok);
    let mut found = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    found.find(|library| library.exists()).expect("faketime is installed")
}

fn pin_in<'a>(mut lines: impl Iterator<Item = &'a str>) -> String {
    let pin = lines.find_map(|line| line.strip_prefix("pin ")).expect("init prints the pin");
    assert!(pin.starts_with("SHA256:"), "{pin}");
    pin.to_owned()
}

/// The lines of a child's stdout, as they come. They are read to the end, so that it never blocks.
fn lines(child: &mut Child) -> Receiver<String> {
    let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            // Nobody listens any more once the daemon is ready.
            let _ = sender.send(line);
        }
    });
    receiver
}

/// Gives everybody in a `users.toml` a fresh SSH key, which lies in that person's home.
fn give_keys(users: &Path, homes: &Path) {
    let text = fs::read_to_string(users).expect("users.toml");
    let mut table: toml::Table = text.parse().expect("users.toml is TOML");
    let people = table.get_mut("person").and_then(toml::Value::as_array_mut).expect("[[person]]");
    for person in people {
        let name = person["name"].as_str().expect("a name").to_owned();
        let key = Home::of(homes, &name).make_key("id_ed25519", "ed25519");
        let person = person.as_table_mut().expect("a table");
        person.insert("ssh_keys".to_owned(), vec![key].into());
    }
    fs::write(users, table.to_string()).expect("users.toml");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a file type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file");
        }
    }
}
