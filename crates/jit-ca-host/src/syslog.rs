//! The system's log, for programs whose output nobody reads.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// `authpriv.warning` (RFC 5424 section 6.2.1): facility 10, severity 4.
const AUTHPRIV_WARNING: u8 = 10 * 8 + 4;

/// Says something in one line, if the log is there.
pub(crate) fn warn(socket: &Path, text: &str) {
    let line: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    // In the older form (RFC 3164), without time and host, which its reader knows. Without a log there is nobody to be told.
    let message = format!("<{AUTHPRIV_WARNING}>jit-ca-host[{}]: {line}", std::process::id());
    let _ = UnixDatagram::unbound().and_then(|to| to.send_to(message.as_bytes(), socket));
}
