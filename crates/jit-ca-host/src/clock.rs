//! The one place that reads the clock. Everything else takes the time as a parameter.

use std::time::SystemTime;

/// Now, in milliseconds since 1970. It is the machine's clock, by which sshd judged the certificate, and it may step.
#[expect(clippy::disallowed_methods, reason = "this is the program's edge, where time comes in")]
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
