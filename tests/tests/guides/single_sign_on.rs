//! `docs/guides/single-sign-on.md`, at a real provider and at an issuer of tokens.

use std::fs;

use jit_ca_tests::{Browser, Ca, Lab, Means, OpenIdProvider, TokenIssuer, Wire, workloads};
use serde_json::json;

use super::Guided;
use crate::issuers::device::signs_on;

const GUIDE: &str = "docs/guides/single-sign-on.md";

#[test]
fn the_guide_to_single_sign_on_works_as_it_stands() {
    let lab = Lab::new();
    let (op, ci) = (OpenIdProvider::start(&lab), TokenIssuer::start(&lab));
    let Guided { mut ca, machine, folder, blocks } = Guided::new(&lab, GUIDE);
    let [people, access, sign_on, keys, allow, device, workloads_of, job, renew, again] =
        blocks.as_slice()
    else {
        panic!("{blocks:?}")
    };
    let here = |text: &str| {
        text.replace("https://login.example.org", &op.issuer())
            .replace("https://token.actions.githubusercontent.com", &ci.issuer())
    };
    // Both issuers of the test have roots of their own.
    fs::copy(op.ca_file(), format!("{folder}/login-ca.pem")).unwrap();
    let config =
        format!("{}\n[[issuer]]\nname = \"ci\"\nca_file = {:?}\n", read(&ca), ci.ca_file());
    fs::write(ca.config(), config).unwrap();
    machine.run(&here(&people.text)).ok();
    machine.run(&here(&access.text)).ok().says("no faults");
    machine.run(&here(&allow.text)).ok().says("no faults");
    // Of two tests at once, each has a port of its own.
    fs::write(ca.config(), read(&ca).replace("127.0.0.1:8441", "127.0.0.1:0")).unwrap();
    machine.run(&here(&workloads_of.text)).ok().says("no faults");
    machine.run(&here(&keys.text)).ok().says("no faults");
    ca.stop();
    ca.serve();

    let alice = ca.stranger("alice-at-corp");
    let browser = op.browser();
    for line in sign_on.text.lines() {
        let line = line.replace("\"$CA_URL\"", &ca.url()).replace("\"$CA_PIN\"", ca.pin());
        let words: Vec<&str> = line.split(' ').skip(1).collect();
        match words.contains(&"login") {
            true => alice.signs_on(&words, &browser, ("alice", Means::MFA)).ok(),
            false => alice.jit_ca(&words).ok().says("alice@corp"),
        };
    }

    alice
        .jit_ca(&["request", "web-shell", "--host", "web1", "--reason", "INC-1"])
        .exits(3)
        .says("sign on with a hardware key");
    let elsewhere = ca.stranger("alice-at-a-server");
    let line =
        device.text.trim().replace("\"$CA_URL\"", &ca.url()).replace("\"$CA_PIN\"", ca.pin());
    let words: Vec<&str> = line.split(' ').skip(1).collect();
    let mut waits = elsewhere.starts_to_sign_on(&words);
    let root = Wire::nobody(&ca, &elsewhere).root();
    let mut browser = Browser::start(&lab, "browser", &[&root, &op.ca_file()], &["ca.example.org"]);
    browser.open(&waits.says("with a browser on any machine: "));
    browser.run("await press('Yes, I started this'); await press('Go on to corp');");
    signs_on(&mut browser, "alice");
    waits.ends().ok();

    let runner = ca.stranger("job");
    let mut claims = workloads::github_actions();
    claims["aud"] = json!("https://ca.example.org");
    fs::write(runner.file("token"), ci.token("RS256", &claims)).unwrap();
    let text = format!("CA_URL={} CA_PIN={} TOKEN_FILE=token\n{}", ca.url(), ca.pin(), job.text);
    machine.run_as(&runner, &text, "").ok();
    assert!(fs::read_dir(runner.file("logs")).unwrap().count() > 0);
    machine.run(&here(&renew.text)).ok();
    machine.run_as(&runner, &again.text, "").ok().says("logged in to");
}

fn read(ca: &Ca) -> String {
    fs::read_to_string(ca.config()).unwrap()
}
