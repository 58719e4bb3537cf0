//! Long polls: calls that wait for the log to bring something.

use std::sync::Arc;
use std::time::Duration;

use jit_ca_api::LONGEST_WAIT;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::policy::Policy;
use crate::sequencer::Announced;

/// How long a poll that has looked in vain does not look again. Under load the log grows hundreds of times a second, and
/// hundreds may wait for something that is not in it.
const PAUSE: Duration = Duration::from_millis(100);

/// A call that looks, and looks again as the log grows, and once it goes by another policy.
pub(super) struct Poll<'a> {
    app: &'a App,
    announced: watch::Receiver<Arc<Announced>>,
    policies: watch::Receiver<Arc<Policy>>,
    next: Instant,
    deadline: Instant,
}

impl<'a> Poll<'a> {
    /// Begins, before the first look, one that waits for `wait` seconds at the longest.
    pub(super) fn new(app: &'a App, wait: u64) -> Self {
        let mut announced = app.sequencer.announced();
        // What is announced from here on wakes it.
        announced.mark_unchanged();
        let policies = app.policy_changes();
        let now = Instant::now();
        let deadline = now + Duration::from_secs(wait.min(LONGEST_WAIT));
        Self { app, announced, policies, next: now, deadline }
    }

    /// Waits until it is time to look again. There is no next time once the time is over, or the daemon stops.
    pub(super) async fn again(&mut self) -> bool {
        let grown = async {
            let grown = self.announced.changed().await;
            sleep_until(self.next).await;
            grown.is_ok()
        };
        let again = tokio::select! {
            grown = grown => grown,
            // A moment after the entry that says so: what is seen by it may be nobody's to see any more.
            exchanged = self.policies.changed() => exchanged.is_ok(),
            () = sleep_until(self.deadline) => false,
            () = self.app.stopped() => false,
        };
        self.next = Instant::now() + PAUSE;
        again
    }
}
