//! The one way out of `jit-ca-host`: data to stdout, everything else to stderr.

use std::io::Write as _;

/// Prints what was asked for.
pub(crate) fn data(text: &str) {
    // Nobody is left to be told that the reader has gone.
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n'));
}

/// Says something beside it.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
