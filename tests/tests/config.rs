//! Faults of a configuration are found when it is read, each with its file, its line and a hint.

use std::fs;
use std::path::Path;

use std::process::Command;

use jit_ca_tests::{Lab, Output, program, run};

/// Runs jit-cad on the CA of a lab.
fn jit_cad(lab: &Lab, passphrase: &str, arguments: &[&str]) -> Output {
    let mut jit_cad = Command::new(program("jit-cad"));
    run(jit_cad.current_dir(lab.path()).env("JIT_CAD_PASSPHRASE", passphrase).args(arguments))
}

/// A CA as `init` makes it, with the configuration that is embedded.
fn made() -> Lab {
    let lab = Lab::new();
    jit_cad(&lab, "x", &["init", "--dir", "ca"]).ok();
    lab
}

const SERVE: [&str; 5] = ["serve", "--config", "ca/config/jit-cad.toml", "--listen", "127.0.0.1:0"];

/// Puts a fault into the configuration, and has it checked.
fn checked(change: impl FnOnce(&Path)) -> Output {
    let lab = made();
    let check = ["check-config", "--config", "ca/config/jit-cad.toml"];
    jit_cad(&lab, "x", &check).ok();
    change(&lab.path().join("ca/config"));
    // What does not check does not serve either.
    let (checked, served) = (jit_cad(&lab, "x", &check), jit_cad(&lab, "x", &SERVE));
    assert_eq!(checked.code, served.code, "{served}");
    checked
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from:?} is not in {}", file.display());
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

/// The line that a text stands in, as faults say it.
fn place(file: &str, text: &str, found: &str) -> String {
    let before = text.split(found).next().unwrap();
    format!("{file}:{}", before.matches('\n').count() + 1)
}

#[test]
fn all_faults_are_reported_at_once() {
    let output = checked(|config| {
        let role = |name: &str| config.join(format!("roles/{name}.toml"));
        replace(&role("web-shell"), "tag = \"web-shell\"", "tag = \"web shell\"");
        replace(&role("web-deploy"), "tag = \"web-deploy\"", "tag = \"web-deploy,root\"");
        replace(&role("web-logs"), "longest = \"1h\"\n", "");
        replace(&role("orders-api"), "service = \"orders-api\"", "service = \"\"");
        replace(&config.join("jit-cad.toml"), "[login]", "[login]\nforever = true");
    })
    .exits(2);
    for (file, line) in
        [("web-shell", true), ("web-deploy", true), ("web-logs", false), ("orders-api", true)]
    {
        let at = format!("roles/{file}.toml:");
        let fault = output.stderr.lines().find(|fault| fault.contains(&at));
        let fault = fault.unwrap_or_else(|| panic!("no fault in {at} {output}"));
        let number = fault.split_once(&at).unwrap().1.split(':').next().unwrap();
        assert!(number.parse::<u32>().is_ok_and(|number| number > 1 || !line), "{fault}");
    }
    output.says("jit-cad.toml:").says("forever").says("longest").says("hint: ");
}

#[test]
fn principals_are_refused_that_would_open_too_much() {
    for tag in ["", "a,b", "a b", "*", "web-*", "Root", "-a"] {
        let mut at = String::new();
        let output = checked(|config| {
            let role = config.join("roles/web-shell.toml");
            replace(&role, "tag = \"web-shell\"", &format!("tag = {tag:?}"));
            at = place("roles/web-shell.toml", &fs::read_to_string(role).unwrap(), "tag = ");
        });
        output.exits(2).says(&at).says("hint: ");
    }
}

#[test]
fn one_tag_with_two_host_sets_is_a_fault() {
    let output = checked(|config| {
        let role = fs::read_to_string(config.join("roles/web-shell.toml")).unwrap();
        let other = role.replace("hosts = [\"web1\", \"web2\"]", "hosts = [\"db1\"]");
        fs::write(config.join("roles/db-shell.toml"), other).unwrap();
    });
    output.exits(2).says("web-shell").says("roles/db-shell.toml:").says("hint: ");
}

#[test]
fn a_role_ends() {
    for longest in ["", "longest = \"25h\"", "longest = \"0s\"", "longest = 3600"] {
        let output = checked(|config| {
            replace(&config.join("roles/web-shell.toml"), "longest = \"4h\"", longest);
        });
        output.exits(2).says("roles/web-shell.toml:").says("longest").says("hint: ");
    }
}

#[test]
fn rules_that_are_wrong_or_too_wide_are_faults() {
    for rule in [
        "permit (principal, action, resource);",
        "permit (principal, action == Action::\"fly\", resource);",
        "permit (principal, action == Action::\"request\", resource) when { context.duraton < duration(\"1h\") };",
        "permit (principal",
    ] {
        let output = checked(|config| fs::write(config.join("policies/more.cedar"), rule).unwrap());
        output.exits(2).says("policies/more.cedar:1").says("hint: ");
    }
}

#[test]
fn a_policy_test_that_fails_is_a_fault() {
    let output = checked(|config| {
        let rule = "@id(\"all-at-once\")\npermit (principal in Group::\"dev\", action == Action::\"skip-approval\", resource);\n";
        fs::write(config.join("policies/more.cedar"), rule).unwrap();
    });
    output.exits(2).says("a shell waits for somebody").says("hint: ");
}

#[test]
fn init_and_serve_refuse_what_is_not_theirs() {
    let lab = made();
    let again = jit_cad(&lab, "x", &["init", "--dir", "ca"]);
    assert_ne!(again.code, 0, "{again}");
    again.says("hint: ");
    let served = jit_cad(&lab, "not it", &SERVE);
    assert_ne!(served.code, 0, "{served}");
    served.says("passphrase");
}
