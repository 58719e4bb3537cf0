//! A disk that hangs: nothing is lost by it, and everybody is told in time.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jit_ca_log::Leaf;
use jit_ca_tests::{Authenticator, Ca, Lab, Slow, Wire, repository, wait_for};
use jit_cad::store::Store;
use serde_json::json;

/// Longer than a decision may wait to be written, and not as long as a call may take.
const LONG: Duration = Duration::from_secs(14);

/// What stops the daemon's writer as soon as it is told to.
struct Stopper {
    program: Child,
    said: BufReader<ChildStdout>,
}

/// The daemon's writer, stopped in the middle of whatever it does until this is dropped: a disk that hangs.
struct Hung(Child);

impl Stopper {
    fn new(ca: &Ca) -> Self {
        let mut stop = Command::new("/usr/bin/python3");
        stop.arg(repository().join("tests/tests/stalls/stop_thread.py"));
        stop.args([&ca.pid().to_string(), "sequencer"]);
        let mut program = stop.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(program.stdout.take().unwrap());
        let mut stopper = Self { program, said };
        stopper.says("ready\n");
        stopper
    }

    fn stop(mut self) -> Hung {
        self.program.stdin.as_mut().unwrap().write_all(b"stop\n").unwrap();
        self.says("stopped\n");
        Hung(self.program)
    }

    fn says(&mut self, wanted: &str) {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert_eq!(line, wanted);
    }
}

impl Hung {
    fn new(ca: &Ca) -> Self {
        Stopper::new(ca).stop()
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
    let (bob, authenticator) = ca.enrolled("bob");
    let hung = Hung::new(&ca);
    let code = authenticator.code();

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
    // A code that was right is no guess, however often it finds the queue full.
    let nobody = Wire::nobody(&ca, &bob);
    for _ in 0..6 {
        let (call, _) = nobody.login_call(&bob.key(), json!({"totp": code}));
        let reply = nobody.post("/v1/logins", &call);
        assert_eq!((reply.status, &reply.problem()["code"]), (Some(503), &json!("busy")));
    }
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
fn a_call_that_takes_too_long_is_answered_by_a_problem_and_all_that_happened_is_written() {
    let lab = Lab::new();
    let ca = Ca::start_with_people(&lab, &[("erin", &["dev"])], |_| ());
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.caller(name));
    let erin = ca.person("erin");
    let grant = alice.granted("web-logs", json!({}), &[])["grant"].clone();
    let key = alice.person.make_key("work", "ed25519");
    let size = || -> u64 {
        let note = carol.wire.get("/log/checkpoint").ok().body;
        note.lines().nth(1).unwrap().parse().unwrap()
    };
    // In the moment between an intent and its outcome.
    let (hung, intent) = wait_for("an outcome that is not written yet", || {
        let stopper = Stopper::new(&ca);
        let reply = alice.ask_ssh(&grant, &key).ok().json();
        let (hung, intent) = (stopper.stop(), reply["entry"].as_u64().unwrap());
        (size() == intent + 1).then_some((hung, intent))
    });
    alice.request("no-such-role", json!({})).refused("unknown-role");
    let (wrong, _) = bob.wire.login_call(&bob.person.key(), json!({"totp": "000000"}));
    bob.wire.post("/v1/logins", &wrong).refused("login-refused");

    // Our own client waits for longer than that, and calls again as it is told.
    let ask = ["request", "web-logs", "--reason", "INC-42: orders time out"];
    let waiting = erin.start_jit_ca(&ask);
    let ask = json!({"role": "web-shell", "reason": "INC-42: orders time out"});
    for _ in 0..2 {
        let late = bob.wire.post_again("/v1/requests", &ask, "late");
        assert_eq!((late.status, &late.problem()["code"]), (Some(503), &json!("took-too-long")));
    }
    assert_eq!(size(), intent + 1);
    drop(hung);
    let asked = waiting.wait_with_output().unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    // What it asked for is done once, however often it was called.
    bob.wire.post_again("/v1/requests", &ask, "late").ok();
    let before = size();
    bob.wire.post_again("/v1/requests", &ask, "late").ok();
    assert_eq!(size(), before);

    // Whatever had happened meanwhile is written, though nobody waited for it.
    let path = format!("/v1/log/entries?start={}", intent + 1);
    let entries = carol.wire.get(&path).ok().json();
    let types: Vec<_> = entries.as_array().unwrap().iter().map(|it| &it["type"]).collect();
    let count = |wanted: &str| types.iter().filter(|found| **found == wanted).count();
    assert_eq!((count("issue.done"), count("refusal")), (1, 2), "{types:?}");
    // Bob's, and Erin's.
    assert_eq!(count("request"), 2, "{types:?}");
    assert!(!ca.log_text().contains("lost"), "{}", ca.log_text());
}

/// Somebody who has logged in by a one-use code and begun to enrol a second factor.
fn newcomer(ca: &Ca, name: &str) -> (Wire, Authenticator) {
    let person = ca.stranger(name);
    let code = ca.jit_cad(&["user", "enroll", name]).ok();
    let wire = Wire::login(ca, &person, json!({"enrolment-code": code.line()}));
    let secret = wire.post("/v1/mfa", &json!({})).ok().json()["secret"].clone();
    (wire, Authenticator::new(secret.as_str().unwrap().to_owned()))
}

#[test]
fn what_waits_for_longer_than_a_decision_may_is_decided_again() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let bob = ca.caller("bob").wire;
    let carol = ca.person("carol");
    let (alice, authenticator) = ca.enrolled("alice");
    let (dave, enrolling) = newcomer(&ca, "dave");
    let hung = Hung::new(&ca);
    let ask = json!({"role": "web-shell", "reason": "INC-42: orders time out"});
    let (code, first_code) = (authenticator.code(), json!({"code": enrolling.code()}));
    thread::scope(|scope| {
        scope.spawn(|| alice.login(&code).ok());
        scope.spawn(|| dave.post("/v1/mfa/confirm", &first_code).ok());
        scope.spawn(|| carol.jit_ca(&["logout"]).ok().says("logged out"));
        scope.spawn(|| bob.get("/readyz").ok());
        scope.spawn(|| bob.post("/v1/requests", &ask).ok());
        // Time is all that has to pass.
        thread::sleep(LONG);
        drop(hung);
    });
    alice.jit_ca(&["whoami"]).ok();
    assert!(dave.get("/v1/me").ok().json()["login"]["mfa_at"].is_string());
    carol.jit_ca(&["whoami"]).exits(3);
}

