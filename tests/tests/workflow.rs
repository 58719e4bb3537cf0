//! From a request to a grant: who may say yes, to what, how often and for how long.

mod emergencies;
mod ends;
mod search;
mod starts;
mod today;

use std::fs;

use jit_ca_tests::{Ca, Caller, Lab, Reply, now, seconds, wait_for};
use serde_json::{Value, json};

/// A CA with somebody who asks and two who approve.
struct Scene {
    alice: Caller,
    bob: Caller,
    carol: Caller,
    ca: Ca,
    _lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let ca = Ca::start_with(&lab, |config| {
            let shell = fs::read_to_string(config.join("roles/web-shell.toml")).unwrap();
            let hasty = shell.replace("pending_for = \"1h\"", "pending_for = \"2s\"");
            fs::write(config.join("roles/hasty.toml"), hasty).unwrap();
            // Rows of all kinds, of which an approver can drop some.
            let both = shell.replace("web-shell", "both").replace("pending_for = \"1h\"", "");
            fs::write(
                config.join("roles/both.toml"),
                both + "\n[[x509]]\nservice = \"both-api\"\n",
            )
            .unwrap();
            let role = |name: &str, more: &str| {
                let text = shell.replace("tag = \"web-shell\"", &format!("tag = \"{name}\""));
                fs::write(config.join(format!("roles/{name}.toml")), format!("{more}\n{text}"))
                    .unwrap();
            };
            let on_use = "start = \"first-use\"\nschedule_ahead = \"0s\"";
            role("on-use", &format!("{on_use}\nstart_within = \"1h\""));
            role("on-use-soon", &format!("{on_use}\nstart_within = \"2s\""));
            role("short", "certificate_max = \"1m\"");
            role("twice", "limits = { grants_per_day = 2, certificates = 2 }");
            let access = config.join("policies/access.cedar");
            let rules = fs::read_to_string(&access).unwrap();
            let sre = "[Role::\"web-shell\", Role::\"web-logs\"]";
            fs::write(access, rules.replace(sre, &sre.replace(']', ", Role::\"twice\"]"))).unwrap();
            let daemon = config.join("jit-cad.toml");
            let text = fs::read_to_string(&daemon).unwrap();
            fs::write(daemon, text.replace("open = 20", "open = 5")).unwrap();
        });
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.caller(name));
        Self { alice, bob, carol, ca, _lab: lab }
    }

    fn pending(&self, role: &str, fields: Value) -> Value {
        let request = self.alice.request(role, fields).ok().json();
        assert_eq!(request["status"], "pending", "{request:#}");
        request
    }
}

fn approve_part(approver: &Caller, request: &Value, part: &Value) -> Reply {
    let call = approver.wire.approve_part_call(request, part, &approver.person.key());
    approver.decide(request, "approve", &call)
}

#[test]
fn nobody_approves_their_own_request() {
    let scene = Scene::new();
    let request = scene.bob.request("web-shell", json!({})).ok().json();
    scene.bob.approve(&request).refused("self-approval");
    // Nor by a signature of the own key in somebody else's call, nor by somebody else's signature in an own call.
    let by_bob = scene.carol.wire.approve_call(&request, &scene.bob.person.key());
    scene.carol.decide(&request, "approve", &by_bob).refused("wrong-statement");
    let by_carol = scene.bob.wire.approve_call(&request, &scene.carol.person.key());
    scene.bob.decide(&request, "approve", &by_carol).refused("self-approval");
    let id = request["id"].as_str().unwrap();
    assert_eq!(scene.bob.wire.get(&format!("/v1/requests/{id}")).ok().json()["status"], "pending");
    assert_eq!(scene.carol.approve(&request).ok().json()["status"], "approved");
}

#[test]
fn two_approvals_are_two_peoples() {
    let scene = Scene::new();
    let request = scene.pending("web-deploy", json!({}));
    assert_eq!(request["quorums"], json!([{"count": 2, "from": ["sre"], "signed": false}]));
    assert_eq!(request["still_needed"], 2);
    let once = scene.bob.approve(&request).ok().json();
    assert_eq!(once["status"], "pending");
    scene.bob.approve(&request).refused("already-approved");
    let id = request["id"].as_str().unwrap();
    let still = scene.bob.wire.get(&format!("/v1/requests/{id}")).ok().json();
    assert_eq!(
        (&still["status"], still["approvals"].as_array().unwrap().len()),
        (&json!("pending"), 1)
    );
    let grant = scene.carol.approve(&request).ok().json()["grant"].clone();
    // The window starts at the last approval.
    assert!(now() - seconds(&grant["window"]["start"]) < 10, "{grant}");
}

