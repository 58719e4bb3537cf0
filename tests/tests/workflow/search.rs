//! What was asked for stays, and is found; and a grant's file holds all of it.

use serde_json::{Value, json};

use super::Scene;

fn found(scene: &Scene, query: &str) -> Vec<Value> {
    let list = scene.carol.wire.get(&format!("/v1/requests?{query}")).ok().json();
    list["requests"].as_array().unwrap().iter().map(|request| request["id"].clone()).collect()
}

#[test]
fn finished_requests_are_found_by_who_what_when_and_why() {
    let scene = Scene::new();
    let shell = scene.alice.granted("web-shell", json!({"reason": "INC-1: disk"}), &[&scene.bob]);
    let logs = scene.alice.granted("web-logs", json!({"reason": "INC-2: cpu"}), &[]);
    let denied = scene.pending("web-shell", json!({"reason": "INC-3: Größe"}));
    scene.carol.decide(&denied, "deny", &json!({"reason": "no"})).ok();
    let bobs = scene.bob.request("web-shell", json!({"reason": "INC-4"})).ok().json();
    let grant = format!("/v1/grants/{}/end", shell["grant"]["id"].as_str().unwrap());
    scene.alice.wire.post(&grant, &json!({})).ok();

    let ids = |requests: &[&Value]| -> Vec<Value> {
        requests.iter().map(|request| request["id"].clone()).collect()
    };
    // Newest first; those that are not over come first where there are more than one answer holds.
    assert_eq!(found(&scene, ""), ids(&[&bobs, &denied, &logs, &shell]));
    assert_eq!(found(&scene, "subject=alice"), ids(&[&denied, &logs, &shell]));
    assert_eq!(found(&scene, "subject=local/u-1002"), ids(&[&bobs]));
    assert_eq!(found(&scene, "subject=nobody"), ids(&[]));
    assert_eq!(found(&scene, "role=web-logs"), ids(&[&logs]));
    assert_eq!(found(&scene, "approver=bob"), ids(&[&shell]));
    assert_eq!(found(&scene, "text=gr%C3%B6sse"), ids(&[]));
    assert_eq!(found(&scene, "text=gr%C3%B6%C3%9Fe"), ids(&[&denied]));
    assert_eq!(found(&scene, "text=INC-1"), ids(&[&shell]));
    assert_eq!(found(&scene, "status=denied&subject=alice"), ids(&[&denied]));
    assert_eq!(found(&scene, "to=2026-01-05T12:00:00Z"), ids(&[]));
    assert_eq!(found(&scene, "from=2026-01-05T12:00:00Z").len(), 4);
    let before = format!("before={}", logs["id"].as_str().unwrap());
    assert_eq!(found(&scene, &before), ids(&[&shell]));
    // Who may not look sees their own, whatever they search for.
    let own = scene.alice.wire.get("/v1/requests?subject=bob").ok().json();
    assert_eq!(own["requests"], json!([]));
}

#[test]
fn a_grants_file_says_who_why_by_which_rules_and_what_was_issued() {
    let scene = Scene::new();
    let request = scene.alice.granted("web-deploy", json!({}), &[&scene.bob, &scene.carol]);
    let key = scene.alice.person.make_key("work", "ed25519");
    let (_, certificate) = scene.alice.take_ssh(&request["grant"], &key);
    let path = format!("/v1/grants/{}", request["grant"]["id"].as_str().unwrap());
    let file = scene.alice.wire.get(&path).ok().json();
    assert_eq!(file["request"]["id"], request["id"]);
    let decisions: Vec<(&str, &str, &str)> = file["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let text = |value: &Value| value.as_str().unwrap().to_owned().leak() as &str;
            (text(&it["action"]), text(&it["subject"]), text(&it["rules"][0]))
        })
        .collect();
    assert_eq!(
        decisions,
        [
            ("request", "local/u-1001", "dev-request"),
            ("approve", "local/u-1002", "sre-approve"),
            ("approve", "local/u-1003", "sre-approve"),
            ("issue", "local/u-1001", "holder-issue"),
        ]
    );
    let [issued] = file["certificates"].as_array().unwrap().as_slice() else { panic!("{file:#}") };
    assert_eq!(
        (&issued["issuance"], &issued["serial"], &issued["until"], &issued["issuer"]),
        (
            &certificate["issuance"],
            &certificate["serial"],
            &certificate["expires"],
            &json!("ssh-user")
        )
    );
    // Only who may see the request may see its file.
    for who in [&scene.bob, &scene.carol] {
        who.wire.get(&path).ok();
    }
    let logs = scene.bob.granted("web-logs", json!({}), &[]);
    let path = format!("/v1/grants/{}", logs["grant"]["id"].as_str().unwrap());
    scene.alice.wire.get(&path).refused("not-found");
}
