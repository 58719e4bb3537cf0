//! Each call of the disk fails once: nobody is told that what failed is durable, nothing is tried again, and what was
//! told before is found at the next start.
//!
//! The sequencer ends its process. So it runs in one of its own, which is this test's program, started again.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, fs, process, thread};

use jit_ca_cert::purpose::Log;
use jit_ca_cert::{Key, KeyEncryptionKey};
use jit_ca_core::Origin;
use jit_ca_log::tree::Tree;
use redb::{Builder, Database, DatabaseError, StorageBackend};
use zeroize::Zeroizing;

use super::record::commit;
use super::workload::{Step, one_more, steps};
use crate::sequencer::Sequencer;
use crate::store::{Disk, Store};

/// Which call fails, how, and below which folder everything lies.
const PLAN: &str = "JIT_CA_TEST_FAILING_CALL";
/// Every so many calls fail, in the short form.
const EVERY: usize = 11;
/// What the sequencer ends the process with.
const EXIT_STORE: i32 = 74;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Nothing of it, and of what was not synced, reaches the disk.
    NotPersisted,
    /// All of it does.
    Persisted,
    /// It hangs first, and does.
    TimedOut,
}

const HOWS: [How; 3] = [How::NotPersisted, How::Persisted, How::TimedOut];

#[test]
fn a_call_that_fails_is_never_told_as_done_and_never_tried_again() {
    let every = if env::var_os("JIT_CA_LONG").is_some() { 1 } else { EVERY };
    let calls: usize = run(usize::MAX, How::Persisted).calls.trim().parse().unwrap();
    let (mut runs, mut ended, mut told_most) = (0, 0, 0);
    for (nth, call) in (0..calls).step_by(every).enumerate() {
        // In the short form they take turns.
        for how in HOWS.iter().enumerate().filter(|(at, _)| every == 1 || at % 3 == nth % 3) {
            let Ran { code, failed, again, told, .. } = run(call, *how.1);
            let what = format!("call {call}, {failed}, {how:?}: {code:?}, told {}", told.len());
            assert!(!again, "{what}: tried again");
            // A read outside the sequencer is an error to whoever reads, and here the end of the test's program.
            let expected = if failed == "read" || told.is_empty() {
                vec![74, 1, 101]
            } else {
                vec![EXIT_STORE]
            };
            assert!(code.is_some_and(|code| expected.contains(&code)), "{what}");
            runs += 1;
            ended += usize::from(code == Some(EXIT_STORE));
            told_most = told_most.max(told.len());
        }
    }
    println!("{runs} runs, a call of {calls} failing in each; {ended} ended with {EXIT_STORE}");
    assert!(ended >= runs / 2 && told_most > 20, "{ended} of {runs}, {told_most} told");
}

/// What a run left.
struct Ran {
    code: Option<i32>,
    failed: String,
    again: bool,
    told: Vec<(u64, String)>,
    calls: String,
}

/// Runs the workload in a process of its own, and checks what it left.
fn run(call: usize, how: How) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "store::tests::calls::the_process_that_ends", "--nocapture"]);
    child.env(PLAN, format!("{call} {how:?} {}", folder.path().display()));
    let code = child.output().unwrap().status.code();
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let told: Vec<(u64, String)> = text("told")
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(size, root)| (size.parse().unwrap(), root.to_owned()))
        .collect();

    // The next start.
    if !told.is_empty() {
        let store = Store::open(&folder.path().join("log.redb")).unwrap();
        let snapshot = store.read().unwrap();
        let head = snapshot.verify_head().unwrap();
        for (size, root) in &told {
            assert!(
                *size <= head.size,
                "{size} was told, {} is left: call {call}, {how:?}",
                head.size
            );
            assert_eq!(Tree::at(&snapshot, *size).root().unwrap().to_string(), *root);
        }
        if snapshot.unfinished_erasure().unwrap().is_none() {
            store.check().unwrap();
        }
        commit(&store, &one_more(), &|_| ()).unwrap();
    }
    let again = folder.path().join("again").exists();
    Ran { code, failed: text("failed"), again, told, calls: text("calls") }
}

