//! What a program says while it runs.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// The lines of a stream, read as they come, so that whoever writes them never blocks.
#[derive(Debug)]
pub struct Lines(Receiver<String>);

impl Lines {
    /// How long a line may let one wait.
    const SOON: Duration = Duration::from_secs(60);

    /// Those of this stream.
    pub fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                // Nobody reads on once a test is over.
                let _ = sender.send(line);
            }
        });
        Self(receiver)
    }

    /// The next line with this in it, behind those before it.
    #[track_caller]
    pub fn until(&self, text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        while !seen.last().is_some_and(|line: &String| line.contains(text)) {
            match self.0.recv_timeout(Self::SOON) {
                Ok(line) => seen.push(line),
                Err(error) => panic!("{text:?} is not said ({error}): {seen:#?}"),
            }
        }
        seen
    }

    /// All that comes until the stream ends.
    pub fn rest(self) -> Vec<String> {
        self.0.iter().collect()
    }
}