#[test]
fn the_rule_that_approves_is_named_in_the_log() {
    let scene = Scene::new();
    let request = scene.alice.granted("web-logs", json!({}), &[]);
    assert_eq!(request["approvals"][0]["by"]["rules"][0], "logs-at-once", "{request:#}");
    let grant = request["grant"]["id"].as_str().unwrap();
    let id = &request["id"];
    let entries = scene.carol.wire.get("/v1/log/entries?start=0&role=web-logs").ok().json();
    let approval =
        entries.as_array().unwrap().iter().find(|entry| entry["type"] == "approval").unwrap();
    assert_eq!(&approval["request"], id);
    assert_eq!(approval["payload"]["decision"]["decision"]["rules"], json!(["logs-at-once"]));
    let entries = scene.carol.wire.get(&format!("/v1/log/entries?grant={grant}")).ok().json();
    assert!(
        entries.as_array().unwrap().iter().any(|entry| entry["type"] == "grant"),
        "{entries:#}"
    );
    // Only auditors read it.
    scene.bob.wire.get("/v1/log/entries?start=0").refused("not-permitted");
}

#[test]
fn what_is_denied_or_cancelled_is_over() {
    let scene = Scene::new();
    let denied = scene.pending("web-shell", json!({}));
    scene.alice.decide(&denied, "deny", &json!({})).refused("self-approval");
    let reply = scene.bob.decide(&denied, "deny", &json!({"reason": "not today"})).ok().json();
    assert_eq!(
        (&reply["status"], &reply["denied"]["reason"]),
        (&json!("denied"), &json!("not today"))
    );
    scene.carol.approve(&denied).refused("not-pending");

    let cancelled = scene.pending("web-shell", json!({}));
    scene.bob.decide(&cancelled, "cancel", &json!({})).refused("not-yours");
    let reply = scene.alice.decide(&cancelled, "cancel", &json!({})).ok().json();
    assert_eq!(reply["status"], "cancelled");
    scene.bob.approve(&cancelled).refused("not-pending");
}

#[test]
fn a_request_lapses_after_its_roles_time() {
    let scene = Scene::new();
    let request = scene.pending("hasty", json!({}));
    assert_eq!(seconds(&request["lapses"]) - seconds(&request["made"]), 2);
    let path = format!("/v1/requests/{}?wait=10", request["id"].as_str().unwrap());
    assert_eq!(scene.alice.wire.get(&path).ok().json()["status"], "lapsed");
    scene.bob.approve(&request).refused("not-pending");
    let entry = wait_for("the lapse in the log", || {
        let entries = scene.carol.wire.get("/v1/log/entries?start=0&role=hasty").ok().json();
        entries.as_array().unwrap().iter().find(|entry| entry["type"] == "lapse").cloned()
    });
    assert_eq!(entry["request"], request["id"]);
}

#[test]
fn approvers_shorten_and_drop_and_never_widen() {
    let scene = Scene::new();
    let request = scene.pending("both", json!({"duration": "10m", "hosts": ["web1"]}));
    let rows = request["rows"].clone();
    let ssh = json!([rows[0]]);
    assert_eq!(rows.as_array().unwrap().len(), 2, "{request:#}");

    let wider = json!([rows[0]
        .as_str()
        .unwrap()
        .replace("permit-pty", "permit-port-forwarding,permit-pty")]);
    for part in [
        json!({"duration": "11m"}),
        json!({"duration": "0s"}),
        json!({"rows": []}),
        json!({"rows": ["x509 orders-api"]}),
        json!({"rows": wider}),
        json!({"rows": [rows[1], rows[0]]}),
        json!({"hosts": ["web2"]}),
        json!({"hosts": ["web1", "web2"]}),
        json!({"hosts": ["*"]}),
    ] {
        let mut part = part;
        part["comment"] = json!("why");
        approve_part(&scene.bob, &request, &part).refused("widening");
    }
    // What was signed is what is done: a body that says more than its signature covers.
    let less = json!({"duration": "5m", "rows": ssh, "comment": "five minutes will do"});
    let mut call = scene.bob.wire.approve_part_call(&request, &less, &scene.bob.person.key());
    call["duration"] = json!("10m");
    scene.bob.decide(&request, "approve", &call).refused("wrong-statement");
    // Whoever takes something away says why.
    let silent = json!({"duration": "5m", "rows": ssh});
    approve_part(&scene.bob, &request, &silent).refused("reason-required");

    let approved = approve_part(&scene.bob, &request, &less).ok().json();
    assert_eq!(approved["approvals"][0]["comment"], "five minutes will do");
    let grant = approved["grant"].clone();
    let window = &grant["window"];
    assert_eq!(seconds(&window["end"]) - seconds(&window["start"]), 300);
    assert_eq!(grant["rows"], ssh);
    let path = format!("/v1/grants/{}/x509", grant["id"].as_str().unwrap());
    let (_, csr) = scene.alice.wire.key_and_csr("both", &["-subj", "/CN=x"]);
    scene.alice.wire.post(&path, &json!({"csr": csr, "row": "both-api"})).refused("unknown-row");
}

