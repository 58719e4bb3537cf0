//! The guard run again, on a terminal that the guard has made: makes it the terminal of a session of its own, as login(1)
//! would, and becomes the user's program.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::{ioctl_tiocsctty, setsid};

use super::work::Work;

/// The first word by which the guard knows itself here.
pub(super) const INNER: &str = "--inner";

/// The command that starts it: the program's file, its name for itself, and its arguments follow.
pub(super) fn command(work: &Work) -> io::Result<Command> {
    let (name, rest) = work.words();
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(INNER).arg(work.shell()).arg(name).args(rest);
    work.dress(&mut command);
    Ok(command)
}

/// Becomes the program. It comes back only if it can't.
pub(super) fn become_program(words: Vec<OsString>) -> io::Error {
    let mut words = words.into_iter();
    let (Some(program), Some(name)) = (words.next(), words.next()) else {
        return io::Error::new(io::ErrorKind::InvalidInput, "jit-ca-guard is started by sshd");
    };
    let terminal = || {
        setsid()?;
        ioctl_tiocsctty(io::stdin())
    };
    if let Err(error) = terminal() {
        return error.into();
    }
    Command::new(Path::new(&program)).arg0(name).args(words).exec()
}
