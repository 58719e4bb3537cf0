//! Sessions are told of, and what was recorded is sent: in the order in which it happened, each until the CA has it.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use jit_ca_api::client::{Client, IdempotencyKey};
use jit_ca_api::{
    ClosedChannel, ClosedSession, MOST_CHANNELS, OpenedSession, SessionCertificate, SessionsCall,
};
use jit_ca_core::event::SessionEnd;
use jit_ca_core::{SessionId, UnixTime};

use super::errand::Stop;
use super::{Details, Line, Listed};
use crate::fault::Fault;
use crate::recording::End;

/// How many sessions are told of in one call.
const MOST: usize = 32;
/// How often it is looked whether something waits.
const IDLE: Duration = Duration::from_secs(1);

/// Who carries, and what the CA has been told already. It is told again after a start: the same again changes nothing there.
#[derive(Debug, Default)]
pub(super) struct Carrier {
    opened: BTreeSet<SessionId>,
    closed: BTreeSet<SessionId>,
}

impl Carrier {
    /// Tells and sends what waits.
    pub(super) fn round(&mut self, client: &Client, line: &Line) -> Result<(), Stop> {
        let sessions = line.sessions()?;
        let has_told = self.tell(client, line, &sessions)?;
        let has_sent = self.send(client, line)?;
        if !has_told && !has_sent {
            self.let_go(line, &sessions)?;
            sleep(IDLE);
        }
        Ok(())
    }

    fn tell(&mut self, client: &Client, line: &Line, sessions: &[Listed]) -> Result<bool, Stop> {
        let mut call = SessionsCall::default();
        for listed in sessions {
            let is_new = !self.opened.contains(&listed.session);
            let is_over = listed.is_closed && !self.closed.contains(&listed.session);
            if !is_new && !is_over {
                continue;
            }
            if call.opened.len() + call.closed.len() >= MOST {
                break;
            }
            let details = line.details(listed.session)?;
            if is_new {
                call.opened.push(opened(&details)?);
            }
            if is_over {
                call.closed.extend(closed(&details)?);
            }
        }
        if call == SessionsCall::default() {
            return Ok(false);
        }
        let key = IdempotencyKey::random().map_err(|error| Stop::of(&error))?;
        client.tell_sessions(&call, &key).map_err(|error| Stop::of(&error))?;
        self.opened.extend(call.opened.iter().map(|opened| opened.session));
        self.closed.extend(call.closed.iter().map(|closed| closed.session));
        Ok(true)
    }

    /// Sends what waits of the sessions that were told of.
    fn send(&self, client: &Client, line: &Line) -> Result<bool, Stop> {
        let mut has_sent = false;
        for chunk in line.chunks()? {
            if !self.opened.contains(&chunk.session) {
                continue;
            }
            let bytes = line.chunk(chunk)?;
            let sent = client.keep_chunk(&chunk.session, chunk.channel, chunk.chunk, &bytes);
            sent.map_err(|error| Stop::of(&error))?;
            line.fetched(chunk)?;
            has_sent = true;
        }
        Ok(has_sent)
    }

    /// Nothing waits: what is over, and was told of, need not be kept here any longer.
    fn let_go(&mut self, line: &Line, sessions: &[Listed]) -> Result<(), Fault> {
        for listed in sessions.iter().filter(|listed| self.closed.contains(&listed.session)) {
            line.told(listed.session)?;
        }
        let here: BTreeSet<_> = sessions.iter().map(|listed| listed.session).collect();
        self.opened.retain(|session| here.contains(session));
        self.closed.retain(|session| here.contains(session));
        Ok(())
    }
}

fn opened(details: &Details) -> Result<OpenedSession, Fault> {
    let opened = &details.opened;
    let certificate = opened.certificate.as_ref().map(|used| {
        let ca = used.ca.parse().map_err(|_| unreadable("the fingerprint of a CA's key"))?;
        Ok(SessionCertificate {
            ca,
            serial: used.serial.to_string(),
            key_id: used.key_id.clone(),
            until: UnixTime::from_secs(used.valid_before),
        })
    });
    Ok(OpenedSession {
        session: opened.id,
        account: opened.account.clone(),
        // sshd may know a name, or nothing.
        from: opened.from.as_ref().and_then(|from| from.parse().ok()),
        certificate: certificate.transpose()?,
        opened: UnixTime::from_secs(opened.opened_ms / 1000),
    })
}

fn closed(details: &Details) -> Result<Option<ClosedSession>, Fault> {
    let Some(closed) = &details.closed else { return Ok(None) };
    let channels = closed.channels.iter().take(MOST_CHANNELS).map(|(number, sealed)| {
        let header = details.channels.get(number);
        let header = header.ok_or_else(|| unreadable("what a channel is"))?;
        Ok(ClosedChannel {
            number: *number,
            command: header.command.clone(),
            terminal: header.terminal.is_some(),
            started: UnixTime::from_secs(header.started_ms / 1000),
            root: sealed.root,
            chunks: sealed.chunks,
            bytes: sealed.bytes,
        })
    });
    Ok(Some(ClosedSession {
        session: details.opened.id,
        closed: UnixTime::from_secs(closed.closed.closed_ms / 1000),
        why: match closed.closed.why {
            End::Left => SessionEnd::LoggedOut,
            End::Expired => SessionEnd::CertificateEnded,
            End::Revoked => SessionEnd::GrantEnded,
            End::Unguarded => SessionEnd::Unguarded,
            End::Full => SessionEnd::BoundReached,
            End::Stopped => SessionEnd::HostRestarted,
        },
        channels: channels.collect::<Result<_, Fault>>()?,
    }))
}

fn unreadable(what: &str) -> Fault {
    Fault::new(format!("{what}, as hostd keeps it, can't be read"), "see what hostd's journal says")
}
