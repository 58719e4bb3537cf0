//! A shell, or a command, at a terminal. The guard makes a second terminal for it and stands in between: what it shows goes to
//! the user at once, and to hostd with it.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Child;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

use super::command::handle;
use super::line::Line;
use super::signals::{ENDS, Signals};
use super::work::Work;
use super::{Ended, Fault, inner};
use crate::protocol::{Frame, Kind, Size};

/// How much is read in one go, and may wait for either side.
const CHUNK: usize = crate::recording::LONGEST_FRAME;

/// The terminal that we run at, and `$TERM`; none where there is none.
pub(super) fn here() -> Option<(Size, String)> {
    let stdin = io::stdin();
    let term = std::env::var_os("TERM").unwrap_or_default().to_string_lossy().into_owned();
    isatty(&stdin).then(|| (size(&stdin), term))
}

fn size(terminal: impl std::os::fd::AsFd) -> Size {
    tcgetwinsize(terminal)
        .map_or(Size { cols: 0, rows: 0 }, |size| Size { cols: size.ws_col, rows: size.ws_row })
}

/// Runs it.
pub(super) fn relay(line: Line, work: &Work, input: bool) -> Result<Ended, Fault> {
    let io = |error| Fault::Io("the terminal can't be relayed", error);
    let mut relay = Relay::begin(line, work, input).map_err(io)?;
    let ended = relay.run();
    relay.restore();
    let ended = ended?;
    relay.line.finish(ended.code())?;
    Ok(ended)
}

struct Relay {
    line: Line,
    /// The user's terminal, opened once more: whether we wait at it is nobody else's business.
    outer: File,
    before: Termios,
    /// The program's terminal, seen from our side.
    master: File,
    child: Child,
    child_handle: OwnedFd,
    ends: Signals,
    resized: Signals,
    /// What the user has typed, and what the program has shown, that has not gone on yet.
    to_program: Vec<u8>,
    to_user: Vec<u8>,
    input: bool,
    /// Whether the user is gone.
    is_hung_up: bool,
    /// Whether nobody has the program's end of its terminal open any more.
    is_closed: bool,
}

