//! Decisions, made again years later: by the bundle in the log, on the facts in the log.

use std::fs;
use std::path::Path;
use std::process::Command;

use jit_ca_core::event::Event;
use jit_ca_core::{Outcome, RefusalCode};
use jit_ca_tests::{Output, program, repository, run};
use serde_json::{Value, json};

use super::life::Life;

/// Every decision of a life comes out as it did, and where the log or the policy is another, that is said.
pub(super) fn all(life: &Life) {
    let before = &life.exports[2];
    let told = replay(before, &[]).ok().json();
    assert_eq!(told["differences"], json!([]));
    assert_eq!((&told["erased"], &told["without_policy"]), (&json!(0), &json!(0)), "{told:#}");
    assert!(told["issuances"].as_u64().unwrap() >= 20, "{told:#}");
    // Each decision that the log holds, counted by another way through it.
    let log = life.log_before_erasure();
    let decided = (0..log.entries.len()).map(|at| match log.event(at) {
        Some(Event::CertificateIntended(intent)) => usize::from(intent.under.is_some()),
        Some(event) => event.decisions().count(),
        None => 0,
    });
    let decided: usize = decided.sum();
    assert_eq!(told["decisions"].as_u64().unwrap(), u64::try_from(decided).unwrap());

    // Of somebody who was erased nothing is decided again, and all else is: by policies without her.
    let erased = replay(&life.exports[0], &[]).ok().json();
    let count = |name: &str| erased[name].as_u64().unwrap();
    assert!(count("erased") > 10 && count("in_part") > 100, "{erased:#}");
    assert_eq!(erased["without_policy"], 0, "{erased:#}");

    lies(life);
    other_policies(before, &life.log_before_erasure());
}

/// An operator with all keys writes what the policy has never said: the log holds by itself, and the replay says where.
fn lies(life: &Life) {
    let mut log = life.log_before_erasure();
    let refused = log
        .find(0, |event| matches!(event, Event::Refused(refused) if refused.decision.is_some()))
        .unwrap();
    log.change(refused, |_, event| {
        if let Event::Refused(refused) = event {
            let decided = refused.decision.as_mut().unwrap();
            decided.decision.reasons[0].code = RefusalCode::TooLong;
        }
    });
    let approved = log.find(1, |event| matches!(event, Event::ApprovalGiven(_))).unwrap();
    log.change(approved, |_, event| {
        if let Event::ApprovalGiven(given) = event {
            given.decision.decision.rules = vec!["made-up".to_owned()];
        }
    });
    let file = life.file("lies.tar", &log.archive(&life.sign(&log), &life.key));
    let told = replay(&file, &[]).exits(4).json();
    let differences = told["differences"].as_array().unwrap();
    let entries: Vec<_> = differences.iter().map(|each| each["entry"].as_u64().unwrap()).collect();
    let mut expected = [refused, approved].map(|at| u64::try_from(at).unwrap());
    expected.sort_unstable();
    assert_eq!(entries, expected, "{told:#}");
    let of_approval = differences.iter().find(|each| each["type"] == "approval").unwrap();
    assert_eq!(of_approval["was"]["rules"], json!(["made-up"]));
    assert_ne!(of_approval["is"]["rules"], json!(["made-up"]));
    assert_eq!(of_approval["is"]["outcome"], "allow");

    // A log that does not hold is not replayed.
    let mut bytes = fs::read(&life.exports[2]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let broken = replay(&life.file("broken.tar", &bytes), &[]).exits(4);
    assert!(broken.stderr.contains("the log is broken"), "{broken}");
}

/// What would another policy have decided?
fn other_policies(export: &Path, log: &super::forge::Log) {
    let folder = tempfile::tempdir().unwrap();
    // The one in force, as the export has it, and the same with a rule that forbids.
    run(Command::new("tar").arg("-xf").arg(export).arg("-C").arg(folder.path())).ok();
    let newest = fs::read_dir(folder.path().join("bundles")).unwrap().map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.parse::<u64>().unwrap()
    });
    let policy = folder.path().join(format!("bundles/{}", newest.max().unwrap()));
    let policy_arguments = ["--policy", policy.to_str().unwrap()];
    let forbid = "@id(\"no-shell\")\nforbid (principal, action == Action::\"request\", resource == Role::\"web-shell\");\n";
    fs::write(policy.join("policies/no-shell.cedar"), forbid).unwrap();
    let told = replay(export, &policy_arguments).exits(1).json();
    let forbidden: Vec<&Value> = told["differences"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|each| each["is"]["rules"] == json!(["no-shell"]))
        .collect();
    let asked = (0..log.entries.len()).filter(|at| match log.event(*at) {
        Some(Event::RequestMade(made)) => {
            made.role.as_str() == "web-shell" && made.decision.decision.outcome == Outcome::Allow
        }
        _ => false,
    });
    assert_eq!(forbidden.len(), asked.count(), "{told:#}");
    assert!(
        forbidden.iter().all(|each| each["action"] == "request" && each["is"]["outcome"] == "deny")
    );
}

fn replay(file: &Path, arguments: &[&str]) -> Output {
    let mut jit_ca = Command::new(program("jit-ca"));
    jit_ca.args(["log", "replay", "--json"]).args(arguments).arg(file);
    run(jit_ca.current_dir(repository()).env_clear().env("HOME", "/nonexistent"))
}
