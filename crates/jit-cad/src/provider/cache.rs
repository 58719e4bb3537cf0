//! What was fetched from a provider, kept for as long as it may be believed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::fault::ProviderFault;

/// How long the old is used while the provider is down.
const LONGEST_STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a failure stands for all who ask, from when it was begun to be fetched: as long as that may take, and as long
/// again. So nobody waits for it after others who waited.
const FAILURE_STANDS: Duration = Duration::from_secs(10);
/// How often it is fetched anew at most because somebody brought what it does not explain.
const LEAST_BETWEEN: Duration = Duration::from_secs(30);

/// What was fetched, and for how long it is fresh.
pub(super) type Fetched<T> = Result<(T, Duration), ProviderFault>;

/// One thing that a provider publishes.
///
/// It is locked while it is fetched: who asks meanwhile waits for the same answer.
#[derive(Debug)]
pub(super) struct Cache<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    held: Option<Held<T>>,
    failed: Option<(Instant, ProviderFault)>,
    /// When it was last fetched because of what somebody brought.
    demanded: Option<Instant>,
}

#[derive(Debug)]
struct Held<T> {
    value: Arc<T>,
    fetched: Instant,
    fresh_for: Duration,
}

impl<T> Cache<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { held: None, failed: None, demanded: None }))
    }

    /// It, fetched where it is not fresh; the old, for a day, where the provider is down.
    pub(super) fn get(
        &self,
        now: Instant,
        fetch: impl FnOnce() -> Fetched<T>,
    ) -> Result<Arc<T>, ProviderFault> {
        let mut state = self.lock();
        if let Some(held) = state.held.as_ref().filter(|held| held.age(now) < held.fresh_for) {
            return Ok(Arc::clone(&held.value));
        }
        let fault = match &state.failed {
            Some((at, fault)) if now.saturating_duration_since(*at) < FAILURE_STANDS => {
                fault.clone()
            }
            _ => match state.fetch(now, fetch) {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            },
        };
        match (&state.held, &fault) {
            (Some(held), ProviderFault::Unreachable(_)) if held.age(now) < LONGEST_STALE => {
                Ok(Arc::clone(&held.value))
            }
            _ => Err(fault),
        }
    }

    /// It, fetched anew because `seen` does not explain something; `None` where that was done just now.
    ///
    /// Where another has been fetched since `seen` was given, by somebody with the same question, it is that one.
    pub(super) fn anew(
        &self,
        seen: &Arc<T>,
        now: Instant,
        fetch: impl FnOnce() -> Fetched<T>,
    ) -> Result<Option<Arc<T>>, ProviderFault> {
        let mut state = self.lock();
        if let Some(held) = state.held.as_ref().filter(|held| !Arc::ptr_eq(&held.value, seen)) {
            return Ok(Some(Arc::clone(&held.value)));
        }
        if state.demanded.is_some_and(|at| now.saturating_duration_since(at) < LEAST_BETWEEN) {
            return Ok(None);
        }
        state.demanded = Some(now);
        state.fetch(now, fetch).map(Some)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // What a fetch that panicked left is what was there before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn fetch(
        &mut self,
        now: Instant,
        fetch: impl FnOnce() -> Fetched<T>,
    ) -> Result<Arc<T>, ProviderFault> {
        match fetch() {
            Ok((value, fresh_for)) => {
                let value = Arc::new(value);
                self.held = Some(Held { value: Arc::clone(&value), fetched: now, fresh_for });
                self.failed = None;
                Ok(value)
            }
            Err(fault) => {
                self.failed = Some((now, fault.clone()));
                Err(fault)
            }
        }
    }
}

impl<T> Held<T> {
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.fetched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn down() -> ProviderFault {
        ProviderFault::Unreachable("down".to_owned())
    }

    fn not_asked() -> Fetched<u8> {
        panic!("it is fetched")
    }

    #[test]
    fn it_is_fetched_where_it_is_not_fresh() {
        let (cache, start) = (Cache::new(), Instant::now());
        assert_eq!(*cache.get(start, || Ok((1, MINUTE))).unwrap(), 1);
        assert_eq!(*cache.get(start + MINUTE - Duration::from_secs(1), not_asked).unwrap(), 1);
        assert_eq!(*cache.get(start + MINUTE, || Ok((2, MINUTE))).unwrap(), 2);
        assert_eq!(*cache.get(start + MINUTE, not_asked).unwrap(), 2);
    }

    #[test]
    fn the_old_is_used_for_a_day_while_the_provider_is_down_and_not_where_it_answers_nonsense() {
        let (cache, start) = (Cache::new(), Instant::now());
        cache.get(start, || Ok((1, MINUTE))).unwrap();
        let last = start + LONGEST_STALE - Duration::from_secs(1);
        assert_eq!(*cache.get(last, || Err(down())).unwrap(), 1);
        assert_eq!(cache.get(start + LONGEST_STALE, not_asked).unwrap_err(), down());
        let nonsense = ProviderFault::Answer("nonsense".to_owned());
        let cache = Cache::new();
        cache.get(start, || Ok((1, MINUTE))).unwrap();
        assert_eq!(cache.get(start + MINUTE, || Err(nonsense.clone())).unwrap_err(), nonsense);
    }

    #[test]
    fn a_failure_stands_for_who_comes_after() {
        let (cache, start) = (Cache::<u8>::new(), Instant::now());
        assert_eq!(cache.get(start, || Err(down())).unwrap_err(), down());
        let soon = start + FAILURE_STANDS - Duration::from_secs(1);
        assert_eq!(cache.get(soon, not_asked).unwrap_err(), down());
        assert_eq!(*cache.get(start + FAILURE_STANDS, || Ok((1, MINUTE))).unwrap(), 1);
    }

    #[test]
    fn whoever_brings_what_is_not_known_has_it_fetched_once_in_half_a_minute() {
        let (cache, start) = (Cache::new(), Instant::now());
        let first = cache.get(start, || Ok((1, MINUTE))).unwrap();
        let second = cache.anew(&first, start, || Ok((2, MINUTE))).unwrap().unwrap();
        assert_eq!((*second, *cache.get(start, not_asked).unwrap()), (2, 2));
        // Who has only seen the first asks nobody for what the second says.
        assert_eq!(*cache.anew(&first, start, not_asked).unwrap().unwrap(), 2);
        let soon = start + LEAST_BETWEEN - Duration::from_secs(1);
        assert!(cache.anew(&second, soon, not_asked).unwrap().is_none());
        let then = start + LEAST_BETWEEN;
        assert_eq!(cache.anew(&second, then, || Err(down())).unwrap_err(), down());
        assert!(cache.anew(&second, then, not_asked).unwrap().is_none());
        assert_eq!(*cache.get(then, not_asked).unwrap(), 2);
    }
}
