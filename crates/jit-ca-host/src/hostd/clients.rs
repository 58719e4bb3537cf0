//! How many are connected: all together, and of one user, so that nobody keeps others out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many may be connected at once. Each has a thread.
const MOST: usize = 8192;
/// How many of one user; root's are the hooks.
const MOST_OF_ONE: usize = 1024;

/// Who is connected.
#[derive(Clone, Debug, Default)]
pub(super) struct Clients {
    by_user: Arc<Mutex<HashMap<u32, usize>>>,
}

/// One who is, for as long as this is kept.
#[derive(Debug)]
pub(super) struct Client {
    clients: Clients,
    user: u32,
}

impl Clients {
    /// Counts one more; none if there are as many as may be.
    pub(super) fn enter(&self, user: u32) -> Option<Client> {
        let mut counts = self.lock();
        let all: usize = counts.values().sum();
        let count = counts.entry(user).or_default();
        if all >= MOST || (user != 0 && *count >= MOST_OF_ONE) {
            return None;
        }
        *count += 1;
        Some(Client { clients: self.clone(), user })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, usize>> {
        self.by_user.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut counts = self.clients.lock();
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_keeps_nobody_else_out() {
        let clients = Clients::default();
        let held: Vec<Client> = std::iter::from_fn(|| clients.enter(1000)).collect();
        assert_eq!(held.len(), MOST_OF_ONE);
        assert!(clients.enter(1001).is_some() && clients.enter(0).is_some());
        drop(held);
        assert!(clients.enter(1000).is_some());
        assert!(clients.lock().is_empty());
    }
}
