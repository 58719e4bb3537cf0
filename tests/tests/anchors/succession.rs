//! The way on for a CA whose store was set back or is lost: a new log, which names the old one and the reason.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use jit_ca_tests::{
    Authenticator, Ca, Caller, Clock, Lab, Output, Person, Sshd, Wire, program, repository, run,
};
use serde_json::json;

use super::place::{Note, OtherDisk, anchor_file, has_newest, name_anchors};

pub(super) const OLD: &str = "ca.example.org/jit-ca";
pub(super) const NEW: &str = "ca.example.org/jit-ca-2";
pub(super) const REASON: &str = "the disk died; restored from the backup of Monday";

/// A CA with an anchor on another disk.
pub(super) fn start(lab: &Lab, anchor: &Path) -> Ca {
    Ca::start_with(lab, |config| name_anchors(&config.join("jit-cad.toml"), &[anchor_file(anchor)]))
}

pub(super) fn set_origin(ca: &Ca, origin: &str) {
    let line = |line: &str| match line.starts_with("origin = ") {
        true => format!("origin = {origin:?}\n"),
        false => format!("{line}\n"),
    };
    let text = fs::read_to_string(ca.config()).unwrap();
    fs::write(ca.config(), text.lines().map(line).collect::<String>()).unwrap();
}

pub(super) fn succeed(ca: &Ca, origin: &str, reason: &str, more: &[&str]) -> Output {
    let words = ["log", "succeed", "--origin", origin, "--reason", reason];
    ca.jit_cad(&[&words, more].concat())
}

/// A certificate of Alice's for a shell on web1, with Bob's approval: the key's file.
fn certified(alice: &Person, bob: &Caller, folder: &str) -> PathBuf {
    let ask = ["request", "web-shell", "--reason", "INC-42", "--no-wait", "--json"];
    let request = alice.jit_ca(&ask).exits(75).json();
    let grant = bob.approve(&request).ok().json()["grant"]["id"].as_str().unwrap().to_owned();
    alice.jit_ca(&["cert", "ssh", "--grant", &grant, "--out", folder]).ok();
    alice.file(folder).join("key")
}

#[test]
fn a_ca_that_was_set_back_goes_on_with_a_new_log() {
    let lab = Lab::new();
    let disk = OtherDisk::new(&lab);
    let anchor = disk.file("checkpoint");
    let mut ca = start(&lab, &anchor);
    let (alice, authenticator) = ca.enrolled("alice");
    alice.login(&authenticator.code()).ok();
    let (bob, carol) = (ca.caller("bob"), ca.caller("carol"));
    let user_ca = bob.wire.trust()["ssh_user_ca"].as_str().unwrap().to_owned();
    let backup = ca.snapshot("backup");
    // From here on all is lost: a certificate that is out, and Dave's enrolment would be too.
    let lost = certified(&alice, &bob, "lost");
    let seen = has_newest(&ca, || Note::of_file(&anchor));

    // While a daemon runs there is nothing to succeed.
    set_origin(&ca, NEW);
    succeed(&ca, NEW, REASON, &[]).exits(1).says("end the daemon first");
    set_origin(&ca, OLD);
    ca.stop();
    ca.restore(&backup);
    ca.refuses_to_serve().exits(1).says("jit-cad log succeed");

    // It takes two to make a mistake: the order and the configuration have to say the same, and why.
    succeed(&ca, NEW, REASON, &[]).exits(2).says(&format!("origin = \"{NEW}\""));
    succeed(&ca, OLD, REASON, &[]).exits(2).says("has begun already");
    set_origin(&ca, NEW);
    for reason in ["", " ", "two\nlines"] {
        succeed(&ca, NEW, reason, &[]).exits(2);
    }
    succeed(&ca, NEW, REASON, &["--from-anchor"]).exits(2).says("there is a store");
    ca.refuses_to_serve().exits(2).says(OLD).says(NEW);

    // A crash may have left half a store, and the second name.
    let data = |ending: &str| PathBuf::from(format!("{}{ending}", ca.data().display()));
    let held = Note::of_file(&anchor).unwrap();
    fs::write(data(".succession"), "half of a store").unwrap();
    let head: usize = {
        let old = old_configuration(&ca, &lab, &ca.data());
        let checked = check_by(&old).ok();
        checked.line().split(' ').next().unwrap().parse().unwrap()
    };
    let aside = data(&format!(".ca.example.org_jit-ca.{head}"));
    fs::hard_link(ca.data(), &aside).unwrap();
    let done = succeed(&ca, NEW, REASON, &[]).ok();
    done.says(&format!("goes on from the {head} of {OLD}"))
        .says("second factors that are kept: 3")
        .says(fs::canonicalize(&aside).unwrap().to_str().unwrap());
    // Codes of up to now may have been used in what is lost.
    let used = Authenticator::step() + 1;
    succeed(&ca, NEW, REASON, &[]).exits(2).says("has begun already");
    assert!(!data(".succession").exists());

    // The store of before is there, can't be written by mistake, and still holds.
    assert_eq!(fs::metadata(&aside).unwrap().permissions().mode() & 0o777, 0o400);
    let old = old_configuration(&ca, &lab, &aside);
    check_by(&old).ok().says(&format!("{head} entries hold"));

    ca.serve();
    let now = has_newest(&ca, || Note::of_file(&anchor).filter(|note| note.origin == NEW));
    assert!(now.size < head, "it is short yet: {now:?}");
    let kept = PathBuf::from(format!("{}.ca.example.org_jit-ca", anchor.display()));
    assert_eq!(Note::of_file(&kept).unwrap(), held, "the anchor keeps what it had");
    assert!(seen.size <= held.size && head < seen.size, "{seen:?} {held:?}");

    // Old logins are none any more, and clients say what has happened until they are told that it is right.
    assert_ne!(bob.wire.get("/v1/me").status, Some(200));
    assert_ne!(carol.wire.get("/v1/me").status, Some(200));
    alice.jit_ca(&["whoami"]).exits(4).says(NEW).says(REASON);
    let accepted = alice.jit_ca(&["trust", "--accept-log", NEW, "--json"]).ok().json();
    assert_eq!(accepted["goes_on_from"], head, "{accepted:#}");
    assert_ne!(accepted["lost"], 0, "{accepted:#}");

    // The same authenticators; but no code that may have been used before, right as it is.
    alice.login(&authenticator.code_of(used)).exits(3);
    bob.authenticator.skip_to(used);
    authenticator.skip_to(used);
    let bobs = bob.authenticator.code();
    let bob = Caller { wire: Wire::login(&ca, &bob.person, json!({"totp": bobs})), ..bob };
    let before = bob.wire.trust()["succeeds"].clone();
    assert_eq!(before["reason"], REASON);
    let named = Note::read(before["checkpoint"].as_str().unwrap());
    assert_eq!((named.origin.as_str(), named.size), (OLD, head));
    named.must_be_signed(&lab, bob.wire.trust()["log_key"].as_str().unwrap());
    alice.login(&authenticator.code()).ok();
    let new = certified(&alice, &bob, "new");

    // Hosts have noticed nothing: the certificate that is out works to its end, and so does a new one.
    let sshd = Sshd::start(&lab, Clock::True, &user_ca, &[("deploy", &["web-shell"])]);
    for key in [lost, new] {
        let certificate = key.with_file_name("key-cert.pub");
        sshd.log_in(&alice, "deploy", &key, &certificate).ran("deploy");
    }

    // A log that goes on from another holds as any does, and extends what the anchor has of it.
    carol.authenticator.skip_to(used);
    carol.person.login(&carol.authenticator.code()).ok();
    carol.person.jit_ca(&["log", "export", "log.tar"]).ok();
    let (export, pin) = (carol.person.file("log.tar"), lab.path().join("pin"));
    fs::copy(&anchor, &pin).unwrap();
    let pin = ["--pin", pin.to_str().unwrap()];
    let verify = [&["log", "verify"], pin.as_slice(), &["log.tar"]].concat();
    carol.person.jit_ca(&verify).ok();
    let python = repository().join("tests/verify.py");
    run(Command::new("/usr/bin/python3").arg(python).args(pin).arg(export)).ok();

    ca.stop();
    ca.check_log().ok();
    ca.serve();
    alice.jit_ca(&["whoami"]).ok();
}