/// The other process. Without a plan it is a test of nothing.
#[test]
fn the_process_that_ends() {
    let Ok(plan) = env::var(PLAN) else {
        return;
    };
    let mut plan = plan.splitn(3, ' ');
    let call = plan.next().unwrap().parse().unwrap();
    let how = plan.next().unwrap();
    let how = HOWS.into_iter().find(|known| format!("{known:?}") == how).unwrap();
    let folder = PathBuf::from(plan.next().unwrap());
    let disk = FailingDisk(Arc::new(Failing {
        plan: (call, how),
        folder: folder.clone(),
        state: Mutex::default(),
    }));

    let Ok(store) = Store::create_on(Arc::new(disk.clone()), Path::new("log.redb")) else {
        process::exit(1);
    };
    let store = Arc::new(store);
    let origin: Origin = "ca.test/log".parse().unwrap();
    let (key, _) = Key::<Log>::create(&KeyEncryptionKey::new(Zeroizing::new([7; 32]))).unwrap();
    let sequencer = Sequencer::start(Arc::clone(&store), key, &origin).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut told = String::new();
    for step in steps() {
        let (Step::Write(proposal) | Step::Rewrite(proposal)) = step;
        if runtime.block_on(sequencer.commit(proposal(&store))).is_err() {
            // Whoever waits is told that the daemon stops, and it does.
            loop {
                thread::park();
            }
        }
        let newest = sequencer.newest().checkpoint.clone();
        told += &format!("{} {}\n", newest.size, newest.root);
        fs::write(folder.join("told"), &told).unwrap();
    }
    let calls = disk.0.state.lock().unwrap().calls;
    fs::write(folder.join("calls"), calls.to_string()).unwrap();
    process::exit(0);
}

/// A disk of which one call fails.
#[derive(Clone, Debug)]
struct FailingDisk(Arc<Failing>);

#[derive(Debug)]
struct Failing {
    plan: (usize, How),
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the process sees; what is durable is in the file.
    bytes: Vec<u8>,
    calls: usize,
    failed: bool,
}

impl Failing {
    fn call(&self, kind: &str, done: impl FnOnce(&mut State) -> io::Result<()>) -> io::Result<()> {
        let state = &mut *self.state.lock().unwrap();
        let (planned, how) = self.plan;
        let number = state.calls;
        state.calls += 1;
        let changes = !matches!(kind, "read" | "len");
        if state.failed && changes {
            fs::write(self.folder.join("again"), kind).unwrap();
        }
        if number != planned {
            done(state)?;
            if kind == "sync" {
                self.persist(&state.bytes);
            }
            return Ok(());
        }
        state.failed = true;
        fs::write(self.folder.join("failed"), kind).unwrap();
        if how == How::TimedOut {
            thread::sleep(Duration::from_millis(50));
        }
        if how != How::NotPersisted {
            done(state)?;
            self.persist(&state.bytes);
        }
        Err(match how {
            How::TimedOut => io::ErrorKind::TimedOut.into(),
            _ => io::Error::other("the disk failed"),
        })
    }

    fn persist(&self, bytes: &[u8]) {
        fs::write(self.folder.join("log.redb"), bytes).unwrap();
    }
}

impl Disk for FailingDisk {
    fn exists(&self, _: &Path) -> bool {
        false
    }

    fn create(&self, _: &Path) -> Result<Box<dyn StorageBackend>, DatabaseError> {
        Ok(Box::new(self.clone()))
    }

    fn open(&self, _: &Path, builder: &Builder) -> Result<Database, DatabaseError> {
        builder.create_with_backend(self.clone())
    }

    fn replace(&self, _: &Path, _: &Path) -> io::Result<io::Result<()>> {
        Ok(Ok(()))
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn taken(&self, _: &Path) -> io::Result<u64> {
        Ok(0)
    }
}

impl StorageBackend for FailingDisk {
    fn len(&self) -> io::Result<u64> {
        let mut length = 0;
        self.0.call("len", |state| {
            length = state.bytes.len();
            Ok(())
        })?;
        Ok(length as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap();
        self.0.call("read", |state| {
            let bytes = state.bytes.get(at..at + out.len());
            out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.call("set_len", |state| {
            state.bytes.resize(usize::try_from(length).unwrap(), 0);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.call("sync", |_| Ok(()))
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap();
        self.0.call("write", |state| {
            state.bytes[at..at + bytes.len()].copy_from_slice(bytes);
            Ok(())
        })
    }
}
