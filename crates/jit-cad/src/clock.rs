//! The daemon's edge to time and chance: the one place that reads the clock or draws random bytes.
//!
//! The machine's clock is believed as long as it goes as time does (`clock/watch.rs`). Where it jumps, the daemon's time
//! goes on as if it had not, until somebody has looked at it.

#[cfg(test)]
pub mod set;
mod watch;

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jit_ca_core::UnixTime;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use watch::{Begin, Watch};
pub use watch::{Fault, Reading};

/// A point in time in milliseconds since 1970, as the log's leaves have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Millis(pub u64);

impl Millis {
    /// The second that it lies in.
    pub fn time(self) -> UnixTime {
        UnixTime::from_secs(self.0 / 1_000)
    }
}

/// Watches the machine's clock from [`begin`] on. Before that, and in programs that serve nobody, it is believed.
static WATCH: Mutex<Option<Watch>> = Mutex::new(None);

/// Where the clock stood in relation to the time since the machine's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which start of the machine.
    pub boot: String,
    /// Its time in microseconds since 1970.
    pub offset: i64,
}

/// Begins to watch the clock, with what the log says of it: when its last entry was written, and whether a fault
/// waits for somebody. `before` is how it stood when the daemon ran last.
pub fn begin(last: Millis, is_held: bool, before: Option<Standing>) {
    let same_boot = before.filter(|before| boot().as_ref() == Some(&before.boot));
    let offset = same_boot.map(|before| before.offset);
    let watch = Watch::begin(read(), Begin { last, is_held, offset });
    watched(|watched| *watched = Some(watch));
}

/// What time it is, by the machine's clock where it is right.
pub fn now_millis() -> Millis {
    look(Millis(0)).0
}

/// The same, in whole seconds.
pub fn now() -> UnixTime {
    now_millis().time()
}

/// What is wrong with the machine's clock, until it is acknowledged.
pub fn fault() -> Option<Fault> {
    look(Millis(0)).1
}

/// What time it is, and what is wrong with the clock; `last` is when the log's last entry was written.
pub fn look(last: Millis) -> (Millis, Option<Fault>) {
    let reading = read();
    watched(|watch| match watch {
        Some(watch) => watch.look(reading, last),
        None => (reading.wall, None),
    })
}

/// Somebody says that the clock was right when it was read.
pub fn acknowledge(reading: Reading) {
    watched(|watch| {
        if let Some(watch) = watch {
            watch.acknowledge(reading);
        }
    });
}

/// How the clock stands, for the next time that the daemon starts.
pub fn standing() -> Option<Standing> {
    let offset = watched(|watch| watch.as_ref().map(Watch::offset))?;
    boot().map(|boot| Standing { boot, offset })
}

fn watched<T>(look: impl FnOnce(&mut Option<Watch>) -> T) -> T {
    #[cfg(test)]
    let look = match set::watched(look) {
        Ok(seen) => return seen,
        Err(look) => look,
    };
    look(&mut WATCH.lock().unwrap_or_else(PoisonError::into_inner))
}

/// How far apart the two clocks may be read. A process that is stopped in between has read two times.
const AT_ONCE: Duration = Duration::from_millis(100);

/// What the machine's clock says, and how long the machine has been running, asleep or not.
pub fn read() -> Reading {
    #[cfg(test)]
    if let Some(reading) = set::reading() {
        return reading;
    }
    loop {
        let (before, wall, after) = (running(), wall(), running());
        if after.saturating_sub(before) <= AT_ONCE {
            let micros = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
            return Reading { wall, running: micros };
        }
    }
}

fn wall() -> Millis {
    #[expect(clippy::disallowed_methods, reason = "this is the edge that reads the clock")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn running() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}

/// Which start of the machine this is, where the system tells.
fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim_end().to_owned())
}

/// The system had no random bytes to give.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system's random number generator failed")]
pub struct NoRandomness;

/// `N` random bytes from the system.
///
/// # Errors
/// If the system has none to give.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}
