//! Who and what has left the policy: what it was given can still be looked at, and taken away.

use std::fs;
use std::process::Command;

use jit_ca_tests::{Ca, Caller, Lab, Output, repository, run};
use serde_json::{Value, json};

/// A CA with emergencies for a role that its policy's own tests say nothing about.
struct Scene {
    alice: Caller,
    bob: Caller,
    carol: Caller,
    ca: Ca,
    lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let ca = Ca::start_with(&lab, |config| {
            let rule = "@id(\"sre-debug\")\npermit (principal in Group::\"sre\", action == Action::\"break-glass\", \
                        resource) when { resource.name like \"debug*\" };\n";
            let rules = config.join("policies/operation.cedar");
            fs::write(&rules, fs::read_to_string(&rules).unwrap() + rule).unwrap();
            fs::copy(config.join("roles/web-shell.toml"), config.join("roles/debug.toml")).unwrap();
        });
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.caller(name));
        Self { alice, bob, carol, ca, lab }
    }

    /// Both verifiers hold the log to be whole, and each decision comes out as it did.
    fn holds(&self) {
        let (carol, file) = (&self.carol.person, self.lab.path().join("export.tar"));
        carol.login(&self.carol.authenticator.code()).ok();
        carol.jit_ca(&["log", "export", file.to_str().unwrap()]).ok();
        carol.jit_ca(&["log", "verify", file.to_str().unwrap()]).ok();
        let mut verifier = Command::new("/usr/bin/python3");
        verifier.arg(repository().join("tests/verify.py"));
        run(verifier.arg(&file)).ok();
        let replayed = carol.jit_ca(&["--json", "log", "replay", file.to_str().unwrap()]);
        assert_eq!(replayed.ok().json()["differences"], json!([]));
    }
}

fn grant_of(request: &Value) -> &str {
    request["grant"]["id"].as_str().unwrap()
}

fn revoke(by: &Caller, request: &Value) -> jit_ca_tests::Reply {
    let path = format!("/v1/grants/{}/revoke", grant_of(request));
    by.wire.post(&path, &json!({"reason": "the role has left"}))
}

