//! A sequencer without a thread: a test moves it, on its own thread and by its own clock.

use std::sync::Arc;

use super::queue::Queue;
use super::tail::Tail;
use super::{Job, Sequencer};
use crate::store::Store;

/// What moves it.
pub struct Hand {
    tail: Tail,
    queue: Arc<Queue>,
}

impl Sequencer {
    /// Another one of the same key, on another store.
    pub fn by_hand(&self, store: Arc<Store>) -> (Self, Hand) {
        let signer = Arc::clone(&self.signer);
        let (sequencer, tail, queue) = Self::at_rest(store, signer, Vec::new()).unwrap();
        (sequencer, Hand { tail, queue })
    }
}

impl Hand {
    /// Writes what waits, as one batch.
    pub fn turn(&mut self) {
        let wanted = self.queue.take_now().into_iter().map(|job| match job {
            Job::Write(wanted) => *wanted,
            Job::Replace(..) => panic!("nothing is written anew by hand"),
        });
        self.tail.write(wanted.collect()).unwrap();
    }
}
