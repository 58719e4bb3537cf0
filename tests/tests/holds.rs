//! What stops issuance, and what starts it again: a clock that is set while the daemon looks away or not, and a disk
//! that is nearly full. All else goes on meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use jit_ca_tests::stored::{self, Signer};
use jit_ca_tests::{
    Authenticator, Ca, Caller, Lab, Reply, Wire, now, repository, run, seconds, wait_for,
};
use serde_json::{Value, json};

use crate::crash::Disk;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;
/// What is more than a clock may be set.
const FAR: [i64; 8] = [MINUTE, -MINUTE, HOUR, -HOUR, DAY, -DAY, YEAR, -YEAR];

struct Scene {
    ca: Ca,
    alice: Caller,
    carol: Caller,
    grant: Value,
    key: PathBuf,
}

impl Scene {
    fn new(lab: &Lab) -> Self {
        let mut ca = Ca::start(lab);
        let (alice, carol) = (ca.caller("alice"), ca.caller("carol"));
        ca.serve_by_own_clock();
        let grant = alice.granted("web-logs", json!({}), &[])["grant"].clone();
        let key = alice.person.make_key("work", "ed25519");
        Self { ca, alice, carol, grant, key }
    }

    /// A certificate, which lies in its grant.
    fn issues(&self) {
        takes(&self.alice, &self.grant, &self.key);
    }

    /// No certificate, and everything else.
    fn is_held(&self, code: &str) {
        assert_held(&self.alice.ask_ssh(&self.grant, &self.key), code);
        assert_held(&self.carol.wire.get("/readyz"), code);
        self.carol.wire.get("/healthz").ok();
        self.refuses();
    }

    /// A refusal is an entry.
    fn refuses(&self) {
        let before = self.size();
        self.alice.request("no-such-role", json!({})).refused("unknown-role");
        wait_for("the refusal's entry", || {
            self.types(before).contains(&"refusal".into()).then_some(())
        });
    }

    fn size(&self) -> u64 {
        let note = self.carol.wire.get("/log/checkpoint").ok().body;
        note.lines().nth(1).unwrap().parse().unwrap()
    }

    /// The types of the entries from here on.
    fn types(&self, start: u64) -> Vec<String> {
        let entries = self.carol.wire.get(&format!("/v1/log/entries?start={start}")).ok().json();
        let of = |entry: &Value| entry["type"].as_str().unwrap().to_owned();
        entries.as_array().unwrap().iter().map(of).collect()
    }

    fn acknowledge(&self) {
        self.ca.jit_cad(&["clock", "ack", "--reason", "chrony was set up anew"]).ok();
    }

    fn shows(&self, text: &str) {
        self.ca.jit_cad(&["clock", "show"]).ok().says(text);
    }
}

fn assert_held(reply: &Reply, code: &str) {
    assert_eq!(reply.status, Some(503), "{reply:#?}");
    let problem = reply.problem();
    assert_eq!(problem["code"], code);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("no certificate is issued: "), "{detail}");
    assert!(reply.headers.to_lowercase().contains("retry-after: "), "{reply:#?}");
}

/// Takes a certificate, and compares what `ssh-keygen` reads in it with the grant's window.
fn takes(caller: &Caller, grant: &Value, key: &Path) {
    // By a clock that was set back a second, what began just now has not begun.
    let begun = || {
        let is_logged_in = caller.wire.get("/v1/me").status == Some(200);
        (is_logged_in && caller.ask_ssh(grant, key).status != Some(409)).then_some(())
    };
    wait_for("the start of login and grant", begun);
    let (file, _) = caller.take_ssh(grant, key);
    let mut ssh_keygen = Command::new("ssh-keygen");
    let shown = run(ssh_keygen.env("TZ", "UTC").arg("-L").arg("-f").arg(file)).ok().stdout;
    let valid = shown.lines().find_map(|line| line.trim().strip_prefix("Valid: from ")).unwrap();
    let (from, until) = valid.split_once(" to ").unwrap();
    let [from, until] = [from, until].map(|time| seconds(&json!(format!("{time}Z"))));
    let [start, end] = ["start", "end"].map(|at| seconds(&grant["window"][at]));
    assert!(start - 60 <= from && from < until && until <= end, "{valid} is not in {grant}");
}

