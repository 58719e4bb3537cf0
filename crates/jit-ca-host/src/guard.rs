//! The guard: sshd runs it as the user in place of every shell and command (`ForceCommand`). It judges nothing and holds
//! nothing: it tells hostd what is done, and hostd ends the connection, most of all if the guard dies.
//!
//! ```text
//! work      what is to be run, and how
//! line      the line to hostd: frames that aren't kept yet are kept here, for a hostd that was gone
//! terminal  a shell, or a command, at a terminal: a terminal of its own in between
//! command   a command without one: it has sshd's own descriptors
//! files     of sftp: what its server says of files (sftp), to hostd
//! inner     the guard run again, within that terminal: becomes the user's program
//! ```

mod command;
mod files;
mod inner;
mod line;
pub mod sftp;
mod signals;
mod terminal;
mod work;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use rustix::process::{DumpableBehavior, getuid, set_dumpable_behavior};
use rustix::termios::isatty;

use crate::certificate::Accepted;
use crate::config::Config;
use crate::passwd::Passwd;
use crate::protocol::Hello;
use line::{Line, Lost};
use work::Work;

/// Why nothing is run, or no longer.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Config(#[from] crate::config::Error),
    #[error("{0}")]
    Line(#[from] Lost),
    #[error("{0}: {1}")]
    Io(&'static str, io::Error),
}

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Code(i32),
    Signal(i32),
}

impl Ended {
    fn of(status: std::process::ExitStatus) -> Self {
        match (status.code(), std::os::unix::process::ExitStatusExt::signal(&status)) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }

    /// As a shell says it.
    fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// Runs what the user wants, and gives its exit code.
pub fn run(config: &Path) -> u8 {
    // Nobody who runs as the same user is to look into it, or to make it say what isn't so (ptrace(2)).
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let done = match hidden {
        Ok(()) => guard(config),
        Err(error) => Err(Fault::Io("it can't be hidden from others", error.into())),
    };
    match done {
        Ok(Ended::Code(code)) => u8::try_from(code).unwrap_or(u8::MAX),
        Ok(Ended::Signal(signal)) => {
            // sshd tells the client by which signal a program ended, so we end by it too.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
            u8::try_from(128 + signal).unwrap_or(u8::MAX)
        }
        Err(fault) => {
            say(&fault.to_string());
            u8::MAX
        }
    }
}

/// The guard run again within its terminal: becomes the program that these words are.
pub fn inner(words: Vec<OsString>) -> u8 {
    let error = inner::become_program(words);
    say(&error.to_string());
    126
}

fn guard(config: &Path) -> Result<Ended, Fault> {
    let config = Config::load(config)?;
    let original = env::var_os("SSH_ORIGINAL_COMMAND");
    let hello = Hello {
        command: original.as_ref().map(|command| command.to_string_lossy().into_owned()),
        terminal: terminal::here(),
    };
    let (line, welcome) = match Line::open(&config.places.socket(), &hello) {
        Ok(opened) => opened,
        Err(lost) => return alone(&config, original, lost),
    };
    let work = Work::new(&welcome.shell, original, welcome.forced_command.as_deref());
    match hello.terminal {
        Some(_) => terminal::relay(line, &work, welcome.input),
        None => command::run(line, &work),
    }
}

/// hostd doesn't record: somebody has to be able to mend that.
fn alone(config: &Config, original: Option<OsString>, lost: Lost) -> Result<Ended, Fault> {
    let account = Passwd::find(&getuid().as_raw().to_string());
    let account = account.filter(|account| config.is_break_glass(&account.name));
    let Some(account) = account else { return Err(lost.into()) };
    say(&format!("what is done now is not recorded: {lost}"));
    let methods = env::var_os("SSH_USER_AUTH").and_then(|file| std::fs::read_to_string(file).ok());
    let certificate = methods.and_then(|methods| Accepted::of_methods(&methods).ok().flatten());
    let forced = certificate.and_then(|certificate| certificate.forced_command);
    let error = Work::new(&account.shell, original, forced.as_deref()).command().exec();
    Err(Fault::Io("the shell can't be run", error))
}

/// Tells the user.
fn say(text: &str) {
    let mut stderr = io::stderr();
    let end = if isatty(&stderr) { "\r\n" } else { "\n" };
    let _ = write!(stderr, "jit-ca: {text}{end}");
}
