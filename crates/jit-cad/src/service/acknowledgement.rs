//! What an administrator says of the clock.

use jit_ca_core::event::ClockAcknowledged;
use jit_ca_core::{ActorRef, Text, UnixTime};

use super::Fault;
use crate::app::App;
use crate::clock;
use crate::identity::Challenges;
use crate::sequencer::{CommitError, Proposal};
use crate::store::Clash;

/// Takes the machine's clock to be right from here on. Gives the index of the entry that says so, and the time.
///
/// # Errors
/// If the clock has no fault, or the log can't be written.
pub async fn acknowledge(app: &App, reason: Text, uid: u32) -> Result<(u64, UnixTime), Fault> {
    if clock::fault().is_none() {
        return Err(nothing_to_acknowledge());
    }
    // The fault's own entry comes first.
    app.sequencer.flush().await.map_err(Fault::Commit)?;
    // Made before: what follows on the commit must not fail.
    let challenges = Challenges::new()?;
    let before = clock::now_millis();
    let entry = (ActorRef::DAEMON, ClockAcknowledged { reason, uid }.into());
    match app.sequencer.commit(Proposal::decided_at(clock::now(), vec![entry])).await {
        Ok(committed) => {
            if clock::now_millis() < before {
                // What was measured by a time that is still to come counts no more.
                app.challenges.begin_anew(challenges);
                app.failed_addresses.begin_anew();
                app.failed_codes.begin_anew();
                app.last_uses.take_back(clock::now());
            }
            Ok((committed.first, clock::now()))
        }
        Err(CommitError::Clash(Clash::Clock)) => Err(nothing_to_acknowledge()),
        // It is somebody's word for what the clock said then, and not for what it has come to since.
        Err(CommitError::Clash(Clash::Late)) => Err(Fault::bad(
            "the log took too long to be written, and nothing was acknowledged",
            "look at the clock again: `jit-cad clock show`",
        )),
        Err(error) => Err(Fault::Commit(error)),
    }
}

fn nothing_to_acknowledge() -> Fault {
    Fault::bad(
        "the clock has no fault that could be acknowledged",
        "`jit-cad clock show` says how it stands",
    )
}
