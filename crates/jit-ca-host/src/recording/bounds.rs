//! How much may wait here, and how much does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jit_ca_core::SessionId;

use super::{Bound, Fault};

/// What a folder, or a chunk besides its bytes, takes up on the disk: so nobody fills it with empty ones.
pub(super) const BLOCK: u64 = 4096;

/// How far marks and the exit may go over a session's bound, so that a recording can say that it was reached: a chunk of 4 KiB.
pub(super) const LAST_WORDS: u64 = 2 * BLOCK;

/// How many bytes may wait.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of all sessions. No other begins when it is reached; those that are open may go on to their own.
    pub all: u64,
    /// Of one.
    pub session: u64,
}

/// What waits, and who writes.
#[derive(Debug)]
pub(super) struct Counts {
    bounds: Bounds,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<SessionId, u64>,
    written: BTreeSet<(SessionId, u32)>,
}

impl Counts {
    /// With what waits already.
    pub(super) fn new(bounds: Bounds, waiting: BTreeMap<SessionId, u64>) -> Self {
        Self { bounds, state: Mutex::new(State { waiting, written: BTreeSet::new() }) }
    }

    /// Counts a session that begins.
    pub(super) fn begin(&self, id: SessionId) -> Result<(), Fault> {
        let mut state = self.state();
        match state.waiting.values().sum::<u64>().saturating_add(BLOCK) > self.bounds.all {
            true => Err(Fault::Full(Bound::All)),
            false => {
                state.waiting.insert(id, BLOCK);
                Ok(())
            }
        }
    }

    /// Counts bytes before they are written, as far as the bound and `over` it.
    pub(super) fn add(&self, id: SessionId, bytes: u64, over: u64) -> Result<(), Fault> {
        let mut state = self.state();
        let waiting = state.waiting.entry(id).or_insert(BLOCK);
        let then = waiting.saturating_add(bytes);
        if then > self.bounds.session.saturating_add(over) {
            return Err(Fault::Full(Bound::Session));
        }
        *waiting = then;
        Ok(())
    }

    /// Bytes that were counted aren't there, or not any longer.
    pub(super) fn subtract(&self, id: SessionId, bytes: u64) {
        if let Some(waiting) = self.state().waiting.get_mut(&id) {
            *waiting = waiting.saturating_sub(bytes);
        }
    }

    /// The session is not here any longer.
    pub(super) fn forget(&self, id: SessionId) {
        self.state().waiting.remove(&id);
    }

    /// How many bytes wait.
    pub(super) fn all(&self) -> u64 {
        self.state().waiting.values().sum()
    }

    /// Somebody writes this channel from now on. False: somebody does already.
    pub(super) fn take(&self, id: SessionId, channel: u32) -> bool {
        self.state().written.insert((id, channel))
    }

    /// Whether somebody writes this channel.
    pub(super) fn is_taken(&self, id: SessionId, channel: u32) -> bool {
        self.state().written.contains(&(id, channel))
    }

    /// Nobody does any longer.
    pub(super) fn release(&self, id: SessionId, channel: u32) {
        self.state().written.remove(&(id, channel));
    }

    /// Sums are whole at every step, so a thread that died with them in hand leaves nothing to mend.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
