//! What a host says of its sessions, compared with what the log says was issued.

use jit_ca_api::{ClosedSession, MOST_CHANNELS, MOST_SESSIONS_TOLD, OpenedSession, SessionsCall};
use jit_ca_core::event::{ChannelRecorded, Event, SessionClosed, SessionOpened, UsedCertificate};
use jit_ca_core::{GrantId, IssuanceId, KeyId, SessionId, Text};
use jit_ca_log::hash::sha256;

use crate::app::App;
use crate::sequencer::{CommitError, Proposal};
use crate::service::{ATTEMPTS, Fault, HostCaller};
use crate::store::{Clash, Snapshot};

/// The most characters that a line of text has.
const LONGEST: usize = 500;

/// Has the log say what a host tells. What it has told before changes nothing.
///
/// # Errors
/// If it is too much at once, can't be so, or differs from what it has told before. Then nothing of the call is written but,
/// where sessions were closed that can't be, that others were opened.
pub async fn tell(app: &App, host: &HostCaller, call: &SessionsCall) -> Result<(), Fault> {
    if call.opened.len() + call.closed.len() > MOST_SESSIONS_TOLD {
        let detail = format!("more than {MOST_SESSIONS_TOLD} sessions are told of at once");
        return Err(Fault::bad(detail, "tell of them in several calls"));
    }
    write(app, host, || {
        let snapshot = app.store.read()?;
        let opened = call.opened.iter().map(|opened| opening(app, &snapshot, host, opened));
        opened.filter_map(Result::transpose).collect()
    })
    .await?;
    write(app, host, || {
        let snapshot = app.store.read()?;
        let closed = call.closed.iter().map(|closed| closing(&snapshot, host, closed));
        closed.filter_map(Result::transpose).collect()
    })
    .await
}

async fn write(
    app: &App,
    host: &HostCaller,
    events: impl Fn() -> Result<Vec<Event>, Fault>,
) -> Result<(), Fault> {
    for _ in 0..ATTEMPTS {
        let events = events()?;
        if events.is_empty() {
            return Ok(());
        }
        let entries = events.into_iter().map(|event| (host.host.actor, event)).collect();
        match app.sequencer.commit(Proposal::new(entries)).await {
            Ok(_) => return Ok(()),
            // The same call came twice at once.
            Err(CommitError::Clash(Clash::Session)) => {}
            Err(error) => return Err(Fault::Commit(error)),
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

fn opening(
    app: &App,
    snapshot: &Snapshot,
    host: &HostCaller,
    told: &OpenedSession,
) -> Result<Option<Event>, Fault> {
    let certificate = match &told.certificate {
        None => None,
        Some(used) => Some(UsedCertificate {
            ca: used.ca,
            serial: serial(&used.serial)?,
            key_id: line(&used.key_id)?,
            until: used.until,
        }),
    };
    let issued = match &certificate {
        Some(used) => issued(app, snapshot, used)?,
        None => None,
    };
    let opened = SessionOpened {
        subject: host.host.subject.clone(),
        session: told.session,
        account: line(&told.account)?,
        from: told.from,
        certificate,
        opened: told.opened,
        grant: issued.map(|(grant, _)| grant),
        issuance: issued.map(|(_, issuance)| issuance),
    };
    let Some(known) = snapshot.session(told.session)? else { return Ok(Some(opened.into())) };
    let before = snapshot.told_of(&known)?.0;
    let is_same = before.is_some_and(|before| {
        let SessionOpened { grant, issuance, .. } = before;
        before == SessionOpened { grant, issuance, ..opened }
    });
    if is_same { Ok(None) } else { Err(otherwise(told.session)) }
}

fn closing(
    snapshot: &Snapshot,
    host: &HostCaller,
    told: &ClosedSession,
) -> Result<Option<Event>, Fault> {
    let known = snapshot.session(told.session)?;
    let known = known.filter(|known| known.host == host.host.subject);
    let known = known.ok_or(Fault::NotFound("session"))?;
    let (opened, before) = snapshot.told_of(&known)?;
    if told.channels.len() > MOST_CHANNELS {
        let detail = format!("{} has more than {MOST_CHANNELS} channels", told.session);
        return Err(Fault::bad(detail, "a host ends a connection before it has as many"));
    }
    let numbers = || told.channels.iter().map(|channel| channel.number);
    if numbers().next() == Some(0) || !numbers().is_sorted_by(|a, b| a < b) {
        let detail =
            format!("the channels of {} are not in the order of their numbers", told.session);
        return Err(Fault::bad(detail, "number them from 1, and name each once"));
    }
    // A clock that was put back meanwhile is no reason to lose what was recorded.
    let began = opened.map(|opened| opened.opened);
    let closed = SessionClosed {
        subject: host.host.subject.clone(),
        session: told.session,
        closed: began.map_or(told.closed, |began| told.closed.max(began)),
        why: told.why,
        channels: told
            .channels
            .iter()
            .map(|channel| {
                Ok(ChannelRecorded {
                    number: channel.number,
                    command: channel.command.as_deref().map(line).transpose()?,
                    terminal: channel.terminal,
                    started: channel.started,
                    root: channel.root,
                    chunks: channel.chunks,
                    bytes: channel.bytes,
                })
            })
            .collect::<Result<_, Fault>>()?,
        grant: known.grant,
    };
    match (known.close, before) {
        (None, _) => Ok(Some(closed.into())),
        (Some(_), Some(before)) if before == closed => Ok(None),
        (Some(_), _) => Err(otherwise(told.session)),
    }
}

fn otherwise(session: SessionId) -> Fault {
    Fault::Conflict {
        detail: format!("something else was told of {session} before"),
        hint: "what was told stands; tell of another session by another id",
    }
}

/// The certificate that was used, if the log has exactly that one.
fn issued(
    app: &App,
    snapshot: &Snapshot,
    used: &UsedCertificate,
) -> Result<Option<(GrantId, IssuanceId)>, Fault> {
    let ours = sha256(&app.keys.ssh_user.public().ssh_blob());
    let Some(named) = KeyId::parse(used.key_id.as_str()).filter(|_| used.ca == ours) else {
        return Ok(None);
    };
    let issuance = snapshot.ssh_issuance(used.serial)?.filter(|id| *id == named.issuance);
    let issuance = issuance.map(|id| snapshot.issuance(id)).transpose()?.flatten();
    let Some(intent) = issuance.filter(|issuance| issuance.grant == Some(named.grant)) else {
        return Ok(None);
    };
    let is_it = match snapshot.event_at(intent.intent)? {
        Some(Event::CertificateIntended(intended)) => intended.validity.until == used.until,
        _ => false,
    };
    Ok(is_it.then_some((named.grant, named.issuance)))
}

/// A serial, in decimal digits.
pub(super) fn serial(text: &str) -> Result<u64, Fault> {
    text.parse().map_err(|_| {
        let detail = format!("{text:?} is no serial of an SSH certificate");
        Fault::bad(detail, "write it in decimal digits, as `ssh-keygen -L` does")
    })
}

/// What a host says, on one honest line: with a mark in place of each character that none has, and cut where it is too long.
fn line(text: &str) -> Result<Text, Fault> {
    let is_honest = |c: char| c == ' ' || c.to_string().parse::<Text>().is_ok();
    let honest = |c: char| if is_honest(c) { c } else { char::REPLACEMENT_CHARACTER };
    let line: String = text.trim().chars().take(LONGEST).map(honest).collect();
    line.trim().parse().map_err(|_| {
        let detail = "an account, a key id or a command is empty";
        Fault::bad(detail, "leave a command out where there is none; the others are never empty")
    })
}