#[test]
fn a_daemon_that_is_stopped_while_the_disk_hangs_says_so_in_its_log() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let hung = Hung::new(&ca);
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(LONG);
            drop(hung);
        });
        ca.stop();
    });
    let store = Store::open(&ca.data()).unwrap();
    let snapshot = store.read().unwrap();
    let last = snapshot.leaf(snapshot.size().unwrap() - 1).unwrap().unwrap();
    assert_eq!(Leaf::decode(&last).unwrap().entry_type.as_str(), "daemon.stop");
}

#[test]
fn a_login_that_the_ca_has_not_ended_keeps_its_key() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let alice = ca.person("alice");
    alice.jit_ca(&["request", "web-logs", "--reason", "INC-42: orders time out"]).ok();
    alice.jit_ca(&["cert", "ssh", "--out", "keys"]).ok();
    ca.stop();
    let kept = alice.file("run/jit-ca/login.json");
    alice.jit_ca(&["logout"]).exits(1).says("you are still logged in");
    assert!(kept.exists());
    ca.serve();
    alice.jit_ca(&["logout"]).ok().says("logged out");
    assert!(!kept.exists());

    let bob = ca.person("bob");
    ca.stop();
    bob.jit_ca(&["logout", "--forget"]).exits(1).says("goes on at the CA");
    assert!(!bob.file("run/jit-ca/login.json").exists());
}

#[test]
fn a_disk_that_hangs_when_the_daemons_certificate_is_due_lets_newcomers_in() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let anybody = ca.person("alice");
    ca.serve_by_own_clock();
    let anybody = Wire::nobody(&ca, &anybody);
    ca.let_pass(13 * 60 * 60);
    let _hung = Hung::new(&ca);
    let begun = Instant::now();
    // It is looked at every fifteen seconds.
    while begun.elapsed() < Duration::from_secs(20) {
        let reply = anybody.call(&["--max-time", "5"], "/healthz", None);
        assert_eq!(reply.status, Some(200), "after {:?}: {reply:#?}", begun.elapsed());
    }
}
