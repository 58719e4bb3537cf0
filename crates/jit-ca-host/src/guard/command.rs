//! A command without a terminal: it has sshd's own descriptors, so it is as fast as without us. What is recorded is its line
//! and how it ended.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Child;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::files::Files;
use super::line::Line;
use super::signals::{ENDS, Signals};
use super::work::Work;
use super::{Ended, Fault};

/// Runs it.
pub(super) fn run(mut line: Line, work: &Work) -> Result<Ended, Fault> {
    let io = |error| Fault::Io("the command can't be run", error);
    // They come to the whole group (kill(2)), so to the command as well.
    let mut signals = Signals::new(&ENDS).map_err(io)?;
    let mut command = work.command();
    let mut files = work.is_sftp().then(|| Files::of(&mut command)).transpose().map_err(io)?;
    let mut child = command.spawn().map_err(io)?;
    // It holds the server's end of what it tells us.
    drop(command);
    let handle = handle(&child).map_err(io)?;
    // The client is told that there is no more as the command closes them, not as we do.
    let nothing = File::options().read(true).write(true).open("/dev/null").map_err(io)?;
    let moved = dup2_stdin(&nothing)
        .and_then(|()| dup2_stdout(&nothing))
        .and_then(|()| dup2_stderr(&nothing));
    moved.map_err(|error| io(error.into()))?;
    let mut status = None;
    loop {
        let patience = line.patience();
        let mut polled = vec![PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
        if status.is_none() {
            polled.push(PollFd::new(&handle, PollFlags::IN));
        }
        let told = files.as_ref().and_then(|files| files.polled(&line));
        polled.extend(told.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        polled.extend(line.polled().map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)));
        let _ = poll(&mut polled, patience.as_ref());
        signals.came();
        if let Err(lost) = line.go_on() {
            let _ = child.kill();
            return Err(lost.into());
        }
        if status.is_none() {
            status = child.try_wait().map_err(io)?;
        }
        if let Some(files) = &mut files {
            files.go_on(&mut line).map_err(io)?;
        }
        // With room left, all that the server has told is read.
        if let (Some(status), true) = (status, files.is_none() || line.has_room()) {
            files.map_or(Ok(()), |files| files.end(&mut line)).map_err(io)?;
            let ended = Ended::of(status);
            line.finish(ended.code())?;
            return Ok(ended);
        }
    }
}

/// A handle on a program, to be waited for.
pub(super) fn handle(child: &Child) -> std::io::Result<OwnedFd> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(std::io::ErrorKind::NotFound)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}
