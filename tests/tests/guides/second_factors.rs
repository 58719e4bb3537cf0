//! `docs/guides/second-factors.md`: a security key, and logins that are lost.

use std::process::Command;
use std::{env, fs};

use jit_ca_tests::{Ca, Lab, blocks, program, run, security_key};

const GUIDE: &str = "docs/guides/second-factors.md";

#[test]
fn the_guide_to_second_factors_works_as_it_stands() {
    let lab = Lab::new();
    let ca = Ca::start_with(&lab, |config| {
        let rules = config.join("policies/operation.cedar");
        let rule = "@id(\"sre-administer\")\npermit (principal in Group::\"sre\", action == Action::\"administer\", resource);\n";
        fs::write(&rules, fs::read_to_string(&rules).unwrap() + rule).unwrap();
    });
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.person(name));
    let config = ca.config().parent().unwrap().to_owned();
    let programs = program("jit-ca").parent().unwrap().to_owned();
    let path = format!("{}:{}", programs.display(), env::var("PATH").unwrap());
    let mut said = Vec::new();
    for block in blocks(GUIDE) {
        let mut bash = match block.who.as_str() {
            "alice" => alice.command("bash"),
            "bob" => bob.command("bash"),
            "carol" => carol.command("bash"),
            "root" => Command::new("bash"),
            other => panic!("who is {other}?"),
        };
        let text = block.text.replace("/var/lib/jit-cad/config", config.to_str().unwrap());
        security_key::plug_in(&mut bash).env("PATH", &path).args(["-euo", "pipefail", "-c", &text]);
        let output = run(&mut bash).ok();
        if let Some(key) = output.stdout.lines().find(|line| line.starts_with("sk-")) {
            fs::write(config.join("alice_sk.pub"), key.trim_end()).unwrap();
        }
        said.push(output.stdout + &output.stderr);
    }
    for (nth, text) in [
        (0, "sk-ssh-ed25519@openssh.com"),
        (1, "is in force"),
        (2, "second factor"),
        (3, "(this one)"),
        (3, "logged out everywhere"),
        (4, "jit-ca mfa reset alice --confirm"),
        (5, "INC-9: her phone is lost"),
        (5, "is not shown again"),
        (5, "security keys"),
        (6, "-"),
    ] {
        assert!(said[nth].contains(text), "{text} is not in {said:#?}");
    }
}