/// A configuration by which a store of the old log can be looked at: a copy, since looking may mend a file.
fn old_configuration(ca: &Ca, lab: &Lab, store: &Path) -> PathBuf {
    let copy = lab.folder("old").join("jit-ca.redb");
    let _ = fs::remove_file(&copy);
    fs::copy(store, &copy).unwrap();
    fs::set_permissions(&copy, PermissionsExt::from_mode(0o600)).unwrap();
    let text = fs::read_to_string(ca.config()).unwrap();
    let text = text.replace("../data/jit-ca.redb", copy.to_str().unwrap()).replace(NEW, OLD);
    let file = ca.config().with_file_name("old.toml");
    fs::write(&file, text).unwrap();
    file
}

/// Checks the log that a configuration names.
fn check_by(config: &Path) -> Output {
    let mut check = Command::new(program("jit-cad"));
    run(check.args(["log", "check", "--config"]).arg(config))
}

#[test]
fn a_ca_whose_store_is_lost_goes_on_from_its_anchor() {
    let lab = Lab::new();
    let disk = OtherDisk::new(&lab);
    let anchor = disk.file("checkpoint");
    let mut ca = start(&lab, &anchor);
    let alice = ca.person("alice");
    ca.stop();
    let held = Note::of_file(&anchor).unwrap();
    fs::remove_dir_all(ca.data().parent().unwrap()).unwrap();

    ca.refuses_to_serve().exits(1).says("there is no log");
    set_origin(&ca, NEW);
    succeed(&ca, NEW, REASON, &[]).exits(1).says("--from-anchor");
    let forged = fs::read_to_string(&anchor).unwrap();
    fs::write(&anchor, forged.replacen('\n', "\n1", 1)).unwrap();
    succeed(&ca, NEW, REASON, &["--from-anchor"]).exits(1).says("holds no checkpoint of this log");
    fs::remove_file(&anchor).unwrap();
    succeed(&ca, NEW, REASON, &["--from-anchor"]).exits(1).says("no anchor gives a checkpoint");
    fs::write(&anchor, forged).unwrap();
    let done = succeed(&ca, NEW, REASON, &["--from-anchor"]).ok();
    done.says(&format!("goes on from the {} of {OLD}", held.size))
        .says("second factors that are kept: 0");
    ca.serve();

    alice.jit_ca(&["whoami"]).exits(4).says(NEW);
    alice.jit_ca(&["trust", "--accept-log", NEW]).ok();
    let code = ca.jit_cad(&["user", "enroll", "alice"]).ok();
    let authenticator = alice.enrol(code.line());
    alice.login(&authenticator.code()).ok();
    alice.jit_ca(&["whoami"]).ok().says("local/u-1001");
}
