//! The anchors brought up to the log's head, while the daemon runs and once more when it ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jit_ca_log::SignedCheckpoint;
use tokio::task::JoinSet;

use super::{Anchor, AnchorError, Log, Standing};
use crate::app::App;
use crate::failure::{Failure, with_causes};

/// How long it is waited after a checkpoint for more of them. With what an anchor may take to answer, a checkpoint
/// is there within 20 s.
const GATHER: Duration = Duration::from_secs(5);
/// How long it is waited after a first failure, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Why an anchor is not brought up to date.
enum Behind {
    /// It is not reached; later it may be.
    Unreached(AnchorError),
    /// It holds what it must not: nothing may be signed any more.
    Refused(Failure),
}

impl From<AnchorError> for Behind {
    fn from(error: AnchorError) -> Self {
        Self::Unreached(error)
    }
}

impl From<Failure> for Behind {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

/// Sends the newest checkpoint to each anchor whenever there is one, until an anchor is found to hold what this log
/// does not extend. Gives the reason why the daemon has to end.
pub async fn run(app: Arc<App>) -> Failure {
    let mut followers = JoinSet::new();
    for anchor in app.anchors.clone() {
        let app = Arc::clone(&app);
        followers.spawn(async move { follow(&app, &anchor).await });
    }
    match followers.join_next().await {
        Some(Ok(Err(failure))) => failure,
        Some(Err(error)) => Failure::failed(format!("an anchor is not followed any more: {error}")),
        Some(Ok(Ok(never))) => match never {},
        None => std::future::pending().await,
    }
}

async fn follow(app: &App, anchor: &Anchor) -> Result<Infallible, Failure> {
    let mut checkpoints = app.sequencer.announced();
    let mut pause = PAUSES.0;
    let mut reached = true;
    loop {
        let newest = Arc::clone(&checkpoints.borrow_and_update());
        match send(app, anchor, &newest.note).await {
            Ok(()) => {
                if !reached {
                    tracing::info!(%anchor, "this anchor is reached again");
                }
                (reached, pause) = (true, PAUSES.0);
                if checkpoints.changed().await.is_err() {
                    // The sequencer has ended, and with it the process does.
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(GATHER).await;
            }
            Err(Behind::Unreached(error)) => {
                if reached {
                    let error = with_causes(&error);
                    tracing::warn!(%anchor, error, "this anchor is not reached: it does not see the log grow");
                }
                reached = false;
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
            }
            Err(Behind::Refused(failure)) => {
                tracing::error!(%anchor, "this anchor holds what the log does not extend: the daemon ends");
                return Err(failure);
            }
        }
    }
}

/// Sends the last checkpoint to every anchor, for the daemon's end.
///
/// # Errors
/// If one holds what the log does not extend.
pub async fn finish(app: &Arc<App>) -> Result<(), Failure> {
    let newest = app.sequencer.newest();
    let mut sent = JoinSet::new();
    for anchor in app.anchors.clone() {
        let (app, newest) = (Arc::clone(app), Arc::clone(&newest));
        sent.spawn(async move {
            match send(&app, &anchor, &newest.note).await {
                Err(Behind::Unreached(error)) => {
                    let error = with_causes(&error);
                    tracing::warn!(%anchor, error, "this anchor has not got the last checkpoint");
                    Ok(())
                }
                Err(Behind::Refused(failure)) => Err(failure),
                Ok(()) => Ok(()),
            }
        });
    }
    while let Some(sent) = sent.join_next().await {
        sent.map_err(|error| Failure::failed(format!("an anchor was not told: {error}")))??;
    }
    Ok(())
}

/// Looks at what the anchor holds, and has it keep the checkpoint if that is newer.
async fn send(app: &App, anchor: &Anchor, newest: &SignedCheckpoint) -> Result<(), Behind> {
    let note = anchor.newest().await?;
    let snapshot = app.store.read().map_err(Failure::from)?;
    let log = Log { key: &app.log_key, ancestors: &app.ancestors, snapshot: &snapshot };
    match log.standing(anchor, note.as_deref())? {
        Standing::Extended(kept) if kept == *newest => {}
        Standing::Extended(_) | Standing::Empty => anchor.keep(newest).await?,
        Standing::Before(origin) => {
            anchor.set_aside(&origin).await?;
            anchor.keep(newest).await?;
            tracing::info!(%anchor, %origin, "this anchor held a log before; it keeps this one now");
        }
    }
    Ok(())
}
