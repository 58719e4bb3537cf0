//! What slows guessing down: after a few failures, each further attempt has to wait, twice as long every time.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jit_ca_core::{Span, UnixTime};

/// How many failures cost nothing: people mistype.
const FREE_FAILURES: u32 = 4;
/// The longest wait.
const LONGEST_WAIT_SECS: u64 = 300;
/// A failure is forgotten after this long without another.
const MEMORY: Span = Span::from_secs(900);
/// How many keys are remembered at most, so that no stranger can fill the memory. One more takes the place of the one
/// that failed longest ago.
const MOST_KEYS: usize = 100_000;

/// Counts failures by key, in memory.
#[derive(Debug)]
pub struct Limiter<K> {
    table: Mutex<Table<K>>,
}

#[derive(Debug)]
struct Table<K> {
    failures: HashMap<K, Failures>,
    /// The same, in the order in which they failed last.
    by_turn: BTreeMap<u64, K>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: UnixTime,
    turn: u64,
}

impl<K> Default for Limiter<K> {
    fn default() -> Self {
        Self { table: Mutex::default() }
    }
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self { failures: HashMap::new(), by_turn: BTreeMap::new(), next: 0 }
    }
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    /// How long this key still has to wait; nothing if it may try.
    pub fn wait(&self, key: &K, now: UnixTime) -> Span {
        self.table().wait(key, now)
    }

    /// Counts a failure.
    pub fn failed(&self, key: &K, now: UnixTime) {
        self.table().count(key, now);
    }

    /// Counts the attempt as failed before it is made, or says how long it has to wait. In one step, so that many
    /// attempts at once are as many as one after the other; what succeeds is forgotten with [`Limiter::succeeded`].
    ///
    /// # Errors
    /// How long to wait.
    pub fn attempt(&self, key: &K, now: UnixTime) -> Result<(), Span> {
        let mut table = self.table();
        let wait = table.wait(key, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        table.count(key, now);
        Ok(())
    }

    /// Forgets all failures.
    pub fn begin_anew(&self) {
        *self.table() = Table::default();
    }

    /// Forgets a key's failures: it succeeded.
    pub fn succeeded(&self, key: &K) {
        self.table().forget(key);
    }

    fn table(&self) -> MutexGuard<'_, Table<K>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> Table<K> {
    fn wait(&self, key: &K, now: UnixTime) -> Span {
        self.failures.get(key).map_or(Span::from_secs(0), |failures| failures.wait(now))
    }

    fn count(&mut self, key: &K, now: UnixTime) {
        let known = self.forget(key).filter(|known| !known.is_forgotten(now));
        if self.failures.len() >= MOST_KEYS
            && let Some((_, oldest)) = self.by_turn.pop_first()
        {
            self.failures.remove(&oldest);
        }
        let count = known.map_or(0, |known| known.count).saturating_add(1);
        let turn = self.next;
        self.next += 1;
        self.failures.insert(key.clone(), Failures { count, last: now, turn });
        self.by_turn.insert(turn, key.clone());
    }

    fn forget(&mut self, key: &K) -> Option<Failures> {
        let known = self.failures.remove(key)?;
        self.by_turn.remove(&known.turn);
        Some(known)
    }
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
    #[test]
    fn who_comes_last_is_counted_however_many_came_before() {
        let (limiter, now) = (Limiter::default(), UnixTime::from_secs(1_000_000));
        let fail = |key: usize| (0..5).for_each(|_| limiter.failed(&key, now));
        fail(0);
        fail(1);
        (2..MOST_KEYS).for_each(|key| limiter.failed(&key, now));
        // One that has failed again is not the oldest.
        limiter.failed(&0, now);
        fail(MOST_KEYS);
        for (key, wait) in [(0, 4), (1, 0), (MOST_KEYS, 2)] {
            assert_eq!(limiter.wait(&key, now).secs(), wait, "{key}");
        }
        let table = limiter.table();
        assert_eq!((table.failures.len(), table.by_turn.len()), (MOST_KEYS, MOST_KEYS));
    }
}
