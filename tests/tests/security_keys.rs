//! FIDO security keys (`sk-`): who logs in and approves with one, and when it is a second factor of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jit_ca_tests::{Ca, Lab, Output, Person, Reply, Wire, program, run, security_key};
use serde_json::{Value, json};

/// The keys that everybody has here, as what they sign says of them.
const KEYS: [(&str, &str, &[&str]); 4] = [
    ("verified", "ed25519", &["verify-required"]),
    ("verified-ecdsa", "ecdsa", &["verify-required", "application=ssh:jit-ca"]),
    ("present", "ed25519", &[]),
    ("untouched", "ecdsa", &["no-touch-required"]),
];

#[test]
fn a_security_key_that_verifies_its_user_logs_in_without_a_code() {
    let lab = Lab::new();
    let ca = start(&lab);
    let alice = ca.caller("alice");
    let stranger = Wire::nobody(&ca, &alice.person);
    let try_login = |key: &Path, factor: Value| {
        stranger.post("/v1/logins", &stranger.login_call(key, factor).0)
    };
    let mfa_at = |reply: Reply| reply.ok().json()["me"]["login"]["mfa_at"].clone();
    for name in ["verified", "verified-ecdsa"] {
        let reply = try_login(&key(&lab, "alice", name), json!("security-key"));
        assert!(mfa_at(reply).is_string(), "{name}");
    }
    // Where nobody was verified, it is an SSH key as any other.
    for key in [key(&lab, "alice", "present"), alice.person.key()] {
        try_login(&key, json!("security-key")).refused("login-refused");
        try_login(&key, json!({"totp": alice.authenticator.code()})).ok();
    }
    // Where nobody was present, it is none.
    for factor in [json!("security-key"), json!({"totp": alice.authenticator.uncounted_code()})] {
        try_login(&key(&lab, "alice", "untouched"), factor).refused("login-refused");
    }
    // One that is somebody else's, and a signature over another statement.
    try_login(&key(&lab, "bob", "verified"), json!("security-key")).refused("login-refused");
    let signed = stranger.login_call(&key(&lab, "alice", "verified"), json!("security-key")).0;
    let mut call = signed.clone();
    call["csr"] = stranger.key_and_csr("other", &["-subj", "/CN=x"]).1.into();
    stranger.post("/v1/logins", &call).refused("login-refused");
    stranger.post("/v1/logins", &signed).ok();
    // The challenge was answered.
    stranger.post("/v1/logins", &signed).refused("login-refused");
}

#[test]
fn nobody_enrols_an_authenticator_who_has_a_security_key_and_all_works() {
    let lab = Lab::new();
    let ca = start(&lab);
    let mut alice = ca.stranger("alice");
    let login = |person: &Person, name: &str| {
        let key = key(&lab, person.name(), name);
        let login = ["login", "--again", "--json"];
        let arguments = person.first_contact_with(&login, key.to_str().unwrap());
        run(security_key::plug_in(person.command(program("jit-ca")).args(arguments)))
    };
    let me = |output: Output| -> Value { serde_json::from_str(&output.ok().stdout).unwrap() };
    assert!(me(login(&alice, "verified"))["login"]["mfa_at"].is_string());
    alice.jit_ca(&["request", "web-logs", "--for", "10m", "--reason", "INC-42"]).ok();
    // A key that verifies nobody: then a code is asked for, and there is no terminal here.
    let asked = login(&alice, "present");
    assert!(asked.stderr.contains("--code-file"), "{asked:#?}");

    // From an agent, by the public half.
    alice.start_agent_for_security_keys();
    let file = key(&lab, "alice", "verified-ecdsa");
    run(security_key::plug_in(&mut alice.command("ssh-add")).arg("-q").arg(&file)).ok();
    fs::remove_file(&file).unwrap();
    let public = file.with_extension("pub");
    let login = ["login", "--again", "--json"];
    let arguments = alice.first_contact_with(&login, public.to_str().unwrap());
    assert!(me(alice.jit_ca(&arguments))["login"]["mfa_at"].is_string());
}