impl Relay {
    fn begin(line: Line, work: &Work, input: bool) -> io::Result<Self> {
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let outer =
            OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open("/dev/tty")?;
        let (ends, resized) = (Signals::new(&ENDS)?, Signals::new(&[Signal::WINCH])?);
        let before = tcgetattr(&outer)?;
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name: CString = ptsname(&master, Vec::new())?;
        // The new one is what the user's was: the line's settings and its size.
        let noctty = i32::try_from(OFlags::NOCTTY.bits()).unwrap_or_default();
        let path = std::ffi::OsString::from_vec(name.into_bytes());
        let slave = OpenOptions::new().read(true).write(true).custom_flags(noctty).open(path)?;
        tcsetattr(&slave, OptionalActions::Now, &before)?;
        tcsetwinsize(&slave, tcgetwinsize(&outer)?)?;
        let mut command = inner::command(work)?;
        command.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave);
        let child = command.spawn()?;
        // It holds our ends of the program's terminal, which has to close with the program.
        drop(command);
        let child_handle = handle(&child)?;
        fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&outer, OptionalActions::Now, &raw)?;
        Ok(Self {
            line,
            outer,
            before,
            master: master.into(),
            child,
            child_handle,
            ends,
            resized,
            to_program: Vec::new(),
            to_user: Vec::new(),
            input,
            is_hung_up: false,
            is_closed: false,
        })
    }

    /// Relays until the program has ended, and everything that it has shown has gone on.
    fn run(&mut self) -> Result<Ended, Fault> {
        let mut status = None;
        loop {
            let is_idle = self.wait(status.is_some());
            if self.ends.came() {
                self.hang_up();
            }
            if self.resized.came() {
                self.resize();
            }
            let has_shown = self.show();
            self.type_in();
            match self.line.go_on() {
                Ok(Some(text)) => self.notice(&text),
                Ok(None) => {}
                Err(lost) => {
                    let _ = self.child.kill();
                    return Err(lost.into());
                }
            }
            if status.is_none() {
                status = self.child.try_wait().map_err(|error| Fault::Io("the program", error))?;
                continue;
            }
            // Nobody holds what the program has shown last but the terminal: it is read to its end.
            let is_over = is_idle && !has_shown && self.line.has_room() && self.to_user.is_empty();
            if let (Some(status), true) = (status, is_over) {
                return Ok(Ended::of(status));
            }
        }
    }

    /// Waits until there is something to do. True if there is nothing: only once the program has ended.
    fn wait(&self, has_ended: bool) -> bool {
        let reads = |yes: bool| if yes { PollFlags::IN } else { PollFlags::empty() };
        let writes =
            |bytes: &Vec<u8>| if bytes.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        let shows = self.to_user.is_empty() && self.line.has_room();
        let mut polled = vec![
            PollFd::from_borrowed_fd(self.ends.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.resized.as_fd(), PollFlags::IN),
        ];
        // A descriptor that nothing is waited for tells of its end again and again.
        if !self.is_hung_up {
            let flags = reads(self.to_program.is_empty() && !has_ended) | writes(&self.to_user);
            if !flags.is_empty() {
                polled.push(PollFd::new(&self.outer, flags));
            }
        }
        let flags = reads(shows && !has_ended) | writes(&self.to_program);
        if !flags.is_empty() && !has_ended && !self.is_closed {
            polled.push(PollFd::new(&self.master, flags));
        }
        if !has_ended {
            polled.push(PollFd::new(&self.child_handle, PollFlags::IN));
        }
        polled.extend(self.line.polled().map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)));
        // After the end nothing tells that more is to be read but reading.
        let at_once = has_ended && shows;
        let patience = if at_once { Some(Timespec::default()) } else { self.line.patience() };
        poll(&mut polled, patience.as_ref()).unwrap_or(0) == 0 || at_once
    }

    /// From the program to the user. True if there was something.
    fn show(&mut self) -> bool {
        self.flush_to_user();
        if !self.to_user.is_empty() || !self.line.has_room() {
            return false;
        }
        let mut bytes = [0; CHUNK];
        let length = match self.master.read(&mut bytes) {
            Ok(length @ 1..) => length,
            Err(error) if is_soon(&error) => return false,
            // Input/output error, which is how a terminal says it.
            _ => {
                self.is_closed = true;
                return false;
            }
        };
        let shown = bytes.get(..length).unwrap_or_default();
        self.to_user.extend(shown);
        self.flush_to_user();
        self.line.tell(&Frame::new(Kind::Output, shown));
        true
    }

    /// From the user to the program.
    fn type_in(&mut self) {
        if self.to_program.is_empty() && !self.is_hung_up {
            let mut bytes = [0; CHUNK];
            match self.outer.read(&mut bytes) {
                Ok(0) => self.hang_up(),
                Ok(length) => {
                    let typed = bytes.get(..length).unwrap_or_default();
                    self.to_program.extend(typed);
                    if self.input {
                        self.line.tell(&Frame::new(Kind::Input, typed));
                    }
                }
                Err(error) if is_soon(&error) => {}
                Err(_) => self.hang_up(),
            }
        }
        put(&mut self.master, &mut self.to_program);
    }

    fn flush_to_user(&mut self) {
        if self.is_hung_up {
            self.to_user.clear();
        }
        put(&mut self.outer, &mut self.to_user);
    }

    /// The user is gone, or is to be: so is the program told, as it would be by its terminal (SIGHUP).
    fn hang_up(&mut self) {
        if !self.is_hung_up {
            self.is_hung_up = true;
            if let Ok(group) = rustix::termios::tcgetpgrp(&self.master) {
                let _ = rustix::process::kill_process_group(group, Signal::HUP);
            }
            if let Some(pid) =
                i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw)
            {
                let _ = rustix::process::kill_process(pid, Signal::HUP);
            }
        }
    }

    fn resize(&mut self) {
        let Ok(now) = tcgetwinsize(&self.outer) else { return };
        let _ = tcsetwinsize(&self.master, now);
        let size = Size { cols: now.ws_col, rows: now.ws_row };
        if let Ok(frame) = Frame::json(Kind::Resize, &size) {
            self.line.tell(&frame);
        }
    }

    /// Shows what hostd has to say. It is recorded, as the user has seen it.
    fn notice(&mut self, text: &str) {
        let text = format!("\r\n*** {text} ***\r\n");
        self.to_user.extend(text.as_bytes());
        self.flush_to_user();
        self.line.tell(&Frame::new(Kind::Output, text));
    }

    fn restore(&self) {
        let _ = tcsetattr(&self.outer, OptionalActions::Now, &self.before);
    }
}

/// Writes as much as is taken.
fn put(file: &mut File, bytes: &mut Vec<u8>) {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(length) => drop(bytes.drain(..length)),
            Err(error) if is_soon(&error) => return,
            // Gone.
            Err(_) => bytes.clear(),
        }
    }
}

fn is_soon(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