#[test]
fn what_a_role_does_not_give_is_refused_and_logged() {
    let scene = Scene::new();
    for (role, fields, code) in [
        ("web-shell", json!({"duration": "4h1s"}), "too-long"),
        ("web-shell", json!({"hosts": ["db1"]}), "unknown-host"),
        ("no-such-role", json!({}), "unknown-role"),
    ] {
        scene.alice.request(role, fields).refused(code);
    }
    scene.bob.request("web-deploy", json!({})).refused("not-permitted");
    // Refusals of known subjects are entries, which come with the next batch.
    let refusals = || {
        let entries = scene.carol.wire.get("/v1/log/entries").ok().json();
        let entries = entries.as_array().unwrap();
        entries.iter().filter(|entry| entry["type"] == "refusal").count()
    };
    wait_for("four refusals", || (refusals() == 4).then_some(()));
    // A duration left out is the role's default.
    assert_eq!(scene.pending("web-shell", json!({}))["duration"], "30m");
}

#[test]
fn what_a_role_no_longer_gives_is_not_issued() {
    let mut scene = Scene::new();
    let request = scene.alice.granted("web-shell", json!({}), &[&scene.bob]);
    let key = scene.alice.person.make_key("work", "ed25519");
    scene.alice.take_ssh(&request["grant"], &key);
    let file = scene.ca.config().with_file_name("roles/web-shell.toml");
    let role = fs::read_to_string(&file).unwrap();
    fs::write(file, role.replace("extensions = [\"permit-pty\"]", "")).unwrap();
    scene.ca.stop();
    scene.ca.serve();
    scene.alice.ask_ssh(&request["grant"], &key).refused("role-changed");
}

#[test]
fn a_policy_that_is_tightened_holds_for_what_is_pending() {
    let mut scene = Scene::new();
    let request = scene.pending("web-shell", json!({}));
    let narrowed = scene.pending("web-shell", json!({"reason": "INC-43"}));
    let file = scene.ca.config().with_file_name("roles/web-shell.toml");
    let role = fs::read_to_string(&file).unwrap();
    let mut change = |role: &str| {
        fs::write(&file, role).unwrap();
        scene.ca.stop();
        scene.ca.serve();
    };

    change(&role.replace("count = 1", "count = 2"));
    let once = scene.bob.approve(&request).ok().json();
    assert_eq!(once["status"], "pending", "one person was enough when it was asked for: {once:#}");
    let twice = scene.carol.approve(&request).ok().json();
    assert_eq!(twice["status"], "approved", "{twice:#}");

    change(&role.replace("extensions = [\"permit-pty\"]", ""));
    scene.bob.approve(&narrowed).refused("role-changed");
}

#[test]
fn a_grant_is_its_holders_and_ends() {
    let scene = Scene::new();
    let request = scene.alice.granted("web-shell", json!({"duration": "3s"}), &[&scene.bob]);
    let grant = &request["grant"];
    let key = scene.alice.person.make_key("work", "ed25519");
    scene.alice.take_ssh(grant, &key);
    // Somebody else's grant is none that they could know of.
    let reply = scene.bob.ask_ssh(grant, &scene.bob.person.make_key("work", "ed25519"));
    assert!(matches!(reply.status, Some(403 | 404)), "{reply:#?}");

    let end = seconds(&grant["window"]["end"]);
    wait_for("the end of the grant", || (now() >= end).then_some(()));
    scene.alice.ask_ssh(grant, &key).refused("grant-ended");
    let path = format!("/v1/log/entries?grant={}", grant["id"].as_str().unwrap());
    wait_for("the end in the log", || {
        let entries = scene.carol.wire.get(&path).ok().json();
        entries.as_array().unwrap().iter().any(|entry| entry["type"] == "grant.end").then_some(())
    });
}
