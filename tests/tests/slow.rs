//! Slow and hostile clients: thousands hold on, and honest ones do not notice.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jit_ca_tests::{Ca, Lab, Slow, repository, wait_for};
use serde_json::{Value, json};

/// What nobody honest waits longer for, on whatever machine.
const LONGEST: Duration = Duration::from_secs(10);

/// Fails the test unless all honest calls were answered, and none was waited for too long.
#[expect(clippy::print_stdout, reason = "shown when the test fails, and when somebody measures")]
#[track_caller]
fn all_answered(took: &Value) {
    println!("{took:#}");
    for kind in ["open", "new"] {
        assert_eq!(took[kind]["failed"], 0);
        assert!(took[kind]["max_ms"].as_f64().unwrap() < LONGEST.as_secs_f64() * 1_000.0);
    }
}

/// Logs in, asks for a role that a rule gives, and takes certificates: each a command, a new connection, and entries
/// of the log. A command waits ten seconds for its connection, and no longer.
#[expect(clippy::print_stdout, reason = "shown when the test fails, and when somebody measures")]
#[track_caller]
fn works(ca: &Ca, name: &str, certificates: usize) {
    let begun = Instant::now();
    let person = ca.person(name);
    person.jit_ca(&["request", "web-logs", "--reason", "INC-42: orders time out"]).ok();
    for _ in 0..certificates {
        person.jit_ca(&["cert", "ssh", "--out", "keys"]).ok();
    }
    println!("{:?} for a login, a request and {certificates} certificates", begun.elapsed());
}

#[test]
fn ten_thousand_slow_clients_keep_nobody_waiting() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (bob, carol) = (ca.caller("bob"), ca.caller("carol"));
    // Carol has a login, and is slow with more connections than one person may have.
    let mut slow = Slow::hold(&ca, 10_000, Some((&carol.wire, 600)), &[]);
    slow.opened(10_000);

    // Somebody who was there before, somebody who comes with a login, and somebody who comes without.
    let took = thread::scope(|scope| {
        let took = scope.spawn(|| ca.honest_calls(&bob.wire, &["--clients", "8"]));
        works(&ca, "alice", 5);
        took.join().unwrap()
    });
    all_answered(&took);
    println!("{}", slow.stands());
    let peak = ca.peak_memory();
    println!("the daemon took {} MiB at most", peak >> 20);
    assert!(peak <= 512 << 20);
}

#[test]
fn where_places_are_few_newcomers_take_those_of_the_first() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    ca.serve_with_files(1_024);
    assert!(ca.log_text().contains("few open files"));
    let bob = ca.caller("bob");
    // 480 places for strangers.
    let mut slow = Slow::hold(&ca, 800, None, &["--addresses", "100"]);
    slow.ended(500);
    all_answered(&ca.honest_calls(&bob.wire, &["--clients", "4"]));
    works(&ca, "alice", 5);
}

#[test]
fn every_slow_connection_has_an_end() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let never = ["--pause", "1000000"];
    Slow::hold(&ca, 8, None, &never).ended(8);
}

#[test]
fn calls_that_are_taken_back_end_their_connection() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    Slow::hold(&ca, 1, None, &["--kinds", "resets", "--pause", "1000000"]).ended(1);
    // And nobody fills the daemon's own log by it.
    assert_eq!(ca.log_text(), "");
}

/// The daemon's writer, stopped in the middle of whatever it does until this is dropped: a disk that hangs.
struct Hung(Child);

impl Hung {
    fn new(ca: &Ca) -> Self {
        let mut stop = Command::new("/usr/bin/python3");
        stop.arg(repository().join("tests/tests/slow/stop_thread.py"));
        stop.args([&ca.pid().to_string(), "sequencer"]);
        let mut child = stop.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "stopped\n");
        Self(child)
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_disk_that_hangs_keeps_no_more_waiting_than_the_queue_holds() {
    let lab = Lab::new();
    let people = ["erin", "frank", "grace"].map(|name| (name, ["dev"].as_slice()));
    let ca = Ca::start_with_people(&lab, &people, |_| ());
    let callers = people.map(|(name, _)| ca.caller(name));
    let alice = ca.person("alice");
    let hung = Hung::new(&ca);

    // More than the queue holds, by three people, as nobody may have so many calls under way.
    let write = ["--kinds", "write", "--pause", "1000000"];
    let mut floods: Vec<_> =
        callers.iter().map(|by| Slow::hold(&ca, 0, Some((&by.wire, 450)), &write)).collect();
    floods.iter_mut().for_each(|flood| flood.opened(450));
    let erin = &callers[0].wire;
    let ask = json!({"role": "web-logs", "reason": "INC-42: orders time out"});
    let busy = wait_for("a call that is refused", || {
        let quick =
            ["--max-time", "1", "-H", "content-type: application/json", "-H", "idempotency-key: x"];
        Some(erin.call(&quick, "/v1/requests", Some(&ask.to_string())))
            .filter(|reply| reply.status.is_some())
    });
    assert_eq!(busy.status, Some(503), "{busy:#?}");
    assert_eq!(busy.problem()["code"], "busy");
    assert!(busy.headers.to_lowercase().contains("retry-after: 1"), "{busy:#?}");
    // Reads do not wait for the log.
    erin.get("/v1/me").ok();
    erin.get("/log/checkpoint").ok();
    // A command waits as it is told, thrice, and says then what is the matter.
    let ask = ["request", "web-logs", "--reason", "INC-42: orders time out"];
    let begun = Instant::now();
    alice.jit_ca(&ask).exits(1).says("too many calls are waiting");
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());

    drop(hung);
    floods.iter_mut().for_each(|flood| flood.ended(450));
    alice.jit_ca(&ask).ok();
}

#[test]
fn a_call_that_takes_too_long_is_answered_by_a_problem() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let bob = ca.caller("bob");
    let hung = Hung::new(&ca);
    let ask = json!({"role": "web-shell", "reason": "INC-42: orders time out"});
    let late = bob.wire.post_again("/v1/requests", &ask, "late");
    assert_eq!((late.status, &late.problem()["code"]), (Some(503), &json!("took-too-long")));
    drop(hung);
    // What it asked for is done, and the same call finds it.
    let head = || bob.wire.get("/log/checkpoint").ok().body;
    bob.wire.post_again("/v1/requests", &ask, "late").ok();
    let before = head();
    bob.wire.post_again("/v1/requests", &ask, "late").ok();
    assert_eq!(head(), before);
}
