//! What is said on hostd's socket: frames of a kind (one byte), a length (four, big-endian) and a payload. Payloads with
//! a structure are JSON.
//!
//! ```text
//! sshd's hooks    Alive | Login                                  -> Done or Refused
//! a guard         Hello | Resume  -> Welcome or Refused; then    -> Output… Input… Resize… File… Exit
//!                                                                <- Kept…, Tell…
//! an administrator  Status                                       -> Done
//! the courier       Courier                                      -> Done or Refused
//! ```

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The longest payload: a command may be as long as the kernel lets one argument be (128 KiB), and JSON doubles it.
const LONGEST: usize = 1 << 20;
const HEADER: usize = 5;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A hook asks whether anybody is there.
    Alive,
    /// A hook tells of somebody who logs in: [`Login`].
    Login,
    /// root asks what is open.
    Status,
    /// The courier asks: [`Question`](crate::courier::Question).
    Courier,
    /// A guard has started: [`Hello`].
    Hello,
    /// A guard was here before: [`Resume`].
    Resume,
    /// What was shown at the terminal.
    Output,
    /// What was typed.
    Input,
    /// The terminal has another size: [`Size`].
    Resize,
    /// A file was read or written: the recording's own form of it.
    File,
    /// The guard's program has ended; its exit code, in decimal. The last frame.
    Exit,
    /// Asked and granted; for [`Kind::Status`] the answer: [`Open`]s.
    Done,
    /// No; why, for people.
    Refused,
    /// A guard may go on: [`Welcome`].
    Welcome,
    /// So many of the guard's frames are kept by now, in decimal.
    Kept,
    /// To be shown at the terminal.
    Tell,
}

const KINDS: [(u8, Kind); 16] = [
    (b'a', Kind::Alive),
    (b'l', Kind::Login),
    (b's', Kind::Status),
    (b'c', Kind::Courier),
    (b'h', Kind::Hello),
    (b'r', Kind::Resume),
    (b'o', Kind::Output),
    (b'i', Kind::Input),
    (b'z', Kind::Resize),
    (b'f', Kind::File),
    (b'x', Kind::Exit),
    (b'D', Kind::Done),
    (b'N', Kind::Refused),
    (b'W', Kind::Welcome),
    (b'K', Kind::Kept),
    (b'T', Kind::Tell),
];

/// Somebody logs in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Login {
    /// The account.
    pub(crate) account: String,
    /// The address, as sshd tells it.
    pub(crate) from: Option<String>,
    /// How sshd knows.
    pub(crate) proof: Proof,
}

/// What sshd has said of how somebody logs in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Proof {
    /// They are let in: the methods that succeeded, as PAM has them.
    Methods(String),
    /// They have offered this certificate, base64; that its key is theirs isn't proven yet.
    Offered(String),
}

/// A terminal's size, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Size {
    /// Columns.
    pub(crate) cols: u16,
    /// Rows.
    pub(crate) rows: u16,
}

/// A guard has started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The command that the user gave; none for a shell.
    pub(crate) command: Option<String>,
    /// The terminal that it runs at, if it does: its size, and `$TERM`.
    pub(crate) terminal: Option<(Size, String)>,
}

/// A guard was here before.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Resume {
    /// Its channel's number.
    pub(crate) channel: u32,
}

/// A guard may go on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Welcome {
    /// Its channel's number.
    pub(crate) channel: u32,
    /// The account's shell.
    pub(crate) shell: PathBuf,
    /// The only command that the certificate allows.
    pub(crate) forced_command: Option<String>,
    /// Whether to tell what is typed, too.
    pub(crate) input: bool,
    /// How many of its frames are kept already.
    pub(crate) kept: u64,
}

/// A connection that is open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Open {
    /// The session.
    pub(crate) id: String,
    /// The account.
    pub(crate) account: String,
    /// From where, if it is known.
    pub(crate) from: Option<String>,
    /// The certificate's key id and serial; none for a connection without a certificate.
    pub(crate) certificate: Option<(String, u64)>,
    /// The second, since 1970, in which it ends; none if it doesn't.
    pub(crate) ends: Option<u64>,
    /// How many guards run in it.
    pub(crate) channels: usize,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its payload.
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// A frame with bytes, or a text.
    pub(crate) fn new(kind: Kind, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, payload: payload.into() }
    }

    /// A frame with a structure.
    pub(crate) fn json(kind: Kind, value: &impl Serialize) -> io::Result<Self> {
        Ok(Self { kind, payload: serde_json::to_vec(value)? })
    }

    /// The structure in it.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> io::Result<T> {
        Ok(serde_json::from_slice(&self.payload)?)
    }

    /// The text in it.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    /// The number in it.
    pub(crate) fn number<T: std::str::FromStr>(&self) -> io::Result<T> {
        self.text().parse().map_err(|_| wrong("a frame without its number"))
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let kind = KINDS.iter().find(|(_, kind)| *kind == self.kind).map_or(0, |(byte, _)| *byte);
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(HEADER + self.payload.len());
        bytes.push(kind);
        bytes.extend(length.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// Writes it in one go.
    pub(crate) fn send(&self, socket: &mut impl Write) -> io::Result<()> {
        socket.write_all(&self.bytes())
    }
}

/// Finds frames in what arrives.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
}

impl Frames {
    /// Takes what has arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// The next frame, if it is there as a whole.
    pub(crate) fn next(&mut self) -> io::Result<Option<Frame>> {
        let Some((&[kind, length @ ..], rest)) = self.bytes.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let found = KINDS.iter().find(|(byte, _)| *byte == kind);
        let (_, kind) = found.ok_or_else(|| wrong("a frame of a kind that is not known"))?;
        let length = u32::from_be_bytes(length).try_into().unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(wrong("a frame that is too long"));
        }
        let Some(payload) = rest.get(..length) else {
            return Ok(None);
        };
        let frame = Frame::new(*kind, payload);
        self.bytes.drain(..HEADER + length);
        Ok(Some(frame))
    }

    /// Waits for a frame of a socket that is waited at; `None` when the other side is gone.
    pub(crate) fn receive(&mut self, socket: &mut impl Read) -> io::Result<Option<Frame>> {
        let mut bytes = [0; 4096];
        loop {
            if let Some(frame) = self.next()? {
                return Ok(Some(frame));
            }
            match socket.read(&mut bytes)? {
                0 => return Ok(None),
                length => self.push(bytes.get(..length).unwrap_or_default()),
            }
        }
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_as_they_were_sent_however_they_are_cut() {
        let sent = [
            Frame::new(Kind::Output, "hello"),
            Frame::new(Kind::Exit, "0"),
            Frame::json(Kind::Resize, &Size { cols: 80, rows: 24 }).unwrap(),
        ];
        let bytes = sent.each_ref().map(Frame::bytes).concat();
        let (mut frames, mut arrived) = (Frames::default(), Vec::new());
        for byte in bytes {
            frames.push(&[byte]);
            arrived.extend(frames.next().unwrap());
        }
        assert_eq!(arrived, sent);
        assert_eq!(arrived[2].read::<Size>().unwrap(), Size { cols: 80, rows: 24 });
        assert_eq!(arrived[1].number::<i32>().unwrap(), 0);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for (bytes, said) in [
            (&b"?\0\0\0\0"[..], "not known"),
            (b"o\xff\xff\xff\xff", "too long"),
            (b"o\0\x10\0\x01", "too long"),
        ] {
            let mut frames = Frames::default();
            frames.push(bytes);
            let fault = frames.next().unwrap_err().to_string();
            assert!(fault.contains(said), "{fault}");
        }
    }
}
