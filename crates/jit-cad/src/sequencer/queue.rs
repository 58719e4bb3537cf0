//! What waits to be written, and when it is enough for a batch.
//!
//! A commit costs the same for one entry as for a hundred. So a batch forms by itself while the one before is
//! written, and two things make it larger without making anybody wait for nothing:
//!
//! - what nobody waits for, such as an outcome, goes with the next batch that somebody waits for, or soon alone;
//! - while more calls are on their way here than have arrived, the first that have wait for the others: on a busy
//!   machine these get the processor then. A call that comes alone never waits.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Job;

/// How many jobs that somebody waits for stand here at most; one more is told to come back.
const MOST_AWAITED: usize = 1_024;

/// How many jobs are one batch at most.
const LARGEST_BATCH: usize = 256;

/// How long what nobody waits for is kept for company.
const LONGEST_ALONE: Duration = Duration::from_millis(20);

/// How long what has arrived waits for what is on its way.
const LONGEST_GATHERING: Duration = Duration::from_millis(3);

/// The queue. Whoever drops the last [`Entrance`] closes it.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    jobs: VecDeque<(Job, Manner)>,
    /// How many of them somebody waits for.
    awaited: usize,
    /// How many calls are on their way here.
    approaching: usize,
    /// When a job has waited for long enough.
    patience: Option<Instant>,
    /// Whether the sequencer waits to be woken: a wake that nobody waits for costs a call of the system all the same.
    sleeps: bool,
    closed: bool,
}

/// Whether somebody waits for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// A caller does, and is told if too many do.
    Awaited,
    /// Nobody does.
    Unawaited,
}

