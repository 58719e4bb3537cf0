//! What time alone brings: requests lapse, grants start and end, strangers are counted, uses are kept.

use std::sync::Arc;
use std::time::Duration;

use jit_ca_core::{ActorRef, Span, SubjectId, UnixTime};
use tokio::task::JoinSet;

use crate::app::App;
use crate::clock;
use crate::erasure;
use crate::failure::with_causes;
use crate::hold::{Hold, hold};
use crate::sequencer::{CommitError, Proposal};
use crate::service::{Fault, starting};
use crate::store::{AccessRecord, Snapshot};

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_secs(1);
/// How often strangers are counted, and uses kept.
const MINUTE: Span = Span::from_secs(60);
/// How often it is looked whether payloads have been kept for long enough.
const DAY: Span = Span::from_secs(24 * 60 * 60);
/// How long a call can be made again with the same idempotency key; longer than any login lasts.
const MEMORY: Span = Span::from_secs(24 * 60 * 60);

/// Runs until it is dropped.
pub async fn run(app: Arc<App>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last_minute = clock::now();
    let mut last_day = None;
    loop {
        ticks.tick().await;
        let now = clock::now();
        tick(&app, now).await;
        if is_over(last_minute, MINUTE, now) {
            keep(&app, now);
            last_minute = now;
        }
        if last_day.is_none_or(|last| is_over(last, DAY, now)) {
            last_day = Some(now);
            let app = Arc::clone(&app);
            tokio::spawn(async move {
                if let Err(error) = erasure::retire(&app).await {
                    tracing::error!(error = with_causes(&error), "old payloads can't be erased");
                }
            });
        }
    }
}

/// What is done each second.
pub async fn tick(app: &Arc<App>, now: UnixTime) {
    // A hold begins, ends and is told also while nobody asks for anything.
    if let Err(error) = tell_holds(app).await {
        tracing::warn!(error = with_causes(&error), "the clock's fault can't be written yet");
    }
    if let Err(error) = end_what_is_due(app, now).await {
        tracing::warn!(error = with_causes(&error), "what is due can't be ended yet");
    }
}

/// Whether so much time has passed, or the clock was put back.
fn is_over(last: UnixTime, span: Span, now: UnixTime) -> bool {
    now < last || now.since(last) >= span
}

async fn tell_holds(app: &App) -> Result<(), Fault> {
    match hold(&app.store) {
        Some(Hold::Clock(_)) if app.store.read()?.clock_fault()?.is_none() => {
            app.sequencer.flush().await.map_err(Fault::Commit)
        }
        _ => Ok(()),
    }
}

/// Writes down what was only counted in memory, for the daemon's end.
pub fn keep(app: &App, now: UnixTime) {
    let strangers = app.take_strangers().map(|event| (ActorRef::DAEMON, event));
    let mut proposal = Proposal::new(strangers.into_iter().collect());
    proposal.last_uses = app.last_uses.take_unkept(now.minus(MEMORY));
    proposal.keep_clock = true;
    proposal.forget = Some(now.minus(MEMORY));
    app.sequencer.commit_soon(proposal);
}

/// How many requests and grants are ended at once: as many as are one batch. What is left comes with the next tick, and
/// the queue keeps room for calls.
const ENDED_AT_ONCE: usize = 256;

/// Proposed together, so that they are one batch.
async fn end_what_is_due(app: &Arc<App>, now: UnixTime) -> Result<(), Fault> {
    let mut commits = JoinSet::new();
    let snapshot = app.store.read()?;
    for record in due(&snapshot, now)? {
        let access = &record.access;
        if access.grant().is_some_and(|grant| grant.is_to_start(now)) {
            let app = Arc::clone(app);
            commits.spawn(async move {
                starting::start(&app, &app.policy(), &record, now).await.map(drop)
            });
        } else if let Some(event) = access.passage(now) {
            let mut proposal = Proposal::decided_at(now, vec![(ActorRef::DAEMON, event)]);
            proposal.access = Some((access.request.id, record.generation));
            let sequencer = app.sequencer.clone();
            commits.spawn(async move {
                sequencer.commit(proposal).await.map(drop).map_err(Fault::Commit)
            });
        }
    }
    while let Some(done) = commits.join_next().await {
        match done.map_err(|error| Fault::Internal(Box::new(error)))? {
            // Somebody was faster, or the queue is full: it is looked at again with the next tick.
            Ok(()) | Err(Fault::Commit(CommitError::Clash(_) | CommitError::Busy)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What is due, as much as is done at once. What is locked starts later, if at all, and keeps nobody from starting or
/// ending: so what may have to wait until somebody who approved it is unlocked comes last.
fn due(snapshot: &Snapshot, now: UnixTime) -> Result<Vec<Arc<AccessRecord>>, Fault> {
    let (mut due, mut stalled) = (Vec::new(), Vec::new());
    for record in snapshot.unfinished(now)? {
        if due.len() == ENDED_AT_ONCE {
            break;
        }
        let (access, request) = (&record.access, &record.access.request);
        if !access.grant().is_some_and(|grant| grant.is_to_start(now)) {
            due.push(record);
        } else if snapshot.lock_on(&[&request.subject], Some(&request.role))?.is_none() {
            let approvers: Vec<&SubjectId> = access.approvers().into_iter().collect();
            match snapshot.lock_on(&approvers, None)? {
                None => due.push(record),
                Some(_) => stalled.push(record),
            }
        }
    }
    // Where there are more than fit, each second others of them come first.
    let turn = usize::try_from(now.secs()).unwrap_or(0) % stalled.len().max(1);
    stalled.rotate_left(turn);
    due.extend(stalled);
    due.truncate(ENDED_AT_ONCE);
    Ok(due)
}
