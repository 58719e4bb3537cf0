//! Slow and hostile clients: thousands hold on, and honest ones do not notice.

use std::net::TcpStream;
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

/// Fails the test if the daemon took more memory than is claimed.
#[expect(clippy::print_stdout, reason = "shown when the test fails, and when somebody measures")]
#[track_caller]
fn within_memory(ca: &Ca, stands: &Value) {
    let peak = ca.peak_memory();
    println!("{stands}\nthe daemon took {} MiB at most", peak >> 20);
    assert!(peak <= 512 << 20);
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
    within_memory(&ca, &slow.stands());
}

#[test]
fn clients_take_no_more_memory_than_there_is_for_them_all() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (bob, carol) = (ca.caller("bob"), ca.caller("carol"));
    // Those that take the most of what a connection of their size may take, and more of each than there is room for.
    let worst = ["--kinds", "reader,fields,fat-body,fat-reader,fat-streams"];
    let mut slow = Slow::hold(&ca, 10_000, Some((&carol.wire, 600)), &worst);
    slow.opened(12_000);
    all_answered(&ca.honest_calls(&bob.wire, &["--clients", "4"]));
    works(&ca, "alice", 1);
    within_memory(&ca, &slow.stands());
}

#[test]
fn a_large_call_may_come_at_once_with_the_end_of_its_handshake() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let fat = ["--kinds", "fat-body", "--pause", "1000000"];
    let mut slow = Slow::hold(&ca, 20, None, &fat);
    slow.opened(20);
    // For ten seconds their bodies are waited for.
    assert_eq!(slow.stands()["ended"], 0);
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

#[test]
fn who_has_not_called_yet_holds_up_no_stop() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let bob = ca.caller("bob");
    let address = ca.url().trim_start_matches("https://").to_owned();
    let _silent: Vec<_> = (0..3).map(|_| TcpStream::connect(&address).unwrap()).collect();
    // These have been accepted when one that came later is answered.
    bob.wire.get("/v1/me").ok();
    let begun = Instant::now();
    ca.stop();
    assert!(begun.elapsed() < LONGEST / 2, "{:?}", begun.elapsed());
}
