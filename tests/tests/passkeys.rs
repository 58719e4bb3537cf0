//! Passkeys: judged by programs that are not ours.

use std::fs;
use std::process::Command;

use jit_ca_tests::{repository, run};

/// Python with PyPI's fido2, installed once beside the checkout's other tools.
fn fido2() -> Command {
    let wanted = repository().join("tests/fido2.txt");
    let folder = repository().join(".tools/fido2");
    let installed = folder.join("fido2.txt");
    if fs::read(&installed).ok() != fs::read(&wanted).ok() {
        let mut pip = Command::new("/usr/bin/pip3");
        pip.args(["install", "--quiet", "--no-deps", "--upgrade", "--target"]).arg(&folder);
        run(pip.arg("--requirement").arg(&wanted)).ok();
        fs::copy(wanted, installed).unwrap();
    }
    let mut python = Command::new("/usr/bin/python3");
    python.env("PYTHONPATH", folder).arg(repository().join("tests/passkeys.py"));
    python
}

#[test]
fn another_relying_party_accepts_the_passkeys_that_ours_is_tested_with() {
    let vectors = repository().join("crates/jit-ca-log/src/webauthn/vectors.json");
    run(fido2().arg("check").arg(&vectors)).ok().says("5 hold");
    // And not what was changed: with one passkey's assertion in another's place.
    let mut changed: serde_json::Value =
        serde_json::from_slice(&fs::read(vectors).unwrap()).unwrap();
    changed[0]["asserted"]["signature"] = changed[3]["asserted"]["signature"].clone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("changed.json");
    fs::write(&file, changed.to_string()).unwrap();
    run(fido2().arg("check").arg(file)).exits(1).says("InvalidSignature");
}
