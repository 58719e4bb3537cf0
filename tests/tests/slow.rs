//! Slow and hostile clients: thousands hold on, and honest ones do not notice.

use std::thread;
use std::time::{Duration, Instant};

use jit_ca_tests::{Ca, Lab, Slow};
use serde_json::Value;

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