#[test]
fn of_a_role_that_has_left_all_is_reviewed_revoked_denied_and_locked() {
    let scene = Scene::new();
    let Scene { alice, bob, carol, ca, .. } = &scene;
    let call = json!({"role": "debug", "reason": "INC-42: the shop is down"});
    let emergency = bob.wire.post("/v1/break-glass", &call).ok().json();
    bob.wire.post(&format!("/v1/grants/{}/end", grant_of(&emergency)), &json!({})).ok();
    let granted = alice.granted("debug", json!({}), &[bob]);
    let waits = alice.request("debug", json!({"reason": "INC-43"})).ok().json();

    let role = ca.config().with_file_name("roles/debug.toml");
    fs::rename(&role, role.with_file_name("debugging.toml")).unwrap();
    ca.jit_cad(&["reload"]).ok();

    let path = format!("/v1/requests/{}/review", emergency["id"].as_str().unwrap());
    let found = json!({"comment": "as INC-42 says"});
    bob.wire.post(&path, &found).refused("self-approval");
    alice.wire.post(&path, &found).refused("not-found");
    let open = carol.wire.get("/v1/requests?to_review=true").ok().json();
    assert_eq!(open["requests"][0]["id"], emergency["id"], "{open:#}");
    let closed = carol.wire.post(&path, &found).ok().json();
    assert_eq!(closed["emergency"]["review"]["comment"], "as INC-42 says");

    // What is left of it is found by who may take it away.
    for by in [bob, carol] {
        let list = by.wire.get("/v1/requests?role=debug").ok().json();
        let ids: Vec<&Value> =
            list["requests"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
        assert_eq!(ids, [&waits["id"], &granted["id"], &emergency["id"]], "{list:#}");
    }

    // A lock on it holds what is left of it, and can be lifted; a role that nobody ever asked for is none.
    let lock = |what: &str| json!({"what": what, "reason": "INC-44"});
    bob.wire.post("/v1/locks", &lock("role:debug")).ok();
    let key = alice.person.make_key("work", "ed25519");
    alice.ask_ssh(&granted["grant"], &key).problem();
    bob.wire.post("/v1/locks/lift", &lock("debug")).ok();
    bob.wire.post("/v1/locks", &lock("role:debag")).refused("not-found");

    // Nobody gives it to anybody any more. Who may revoke says no.
    bob.approve(&waits).refused("unknown-role");
    let denied = bob.decide(&waits, "deny", &json!({"reason": "ask for debugging"})).ok().json();
    assert_eq!(denied["status"], "denied");
    revoke(bob, &granted).ok();
    alice.request("debugging", json!({})).ok();
    scene.holds();
}

/// Certificates call people as their requests do, whatever the policy calls them since.
#[test]
fn who_is_called_otherwise_by_now_keeps_the_name_of_the_request() {
    let scene = Scene::new();
    let Scene { alice, bob, ca, .. } = &scene;
    let granted = alice.granted("web-shell", json!({}), &[bob]);
    let orders = alice.granted("orders-api", json!({}), &[bob]);
    let file = ca.config().with_file_name("users.toml");
    let users = fs::read_to_string(&file).unwrap();
    fs::write(&file, users.replace("\"alice\"", "\"alina\"")).unwrap();
    fs::remove_dir_all(file.with_file_name("policy-tests")).unwrap();
    ca.jit_cad(&["reload"]).ok();

    let key = alice.person.make_key("work", "ed25519");
    alice.take_ssh(&granted["grant"], &key);
    let (_, csr) = alice.wire.key_and_csr("orders", &["-subj", "/CN=x"]);
    let path = format!("/v1/grants/{}/x509", grant_of(&orders));
    alice.wire.post(&path, &json!({"csr": csr})).ok();
    scene.holds();
}

#[test]
fn of_whoever_has_left_all_is_revoked_and_denied_and_then_they_can_be_forgotten() {
    let scene = Scene::new();
    let Scene { alice, bob, ca, .. } = &scene;
    let granted = alice.granted("web-shell", json!({}), &[bob]);
    let waits = alice.request("debug", json!({"reason": "INC-43"})).ok().json();

    let file = ca.config().with_file_name("users.toml");
    let mut users: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
    let people = users["person"].as_array_mut().unwrap();
    people.retain(|person| person["name"].as_str() != Some("alice"));
    // Others keep the group's rules known; the policy's tests name alice.
    people[0]["groups"].as_array_mut().unwrap().push("dev".into());
    fs::write(&file, users.to_string()).unwrap();
    fs::remove_dir_all(file.with_file_name("policy-tests")).unwrap();
    ca.jit_cad(&["reload"]).ok();

    let key = bob.person.key();
    let forget = |code: &str| -> Output {
        let order = ["log", "erase", "local/u-1001", "--by", "bob", "--reason", "GDPR 17, DPO-31"];
        ca.jit_cad_reading(&[order.as_slice(), &["--key", key.to_str().unwrap()]].concat(), code)
    };
    let refused = forget(&bob.authenticator.uncounted_code()).exits(1);
    assert!(refused.stderr.contains("jit-ca revoke"), "{refused}");

    bob.approve(&waits).refused("not-permitted");
    bob.person.login(&bob.authenticator.code()).ok();
    let id = waits["id"].as_str().unwrap();
    bob.person.jit_ca(&["deny", id, "--reason", "has left"]).ok();
    bob.person.jit_ca(&["revoke", grant_of(&granted), "--reason", "has left"]).ok();
    bob.person.jit_ca(&["lock", "local/u-1001", "--reason", "has left"]).ok();
    bob.person.jit_ca(&["unlock", "local/u-1001", "--reason", "nothing is open"]).ok();
    scene.holds();
    forget(&bob.authenticator.code()).ok();
}
