//! The daemon's edge to time and chance: the one place that reads the clock or draws random bytes.

use std::time::{SystemTime, UNIX_EPOCH};

use jit_ca_core::UnixTime;
use ring::rand::{SecureRandom as _, SystemRandom};

/// A point in time in milliseconds since 1970, as the log's leaves have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// The second that it lies in.
    pub fn time(self) -> UnixTime {
        UnixTime::from_secs(self.0 / 1_000)
    }
}

/// What the system's clock says.
pub fn now_millis() -> Millis {
    #[expect(clippy::disallowed_methods, reason = "this is the edge that reads the clock")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// What the system's clock says, in whole seconds.
pub fn now() -> UnixTime {
    now_millis().time()
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
