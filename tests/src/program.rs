//! Programs: ours, which are built first, and others'.

use std::env;
use std::fmt;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, id};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

/// How long to wait for what must come soon: also on a cold machine, where Ansible alone takes half a minute to begin.
const SOON: Duration = Duration::from_secs(120);

/// What a program that has ended said.
#[derive(Clone, Debug)]
pub struct Output {
    pub(crate) command: String,
    /// Its exit code; 128 and the signal if one ended it.
    pub code: i32,
    /// What it wrote as data.
    pub stdout: String,
    /// The rest of what it wrote.
    pub stderr: String,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nexit code {}\n{}{}", self.command, self.code, self.stdout, self.stderr)
    }
}

impl Output {
    /// Fails the test unless the program did what it was asked.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Fails the test unless the program ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Fails the test unless the program said this, anywhere.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "{text:?} is not said by {self}"
        );
        self
    }

    /// The one JSON document that it wrote.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// What it wrote, without the line's end.
    pub fn line(&self) -> &str {
        self.stdout.trim_end()
    }
}

/// Runs a program to its end, with nothing to read.
pub fn run(command: &mut Command) -> Output {
    run_with_input(command, "")
}

/// Runs a program to its end, with this to read.
pub fn run_with_input(command: &mut Command, input: &str) -> Output {
    let shown = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that does not read it has closed the pipe; its output tells more.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
    Output {
        command: shown,
        code: output.status.code().unwrap_or_else(|| 128 + signal.unwrap_or_default()),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A program run as root: at once if we are, else by sudo, without a question.
pub fn as_root(program: &str) -> Command {
    if fs::metadata("/proc/self").expect("/proc").uid() == 0 {
        return Command::new(program);
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["-n", "--", program]);
    sudo
}

/// The folder of the checkout.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository")
}

/// One of our programs, as the tree stands now: cargo builds only a test's own package by itself, and a
/// test of yesterday's daemon shows nothing. `JIT_CA_BIN_DIR` names a folder of programs to take instead.
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        if let Some(folder) = env::var_os("JIT_CA_BIN_DIR") {
            return folder.into();
        }
        let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--locked", "--package", "jit-cad", "--package", "jit-ca"]);
        build.args(["--package", "jit-ca-host"]);
        // What cargo says of our own package makes ring's build script run again, and all be rebuilt.
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
                build.env_remove(name);
            }
        }
        run(build.current_dir(repository())).ok();
        let test = env::current_exe().expect("our own path"); // target/debug/deps/e2e-…
        test.ancestors().nth(2).expect("the folder of the build").to_owned()
    });
    folder.join(name)
}

/// A port of loopback that nobody listens at, below those that the kernel gives to clients.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(id() % 20_000).unwrap_or_default();
    loop {
        let port = 10_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Waits until `condition` gives something, which must be soon.
#[track_caller]
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begun.elapsed() < SOON, "waited in vain for {what}");
        sleep(Duration::from_millis(20));
    }
}

/// The time, in whole seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a test is a program's edge")]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("a time after 1970").as_secs()
}

/// A time of the API, which is RFC 3339, in seconds since 1970.
#[track_caller]
pub fn seconds(time: &Value) -> u64 {
    let text = time.as_str().unwrap_or_else(|| panic!("{time} is no time"));
    let date = run(Command::new("date").args(["+%s", "-d", text])).ok();
    date.line().parse().expect("seconds")
}

/// A number that is spread over all bits (splitmix64), the same in each run.
pub fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The Node that deploy/install-deps.sh has brought: Debian's may be older than its packages want.
pub(crate) fn node() -> Command {
    let arch = if env::consts::ARCH == "x86_64" { "x64" } else { "arm64" };
    let node = format!(".tools/oidc/node_modules/node-linux-{arch}/bin/node");
    Command::new(repository().join(node))
}
