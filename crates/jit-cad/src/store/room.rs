//! How much room the store's disk has left.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Store;
use super::disk::Disk;

/// For how long a look at the disk counts.
const LOOK_LIFE: Duration = Duration::from_secs(1);

/// The disk has less room than is to be kept free, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Low {
    /// What it has.
    pub free: u64,
    /// What it is to have.
    pub keep: u64,
}

impl fmt::Display for Low {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [free, keep] = [self.free, self.keep].map(|bytes| bytes >> 20);
        write!(f, "the log's disk has {free} MiB left, and {keep} MiB are to be kept free")
    }
}

/// What is to be kept free, and what was found when it was last looked.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) keep: u64,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    at: Option<Instant>,
    low: Option<Low>,
}

impl Store {
    /// Looks from now on whether so many bytes are free.
    #[must_use]
    pub fn keeping_free(mut self, bytes: u64) -> Self {
        self.room.keep = bytes;
        self
    }

    /// Whether the disk has less room than is to be kept free, as of the last second.
    pub fn low(&self) -> Option<Low> {
        let mut found = self.room.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.at.is_none_or(|at| at.elapsed() >= LOOK_LIFE) {
            found.at = Some(Instant::now());
            let low = self.room.look(&*self.disk, &self.path);
            match (found.low, low) {
                (None, Some(low)) => tracing::error!("no certificate is issued: {low}"),
                (Some(_), None) => tracing::info!("the log's disk has room again"),
                _ => {}
            }
            found.low = low;
        }
        found.low
    }
}

impl Room {
    fn look(&self, disk: &dyn Disk, path: &Path) -> Option<Low> {
        let free = match disk.free(path) {
            Ok(free) => free,
            // Who can't tell what is free counts on nothing.
            Err(_) if self.keep > 0 => 0,
            Err(_) => return None,
        };
        (free < self.keep).then_some(Low { free, keep: self.keep })
    }
}