/// There is no room for another job that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Queue {
    pub(super) fn new() -> (Entrance, Arc<Self>) {
        let queue = Arc::new(Self { inner: Mutex::default(), ready: Condvar::new() });
        (Entrance(Arc::clone(&queue)), queue)
    }

    /// The next batch, in the order in which its jobs came, once it is enough; none once the queue is closed and
    /// empty.
    pub(super) fn take(&self) -> Option<Vec<Job>> {
        let mut inner = self.lock();
        while !inner.is_enough(Instant::now()) {
            if inner.closed && inner.jobs.is_empty() {
                return None;
            }
            let patience = inner.patience.map(|at| at.saturating_duration_since(Instant::now()));
            inner.sleeps = true;
            inner = match patience {
                None => self.ready.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.ready.wait_timeout(inner, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            inner.sleeps = false;
        }
        let count = inner.jobs.len().min(LARGEST_BATCH);
        let batch: Vec<_> = inner.jobs.drain(..count).collect();
        inner.awaited -= batch.iter().filter(|(_, manner)| *manner == Manner::Awaited).count();
        // What is left has waited for a whole batch.
        inner.patience = (!inner.jobs.is_empty()).then(Instant::now);
        Some(batch.into_iter().map(|(job, _)| job).collect())
    }

    /// All that stands here, whether it is enough or not.
    #[cfg(test)]
    pub(super) fn take_now(&self) -> Vec<Job> {
        let mut inner = self.lock();
        inner.awaited = 0;
        inner.jobs.drain(..).map(|(job, _)| job).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the sequencer if there is enough for it, or it has to wait for less long than it knows. It sleeps through
    /// what is neither.
    fn wake(&self, inner: &mut Inner, sooner: bool) {
        if inner.sleeps && (sooner || inner.closed || inner.is_enough(Instant::now())) {
            inner.sleeps = false;
            self.ready.notify_one();
        }
    }
}

impl Inner {
    fn is_enough(&self, now: Instant) -> bool {
        let all_here = self.awaited > 0 && self.awaited >= self.approaching;
        let patient = self.patience.is_none_or(|until| now < until);
        !self.jobs.is_empty()
            && (all_here || !patient || self.closed || self.jobs.len() >= LARGEST_BATCH)
    }

    /// Gives whether the queue has less patience now.
    fn push(&mut self, job: Job, manner: Manner, now: Instant) -> bool {
        let longest = match manner {
            Manner::Awaited => {
                self.awaited += 1;
                LONGEST_GATHERING
            }
            Manner::Unawaited => LONGEST_ALONE,
        };
        self.jobs.push_back((job, manner));
        let until = now + longest;
        let sooner = self.patience.is_none_or(|before| until < before);
        if sooner {
            self.patience = Some(until);
        }
        sooner
    }
}

/// The way into the queue.
#[derive(Debug)]
pub(super) struct Entrance(Arc<Queue>);

impl Entrance {
    /// Hands in a job.
    ///
    /// # Errors
    /// If somebody waits for it and too many wait already. What nobody waits for comes of calls that did, so that it
    /// is bounded by them.
    pub(super) fn push(&self, job: Job, manner: Manner) -> Result<(), Full> {
        let mut inner = self.0.lock();
        if manner == Manner::Awaited && inner.awaited >= MOST_AWAITED {
            return Err(Full);
        }
        let sooner = inner.push(job, manner, Instant::now());
        self.0.wake(&mut inner, sooner);
        Ok(())
    }

    /// Says that a job that somebody waits for will be handed in soon.
    pub(super) fn approach(&self) -> Approach {
        self.0.lock().approaching += 1;
        Approach(Arc::clone(&self.0))
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.closed = true;
        self.0.wake(&mut inner, false);
    }
}

/// A call on its way to the sequencer, until this is dropped.
#[derive(Debug)]
pub struct Approach(Arc<Queue>);

impl Drop for Approach {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.approaching -= 1;
        self.0.wake(&mut inner, false);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::sequencer::{Proposal, Wanted};
    use jit_ca_core::UnixTime;

    /// A job that is known by a number.
    fn job(number: u64) -> Job {
        let proposal = Proposal::decided_at(UnixTime::from_secs(number), Vec::new());
        Job::Write(Box::new(Wanted { proposal, drafts: Vec::new(), done: None }))
    }

    fn numbers(batch: Option<Vec<Job>>) -> Vec<u64> {
        let number = |job: Job| match job {
            Job::Write(wanted) => wanted.proposal.decided.unwrap().secs(),
            Job::Replace(..) => panic!("no job of these"),
        };
        batch.unwrap().into_iter().map(number).collect()
    }

    #[test]
    fn what_nobody_waits_for_goes_with_what_somebody_does() {
        let (entrance, queue) = Queue::new();
        entrance.push(job(1), Manner::Unawaited).unwrap();
        assert!(!queue.lock().is_enough(Instant::now()));
        entrance.push(job(2), Manner::Awaited).unwrap();
        assert_eq!(numbers(queue.take()), [1, 2]);

        // Alone it goes a little later.
        entrance.push(job(3), Manner::Unawaited).unwrap();
        let pushed = Instant::now();
        assert!(!queue.lock().is_enough(pushed));
        assert!(queue.lock().is_enough(pushed + LONGEST_ALONE));
        assert_eq!(numbers(queue.take()), [3]);
    }

    #[test]
    fn the_first_wait_for_as_many_as_are_on_their_way() {
        let (entrance, queue) = Queue::new();
        let mut approaching = vec![entrance.approach(), entrance.approach(), entrance.approach()];
        entrance.push(job(1), Manner::Awaited).unwrap();
        let pushed = Instant::now();
        assert!(!queue.lock().is_enough(pushed));
        // Nobody waits for long, if the others need longer.
        assert!(queue.lock().is_enough(pushed + LONGEST_GATHERING));
        approaching.pop();
        entrance.push(job(2), Manner::Awaited).unwrap();
        assert!(queue.lock().is_enough(Instant::now()));
        assert_eq!(numbers(queue.take()), [1, 2]);
        // Who comes when nobody else does waits for nobody.
        approaching.clear();
        entrance.push(job(3), Manner::Awaited).unwrap();
        assert!(queue.lock().is_enough(Instant::now()));
    }

    #[test]
    fn one_more_than_there_is_room_for_is_turned_away() {
        let (entrance, queue) = Queue::new();
        for number in 0..1_024 {
            entrance.push(job(number), Manner::Awaited).unwrap();
        }
        assert_eq!(entrance.push(job(1_024), Manner::Awaited), Err(Full));
        entrance.push(job(1_025), Manner::Unawaited).unwrap();
        assert_eq!(numbers(queue.take()).len(), LARGEST_BATCH);
        entrance.push(job(1_026), Manner::Awaited).unwrap();
        // Whoever closes it leaves nothing behind.
        drop(entrance);
        let mut left = Vec::new();
        while let Some(batch) = queue.take() {
            left.extend(numbers(Some(batch)));
        }
        assert_eq!(left, (256..1_024).chain([1_025, 1_026]).collect::<Vec<_>>());
    }

    #[test]
    fn who_sleeps_is_woken() {
        let (entrance, queue) = Queue::new();
        let taken = thread::spawn(move || {
            let mut taken = Vec::new();
            while let Some(batch) = queue.take() {
                taken.extend(numbers(Some(batch)));
            }
            taken
        });
        for number in 0..100 {
            let approach = entrance.approach();
            let manner = if number % 3 == 0 { Manner::Unawaited } else { Manner::Awaited };
            entrance.push(job(number), manner).unwrap();
            drop(approach);
        }
        drop(entrance);
        assert_eq!(taken.join().unwrap(), (0..100).collect::<Vec<_>>());
    }
}
