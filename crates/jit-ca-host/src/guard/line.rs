//! The line to hostd. What hostd hasn't kept yet is kept here: should hostd be killed and come back, nothing is missing.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::protocol::{Frame, Frames, Hello, Kind, Resume, Welcome};

/// How many bytes may wait to be kept. The program waits then, as it would for a slow network.
const ROOM: usize = 256 * 1024;
/// How long hostd may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may be gone.
const RETURN: Duration = Duration::from_secs(10);
/// How often it is called meanwhile.
const CALL: Duration = Duration::from_millis(100);

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    /// Nobody answers.
    #[error(
        "jit-ca-hostd can't be reached ({0}), so nobody is let in; ask an administrator of this host"
    )]
    Down(io::Error),
    /// It says no.
    #[error("{0}")]
    Refused(String),
    /// It was gone for too long.
    #[error("jit-ca-hostd is gone, so this session ends")]
    Gone,
}

/// The line.
#[derive(Debug)]
pub(super) struct Line {
    place: PathBuf,
    channel: u32,
    /// While it is up; else since when it isn't, and when it was last tried.
    stream: Result<UnixStream, (Instant, Instant)>,
    frames: Frames,
    /// What is to be kept yet, oldest first.
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    /// How many frames are kept.
    kept: u64,
    /// How many of those that wait are written, and how much of the next one.
    written: usize,
    part: usize,
}

impl Line {
    /// Calls hostd.
    pub(super) fn open(place: &Path, hello: &Hello) -> Result<(Self, Welcome), Lost> {
        let hello = Frame::json(Kind::Hello, hello).map_err(Lost::Down)?;
        let (stream, frames, welcome) = call(place, &hello)?;
        let line = Self {
            place: place.to_owned(),
            channel: welcome.channel,
            stream: Ok(stream),
            frames,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            kept: 0,
            written: 0,
            part: 0,
        };
        Ok((line, welcome))
    }

    /// Whether there is room for more. Without a line there is none: nothing is done unrecorded.
    pub(super) fn has_room(&self) -> bool {
        self.stream.is_ok() && self.waiting_bytes < ROOM
    }

    /// Tells something.
    pub(super) fn tell(&mut self, frame: &Frame) {
        let bytes = frame.bytes();
        self.waiting_bytes += bytes.len();
        self.waiting.push_back(bytes);
        self.write();
    }

    /// What to wait for: its descriptor, and whether for room to write.
    pub(super) fn polled(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let stream = self.stream.as_ref().ok()?;
        let writes =
            if self.written < self.waiting.len() { PollFlags::OUT } else { PollFlags::empty() };
        Some((stream.as_fd(), PollFlags::IN | writes))
    }

    /// How long to wait at most.
    pub(super) fn patience(&self) -> Option<Timespec> {
        let patience = Timespec { tv_sec: 0, tv_nsec: CALL.subsec_nanos().into() };
        self.stream.is_err().then_some(patience)
    }

    /// Reads, writes and calls again, as far as it can without waiting. Gives what terminals are to show.
    ///
    /// # Errors
    /// If hostd is gone for too long, or says no.
    pub(super) fn go_on(&mut self) -> Result<Option<String>, Lost> {
        if let Err((since, tried)) = self.stream {
            let now = Instant::now();
            if now.duration_since(since) >= RETURN {
                return Err(Lost::Gone);
            }
            if now.duration_since(tried) >= CALL {
                self.stream = Err((since, now));
                self.call_again()?;
            }
            return Ok(None);
        }
        let text = self.read();
        self.write();
        text
    }

    /// Tells the last frame, and waits until all is kept.
    ///
    /// # Errors
    /// If hostd is gone for too long.
    pub(super) fn finish(&mut self, code: i32) -> Result<(), Lost> {
        self.tell(&Frame::new(Kind::Exit, code.to_string()));
        while !self.waiting.is_empty() {
            if let Some((stream, flags)) = self.polled() {
                let _ = poll(&mut [PollFd::from_borrowed_fd(stream, flags)], None);
            } else {
                std::thread::sleep(CALL);
            }
            self.go_on()?;
        }
        Ok(())
    }

    fn call_again(&mut self) -> Result<(), Lost> {
        let resume = Frame::json(Kind::Resume, &Resume { channel: self.channel });
        let (stream, frames, welcome) = match call(&self.place, &resume.map_err(Lost::Down)?) {
            Ok(called) => called,
            Err(Lost::Down(_)) => return Ok(()),
            Err(lost) => return Err(lost),
        };
        self.forget(welcome.kept);
        (self.stream, self.frames) = (Ok(stream), frames);
        (self.written, self.part) = (0, 0);
        self.write();
        Ok(())
    }

    /// So many are kept now.
    fn forget(&mut self, kept: u64) {
        while self.kept < kept {
            let Some(bytes) = self.waiting.pop_front() else { break };
            self.waiting_bytes -= bytes.len();
            self.written = self.written.saturating_sub(1);
            self.kept += 1;
        }
    }

    fn read(&mut self) -> Result<Option<String>, Lost> {
        let mut bytes = [0; 4096];
        let Ok(stream) = &mut self.stream else { return Ok(None) };
        match stream.read(&mut bytes) {
            Ok(0) => self.hang_up(),
            Ok(length) => self.frames.push(bytes.get(..length).unwrap_or_default()),
            Err(error) if is_soon(&error) => {}
            Err(_) => self.hang_up(),
        }
        let mut text = None;
        while let Ok(Some(frame)) = self.frames.next() {
            match frame.kind {
                Kind::Kept => self.forget(frame.number().map_err(Lost::Down)?),
                Kind::Tell => text = Some(frame.text()),
                Kind::Refused => return Err(Lost::Refused(frame.text())),
                _ => {}
            }
        }
        Ok(text)
    }

    fn write(&mut self) {
        while let (Ok(stream), Some(bytes)) = (&mut self.stream, self.waiting.get(self.written)) {
            match stream.write(bytes.get(self.part..).unwrap_or_default()) {
                Ok(length) => {
                    self.part += length;
                    if self.part == bytes.len() {
                        (self.written, self.part) = (self.written + 1, 0);
                    }
                }
                // That hostd is gone is found by reading, after what it has said last.
                Err(_) => return,
            }
        }
    }

    fn hang_up(&mut self) {
        if self.stream.is_ok() {
            let now = Instant::now();
            self.stream = Err((now, now));
        }
    }
}

fn call(place: &Path, first: &Frame) -> Result<(UnixStream, Frames, Welcome), Lost> {
    let call = || {
        let mut stream = UnixStream::connect(place)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        first.send(&mut stream)?;
        let mut frames = Frames::default();
        let answer = frames.receive(&mut stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        stream.set_nonblocking(true)?;
        Ok((stream, frames, answer))
    };
    let (stream, frames, answer) = call().map_err(Lost::Down)?;
    match answer.kind {
        Kind::Welcome => Ok((stream, frames, answer.read().map_err(Lost::Down)?)),
        _ => Err(Lost::Refused(answer.text())),
    }
}

fn is_soon(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
