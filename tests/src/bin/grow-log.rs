//! `grow-log ENTRIES [CONFIG]`: a CA's log of that many entries, for measurements. See [`jit_ca_tests::grown`].
//!
//! Without CONFIG a CA is made, with everything that a log is grown from, in a folder that stays: below TMPDIR, if that
//! is set. With CONFIG, which it printed before, the log of that CA goes on; its daemon must not run.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a tool that can't go on ends")]

use std::env;
use std::path::PathBuf;
use std::process;
use std::time::Instant;

use jit_ca_tests::{Lab, grown};

fn main() {
    let mut arguments = env::args().skip(1);
    let entries = arguments.next().and_then(|entries| entries.parse().ok());
    let entries = entries.expect("grow-log ENTRIES [CONFIG]");
    let config = arguments.next().map_or_else(begin, PathBuf::from);
    println!("config {}", config.display());
    let begun = Instant::now();
    let head = grown::grow(&config, entries);
    println!("{} entries, root {}, in {:.1?}", head.size, head.root, begun.elapsed());
    for line in grown::sizes(&config) {
        println!("{line}");
    }
    println!("{}", grown::proofs(&config));
}

fn begin() -> PathBuf {
    let folder = env::temp_dir().join(format!("jit-ca-grown-{}", process::id()));
    grown::begin(&Lab::staying(&folder))
}
