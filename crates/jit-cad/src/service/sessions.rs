//! Sessions: what hosts tell of them, who sees them, and who watches the recordings.

mod told;
mod view;

use std::sync::Arc;

use jit_ca_api::{
    EndedCertificate, LARGEST_CHUNK, MOST_STANDINGS, Standing, StandingCall, StandingEnd,
};
use jit_ca_core::event::SessionWatched;
use jit_ca_core::workflow::GrantState;
use jit_ca_core::{Action, Facts, SessionId, UnixTime};
use jit_ca_policy::decide;

pub use told::tell;
pub use view::{list, view, visible};

use super::access::facts_about;
use super::{ATTEMPTS, Caller, Fault, HostCaller, again, blocking};
use crate::app::App;
use crate::clock;
use crate::recordings::{ChunkFault, Recordings};
use crate::sequencer::{CommitError, Proposal};
use crate::store::{SessionRecord, Snapshot};

/// Keeps a chunk of a recording.
///
/// # Errors
/// If the session is not one that the host told of, the chunk can't belong to what the host said was recorded, another is
/// there, there are too many, or the disk has no room.
pub async fn keep(
    app: &Arc<App>,
    host: &HostCaller,
    (session, channel, chunk): (SessionId, u32, u64),
    bytes: Vec<u8>,
) -> Result<(), Fault> {
    let recordings = recordings(app)?;
    if channel == 0 || bytes.is_empty() || bytes.len() > LARGEST_CHUNK {
        let detail = "a chunk is of a channel from 1 on, and has 1 byte to 64 KiB";
        return Err(Fault::bad(detail, "send each chunk as it was sealed"));
    }
    let snapshot = app.store.read()?;
    let known = snapshot.session(session)?.filter(|known| known.host == host.host.subject);
    let known = known.ok_or(Fault::NotFound("session"))?;
    let closed = snapshot.told_of(&known)?.1;
    let said = match &closed {
        None => None,
        Some(closed) => {
            let said = closed.channels.iter().find(|said| said.number == channel);
            let said = said.filter(|said| chunk < said.chunks);
            Some(said.cloned().ok_or_else(|| Fault::Conflict {
                detail: format!("{session} is over, and has no chunk {chunk} of channel {channel}"),
                hint: "what was recorded is what the host said when it was over",
            })?)
        }
    };
    if let Some(low) = app.store.low() {
        return Err(Fault::Commit(CommitError::Held(crate::hold::Hold::Disk(low))));
    }
    blocking(move || {
        recordings.put(session, channel, chunk, &bytes).map_err(|fault| match fault {
            ChunkFault::Io(error) => Fault::Internal(Box::new(error)),
            fault => Fault::Conflict {
                detail: fault.to_string(),
                hint: "a chunk that was kept is never changed; [recordings] of jit-cad.toml says how large sessions may be",
            },
        })?;
        let whole = said.filter(|said| chunk + 1 == said.chunks);
        let Some(said) = whole else { return Ok(()) };
        let root = recordings.root(session, channel, said.chunks);
        match root.map_err(|error| Fault::Internal(Box::new(error)))? {
            Some(root) if root != said.root => {
                tracing::warn!(%session, channel, "a recording is not what its host said was recorded");
                Err(Fault::Conflict {
                    detail: format!("the chunks of channel {channel} of {session} do not give the root that was said"),
                    hint: "it is kept as it came, and shown as not matching",
                })
            }
            _ => Ok(()),
        }
    })
    .await
}

/// Which of these certificates are to be used no longer.
///
/// # Errors
/// If they are too many, or a serial is none.
pub fn standing(app: &App, call: &StandingCall) -> Result<Standing, Fault> {
    if call.certificates.len() > MOST_STANDINGS {
        let detail = format!("more than {MOST_STANDINGS} certificates");
        return Err(Fault::bad(detail, "ask about those of sessions that go on"));
    }
    let (snapshot, now) = (app.store.read()?, clock::now());
    let mut ended = Vec::new();
    for serial in &call.certificates {
        if let Some(why) = ending(&snapshot, told::serial(serial)?, now)? {
            ended.push(EndedCertificate { serial: serial.clone(), why });
        }
    }
    Ok(Standing { ended })
}

