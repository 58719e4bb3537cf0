//! A question to hostd, and its answer: for the hooks, and for administrators.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::protocol::{Frame, Frames, Kind};

/// hostd answers in milliseconds; sshd waits for as long as its hook does.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    /// Nobody is there.
    #[error("jit-ca-hostd can't be reached ({0}): as root, look why it doesn't run")]
    Down(io::Error),
    /// It says no.
    #[error("{0}")]
    Refused(String),
}

/// Asks.
pub(crate) fn ask(socket: &Path, question: &Frame) -> Result<Frame, Unanswered> {
    let answer = exchange(socket, question).map_err(Unanswered::Down)?;
    match answer.kind {
        Kind::Refused => Err(Unanswered::Refused(answer.text())),
        _ => Ok(answer),
    }
}

fn exchange(socket: &Path, question: &Frame) -> io::Result<Frame> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    question.send(&mut stream)?;
    let answer = Frames::default().receive(&mut stream)?;
    answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
