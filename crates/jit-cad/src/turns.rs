//! Turns for what takes its time: one for each person, and few for all, so that nobody's many calls keep another's waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use jit_ca_core::SubjectId;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

/// The turns.
#[derive(Debug)]
pub struct Turns {
    /// As many as there are people that ever had one.
    own: Mutex<HashMap<SubjectId, Arc<tokio::sync::Mutex<()>>>>,
    all: Arc<Semaphore>,
}

impl Default for Turns {
    /// As many at once as take half of the processor.
    fn default() -> Self {
        Self::new(thread::available_parallelism().map_or(1, usize::from) / 2)
    }
}

impl Turns {
    fn new(at_once: usize) -> Self {
        Self { own: Mutex::default(), all: Arc::new(Semaphore::new(at_once.max(1))) }
    }

    /// Does the work beside the calls, when it is the subject's turn. Who has one already waits for its end before standing
    /// in line with the others. A turn lasts as long as its work, also where nobody waits for that any more.
    ///
    /// # Errors
    /// If the work panics, or the daemon stops.
    pub async fn run<T: Send + 'static>(
        &self,
        subject: &SubjectId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let own = {
            let mut all = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(subject.clone()).or_default())
        };
        let own = own.lock_owned().await;
        // It is never closed.
        let all = Arc::clone(&self.all).acquire_owned().await.ok();
        let work = move || {
            let _turn = (own, all);
            work()
        };
        spawn_blocking(work).await
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::sync::mpsc::channel;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn who_asks_often_stands_behind_who_asks_once() {
        let turns = Turns::new(1);
        let (alice, bob): (SubjectId, SubjectId) =
            ("local/alice".parse().unwrap(), "local/bob".parse().unwrap());
        let mut context = Context::from_waker(Waker::noop());
        let (end, ended) = channel::<()>();
        let first = {
            let mut first = Box::pin(turns.run(&bob, move || ended.recv()));
            assert!(first.as_mut().poll(&mut context).is_pending());
            first
        };
        let mut second = pin!(turns.run(&bob, || ()));
        let mut other = pin!(turns.run(&alice, || ()));
        // Whoever called goes away: the work goes on, and keeps its turn.
        drop(first);
        assert!(second.as_mut().poll(&mut context).is_pending());
        assert!(other.as_mut().poll(&mut context).is_pending());
        drop(end);
        // In the order in which they came for a turn of all: `second` was waiting for its own.
        other.await.unwrap();
        second.await.unwrap();
    }
}
