//! The courier's questions. It carries what is kept here to the CA, and brings what the CA says; hostd itself speaks to no
//! network.
//!
//! It is asked by an account that owns nothing, and gives it no power over anybody: what it may do is read what was recorded,
//! say what has been fetched, and end a session before its time. It can lengthen none.

use std::collections::BTreeMap;
use std::fs;

use jit_ca_core::statement;
use serde::Serialize;

use super::Peer;
use super::connection::Phase;
use super::registry::Registry;
use crate::ca::Caller;
use crate::courier::{ACCOUNT, Chunk, Details, Listed, Question};
use crate::passwd::Passwd;
use crate::protocol::{Frame, Kind};
use crate::recording::{End, Fault};

/// How many chunks are told of at once. They are fetched in order, so that the rest is told of later.
const MOST_CHUNKS: usize = 256;

/// Answers one question.
pub(super) fn answer(registry: &Registry, peer: Peer, frame: &Frame) -> Result<Frame, String> {
    let is_courier = Passwd::find(ACCOUNT).is_some_and(|account| account.uid == peer.user);
    if peer.user != 0 && !is_courier {
        return Err(format!("what is kept is told to {ACCOUNT} and root alone"));
    }
    let question: Question = frame.read().map_err(|error| error.to_string())?;
    let said = |fault: Fault| fault.to_string();
    match question {
        Question::Sessions => json(&sessions(registry).map_err(said)?),
        Question::Details { session } => {
            let spool = &registry.spool;
            let channels = spool.channels(&session).map_err(said)?.into_iter();
            let channels = channels.map(|number| Ok((number, spool.header(&session, number)?)));
            json(&Details {
                opened: spool.opened(&session).map_err(said)?,
                channels: channels.collect::<Result<BTreeMap<_, _>, _>>().map_err(said)?,
                closed: spool.closed(&session).map_err(said)?,
            })
        }
        Question::Chunks => {
            let waiting = registry.spool.waiting().map_err(said)?.into_iter().take(MOST_CHUNKS);
            let waiting = waiting.map(|found| Chunk {
                session: found.session,
                channel: found.channel,
                chunk: found.chunk,
            });
            json(&waiting.collect::<Vec<_>>())
        }
        Question::Chunk(Chunk { session, channel, chunk }) => {
            let waiting = registry.spool.waiting().map_err(said)?;
            let found = waiting.into_iter().find(|found| {
                (found.session, found.channel, found.chunk) == (session, channel, chunk)
            });
            let found = found.ok_or("no such chunk waits")?;
            let bytes = fs::read(&found.file).map_err(|error| error.to_string())?;
            Ok(Frame::new(Kind::Done, bytes))
        }
        Question::Fetched(Chunk { session, channel, chunk }) => {
            registry.spool.fetched(&session, channel, chunk).map_err(said)?;
            Ok(Frame::new(Kind::Done, ""))
        }
        Question::Told { session } => {
            registry.spool.remove_session(&session).map_err(said)?;
            Ok(Frame::new(Kind::Done, ""))
        }
        Question::Sign { statement } => {
            // The namespace is that of a host's login, so that the signature is good for nothing else.
            let host = Caller::of(&registry.config).map_err(|fault| fault.to_string())?;
            let signature = host.sign(statement::Kind::HostLogin, &statement);
            Ok(Frame::new(Kind::Done, signature.map_err(|fault| fault.to_string())?))
        }
        Question::End { session } => {
            if let Some(connection) = registry.lock().get_mut(&session) {
                connection.end(End::Revoked);
            }
            Ok(Frame::new(Kind::Done, ""))
        }
    }
}

/// All sessions that are kept here, and of those that are open by which certificate.
fn sessions(registry: &Registry) -> Result<Vec<Listed>, Fault> {
    let kept = registry.spool.sessions()?;
    let open: BTreeMap<_, _> = registry
        .lock()
        .iter()
        .filter(|(_, connection)| matches!(connection.phase, Phase::Open | Phase::Left(_)))
        .map(|(id, connection)| (*id, connection.saved.certificate.clone()))
        .collect();
    let listed = kept.into_iter().map(|session| {
        let certificate = open.get(&session).cloned().flatten();
        Ok(Listed {
            session,
            serial: certificate.map(|found| found.serial.to_string()),
            is_closed: registry.spool.closed(&session)?.is_some(),
        })
    });
    listed.collect()
}

fn json(value: &impl Serialize) -> Result<Frame, String> {
    Frame::json(Kind::Done, value).map_err(|error| error.to_string())
}