/// Both verifiers say that the stopped daemon's log holds.
fn holds(lab: &Lab, ca: &mut Ca) {
    ca.stop();
    let signer = Signer::of(ca);
    let export = stored::export(&ca.data(), &signer).unwrap();
    assert_eq!(stored::verdict(&export, &signer), None);
    let file = lab.file("log.tar", export);
    run(Command::new("/usr/bin/python3").arg(repository().join("tests/verify.py")).arg(file)).ok();
}

#[test]
fn a_clock_that_jumps_stops_issuance_until_somebody_has_looked_at_it() {
    let lab = Lab::new();
    let mut scene = Scene::new(&lab);
    scene.issues();
    scene.shows("right");
    scene.ca.jit_cad(&["clock", "ack", "--reason", "x"]).exits(1).says("no fault");
    for small in [1, -1, 0] {
        scene.ca.set_clock(small);
        scene.issues();
    }
    for (nth, far) in FAR.into_iter().enumerate() {
        let before = scene.size();
        scene.ca.set_clock(far);
        scene.is_held("clock-held");
        scene.shows("held");
        // Put right, it is still to be looked at; also by the next daemon.
        scene.ca.set_clock(0);
        scene.is_held("clock-held");
        match nth {
            0 => scene.ca.kill(),
            1 => scene.ca.stop(),
            _ => {}
        }
        if nth < 2 {
            scene.ca.serve();
            scene.is_held("clock-held");
        }
        scene.acknowledge();
        scene.issues();
        scene.carol.wire.get("/readyz").ok();
        let types = scene.types(before);
        let count = |wanted: &str| types.iter().filter(|of| *of == wanted).count();
        assert_eq!((count("clock.fault"), count("clock.ack")), (1, 1), "{types:?}");
    }
    // Once for each fault, and for the two starts that found one.
    let said = scene.ca.log_text().matches("the machine's clock is not right").count();
    assert_eq!(said, FAR.len() + 2);
    holds(&lab, &mut scene.ca);
}

#[test]
fn a_clock_that_was_set_while_the_daemon_was_down_is_found_at_its_start() {
    let lab = Lab::new();
    let mut scene = Scene::new(&lab);
    for small in [1, -1, 0] {
        scene.ca.stop();
        scene.ca.set_clock(small);
        scene.ca.serve();
        scene.issues();
    }
    for far in FAR {
        scene.ca.stop();
        scene.ca.set_clock(far);
        scene.ca.serve();
        scene.is_held("clock-held");
        scene.ca.set_clock(0);
        scene.acknowledge();
        scene.issues();
    }
    holds(&lab, &mut scene.ca);
}

