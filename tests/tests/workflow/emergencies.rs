//! Breaking glass: at once, short, told and reviewed.

use jit_ca_tests::{Caller, seconds};
use serde_json::json;

use super::Scene;

#[test]
fn an_emergency_is_at_once_and_is_reviewed_by_somebody_else_afterwards() {
    let scene = Scene::new();
    let call =
        json!({"role": "web-shell", "reason": "INC-42: the shop is down", "hosts": ["web1"]});
    scene.alice.wire.post("/v1/break-glass", &call).refused("not-permitted");
    let silent = json!({"role": "web-shell"});
    scene.bob.wire.post("/v1/break-glass", &silent).refused("bad-request");
    let long = json!({"role": "web-shell", "reason": "INC-42", "duration": "31m"});
    scene.bob.wire.post("/v1/break-glass", &long).refused("too-long");
    let other = json!({"role": "web-deploy", "reason": "INC-42"});
    scene.bob.wire.post("/v1/break-glass", &other).refused("no-break-glass");

    let request = scene.bob.wire.post("/v1/break-glass", &call).ok().json();
    assert_eq!((&request["status"], &request["approvals"]), (&json!("approved"), &json!([])));
    assert_eq!(request["emergency"], json!({"told": ["sre"], "review": null}));
    let window = &request["grant"]["window"];
    assert_eq!(seconds(&window["end"]) - seconds(&window["start"]), 30 * 60);
    let key = scene.bob.person.make_key("work", "ed25519");
    scene.bob.take_ssh(&request["grant"], &key);

    // It is told: to the group that the role names, and to who reviews.
    for who in [&scene.bob, &scene.carol] {
        let open = who.wire.get("/v1/requests?to_review=true").ok().json();
        assert_eq!(open["requests"][0]["id"], request["id"], "{open:#}");
    }
    let none = |who: &Caller| who.wire.get("/v1/requests?to_review=true").ok().json();
    assert_eq!(none(&scene.alice)["requests"], json!([]));

    let path = format!("/v1/requests/{}/review", request["id"].as_str().unwrap());
    let found = json!({"comment": "as INC-42 says"});
    scene.carol.wire.post(&path, &found).refused("not-to-review");
    let grant = format!("/v1/grants/{}/end", request["grant"]["id"].as_str().unwrap());
    scene.bob.wire.post(&grant, &json!({})).ok();
    scene.bob.wire.post(&path, &found).refused("self-approval");
    scene.alice.wire.post(&path, &found).refused("not-found");
    let closed = scene.carol.wire.post(&path, &found).ok().json();
    assert_eq!(closed["emergency"]["review"]["comment"], "as INC-42 says");
    scene.carol.wire.post(&path, &found).refused("not-to-review");
    assert_eq!(none(&scene.carol)["requests"], json!([]));

    let entries = scene.carol.wire.get("/v1/log/entries?role=web-shell").ok().json();
    let types: Vec<&str> =
        entries.as_array().unwrap().iter().map(|entry| entry["type"].as_str().unwrap()).collect();
    assert_eq!(types[..3], ["request", "break-glass", "grant"]);
    assert_eq!(types.last(), Some(&"review"), "{types:?}");
}

#[test]
fn one_emergency_at_a_time_is_a_persons_with_a_role() {
    let scene = Scene::new();
    let call = json!({"role": "web-shell", "reason": "INC-42: the shop is down"});
    let break_glass = |who: &Caller| who.wire.post("/v1/break-glass", &call);
    let first = break_glass(&scene.bob).ok().json();
    let grant = first["grant"]["id"].as_str().unwrap();
    let refused = break_glass(&scene.bob).refused("too-many-grants");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.starts_with(&format!("your emergency {grant} with web-shell goes on until ")),
        "{detail}"
    );
    // Another's is another, and so is the next one.
    break_glass(&scene.carol).ok();
    scene.bob.wire.post(&format!("/v1/grants/{grant}/end"), &json!({})).ok();
    break_glass(&scene.bob).ok();
}
