//! `docs/guides/single-sign-on.md`, at a real provider and at an issuer of tokens.

use std::fs;

use jit_ca_tests::{Ca, Lab, Means, OpenIdProvider, TokenIssuer, workloads};
use serde_json::json;

use super::Guided;

const GUIDE: &str = "docs/guides/single-sign-on.md";

#[test]
fn the_guide_to_single_sign_on_works_as_it_stands() {
    let lab = Lab::new();
    let (op, ci) = (OpenIdProvider::start(&lab), TokenIssuer::start(&lab));
    let Guided { mut ca, machine, folder, blocks } = Guided::new(&lab, GUIDE);
    let [people, access, sign_on, keys, workloads_of, job, renew, again] = blocks.as_slice() else {
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
