//! Who sees which sessions, and what of them.

use jit_ca_api::{
    Channel, RecordedChannel, Session, SessionCertificate, SessionList, SessionsFilter,
};
use jit_ca_core::{SessionId, SubjectId};

use super::may_watch;
use crate::app::App;
use crate::clock;
use crate::service::{Caller, Fault};
use crate::store::{SessionRecord, SessionsOf, Snapshot, StoreError};

/// The most sessions of one answer.
const MOST_LISTED: usize = 200;
/// The most that are looked at for one answer: each has to be judged.
const MOST_JUDGED: usize = 5_000;

/// The sessions that the caller may see: its own, and those that it may watch.
///
/// # Errors
/// If they can't be read.
pub fn list(app: &App, caller: &Caller, filter: &SessionsFilter) -> Result<SessionList, Fault> {
    let (snapshot, now) = (app.store.read()?, clock::now());
    let host = filter.host.as_ref().map(SubjectId::of_host);
    let of = match (filter, &host) {
        (SessionsFilter { mine: true, .. }, _) => SessionsOf::Subject(&caller.person.id),
        (SessionsFilter { open: true, .. }, _) => SessionsOf::Open,
        (_, Some(host)) => SessionsOf::Host(host),
        (SessionsFilter { role: Some(role), .. }, None) => SessionsOf::Role(role),
        _ => SessionsOf::Any,
    };
    let (mut found, mut judged, mut more) = (Vec::new(), 0, false);
    snapshot.newest_sessions(of, SessionId::from_bytes([0xff; 16]), |record| {
        judged += 1;
        more = judged > MOST_JUDGED || found.len() == MOST_LISTED;
        if !more {
            found.push(record);
        }
        Ok::<_, StoreError>(!more)
    })?;
    let mut sessions = Vec::new();
    for record in found {
        let session = view(app, &snapshot, &record)?;
        let opened = session.opened;
        let is_asked_for = filter.host.is_none() || host.as_ref() == Some(&record.host);
        let is_asked_for = is_asked_for
            && (filter.role.is_none() || session.role == filter.role)
            && (!filter.open || record.close.is_none())
            && filter.from.is_none_or(|from| opened.is_some_and(|at| at >= from))
            && filter.to.is_none_or(|to| opened.is_some_and(|at| at < to));
        let is_own = session.subject.as_ref() == Some(&caller.person.id);
        if is_asked_for && (is_own || may_watch(&snapshot, caller, &record, now)?) {
            sessions.push(session);
        }
    }
    Ok(SessionList { sessions, more })
}

/// A session, if the caller may see it.
///
/// # Errors
/// If there is none, or none that the caller may see: the answer is the same.
pub fn visible(app: &App, caller: &Caller, id: SessionId) -> Result<SessionRecord, Fault> {
    let snapshot = app.store.read()?;
    let record = snapshot.session(id)?.ok_or(Fault::NotFound("session"))?;
    let access = record.grant.map(|grant| snapshot.access_of(grant)).transpose()?.flatten();
    let is_own = access.is_some_and(|known| known.access.request.subject == caller.person.id);
    match is_own || may_watch(&snapshot, caller, &record, clock::now())? {
        true => Ok(record),
        false => Err(Fault::NotFound("session")),
    }
}

/// What there is to see of a session.
///
/// # Errors
/// If the store or the recordings can't be read.
pub fn view(app: &App, snapshot: &Snapshot, record: &SessionRecord) -> Result<Session, Fault> {
    let (opened, closed) = snapshot.told_of(record)?;
    let access = record.grant.map(|grant| snapshot.access_of(grant)).transpose()?.flatten();
    let request = access.as_ref().map(|known| &known.access.request);
    let here = match &app.recordings {
        Some(recordings) => {
            recordings.channels(record.session).map_err(|error| Fault::Internal(Box::new(error)))?
        }
        None => Default::default(),
    };
    let said = closed.iter().flat_map(|closed| &closed.channels);
    let mut channels: Vec<Channel> = said
        .map(|said| Channel {
            number: said.number,
            here: here.get(&said.number).copied().unwrap_or(0),
            recorded: Some(RecordedChannel {
                command: said.command.clone(),
                terminal: said.terminal,
                started: said.started,
                root: said.root,
                chunks: said.chunks,
                bytes: said.bytes,
            }),
        })
        .collect();
    if closed.is_none() {
        let arrived = here.iter().map(|(&number, &here)| Channel { number, here, recorded: None });
        channels.extend(arrived);
    }
    let certificate = opened.as_ref().and_then(|opened| opened.certificate.as_ref());
    Ok(Session {
        session: record.session,
        host: record.host.clone(),
        account: opened.as_ref().map(|opened| opened.account.clone()),
        from: opened.as_ref().and_then(|opened| opened.from),
        subject: request.map(|request| request.subject.clone()),
        name: request.map(|request| request.name.clone()),
        role: request.map(|request| request.role.clone()),
        grant: record.grant,
        certificate: certificate.map(|used| SessionCertificate {
            ca: used.ca,
            serial: used.serial.to_string(),
            key_id: used.key_id.to_string(),
            until: used.until,
        }),
        opened: opened.as_ref().map(|opened| opened.opened),
        closed: closed.as_ref().map(|closed| closed.closed),
        why: closed.as_ref().map(|closed| closed.why),
        channels,
        entry: record.open,
    })
}
