//! The daemon under strace, which makes one of its system calls fail, and tells all that it called.

use std::fs;
use std::path::{Path, PathBuf};

/// How the store's file is changed and synced.
pub(super) const CALLS: [&str; 3] = ["pwrite64", "fdatasync", "ftruncate"];

/// How a file could be changed and synced besides.
const OTHERS: &str =
    "fsync,write,writev,pwritev,pwritev2,fallocate,sync_file_range,msync,sendfile,copy_file_range";

/// One system call that fails: it is not made, and the daemon is told this error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) call: &'static str,
    /// The how-manieth of its thread.
    pub(super) nth: usize,
    pub(super) error: &'static str,
}

/// The store's changes and syncs as strace saw them.
pub(super) struct Trace(PathBuf);

impl Trace {
    pub(super) fn new(file: PathBuf) -> Self {
        Self(file)
    }

    /// What starts the daemon with this fault, or with none.
    pub(super) fn starter(&self, fault: Option<Fault>) -> Vec<String> {
        let _ = fs::remove_file(&self.0);
        // -D: the daemon is our child and strace nobody's, so that the daemon's end is its own.
        let mut starter = ["strace", "-D", "-f", "-y", "-s", "0", "-qqq", "--seccomp-bpf", "-o"]
            .map(str::to_owned)
            .to_vec();
        starter.push(self.0.display().to_string());
        match fault {
            Some(Fault { call, nth, error }) => {
                starter.extend(["-e".to_owned(), format!("trace={}", CALLS.join(","))]);
                starter
                    .extend(["-e".to_owned(), format!("inject={call}:error={error}:when={nth}")]);
            }
            // Whatever else can change a file.
            None => {
                let calls = format!("trace={},{OTHERS}", CALLS.join(","));
                starter.extend(["-e".to_owned(), calls]);
            }
        }
        starter
    }

    /// The calls on this file so far, in their order.
    pub(super) fn calls_on(&self, file: &Path) -> Vec<Seen> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        let file = format!("<{}>", file.display());
        let mut seen: Vec<Seen> = Vec::new();
        for line in text.lines() {
            // `1234 pwrite64(9</…/jit-ca.redb>, ""..., 4096, 0) = 4096`
            let (thread, line) = line.split_once(' ').expect("a line of strace's");
            let line = line.trim_start();
            let failed = line.ends_with("(INJECTED)");
            if line.starts_with("<...") {
                let call = seen.iter_mut().rev().find(|call| call.thread == thread);
                if let Some(call) = call.filter(|_| failed) {
                    call.failed = true;
                }
            } else if line.contains(&file) {
                let call = line.split('(').next().expect("a call").to_owned();
                seen.push(Seen { thread: thread.to_owned(), call, failed });
            }
        }
        seen
    }
}

/// A system call on the store's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) thread: String,
    pub(super) call: String,
    pub(super) failed: bool,
}
