//! What slows guessing down: after a few failures, each further attempt has to wait, twice as long every time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use jit_ca_core::{Span, UnixTime};

/// How many failures cost nothing: people mistype.
const FREE_FAILURES: u32 = 4;
/// The longest wait.
const LONGEST_WAIT_SECS: u64 = 300;
/// A failure is forgotten after this long without another.
const MEMORY: Span = Span::from_secs(900);
/// How many keys are remembered at most, so that no stranger can fill the memory.
const MOST_KEYS: usize = 100_000;

/// Counts failures by key, in memory.
#[derive(Debug)]
pub struct Limiter<K> {
    failures: Mutex<HashMap<K, Failures>>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: UnixTime,
}

impl<K> Default for Limiter<K> {
    fn default() -> Self {
        Self { failures: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    /// How long this key still has to wait; nothing if it may try.
    pub fn wait(&self, key: &K, now: UnixTime) -> Span {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(key).map_or(Span::from_secs(0), |failures| failures.wait(now))
    }

    /// Counts a failure.
    pub fn failed(&self, key: &K, now: UnixTime) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        count(&mut failures, key, now);
    }

    /// Counts the attempt as failed before it is made, or says how long it has to wait. In one step, so that many
    /// attempts at once are as many as one after the other; what succeeds is forgotten with [`Limiter::succeeded`].
    ///
    /// # Errors
    /// How long to wait.
    pub fn attempt(&self, key: &K, now: UnixTime) -> Result<(), Span> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = failures.get(key).map_or(Span::from_secs(0), |failures| failures.wait(now));
        if !wait.is_zero() {
            return Err(wait);
        }
        count(&mut failures, key, now);
        Ok(())
    }

    /// Forgets all failures.
    pub fn begin_anew(&self) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Forgets a key's failures: it succeeded.
    pub fn succeeded(&self, key: &K) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

fn count<K: Clone + Eq + Hash>(failures: &mut HashMap<K, Failures>, key: &K, now: UnixTime) {
    if failures.len() >= MOST_KEYS {
        failures.retain(|_, failures| !failures.is_forgotten(now));
    }
    if failures.len() >= MOST_KEYS && !failures.contains_key(key) {
        return;
    }
    let known = failures.entry(key.clone()).or_insert(Failures { count: 0, last: now });
    let before = if known.is_forgotten(now) { 0 } else { known.count };
    *known = Failures { count: before.saturating_add(1), last: now };
}

impl Failures {
    fn is_forgotten(self, now: UnixTime) -> bool {
        now.since(self.last) >= MEMORY
    }

    fn wait(self, now: UnixTime) -> Span {
        match self.count.checked_sub(FREE_FAILURES) {
            None | Some(0) => Span::from_secs(0),
            Some(_) if self.is_forgotten(now) => Span::from_secs(0),
            Some(more) => {
                let whole = 1_u64.checked_shl(more).unwrap_or(u64::MAX).min(LONGEST_WAIT_SECS);
                self.last.plus(Span::from_secs(whole)).since(now)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_forgotten() {
        let limiter = Limiter::default();
        let start = UnixTime::from_secs(1_000_000);
        let waits: Vec<u64> = (0..16)
            .map(|_| {
                limiter.failed(&"alice", start);
                limiter.wait(&"alice", start).secs()
            })
            .collect();
        assert_eq!(waits, [0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]);
        assert_eq!(limiter.wait(&"bob", start).secs(), 0);
        assert_eq!(limiter.wait(&"alice", start.plus(Span::from_secs(299))).secs(), 1);
        assert_eq!(limiter.wait(&"alice", start.plus(MEMORY)).secs(), 0);
        assert_eq!(limiter.attempt(&"alice", start), Err(Span::from_secs(300)));
        limiter.succeeded(&"alice");
        assert_eq!(limiter.wait(&"alice", start).secs(), 0);
    }

    #[test]
    fn attempts_at_once_are_as_many_as_one_after_the_other() {
        let limiter = Limiter::default();
        let now = UnixTime::from_secs(1_000_000);
        let made = std::thread::scope(|scope| {
            let attempts: Vec<_> =
                (0..100).map(|_| scope.spawn(|| limiter.attempt(&"alice", now).is_ok())).collect();
            attempts
                .into_iter()
                .filter_map(|attempt| attempt.join().ok())
                .filter(|made| *made)
                .count()
        });
        assert_eq!(made, 5);
    }
}
