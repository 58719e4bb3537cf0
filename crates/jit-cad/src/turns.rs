//! Turns for what takes its time: one for each person, and few for all, so that nobody's many calls keep another's waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use jit_ca_core::SubjectId;
use tokio::sync::{OwnedMutexGuard, Semaphore, SemaphorePermit};

/// The turns.
#[derive(Debug)]
pub struct Turns {
    /// As many as there are people that ever had one.
    own: Mutex<HashMap<SubjectId, Arc<tokio::sync::Mutex<()>>>>,
    all: Semaphore,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    _own: OwnedMutexGuard<()>,
    /// None where there are no turns any more.
    _all: Option<SemaphorePermit<'a>>,
}

impl Default for Turns {
    /// As many at once as take half of the processor.
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self { own: Mutex::default(), all: Semaphore::new((cores / 2).max(1)) }
    }
}

impl Turns {
    /// Waits for the subject's turn. Who has one already waits for its end before standing in line with the others.
    pub async fn take(&self, subject: &SubjectId) -> Turn<'_> {
        let own = {
            let mut all = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(subject.clone()).or_default())
        };
        let own = own.lock_owned().await;
        Turn { _own: own, _all: self.all.acquire().await.ok() }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn who_asks_often_stands_behind_who_asks_once() {
        let turns = Turns { own: Mutex::default(), all: Semaphore::new(1) };
        let mut context = Context::from_waker(Waker::noop());
        let (alice, bob): (SubjectId, SubjectId) =
            ("local/alice".parse().unwrap(), "local/bob".parse().unwrap());
        let (mut first, mut second) = (pin!(turns.take(&bob)), pin!(turns.take(&bob)));
        let Poll::Ready(turn) = first.as_mut().poll(&mut context) else { panic!("it is free") };
        assert!(second.as_mut().poll(&mut context).is_pending());
        let mut other = pin!(turns.take(&alice));
        assert!(other.as_mut().poll(&mut context).is_pending());
        drop(turn);
        assert!(second.as_mut().poll(&mut context).is_pending());
        assert!(other.as_mut().poll(&mut context).is_ready());
    }
}
