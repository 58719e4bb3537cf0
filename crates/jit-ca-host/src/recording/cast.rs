//! The lines of an asciicast v3 (<https://docs.asciinema.org/manual/asciicast/v3/>).
//!
//! ```text
//! {"version":3,"term":{"cols":80,"rows":24,"type":"xterm"},"timestamp":1790000000,"command":"id","jit-ca":{…}}
//! [0.248,"o","shown"]          i typed, r "90x30" resized, m marked (also: what was done to files), x "0" ended
//! # held o e282                the next line's output broke off within a character: these bytes belong to what follows
//! ```
//!
//! Our own key is `jit-ca`: session, channel, and the start in milliseconds. Where there was no terminal, `term` says 80 by 24
//! without a type, as the format wants one. Each event has the seconds since the one before it, exact to the millisecond,
//! so that their sum is the time that went by. Each frame is one event, if need be of no text: counting lines counts frames.
//! Lines that begin with `#` are comments to players.

use jit_ca_core::SessionId;
use serde::{Deserialize, Serialize};

use super::utf8::Tail;
use super::{Frame, Header};

#[derive(Serialize)]
struct HeaderLine<'a> {
    version: u8,
    term: Term<'a>,
    timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
    #[serde(rename = "jit-ca")]
    ours: Ours,
}

#[derive(Serialize)]
struct Term<'a> {
    cols: u16,
    rows: u16,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct Ours {
    session: SessionId,
    channel: u32,
    started_ms: u64,
}

/// What is read back of a header.
#[derive(Deserialize)]
struct Read {
    #[serde(rename = "jit-ca")]
    ours: Ours,
}

/// A recording's first line.
pub(super) fn header_line(session: SessionId, channel: u32, header: &Header) -> String {
    let term = match &header.terminal {
        Some(known) => Term { cols: known.cols, rows: known.rows, kind: Some(&known.term) },
        None => Term { cols: 80, rows: 24, kind: None },
    };
    let line = HeaderLine {
        version: 3,
        term,
        timestamp: header.started_ms / 1000,
        command: header.command.as_deref(),
        ours: Ours { session, channel, started_ms: header.started_ms },
    };
    json(&line) + "\n"
}

/// Where a recording stands behind its last event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Standing {
    /// When it began, in milliseconds since 1970.
    pub(super) started_ms: u64,
    /// How many milliseconds later the last event was.
    pub(super) elapsed_ms: u64,
    /// How many frames there were.
    pub(super) frames: u64,
    #[serde(default, skip_serializing_if = "Tail::is_empty")]
    output: Tail,
    #[serde(default, skip_serializing_if = "Tail::is_empty")]
    input: Tail,
    /// What a comment says of the event behind it.
    #[serde(skip)]
    announced: Tail,
}

impl Standing {
    /// Of a recording without events.
    pub(super) fn at_start(started_ms: u64) -> Self {
        Self { started_ms, ..Self::default() }
    }

    /// A frame's line, with its comment if it breaks off within a character. A clock that goes back stands still here.
    pub(super) fn line(&mut self, at_ms: u64, frame: Frame<'_>) -> String {
        let interval = self.pass(at_ms);
        self.frames += 1;
        match frame {
            Frame::Output(bytes) => text_line(&interval, 'o', bytes, &mut self.output),
            Frame::Input(bytes) => text_line(&interval, 'i', bytes, &mut self.input),
            Frame::Resize { cols, rows } => event(&interval, 'r', &format!("{cols}x{rows}")),
            Frame::File(done) => event(&interval, 'm', &done.to_string()),
            Frame::Mark(text) => event(&interval, 'm', text),
            Frame::Exit(status) => event(&interval, 'x', &status.to_string()),
        }
    }

    /// The lines of what is held when nothing follows: none, mostly.
    pub(super) fn last_lines(&mut self, at_ms: u64) -> String {
        let mut lines = String::new();
        for (code, text) in [('o', self.output.flush()), ('i', self.input.flush())] {
            if !text.is_empty() {
                lines += &event(&self.pass(at_ms), code, &text);
            }
        }
        lines
    }

    /// Reads a line that was written here. None: it wasn't.
    pub(super) fn replay(&mut self, line: &[u8]) -> Option<Line> {
        let line = str::from_utf8(line).ok()?;
        if line.starts_with('{') {
            let read: Read = serde_json::from_str(line).ok()?;
            *self = Self::at_start(read.ours.started_ms);
            return Some(Line::Whole);
        }
        if let Some(held) = line.strip_prefix("# held ") {
            let (_, digits) = held.split_once(' ')?;
            self.announced = Tail::from_hex(digits)?;
            return Some(Line::Announces);
        }
        let (interval, rest) = line.strip_prefix('[')?.split_once(',')?;
        let (seconds, milliseconds) = interval.split_once('.').filter(|(_, m)| m.len() == 3)?;
        let passed = seconds.parse::<u64>().ok()?.checked_mul(1000)?;
        let passed = passed.checked_add(milliseconds.parse().ok()?)?;
        self.elapsed_ms = self.elapsed_ms.checked_add(passed)?;
        self.frames += 1;
        let held = std::mem::take(&mut self.announced);
        match rest.strip_suffix(']')?.split_once(',')?.0 {
            r#""o""# => self.output = held,
            r#""i""# => self.input = held,
            _ => {}
        }
        Some(Line::Whole)
    }

    /// Lets the time go by: the seconds since the last event.
    fn pass(&mut self, at_ms: u64) -> String {
        let elapsed = at_ms.saturating_sub(self.started_ms).max(self.elapsed_ms);
        let interval = elapsed - self.elapsed_ms;
        self.elapsed_ms = elapsed;
        format!("{}.{:03}", interval / 1000, interval % 1000)
    }
}

/// What a line is that was read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The header, or an event: the recording may end behind it.
    Whole,
    /// A comment that belongs to the next line.
    Announces,
}

fn text_line(interval: &str, code: char, bytes: &[u8], tail: &mut Tail) -> String {
    let text = tail.decode(bytes);
    let line = event(interval, code, &text);
    match tail.is_empty() {
        true => line,
        false => format!("# held {code} {}\n{line}", tail.to_hex()),
    }
}

fn event(interval: &str, code: char, data: &str) -> String {
    format!("[{interval},\"{code}\",{}]\n", json(data))
}

/// As JSON, in one line. Strings, numbers and structs of them always can be.
fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
