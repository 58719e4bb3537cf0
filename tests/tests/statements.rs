//! Statements: `ssh-keygen -Y` makes those that the CA takes, and verifies those that it keeps.

use std::process::Command;

use base64ct::{Base64, Base64Unpadded, Encoding};
use jit_ca_tests::{Ca, Lab, run, sha256};
use serde_json::{Value, json};

/// Bytes as the API gives them.
fn bytes(value: &Value) -> Vec<u8> {
    Base64Unpadded::decode_vec(value.as_str().expect("base64").trim_end_matches('='))
        .expect("base64")
}

/// Of a proof of possession with an ed25519 key, the SSHSIG that it was taken from (PROTOCOL.sshsig).
fn sshsig(proof: &Value, public_key: &str) -> Vec<u8> {
    let string = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).expect("a short string");
        [&length.to_be_bytes(), bytes].concat()
    };
    let (hash, kept) = proof.as_object().and_then(|proof| proof.iter().next()).expect("a proof");
    let key = Base64::decode_vec(public_key.split(' ').nth(1).expect("a key")).expect("base64");
    let signature = [string(b"ssh-ed25519"), string(&bytes(kept))].concat();
    let strings: [&[u8]; 5] = [&key, b"possession.v1@jit-ca", b"", hash.as_bytes(), &signature];
    [b"SSHSIG\0\0\0\x01", strings.map(string).concat().as_slice()].concat()
}

/// An SSHSIG blob, armoured as ssh-keygen wants it.
fn armour(blob: &[u8]) -> String {
    let lines = Base64::encode_string(blob);
    let lines: Vec<&str> =
        lines.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"))
}

#[test]
fn ssh_keygen_verifies_what_the_log_keeps() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.caller(name));
    let request = alice.granted("web-shell", json!({"hosts": ["web1"], "duration": "5m"}), &[&bob]);
    let key = alice.person.make_key("work", "ed25519");
    let (_, issued) = alice.take_ssh(&request["grant"], &key);
    let entries = carol.wire.get("/v1/log/entries?start=0").ok().json();
    let entries = entries.as_array().unwrap();
    let payload = |kind: &str, of: &dyn Fn(&Value) -> bool| {
        let mut found = entries.iter().filter(|entry| entry["type"] == kind && of(entry));
        found.next_back().unwrap_or_else(|| panic!("no {kind}"))["payload"].clone()
    };
    let text =
        |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned();
    let trust = alice.wire.trust();
    let origin = text(&trust["origin"]);

    let public =
        |file: &std::path::Path| std::fs::read_to_string(file.with_extension("pub")).unwrap();
    let verify = |namespace: &str, signer: &str, statement: &str, signature: &[u8]| {
        let signers = lab.file("signers", format!("* {signer}"));
        let signature = lab.file("signature", armour(signature));
        let mut sh = Command::new("sh");
        let script = "ssh-keygen -Y verify -f \"$1\" -I somebody -n \"$2\" -s \"$3\" <\"$4\"";
        let statement = lab.file("statement", statement);
        sh.args(["-c", script, "sh"]).arg(signers).arg(namespace).arg(signature).arg(statement);
        run(&mut sh)
    };

    let login = payload("login", &|entry| entry["payload"]["name"] == "alice");
    let statement = format!(
        "jit-ca login v1\norigin: {origin}\npin: {}\nsubject: alice\nchallenge: {}\nlogin-key: {}\n",
        text(&trust["pin"]),
        text(&login["challenge"]),
        text(&login["login_key"]),
    );
    let signature = bytes(&login["signature"]);
    verify("login.v1@jit-ca", &public(&alice.person.key()), &statement, &signature).ok();
    let other = statement.replace("alice", "bob");
    assert_ne!(verify("login.v1@jit-ca", &public(&alice.person.key()), &other, &signature).code, 0);

    // The hash that everybody agrees on is that of a text that everybody can make.
    let mut asked = format!(
        "jit-ca request v1\norigin: {origin}\nrequest: {}\nsubject: {}\nrole: web-shell\n",
        text(&request["id"]),
        text(&request["subject"]),
    );
    for row in request["rows"].as_array().unwrap() {
        asked += &format!("row: {}\n", text(row));
    }
    asked += &format!(
        "hosts: web1\nduration: 5m\nstart: {}\nreason: {}\nbundle: {}\n",
        text(&request["start"]),
        text(&request["reason"]),
        text(&request["bundle"]),
    );
    let hash = format!("SHA256:{}", Base64Unpadded::encode_string(&sha256(asked.as_bytes())));
    assert_eq!(request["hash"], hash, "{asked}");

    let approval = payload("approval", &|entry| entry["request"] == request["id"]);
    let mut statement =
        format!("jit-ca approval v1\norigin: {origin}\nrequest: {hash}\nduration: 5m\n");
    for row in approval["rows"].as_array().unwrap() {
        statement += &format!("row: {}\n", text(row));
    }
    statement.push_str(&format!("hosts: {}\n", approval["hosts"].as_str().unwrap()));
    let signature = bytes(&approval["signature"]["ssh"]["sshsig"]);
    verify("approval.v1@jit-ca", &public(&bob.person.key()), &statement, &signature).ok();
    assert_ne!(
        verify("login.v1@jit-ca", &public(&bob.person.key()), &statement, &signature).code,
        0
    );

    let intent = payload("issue.intent", &|entry| entry["issuance"] == issued["issuance"]);
    let under = &intent["under"];
    let fingerprint = run(Command::new("ssh-keygen").arg("-lf").arg(&key)).ok();
    let login_serial = alice.wire.get("/v1/me").ok().json()["login"]["serial"].clone();
    let statement = format!(
        "jit-ca possession v1\norigin: {origin}\ngrant: {}\nlogin: {}\nkey: {}\nidempotency-key: {}\n",
        text(&issued["grant"]),
        text(&login_serial),
        fingerprint.line().split(' ').nth(1).unwrap(),
        text(&under["idempotency_key"]),
    );
    let signature = sshsig(&under["possession"], &public(&key));
    verify("possession.v1@jit-ca", &public(&key), &statement, &signature).ok();
}
