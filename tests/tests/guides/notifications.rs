//! `docs/guides/notifications.md`, at a CA and at somebody who is told by it.

use std::fs;
use std::process::{Command, Stdio};

use base64ct::{Base64, Encoding as _};
use jit_ca_tests::{Lab, now, run, wait_for};
use ring::hmac;
use serde_json::json;

use super::Guided;

const GUIDE: &str = "docs/guides/notifications.md";

#[test]
fn the_guide_to_notifications_works_as_it_stands() {
    let lab = Lab::new();
    let Guided { mut ca, machine, folder, blocks } = Guided::new(&lab, GUIDE);
    let [secret, name, verify, list, retry] = blocks.as_slice() else { panic!("{blocks:?}") };

    machine.run(&secret.text).ok();
    // A name that leads nowhere, in place of the guide's, which leads nowhere either.
    let named = name.text.replace("pager.example.org", "pager.invalid");
    machine.run(&named).ok().says("no faults");
    ca.stop();
    ca.serve();
    let alice = ca.caller("alice");
    let request = alice.request("web-shell", json!({})).ok().json();
    let shown = wait_for("an attempt", || {
        let shown = machine.run(&list.text).ok().stdout;
        shown.contains("it is not reached").then_some(shown)
    });
    assert!(shown.contains("pager: 1 waiting, 0 given up"), "{shown}");
    assert!(shown.contains("  asked  entry "), "{shown}");
    machine.run(&retry.text).ok().says("1 to be sent again");
    alice.decide(&request, "cancel", &json!({})).ok();

    // The receiver's own check, in a folder of theirs.
    let theirs = lab.folder("receiver");
    run(Command::new("bash").current_dir(&theirs).args(["-euc", &verify.text])).ok();
    let secret = fs::read_to_string(format!("{folder}/pager.secret")).unwrap();
    let key = Base64::decode_vec(secret.trim().strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let is_believed = |body: &str, at: u64| {
        let tag = hmac::sign(&key, format!("msg_1.{at}.{{}}").as_bytes());
        let signature = format!("v1,{}", Base64::encode_string(tag.as_ref()));
        fs::write(theirs.join("body"), body).unwrap();
        let mut python = Command::new("/usr/bin/python3");
        python.current_dir(&theirs).args(["verify.py", secret.trim(), "msg_1"]);
        python.args([at.to_string(), format!("v1,other {signature}")]);
        python.stdin(fs::File::open(theirs.join("body")).unwrap()).stderr(Stdio::null());
        python.status().unwrap().success()
    };
    assert!(is_believed("{}", now()));
    assert!(!is_believed("{ }", now()), "another body");
    assert!(!is_believed("{}", now() - 1_000), "a message of a while ago");
}
