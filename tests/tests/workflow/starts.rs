//! When a grant starts: at a time, with its first use, and where another ends.

use std::fs;

use jit_ca_tests::{now, seconds, wait_for};
use serde_json::{Value, json};

use super::Scene;

/// RFC 3339, so many seconds from now.
pub(super) fn in_seconds(seconds: u64) -> String {
    jit_ca_core::UnixTime::from_secs(now() + seconds).to_string()
}

/// The grant as the CA shows it now.
fn grant_now(scene: &Scene, request: &Value) -> Value {
    let path = format!("/v1/requests/{}", request["id"].as_str().unwrap());
    scene.alice.wire.get(&path).ok().json()["grant"].clone()
}

pub(super) fn entry(scene: &Scene, grant: &Value, kind: &str) -> Value {
    let path = format!("/v1/log/entries?grant={}", grant["id"].as_str().unwrap());
    wait_for(kind, || {
        let entries = scene.carol.wire.get(&path).ok().json();
        entries.as_array().unwrap().iter().find(|entry| entry["type"] == kind).cloned()
    })
}

#[test]
fn a_scheduled_grant_opens_at_its_time_by_the_policys_leave() {
    let scene = Scene::new();
    let fields = json!({"start": in_seconds(4), "duration": "10m"});
    let request = scene.alice.granted("web-shell", fields, &[&scene.bob]);
    let grant = &request["grant"];
    assert_eq!(grant["state"], "waiting", "{request:#}");
    let window = &grant["term"]["scheduled"];
    assert_eq!(seconds(&window["end"]) - seconds(&window["start"]), 600);
    let key = scene.alice.person.make_key("work", "ed25519");
    scene.alice.ask_ssh(grant, &key).refused("grant-waiting");

    wait_for("its start", || (now() >= seconds(&window["start"])).then_some(()));
    // The call itself starts it, where nobody was faster.
    scene.alice.take_ssh(grant, &key);
    let started = entry(&scene, grant, "grant.start");
    assert_eq!(started["payload"]["decision"]["decision"]["outcome"], "allow");
    assert_eq!(started["payload"]["window"]["start"], grant["term"]["scheduled"]["start"]);
    assert_eq!(grant_now(&scene, &request)["state"], "active");
}

#[test]
fn a_scheduled_grant_does_not_start_where_the_policy_says_no_by_then() {
    let mut scene = Scene::new();
    let fields = json!({"start": in_seconds(8), "duration": "10m"});
    let request = scene.alice.granted("web-shell", fields, &[&scene.bob]);
    // Alice changes sides. The daemon is down when her grant is to start, and decides when it is up again.
    let users = scene.ca.config().with_file_name("users.toml");
    let text = fs::read_to_string(&users).unwrap();
    scene.ca.stop();
    // Somebody has to be left in the group that she leaves.
    let text = text.replacen("\"dev\"", "\"contractors\"", 1);
    fs::write(users, text.replacen("\"sre\", \"privacy\"", "\"sre\", \"privacy\", \"dev\"", 1))
        .unwrap();
    // What the policy's own tests say of her is true no longer.
    fs::remove_dir_all(scene.ca.config().with_file_name("policy-tests")).unwrap();
    let start = seconds(&request["grant"]["term"]["scheduled"]["start"]);
    wait_for("its start", || (now() > start + 1).then_some(()));
    scene.ca.serve();
    scene.carol.login_again(&scene.ca);
    let ended = entry(&scene, &request["grant"], "grant.end");
    assert_eq!(ended["payload"]["cause"], "policy", "{ended:#}");
    assert_eq!(ended["payload"]["decision"]["decision"]["outcome"], "deny");
    assert_eq!(ended["payload"]["scope"]["name"], "alice");
    assert!(seconds(&ended["time"]) > start, "it says how late it is: {ended:#}");
}

#[test]
fn a_start_that_was_slept_through_is_made_up_for() {
    let mut scene = Scene::new();
    let fields = json!({"start": in_seconds(6), "duration": "10m"});
    let request = scene.alice.granted("web-shell", fields, &[&scene.bob]);
    let short = scene.alice.granted("web-shell", json!({"duration": "4s"}), &[&scene.bob]);
    let never = scene.alice.granted(
        "web-shell",
        json!({"start": in_seconds(5), "duration": "1s"}),
        &[&scene.bob],
    );
    scene.ca.kill();
    let start = seconds(&request["grant"]["term"]["scheduled"]["start"]);
    wait_for("its start", || (now() > start + 1).then_some(()));
    scene.ca.serve();
    let started = entry(&scene, &request["grant"], "grant.start");
    assert_eq!(seconds(&started["payload"]["window"]["start"]), start);
    let key = scene.alice.person.make_key("work", "ed25519");
    scene.alice.take_ssh(&request["grant"], &key);
    let ended = entry(&scene, &short["grant"], "grant.end");
    assert_eq!(ended["payload"]["cause"], "over");
    assert_eq!(ended["payload"]["ended"], short["grant"]["window"]["end"]);
    let ended = entry(&scene, &never["grant"], "grant.end");
    assert_eq!(ended["payload"]["cause"], "unused", "{ended:#}");
}