fn ending(snapshot: &Snapshot, serial: u64, now: UnixTime) -> Result<Option<StandingEnd>, Fault> {
    let issuance = snapshot.ssh_issuance(serial)?;
    let issuance = issuance.map(|id| snapshot.issuance(id)).transpose()?.flatten();
    let grant = issuance.and_then(|issuance| issuance.grant);
    let access = grant.map(|grant| snapshot.access_of(grant)).transpose()?.flatten();
    let Some(record) = access else { return Ok(Some(StandingEnd::Unknown)) };
    let request = &record.access.request;
    if snapshot.lock_on(&[&request.subject], Some(&request.role))?.is_some() {
        return Ok(Some(StandingEnd::Locked));
    }
    let is_active = record.access.grant().is_some_and(|it| it.state(now) == GrantState::Active);
    Ok((!is_active).then_some(StandingEnd::GrantEnded))
}

/// Lets somebody watch a recording: there is an entry that says so before the first byte is given. Gives how many chunks
/// there are.
///
/// # Errors
/// If there is no such session that the caller may see, the policy does not let the caller watch, or nothing of the channel
/// is here.
pub async fn watch(
    app: &Arc<App>,
    caller: &Caller,
    session: SessionId,
    channel: u32,
) -> Result<(Arc<Recordings>, u64), Fault> {
    let recordings = recordings(app)?;
    for _ in 0..ATTEMPTS {
        let caller = &*caller.today(app)?;
        let known = visible(app, caller, session)?;
        let now = clock::now();
        let snapshot = app.store.read()?;
        let decision = app.ask(caller, facts(&snapshot, caller, &known, now)?)?;
        let chunks =
            recordings.channels(session).map_err(|error| Fault::Internal(Box::new(error)))?;
        let chunks = chunks.get(&channel).copied().ok_or_else(|| Fault::NoSuch {
            detail: format!("nothing that was recorded of channel {channel} of {session} is here"),
            hint: "it may still be on its way, or was kept for long enough: [recordings] of jit-cad.toml",
        })?;
        let watched = SessionWatched {
            session,
            channel,
            by: caller.person.id.clone(),
            name: caller.person.name.clone(),
            login: caller.serial.clone().into(),
            decision,
            grant: known.grant,
        };
        let mut proposal = Proposal::decided_at(now, vec![(caller.actor, watched.into())]);
        proposal.rest_on(&caller.policy);
        drop(snapshot);
        if again(app, caller, app.sequencer.commit(proposal).await).await?.is_ok() {
            return Ok((recordings, chunks));
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// Removes recordings that have been kept for long enough, and those of sessions that the log tells nothing of any more.
///
/// # Errors
/// If the store or the disk fails.
pub async fn retire(app: &Arc<App>) -> Result<(), Fault> {
    let (Some(recordings), Some(kept)) = (app.recordings.clone(), &app.config.recordings) else {
        return Ok(());
    };
    let before = clock::now().minus(kept.keep);
    let snapshot = app.store.read()?;
    let removed = blocking(move || {
        let is_kept = |session: SessionId| {
            let opened = UnixTime::from_secs(session.milliseconds() / 1_000);
            let is_known = snapshot.session(session).map_err(std::io::Error::other)?.is_some();
            Ok(is_known && opened >= before)
        };
        recordings.sweep(is_kept).map_err(|error| Fault::Internal(Box::new(error)))
    });
    let removed = removed.await?;
    if removed > 0 {
        tracing::info!(sessions = removed, "recordings were kept for long enough, or erased");
    }
    Ok(())
}

/// What the policy is asked about a session: to watch what was done under its grant; where there is none, to read the log.
fn facts(
    snapshot: &Snapshot,
    caller: &Caller,
    session: &SessionRecord,
    now: UnixTime,
) -> Result<Facts, Fault> {
    let access = session.grant.map(|grant| snapshot.access_of(grant)).transpose()?.flatten();
    Ok(match access {
        Some(record) => facts_about(&record.access, caller.facts(Action::Watch, now)),
        None => caller.facts(Action::ReadLog, now),
    })
}

fn may_watch(
    snapshot: &Snapshot,
    caller: &Caller,
    session: &SessionRecord,
    now: UnixTime,
) -> Result<bool, Fault> {
    let facts = facts(snapshot, caller, session, now)?;
    Ok(decide(&caller.policy.bundle, &facts).allows())
}

fn recordings(app: &App) -> Result<Arc<Recordings>, Fault> {
    app.recordings.clone().ok_or_else(|| Fault::NoSuch {
        detail: "this CA keeps no recordings".to_owned(),
        hint: "have an administrator of the CA add [recordings] to jit-cad.toml",
    })
}
