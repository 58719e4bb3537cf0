//! How many logins may wait, of one network and in all.

use std::collections::HashMap;

use super::{NotAdded, Waiting};
use crate::identity::Network;

/// How many there may be, so that no stranger can fill the memory.
pub(super) const MOST: usize = 1_000;
/// How many from one network: each makes the daemon ask the issuer.
pub(super) const MOST_OF_A_NETWORK: usize = 16;

/// Those that are over take up no room.
pub(super) fn must_have_room(
    waiting: &HashMap<String, Waiting>,
    network: Network,
) -> Result<(), NotAdded> {
    let going_on = || waiting.values().filter(|known| !known.is_over());
    if going_on().filter(|known| known.is_from(network)).count() >= MOST_OF_A_NETWORK {
        return Err(NotAdded::NetworkFull);
    }
    if going_on().count() >= MOST {
        return Err(NotAdded::Full);
    }
    Ok(())
}

/// Forgets the oldest of those that are over where a new one needs its place. Until then whoever asks about it is told how
/// it ended.
pub(super) fn make_room(
    waiting: &mut HashMap<String, Waiting>,
    network: Network,
) -> Result<(), NotAdded> {
    must_have_room(waiting, network)?;
    if waiting.values().filter(|known| known.is_from(network)).count() >= MOST_OF_A_NETWORK {
        forget_oldest(waiting, |known| known.is_over() && known.is_from(network));
    }
    if waiting.len() >= MOST {
        forget_oldest(waiting, Waiting::is_over);
    }
    Ok(())
}

fn forget_oldest(waiting: &mut HashMap<String, Waiting>, fits: impl Fn(&Waiting) -> bool) {
    let fitting = waiting.values().filter(|known| fits(known));
    let oldest = fitting.min_by_key(|known| known.device.begun);
    if let Some(challenge) = oldest.map(|known| known.device.challenge.clone()) {
        waiting.remove(&challenge);
    }
}