#[test]
fn a_first_use_opens_the_window_once() {
    let scene = Scene::new();
    let request = scene.alice.granted("on-use", json!({"duration": "10m"}), &[&scene.bob]);
    let grant = &request["grant"];
    assert_eq!((&grant["state"], &grant["window"]), (&json!("waiting"), &Value::Null));
    scene
        .alice
        .wire
        .post(
            &format!("/v1/grants/{}/extend", grant["id"].as_str().unwrap()),
            &json!({"reason": "more"}),
        )
        .refused("grant-waiting");
    let key = scene.alice.person.make_key("work", "ed25519");
    let (_, first) = scene.alice.take_ssh(grant, &key);
    let opened = grant_now(&scene, &request);
    assert_eq!(opened["state"], "active");
    assert_eq!(opened["window"]["end"], first["expires"]);
    assert!(now() - seconds(&opened["window"]["start"]) < 10);
    let (_, second) = scene.alice.take_ssh(grant, &key);
    assert_eq!(first["expires"], second["expires"], "the second one moves nothing");

    // Who does not use it in time asks again.
    let unused = scene.alice.granted("on-use-soon", json!({}), &[&scene.bob]);
    let ended = entry(&scene, &unused["grant"], "grant.end");
    assert_eq!(ended["payload"]["cause"], "unused");
    scene.alice.ask_ssh(&unused["grant"], &key).refused("grant-ended");
}

#[test]
fn starts_lie_ahead_and_not_too_far() {
    let scene = Scene::new();
    for (start, role) in [
        ("2026-01-05T12:00:00Z".to_owned(), "web-shell"),
        (in_seconds(8 * 24 * 60 * 60), "web-shell"),
        (in_seconds(3_600), "on-use"),
    ] {
        scene.alice.request(role, json!({"start": start})).refused("start-out-of-bounds");
    }
    // Agreed on late, it ends when it was to end.
    let start = in_seconds(2);
    let request = scene.pending("web-shell", json!({"start": start, "duration": "1m"}));
    wait_for("its start", || (now() > seconds(&request["made"]) + 3).then_some(()));
    let grant = scene.bob.approve(&request).ok().json()["grant"].clone();
    let end = jit_ca_core::UnixTime::from_secs(seconds(&json!(start)) + 60).to_string();
    assert_eq!(grant["window"]["end"], json!(end));
    assert_eq!(grant["state"], "active");
}

#[test]
fn more_time_follows_on_without_a_gap_and_loses_nothing_with_the_first() {
    let scene = Scene::new();
    let first = scene.alice.granted("web-shell", json!({"duration": "15s"}), &[&scene.bob]);
    let path = format!("/v1/grants/{}/extend", first["grant"]["id"].as_str().unwrap());
    let call = json!({"duration": "10m", "reason": "INC-42 goes on"});
    scene.bob.wire.post(&path, &call).refused("not-found");
    let asked = scene.alice.wire.post(&path, &call).ok().json();
    assert_eq!((&asked["status"], &asked["extends"]), (&json!("pending"), &first["grant"]["id"]));
    // One at a time follows on it, whether that waits to be agreed on or to begin.
    scene.alice.wire.post(&path, &call).refused("already-extended");
    let second = scene.bob.approve(&asked).ok().json();
    let (before, after) = (&first["grant"]["window"], &second["grant"]["term"]["scheduled"]);
    assert_eq!(before["end"], after["start"], "without a gap");
    assert_eq!(second["grant"]["rows"], first["grant"]["rows"]);
    scene.alice.wire.post(&path, &call).refused("already-extended");
    // What waits is not extended: that could go on and on, further ahead than anybody may ask for.
    let waits = format!("/v1/grants/{}/extend", second["grant"]["id"].as_str().unwrap());
    scene.alice.wire.post(&waits, &call).refused("grant-waiting");

    let file = format!("/v1/grants/{}", first["grant"]["id"].as_str().unwrap());
    let follows = json!({"request": second["id"], "grant": second["grant"]["id"], "goes_on": true});
    assert_eq!(scene.alice.wire.get(&file).ok().json()["extensions"], json!([follows]));
    // The first is given back; what follows starts all the same, when it was to start.
    scene.alice.wire.post(&format!("{file}/end"), &json!({})).ok();
    scene.alice.wire.post(&path, &call).refused("grant-ended");
    let key = scene.alice.person.make_key("work", "ed25519");
    wait_for("the second's start", || (now() >= seconds(&after["start"])).then_some(()));
    scene.alice.take_ssh(&second["grant"], &key);
}

#[test]
fn what_follows_on_a_grant_that_is_revoked_is_told_and_what_waits_is_not_approved() {
    let scene = Scene::new();
    let extend = |grant: &Value| {
        let path = format!("/v1/grants/{}/extend", grant["id"].as_str().unwrap());
        let call = json!({"duration": "10m", "reason": "INC-42 goes on"});
        scene.alice.wire.post(&path, &call).ok().json()
    };
    scene.bob.person.login(&scene.bob.authenticator.code()).ok();
    let revoke = |grant: &Value| {
        let grant = grant["id"].as_str().unwrap();
        scene.bob.person.jit_ca(&["revoke", grant, "--reason", "laptop lost"]).ok()
    };

    // One that was approved goes on: whoever revokes is told, also where no certificate was issued.
    let first = scene.alice.granted("web-shell", json!({"duration": "30m"}), &[&scene.bob]);
    let second = scene.bob.approve(&extend(&first["grant"])).ok().json();
    let follower = second["grant"]["id"].as_str().unwrap();
    revoke(&first["grant"]).says(&format!("jit-ca revoke {follower} ends that too"));
    revoke(&second["grant"]);

    // Whoever looks at one that waits for an approval is told, and can't give it.
    let first = scene.alice.granted("web-shell", json!({"duration": "30m"}), &[&scene.bob]);
    let waits = extend(&first["grant"]);
    revoke(&first["grant"]).says("nobody can approve that now");
    let refused = scene.bob.approve(&waits).refused("grant-revoked");
    let grant = first["grant"]["id"].as_str().unwrap();
    let told = format!("it extends {grant}, which bob revoked: laptop lost");
    assert_eq!(refused.json()["detail"], told.as_str());
    scene.bob.decide(&waits, "deny", &json!({"reason": "not after that"})).ok();
}
