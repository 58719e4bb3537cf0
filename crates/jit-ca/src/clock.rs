//! The one place that reads the clock. Everything else takes the time as a parameter.

use std::time::SystemTime;

use jit_ca_core::UnixTime;

/// Now, in whole seconds.
#[expect(clippy::disallowed_methods, reason = "this is the program's edge, where time comes in")]
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixTime::from_secs(since.map_or(0, |since| since.as_secs()))
}
