//! The files that are used over sftp, as the server tells of them on its standard error.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::Command;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::line::Line;
use super::sftp::{LONGEST, Watch, pair};
use crate::protocol::{Frame, Kind};
use crate::recording::FileUse;

/// A server's messages.
#[derive(Debug)]
pub(super) struct Files {
    socket: OwnedFd,
    watch: Watch,
    is_over: bool,
}

impl Files {
    /// Has the server tell us.
    pub(super) fn of(server: &mut Command) -> io::Result<Self> {
        let (ours, theirs) = pair()?;
        server.stderr(theirs);
        Ok(Self { socket: ours, watch: Watch::default(), is_over: false })
    }

    /// What to wait for. While hostd takes no more, nothing is read, and so the server waits, too.
    pub(super) fn polled(&self, line: &Line) -> Option<BorrowedFd<'_>> {
        (!self.is_over && line.has_room()).then(|| self.socket.as_fd())
    }

    /// Tells hostd what has been told.
    pub(super) fn go_on(&mut self, line: &mut Line) -> io::Result<()> {
        let mut bytes = [0; LONGEST];
        while !self.is_over && line.has_room() {
            match recv(&self.socket, &mut bytes[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => self.is_over = true,
                Ok((length, _)) => {
                    tell(line, self.watch.message(bytes.get(..length).unwrap_or_default()))?;
                }
                Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Tells hostd what was not closed.
    pub(super) fn end(self, line: &mut Line) -> io::Result<()> {
        tell(line, self.watch.end())
    }
}

fn tell(line: &mut Line, uses: Vec<FileUse>) -> io::Result<()> {
    for file in uses {
        line.tell(&Frame::json(Kind::File, &file)?);
    }
    Ok(())
}
