//! The disk fails: each write and each sync of the store's file is answered by EIO and by ENOSPC, one at a time.
//!
//! ```text
//! set back ─ start ─ login ─ request ─ approval ─ certificates ─ stop     under strace, which makes one call fail
//!                └──────────┴─ the daemon ends, and touches the file no more
//!          ─ start ─ what was promised is there, and it goes on            on a disk that is well
//! ```

mod strace;
mod work;

use std::collections::BTreeSet;
use std::env;
use std::num::NonZero;
use std::thread::{available_parallelism, scope};
use std::time::{Duration, Instant};

use jit_ca_tests::{Lab, mix};

use strace::{CALLS, Fault, Seen, Trace};
use work::{Promised, Work};

/// What a call is answered, and how that is said.
const ERRORS: [(&str, &str); 2] = [("EIO", "(os error 5)"), ("ENOSPC", "(os error 28)")];
/// The logins of a CA that is set back again and again are idle after half an hour.
const FAULTS_PER_LOGIN: usize = 60;
/// `EX_IOERR` of sysexits.h: the daemon had begun, and ended itself.
const EXIT_STORE: i32 = 74;

#[test]
fn each_write_and_sync_that_fails_ends_the_daemon_and_nothing_is_lost() {
    let cases = cases();
    let workers = available_parallelism().map_or(1, NonZero::get);
    let ended: Vec<End> = scope(|scope| {
        let work = |worker: usize| {
            let own: Vec<Fault> = cases.iter().copied().skip(worker).step_by(workers).collect();
            scope.spawn(move || {
                let ends = own.chunks(FAULTS_PER_LOGIN).flat_map(|faults| {
                    let lab = Lab::new();
                    let mut desk = Desk::new(&lab);
                    faults.iter().map(|fault| desk.fails(*fault)).collect::<Vec<_>>()
                });
                ends.collect::<Vec<_>>()
            })
        };
        let workers: Vec<_> = (0..workers).map(work).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });

    let count = |wanted| ended.iter().filter(|end| **end == wanted).count();
    let [refused, ended_itself, at_the_close, missed] =
        [End::RefusedToStart, End::EndedItself, End::AtTheClose, End::NotReached].map(count);
    println!(
        "{} faults: {refused} while it started, {ended_itself} later, {at_the_close} when all was done, {missed} not reached",
        cases.len()
    );
    // The last calls of a day come or do not come, by which entries share a commit.
    assert!(missed * 8 <= cases.len(), "{missed} of {} faults were not reached", cases.len());
    assert!(refused > 0 && ended_itself > 0);
}

#[test]
fn a_disk_that_hangs_loses_nothing() {
    let lab = Lab::new();
    let mut desk = Desk::new(&lab);
    let hang = Duration::from_secs(3);
    // Some sync in the midst of the certificates.
    let (syncs, mut begun) = (desk.dry_run(), Instant::now());
    let before = &syncs.iter().find(|(phase, _)| phase == "approval").unwrap().1;
    let nth = of_kind(before, "fdatasync") + 3;
    let starter = desk.trace.starter(None);
    let delay = format!("inject=fdatasync:delay_enter={}:when={nth}", hang.as_micros());
    let starter: Vec<&str> =
        starter.iter().map(String::as_str).chain(["-e", delay.as_str()]).collect();
    desk.work.begin_again();
    assert!(desk.work.ca.serve_by(&starter));
    let mut slowest = Duration::ZERO;
    let promised = desk.work.work(|_| {
        slowest = slowest.max(begun.elapsed());
        begun = Instant::now();
    });
    assert!(slowest >= hang, "nothing waited for the disk: {slowest:?}");
    assert!(promised.is_all(), "{promised:#?}");
    desk.work.ca.stop();
    desk.work.must_have_kept(&promised);
}

/// Each call that a day makes, with each error; in the short form one of each kind in each part of the day.
fn cases() -> Vec<Fault> {
    let lab = Lab::new();
    let phases = Desk::new(&lab).dry_run();
    let long = env::var_os("JIT_CA_LONG").is_some();
    let mut cases = Vec::new();
    for call in CALLS {
        let mut begin = 0;
        for (_, seen) in &phases {
            let end = of_kind(seen, call);
            let these = begin + 1..=end;
            begin = end;
            if long {
                for (error, _) in ERRORS {
                    cases.extend(these.clone().map(|nth| Fault { call, nth, error }));
                }
            } else if let Some(size) = u64::try_from(these.count()).ok().filter(|size| *size > 0) {
                let drawn = mix(u64::try_from(cases.len()).unwrap());
                let nth = end - usize::try_from(drawn % size).unwrap();
                cases.push(Fault { call, nth, error: ERRORS[cases.len() % 2].0 });
            }
        }
        // The first of its thread: also of the one that opens the store.
        cases.push(Fault { call, nth: 1, error: ERRORS[cases.len() % 2].0 });
    }
    cases
}