#[test]
fn an_approval_signed_by_a_verified_user_is_as_after_a_fresh_second_factor() {
    let lab = Lab::new();
    let mut ca = start(&lab);
    ca.serve_by_own_clock();
    let (alice, bob) = (ca.caller("alice"), ca.caller("bob"));
    let request =
        || {
            alice.wire.post("/v1/requests", &json!({
        "role": "web-shell", "hosts": ["web1"], "duration": "30m", "reason": "INC-42",
    })).ok().json()
        };
    let made = request();
    ca.let_pass(15 * 60);
    let path = format!("/v1/requests/{}/approve", made["id"].as_str().unwrap());
    let approve = |key: &Path| bob.wire.post(&path, &bob.wire.approve_call(&made, key));
    for name in ["present", "untouched"] {
        let refused = approve(&key(&lab, "bob", name));
        refused.refused("mfa-too-old");
    }
    approve(&bob.person.key()).refused("mfa-too-old");
    // Hers, and over another request.
    approve(&key(&lab, "alice", "verified")).refused("mfa-too-old");
    let mut other = bob.wire.approve_call(&made, &key(&lab, "bob", "verified"));
    other["duration"] = json!("10m");
    other["comment"] = json!("shorter");
    bob.wire.post(&path, &other).refused("mfa-too-old");
    let approved = approve(&key(&lab, "bob", "verified")).ok().json();
    assert_eq!(approved["status"], "approved", "{approved}");
}

#[test]
fn who_is_verified_by_a_security_key_orders_an_erasure_without_a_code() {
    let lab = Lab::new();
    let ca = start(&lab);
    let users = ca.config().with_file_name("users.toml");
    let mut table: toml::Table = fs::read_to_string(&users).unwrap().parse().unwrap();
    let people = table["person"].as_array_mut().unwrap();
    people.retain(|person| person["name"].as_str() != Some("erin"));
    fs::write(&users, table.to_string()).unwrap();
    ca.jit_cad(&["reload"]).ok();
    let erase = |name: &str| {
        let mut order = Command::new(program("jit-cad"));
        security_key::plug_in(&mut order).args(["log", "erase", "erin", "--by", "bob"]);
        order.args(["--reason", "GDPR 17, DPO-31", "--key"]).arg(key(&lab, "bob", name));
        run(order.arg("--config").arg(ca.config()))
    };
    // Nobody types a code here.
    erase("present").exits(1).says("this is not the code");
    erase("verified").ok().says("erased");
}

fn start(lab: &Lab) -> Ca {
    Ca::start_with_people(lab, &[("erin", &["dev"])], |config| {
        let users = config.join("users.toml");
        let mut table: toml::Table = fs::read_to_string(&users).unwrap().parse().unwrap();
        for person in table["person"].as_array_mut().unwrap() {
            let name = person["name"].as_str().unwrap().to_owned();
            lab.folder(&format!("keys-{name}"));
            for (called, kind, options) in KEYS {
                let public = security_key::make(&key(lab, &name, called), kind, options);
                let keys = person["ssh_keys"].as_array_mut().unwrap();
                keys.push(public.into());
            }
        }
        fs::write(&users, table.to_string()).unwrap();
        // Which say what is so with second factors of 8 hours.
        fs::remove_file(config.join("policy-tests/access.toml")).unwrap();
        let role = config.join("roles/web-shell.toml");
        let text = fs::read_to_string(&role).unwrap();
        assert!(text.contains("max_age = \"8h\""), "{text}");
        fs::write(role, text.replace("max_age = \"8h\"", "max_age = \"10m\"")).unwrap();
    })
}

fn key(lab: &Lab, person: &str, name: &str) -> PathBuf {
    lab.path().join(format!("keys-{person}")).join(name)
}