#[test]
fn a_clock_that_was_wrong_is_put_right_and_the_log_goes_on() {
    let lab = Lab::new();
    let mut scene = Scene::new(&lab);
    // An hour ahead, and believed: who was logged in was idle for an hour.
    scene.ca.set_clock(HOUR);
    scene.is_held("clock-held");
    scene.acknowledge();
    assert_eq!(scene.alice.wire.get("/v1/me").status, Some(401));
    let step = now().checked_add_signed(HOUR).unwrap() / Authenticator::STEP;
    let code = scene.alice.authenticator.code_of(step);
    scene.alice.wire = Wire::login(&scene.ca, &scene.alice.person, json!({"totp": code}));
    let ahead = &scene.alice;
    let grant = ahead.granted("web-logs", json!({}), &[])["grant"].clone();
    takes(ahead, &grant, &scene.key);
    // What is over by this clock is ended, and that is for good.
    let code = scene.carol.authenticator.code_of(step);
    let auditor = Wire::login(&scene.ca, &scene.carol.person, json!({"totp": code}));
    wait_for("the end of a grant", || {
        let entries = auditor.get("/v1/log/entries").ok().json();
        let ended = entries.as_array().unwrap().iter().any(|entry| entry["type"] == "grant.end");
        ended.then_some(())
    });

    // And right: time goes back in the log, and nothing of that hour opens anything.
    scene.ca.set_clock(0);
    assert_held(&ahead.ask_ssh(&grant, &scene.key), "clock-held");
    let before = {
        let note = ahead.wire.get("/log/checkpoint").ok().body;
        note.lines().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let code = scene.ca.jit_cad(&["user", "enroll", "dave"]).ok();
    let dave = scene.ca.stranger("dave");
    let newcomer = Wire::nobody(&scene.ca, &dave);
    let factor = json!({"enrolment-code": code.line()});
    let (call, _) = newcomer.login_call(&dave.key(), factor);
    scene.acknowledge();
    // A challenge of that hour might have been answered, and forgotten since.
    newcomer.post("/v1/logins", &call).refused("login-refused");
    let reply = ahead.wire.get("/v1/me");
    assert!(reply.status.is_none_or(|status| status == 401), "{reply:#?}");

    // A code of that hour was used up: the way back is a new second factor.
    let alice = scene.ca.caller("alice");
    assert_held_not(&alice.ask_ssh(&scene.grant, &scene.key), "grant-ended");
    assert_held_not(&alice.ask_ssh(&grant, &scene.key), "grant-ended");
    let grant = alice.granted("web-logs", json!({}), &[])["grant"].clone();
    takes(&alice, &grant, &scene.key);

    scene.carol = scene.ca.caller("carol");
    let entries =
        scene.carol.wire.get(&format!("/v1/log/entries?start={}", before - 1)).ok().json();
    let entries = entries.as_array().unwrap();
    let back: Vec<_> = entries
        .windows(2)
        .filter(|two| seconds(&two[1]["time"]) < seconds(&two[0]["time"]))
        .collect();
    assert_eq!(back.len(), 1);
    assert_eq!(back[0][1]["type"], "clock.ack");
    assert_eq!(back[0][1]["payload"]["reason"], "chrony was set up anew");
    // Entries are found by their time on both sides of it.
    let since = now() - 5 * 60;
    let found =
        scene.carol.wire.get(&format!("/v1/log/entries?from={}", rfc_3339(since))).ok().json();
    let found: Vec<_> =
        found.as_array().unwrap().iter().map(|entry| entry["index"].clone()).collect();
    assert!(found.contains(&back[0][1]["index"]) && found.contains(&back[0][0]["index"]));
    holds(&lab, &mut scene.ca);
}

/// What is made an hour ahead, while that is believed, is over once the clock is right: also when that hour comes.
#[test]
fn what_was_made_by_a_wrong_clock_never_begins() {
    let lab = Lab::new();
    let mut scene = Scene::new(&lab);
    scene.ca.let_pass(HOUR);
    let step = now().checked_add_signed(HOUR).unwrap() / Authenticator::STEP;
    let code = scene.alice.authenticator.code_of(step);
    scene.alice.wire = Wire::login(&scene.ca, &scene.alice.person, json!({"totp": code}));
    let grant = scene.alice.granted("web-logs", json!({}), &[])["grant"].clone();
    takes(&scene.alice, &grant, &scene.key);
    let pending = scene.alice.request("web-shell", json!({})).ok().json();
    let code = scene.ca.jit_cad(&["user", "enroll", "dave"]).ok();
    let dave = scene.ca.stranger("dave");
    let newcomer = Wire::nobody(&scene.ca, &dave);
    let challenge = newcomer.post("/v1/challenges", &json!({})).ok().json();
    let is_refused = || {
        let factor = json!({"enrolment-code": code.line()});
        let (call, _) = newcomer.login_call(&dave.key(), factor);
        newcomer.post("/v1/logins", &call).refused("login-refused");
    };

    scene.ca.set_clock(0);
    scene.acknowledge();
    is_refused();
    scene.ca.let_pass(HOUR + MINUTE);
    is_refused();
    assert_eq!(scene.alice.wire.get("/v1/me").status, Some(401));
    let step = now().checked_add_signed(HOUR + MINUTE).unwrap() / Authenticator::STEP;
    let alice = &scene.alice.person;
    let factor = json!({"totp": scene.alice.authenticator.code_of(step)});
    let nobody = Wire::nobody(&scene.ca, alice);
    let (call, _) = nobody.login_answer(&challenge, &alice.key(), factor.clone());
    nobody.post("/v1/logins", &call).refused("login-refused");
    scene.alice.wire = Wire::login(&scene.ca, alice, factor);
    assert_held_not(&scene.alice.ask_ssh(&grant, &scene.key), "grant-ended");
    let path = format!("/v1/requests/{}", pending["id"].as_str().unwrap());
    assert_eq!(scene.alice.wire.get(&path).ok().json()["status"], "lapsed");
    holds(&lab, &mut scene.ca);
}

fn assert_held_not(reply: &Reply, code: &str) {
    assert_eq!(reply.problem()["code"], code, "{reply:#?}");
}

fn rfc_3339(time: u64) -> String {
    run(Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ", "-d", &format!("@{time}")]))
        .ok()
        .line()
        .to_owned()
}

#[test]
fn a_daemon_that_was_stopped_for_a_while_goes_on() {
    let lab = Lab::new();
    let scene = Scene::new(&lab);
    scene.issues();
    let signal =
        |name: &str| run(Command::new("kill").args([name, &scene.ca.process().to_string()])).ok();
    signal("-STOP");
    // More than a clock may jump: this is what it must not be taken for.
    sleep(Duration::from_secs(7));
    signal("-CONT");
    scene.issues();
    scene.shows("right");
}

#[test]
fn on_a_disk_that_is_nearly_full_it_denies_and_issues_nothing_until_there_is_room() {
    let lab = Lab::new();
    let disk = Disk::new(&lab, "64m");
    let ca = Ca::start_with(&lab, |config| {
        Disk::configure(config, "32 MiB");
        let file = config.join("jit-cad.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, text.replace("open = 20", "open = 1000")).unwrap();
    });
    let (alice, bob, carol) = (ca.caller("alice"), ca.caller("bob"), ca.caller("carol"));
    let grant = alice.granted("web-logs", json!({}), &[])["grant"].clone();
    let key = alice.person.make_key("work", "ed25519");
    let mut scene = Scene { ca, alice, carol, grant, key };
    scene.issues();

    disk.fill_to("40M");
    wait_for("a word on it", || {
        scene.ca.log_text().contains("MiB are to be kept free").then_some(())
    });
    for _ in 0..5 {
        scene.is_held("disk-low");
    }
    // What is kept free lasts for a while.
    let (before, reason) = (disk.free(), "x".repeat(500));
    for _ in 0..50 {
        scene.alice.request("web-shell", json!({"reason": reason})).ok();
    }
    let used = before - disk.free();
    assert!(used < 50 * 16, "50 requests took {used} KiB");
    let request = scene.alice.request("web-shell", json!({})).ok().json();
    bob.decide(&request, "deny", &json!({})).ok();
    let code = scene.alice.authenticator.code();
    let (call, _) = scene.alice.wire.login_call(&scene.alice.person.key(), json!({"totp": code}));
    assert_held(&scene.alice.wire.post("/v1/logins", &call), "disk-low");

    disk.empty();
    let begun = Instant::now();
    wait_for("issuance", || {
        (scene.alice.ask_ssh(&scene.grant, &scene.key).status == Some(200)).then_some(())
    });
    assert!(begun.elapsed() < Duration::from_secs(5));
    scene.issues();
    scene.carol.wire.get("/readyz").ok();
    // The code was not used up.
    scene.alice.wire.post("/v1/logins", &call).ok();
    let said = scene.ca.log_text();
    assert_eq!(said.matches("MiB are to be kept free").count(), 1, "{said}");
    assert_eq!(said.matches("has room again").count(), 1, "{said}");
    holds(&lab, &mut scene.ca);
}
