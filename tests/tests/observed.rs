//! A certificate that is made with the CA's key and not by the CA: stock sshd takes it, and what hosts tell shows it.

use std::path::{Path, PathBuf};
use std::process::Command;

use jit_ca_tests::{
    Ca, Clock, Lab, Sshd, program, repository, run, run_with_input, steal_ssh_user_key, used,
};
use serde_json::{Value, json};

/// Certifies a key by the CA's own, with these words to ssh-keygen, and gives the certificate.
fn certify(ca_key: &Path, key: &Path, more: &[&str]) -> PathBuf {
    let mut keygen = Command::new("ssh-keygen");
    run(keygen.arg("-q").arg("-s").arg(ca_key).args(more).arg(key.with_extension("pub"))).ok();
    let name = key.file_name().expect("a name").to_str().expect("UTF-8");
    key.with_file_name(format!("{name}-cert.pub"))
}

fn mismatched(verdict: &Value) -> Vec<(u64, &str)> {
    let found = verdict["observed"]["mismatched"].as_array().expect("what was found");
    let one = |found: &'_ Value| found["nth"].as_u64().expect("a number");
    found.iter().map(|each| (one(each), each["mismatch"].as_str().expect("a code"))).collect()
}

#[test]
fn a_certificate_made_with_the_cas_key_beside_the_log_is_named_by_both_verifiers() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (alice, bob, carol) = (ca.caller("alice"), ca.caller("bob"), ca.person("carol"));
    let asked = json!({"hosts": ["web1"], "duration": "10m"});
    let grant = alice.granted("web-shell", asked, &[&bob])["grant"].clone();
    let key = alice.person.make_key("work", "ed25519");
    let (certificate, _) = alice.take_ssh(&grant, &key);
    let now = jit_ca_tests::now();
    let honest = used(&certificate, "web1.example.org", "deploy", now);

    // Made in the likeness of the one that was issued: the same principal, serial and key id.
    let stolen = steal_ssh_user_key(&ca, lab.path().join("stolen"));
    let mallory = alice.person.make_key("mallory", "ed25519");
    let (serial, key_id) = (honest["serial"].as_str().unwrap(), honest["key_id"].as_str().unwrap());
    let like = ["-I", key_id, "-z", serial, "-n", "web-shell.web1", "-V", "-1m:+1d"];
    let forged = certify(&stolen, &mallory, &like);
    let user_ca = alice.wire.trust()["ssh_user_ca"].as_str().unwrap().to_owned();
    let sshd = Sshd::start(&lab, Clock::True, &user_ca, &[("deploy", &["web-shell.web1"])]);
    sshd.log_in(&alice.person, "deploy", &key, &certificate).ran("deploy");
    sshd.log_in(&alice.person, "deploy", &mallory, &forged).ran("deploy");

    // Of a CA that the host trusts as well, and that is none of ours.
    let other_ca = alice.person.make_key("other-ca", "ed25519");
    let guest = alice.person.make_key("guest", "ed25519");
    let foreign = certify(&other_ca, &guest, &["-I", "guest", "-n", "web-shell.web1"]);

    let uses = [
        honest.clone(),
        used(&forged, "web1.example.org", "deploy", now),
        used(&foreign, "web1.example.org", "deploy", now),
        used(&certificate, "web1.example.org", "root", now),
        used(&certificate, "web1.example.org", "deploy", now + 3_600),
        used(&certificate, "web2.example.org", "deploy", now),
    ];
    let expected =
        [(1, "unlogged"), (2, "foreign"), (3, "elsewhere"), (4, "untimely"), (5, "unclear")];
    let text: String = uses.iter().map(|used| format!("{used}\n")).collect();
    let file = lab.file("uses.jsonl", text);
    let observed = ["log", "verify", "--observed", file.to_str().unwrap()];
    let online = carol.jit_ca(&[&observed[..], &["--json"]].concat()).exits(4).json();
    assert_eq!(mismatched(&online), expected, "{online:#}");
    assert_eq!(online["verdict"], "holds");
    let said = carol.jit_ca(&observed).exits(4);
    let named = format!("serial {serial}, key id {key_id}, CA {}", honest["ca"].as_str().unwrap());
    said.says("not in the log: on web1.example.org at ").says(&named).says("1 of 6 uses");

    // The same of an export, by both verifiers, and what is not as it was is not said to be well.
    let export = lab.path().join("log.tar");
    carol.jit_ca(&["log", "export", export.to_str().unwrap()]).ok();
    let arguments = [&observed[..], &[export.to_str().unwrap(), "--json"]].concat();
    let offline = carol.jit_ca(&arguments).exits(4).json();
    assert_eq!(offline["observed"], online["observed"]);
    let python = |uses: &Path| {
        let mut python = Command::new("/usr/bin/python3");
        python.arg(repository().join("tests/verify.py")).arg("--observed").arg(uses);
        run(python.arg(&export))
    };
    assert_eq!(mismatched(&python(&file).exits(1).json()), expected);

    // What is honest holds, also as it comes from a pipe; what is doubtful alone ends otherwise.
    let piped = |uses: &[Value]| {
        let mut jit_ca = Command::new(program("jit-ca"));
        jit_ca.args(["log", "verify", "--observed", "-"]).arg(&export);
        let text: String = uses.iter().map(|used| format!("{used}\n")).collect();
        run_with_input(jit_ca.env_clear().env("HOME", "/nonexistent"), &text)
    };
    piped(&uses[..1]).ok().says("1 of 1 use that hosts saw are as the log has it");
    piped(&[honest.clone(), uses[2].clone()]).exits(1).says("another CA's: on web1.example.org");
    let well = lab.file("well.jsonl", format!("{honest}\n"));
    assert_eq!(mismatched(&python(&well).ok().json()), []);

    // A line that is none, or says more than this release knows, is an error, and nothing is said of the others.
    let mut more = honest.clone();
    more["address"] = json!("192.0.2.7");
    for (wrong, why) in [(json!({"time": 1}), "invalid type"), (more, "unknown field `address`")] {
        let refused = piped(&[honest.clone(), wrong.clone()]).exits(2);
        assert!(refused.stdout.is_empty(), "{refused}");
        refused.says("-, line 2: ").says(why);
        let lines = lab.file("wrong.jsonl", format!("{honest}\n{wrong}\n"));
        let refused = python(&lines).exits(1);
        assert!(refused.stdout.is_empty(), "{refused}");
        refused.says("wrong.jsonl, line 2");
    }
}
