//! What time alone brings: requests lapse, grants start and end, strangers are counted, uses are kept.

use std::sync::Arc;
use std::time::Duration;

use jit_ca_core::{ActorRef, Span, UnixTime};
use tokio::task::JoinSet;

use crate::app::App;
use crate::clock;
use crate::erasure;
use crate::failure::with_causes;
use crate::hold::{Hold, hold};
use crate::sequencer::{CommitError, Proposal};
use crate::service::{Fault, starting};

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
    for record in snapshot.unfinished(now)? {
        if commits.len() == ENDED_AT_ONCE {
            break;
        }
        let access = &record.access;
        if access.grant().is_some_and(|grant| grant.is_to_start(now)) {
            let request = &access.request;
            // What is locked starts later, if at all, and keeps nobody from starting or ending.
            if snapshot.lock_on(&[&request.subject], Some(&request.role))?.is_none() {
                let app = Arc::clone(app);
                commits.spawn(async move {
                    starting::start(&app, &app.policy(), &record, now).await.map(drop)
                });
            }
        } else if let Some(event) = access.passage(now) {
            let mut proposal = Proposal::decided_at(now, vec![(ActorRef::DAEMON, event)]);
            proposal.access = Some((access.request.id, record.generation));
            let sequencer = app.sequencer.clone();
            commits.spawn(async move {
                match sequencer.commit(proposal).await {
                    // Somebody was faster, or the queue is full: it is looked at again with the next tick.
                    Ok(_) | Err(CommitError::Clash(_) | CommitError::Busy) => Ok(()),
                    Err(error) => Err(Fault::Commit(error)),
                }
            });
        }
    }
    while let Some(done) = commits.join_next().await {
        done.map_err(|error| Fault::Internal(Box::new(error)))??;
    }
    Ok(())
}
