//! The questions to hostd.

use std::path::PathBuf;

use jit_ca_core::SessionId;
use serde::de::DeserializeOwned;

use super::{Chunk, Details, Listed, Question};
use crate::client::ask;
use crate::config::Config;
use crate::fault::Fault;
use crate::protocol::{Frame, Kind};

/// The line to hostd.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    socket: PathBuf,
}

impl Line {
    /// To the hostd of a configuration.
    pub(crate) fn of(config: &Config) -> Self {
        Self { socket: config.places.socket() }
    }

    /// What is kept, the oldest first.
    pub(super) fn sessions(&self) -> Result<Vec<Listed>, Fault> {
        self.read(&Question::Sessions)
    }

    /// What is known of a session.
    pub(super) fn details(&self, session: SessionId) -> Result<Details, Fault> {
        self.read(&Question::Details { session })
    }

    /// The chunks that wait, in order.
    pub(super) fn chunks(&self) -> Result<Vec<Chunk>, Fault> {
        self.read(&Question::Chunks)
    }

    /// The bytes of one.
    pub(super) fn chunk(&self, chunk: Chunk) -> Result<Vec<u8>, Fault> {
        Ok(self.ask(&Question::Chunk(chunk))?.payload)
    }

    /// One is kept elsewhere.
    pub(super) fn fetched(&self, chunk: Chunk) -> Result<(), Fault> {
        self.ask(&Question::Fetched(chunk)).map(|_| ())
    }

    /// All of a session is.
    pub(super) fn told(&self, session: SessionId) -> Result<(), Fault> {
        self.ask(&Question::Told { session }).map(|_| ())
    }

    /// A session's access has ended.
    pub(super) fn end(&self, session: SessionId) -> Result<(), Fault> {
        self.ask(&Question::End { session }).map(|_| ())
    }

    /// The host key's signature, as `ssh-keygen -Y sign` prints it.
    ///
    /// # Errors
    /// If hostd is not there, or does not sign it.
    pub(crate) fn sign(&self, statement: &str) -> Result<String, Fault> {
        Ok(self.ask(&Question::Sign { statement: statement.to_owned() })?.text())
    }

    fn read<T: DeserializeOwned>(&self, question: &Question) -> Result<T, Fault> {
        self.ask(question)?.read().map_err(|error| fault(&error.to_string()))
    }

    fn ask(&self, question: &Question) -> Result<Frame, Fault> {
        let frame =
            Frame::json(Kind::Courier, question).map_err(|error| fault(&error.to_string()))?;
        ask(&self.socket, &frame).map_err(|error| fault(&error.to_string()))
    }
}

fn fault(what: &str) -> Fault {
    Fault::new(format!("hostd: {what}"), "see that it runs: systemctl status jit-ca-hostd")
}
