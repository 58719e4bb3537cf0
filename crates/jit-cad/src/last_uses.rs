//! When logins were last used: in memory, and kept in the store now and then, outside the fold.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Mutex, PoisonError};

use jit_ca_core::UnixTime;

/// When logins were last used, by their certificates' serials.
#[derive(Debug, Default)]
pub struct LastUses {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    uses: HashMap<Vec<u8>, UnixTime>,
    /// Which of them the store does not know yet.
    unkept: HashSet<Vec<u8>>,
}

impl LastUses {
    /// When the login was last used in this run of the daemon.
    pub fn last(&self, serial: &[u8]) -> Option<UnixTime> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).uses.get(serial).copied()
    }

    /// Notes a use.
    pub fn note(&self, serial: &[u8], now: UnixTime) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.uses.insert(serial.to_vec(), now) != Some(now) {
            inner.unkept.insert(serial.to_vec());
        }
    }

    /// Forgets uses by a time that is still to come.
    pub fn take_back(&self, now: UnixTime) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.uses.retain(|_, at| *at <= now);
    }

    /// The uses to be kept, and forgets those before `forget`, which no login outlives.
    pub fn take_unkept(&self, forget: UnixTime) -> Vec<(Vec<u8>, UnixTime)> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let unkept = mem::take(&mut inner.unkept);
        let uses = unkept
            .into_iter()
            .filter_map(|serial| inner.uses.get(&serial).map(|at| (serial, *at)))
            .collect();
        inner.uses.retain(|_, at| *at >= forget);
        uses
    }
}
