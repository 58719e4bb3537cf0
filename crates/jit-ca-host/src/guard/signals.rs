//! Signals, as something to wait for.

use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;

/// Signals that have come.
#[derive(Debug)]
pub(super) struct Signals {
    pipe: UnixStream,
}

impl Signals {
    /// Waits for these from now on. None of them ends the guard any more; programs that it starts have them as always.
    pub(super) fn new(signals: &[Signal]) -> io::Result<Self> {
        let (pipe, written) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        for signal in signals {
            signal_hook::low_level::pipe::register(signal.as_raw(), written.try_clone()?)?;
        }
        Ok(Self { pipe })
    }

    /// Whether any has come since it was last asked.
    pub(super) fn came(&mut self) -> bool {
        matches!(self.pipe.read(&mut [0; 64]), Ok(1..))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// What ends a shell's session: the guard lets its program end, and ends with it.
pub(super) const ENDS: [Signal; 4] = [Signal::HUP, Signal::TERM, Signal::INT, Signal::QUIT];