/// How a daemon with a fault ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    RefusedToStart,
    EndedItself,
    /// All was written, and the last entry said so; the file was being closed.
    AtTheClose,
    NotReached,
}

/// A CA, its day's work, and strace beside it.
struct Desk {
    work: Work,
    trace: Trace,
}

impl Desk {
    fn new(lab: &Lab) -> Self {
        Self { work: Work::new(lab), trace: Trace::new(lab.path().join("trace")) }
    }

    /// A day without a fault: what the store's file was asked up to the end of each part.
    fn dry_run(&mut self) -> Vec<(String, Vec<Seen>)> {
        let file = self.work.ca.data().canonicalize().unwrap();
        let starter = self.trace.starter(None);
        let starter: Vec<&str> = starter.iter().map(String::as_str).collect();
        assert!(self.work.ca.serve_by(&starter));
        let mut phases = vec![("start".to_owned(), self.trace.calls_on(&file))];
        let promised =
            self.work.work(|phase| phases.push((phase.to_owned(), self.trace.calls_on(&file))));
        assert!(promised.is_all(), "{promised:#?}");
        self.work.ca.stop();
        let all = self.trace.calls_on(&file);
        let kinds: BTreeSet<&str> = all.iter().map(|seen| seen.call.as_str()).collect();
        assert!(kinds.iter().all(|kind| CALLS.contains(kind)), "not swept: {kinds:?}");
        phases.push(("stop".to_owned(), all));
        phases
    }

    /// A day with a fault, and the next one.
    fn fails(&mut self, fault: Fault) -> End {
        let file = self.work.ca.data().canonicalize().unwrap();
        let said_before = self.work.ca.log_text().len();
        let starter = self.trace.starter(Some(fault));
        let starter: Vec<&str> = starter.iter().map(String::as_str).collect();
        self.work.begin_again();
        let is_ready = self.work.ca.serve_by(&starter);
        let mut promised = if is_ready { self.work.work(|_| ()) } else { Promised::default() };
        let has_failed = || self.trace.calls_on(&file).iter().any(|seen| seen.failed);
        // What has failed ends it; else it is told to end, and may fail at that.
        let code = if has_failed() { self.work.ca.ends() } else { self.work.ca.end() };

        let seen = self.trace.calls_on(&file);
        let said = self.work.ca.log_text().split_off(said_before);
        let end = match (seen.iter().position(|seen| seen.failed), is_ready) {
            (None, _) => End::NotReached,
            (Some(_), false) => End::RefusedToStart,
            (Some(_), true) if said.contains("stopped cause") => End::AtTheClose,
            (Some(_), true) => End::EndedItself,
        };
        let expected: &[i32] = match end {
            End::NotReached | End::AtTheClose => &[0],
            End::EndedItself => &[EXIT_STORE],
            End::RefusedToStart => &[1, EXIT_STORE],
        };
        assert!(
            code.is_some_and(|code| expected.contains(&code)),
            "{fault:?}: {end:?} with the exit code {code:?}"
        );
        if let Some(failed) = seen.iter().position(|seen| seen.failed) {
            let after = &seen[failed + 1..];
            assert!(after.is_empty(), "{fault:?}: the store was touched again: {after:?}");
            let (_, how) = ERRORS.iter().find(|(error, _)| *error == fault.error).unwrap();
            assert!(end == End::AtTheClose || said.contains(how), "{fault:?} is not said: {said}");
        }
        promised.has_stopped = code == Some(0);
        self.work.must_have_kept(&promised);
        end
    }
}

/// How many calls of this kind one thread made at most.
fn of_kind(seen: &[Seen], call: &str) -> usize {
    let threads: BTreeSet<&str> = seen.iter().map(|seen| seen.thread.as_str()).collect();
    let of_thread = |thread: &str| {
        seen.iter().filter(|seen| seen.thread == thread && seen.call == call).count()
    };
    threads.into_iter().map(of_thread).max().unwrap_or_default()
}
