//! What was agreed on goes by the policy and the locks of today, when it is granted and when it begins.

use std::fs;

use jit_ca_tests::{now, seconds, wait_for};
use serde_json::{Value, json};

use super::starts::{entry, in_seconds};
use super::{Scene, approve_part};

impl Scene {
    /// Changes files of the policy while the daemon is down; what its own tests say may be true no longer.
    fn change(&mut self, changes: &[(&str, &str, &str)], until: u64) {
        self.ca.stop();
        let folder = self.ca.config().parent().unwrap().to_owned();
        for (file, old, new) in changes {
            let text = fs::read_to_string(folder.join(file)).unwrap();
            assert!(text.contains(old), "{text}");
            fs::write(folder.join(file), text.replace(old, new)).unwrap();
        }
        let _ = fs::remove_dir_all(folder.join("policy-tests"));
        wait_for("the time to come", || (now() >= until).then_some(()));
        self.ca.serve();
    }

    fn lock(&self, path: &str, who: &str) {
        let call = json!({"what": format!("person:{who}"), "reason": "the laptop is gone"});
        self.carol.wire.post(path, &call).ok();
    }

    fn status(&self, request: &Value) -> Value {
        let path = format!("/v1/requests/{}", request["id"].as_str().unwrap());
        self.alice.wire.get(&path).ok().json()
    }
}

/// Nobody has this role, for now.
const FREEZE: &str = r#"
@id("freeze")
@description("nothing is touched before the audit")
forbid (principal, action == Action::"request", resource)
when { resource in [Role::"web-shell", Role::"on-use"] };
"#;

#[test]
fn what_a_rule_approved_does_not_start_without_it() {
    let mut scene = Scene::new();
    let start = now() + 8;
    let fields = json!({"start": in_seconds(8), "duration": "10m"});
    let request = scene.alice.granted("web-logs", fields, &[]);
    let shorter = ("policies/access.cedar", "<= duration(\"1h\") };", "<= duration(\"1m\") };");
    scene.change(&[shorter], start + 1);
    let ended = entry(&scene, &request["grant"], "grant.end");
    assert_eq!(ended["payload"]["cause"], "policy", "{ended:#}");
    assert_eq!(ended["payload"]["decision"]["facts"]["action"], "skip-approval");
    assert_eq!(ended["payload"]["decision"]["decision"]["outcome"], "deny");
}

#[test]
fn what_people_approved_does_not_begin_where_too_few_of_them_do_today() {
    let mut scene = Scene::new();
    let start = now() + 10;
    let fields = json!({"start": in_seconds(10), "duration": "10m"});
    let planned = scene.alice.granted("web-shell", fields, &[&scene.bob]);
    let unused = scene.alice.granted("on-use", json!({"duration": "10m"}), &[&scene.bob]);
    let pending = scene.pending("web-shell", json!({"reason": "INC-43"}));
    let two = |file| (file, "count = 1", "count = 2");
    scene.change(&[two("roles/web-shell.toml"), two("roles/on-use.toml")], start + 1);
    let too_few = |grant| {
        let ended = entry(&scene, grant, "grant.end");
        assert_eq!(ended["payload"]["cause"], "policy", "{ended:#}");
        let reasons = &ended["payload"]["decision"]["decision"]["reasons"];
        assert_eq!(reasons[0]["code"], "too-few-approvals", "{ended:#}");
    };
    too_few(&planned["grant"]);
    let key = scene.alice.person.make_key("work", "ed25519");
    scene.alice.ask_ssh(&unused["grant"], &key).refused("grant-ended");
    too_few(&unused["grant"]);
    // What is pending says how many are needed today.
    assert_eq!(scene.status(&pending)["still_needed"], 2);
    let once = scene.bob.approve(&pending).ok().json();
    assert_eq!((&once["status"], &once["still_needed"]), (&json!("pending"), &json!(1)));
    assert_eq!(once["quorums"].as_array().unwrap().len(), 2, "then and today: {once:#}");
    assert_eq!(scene.carol.approve(&pending).ok().json()["status"], "approved");
}

/// Whoever gave less gave what the role gives today, whatever was asked for and others agreed to.
#[test]
fn what_was_granted_is_what_is_asked_about() {
    let mut scene = Scene::new();
    let less = |duration| json!({"duration": duration, "comment": "that will do"});
    let start = now() + 10;
    let fields = json!({"start": in_seconds(10), "duration": "10m", "hosts": ["web1"]});
    let planned = scene.alice.granted("short", fields, &[&scene.bob]);
    let pending = scene.pending("short", json!({"duration": "1h", "hosts": ["web1"]}));
    let twice = ("roles/on-use.toml", "count = 1", "count = 2");
    scene.change(&[twice], 0);
    let unused = scene.pending("on-use", json!({"duration": "1h"}));
    scene.bob.approve(&unused).ok();
    let unused = approve_part(&scene.carol, &unused, &less("5m")).ok().json();

    let file = |role: &str| format!("roles/{role}.toml");
    let (on_use, short) = (file("on-use"), file("short"));
    let without_web2 = ("hosts = [\"web1\", \"web2\"]", "hosts = [\"web1\"]");
    let mut changes = vec![(short.as_str(), without_web2.0, without_web2.1)];
    for role in [on_use.as_str(), short.as_str()] {
        changes.extend(["= \"4h\"", "= \"30m\""].map(|time| (role, time, "= \"10m\"")));
    }
    scene.change(&changes, start + 1);

    let key = scene.alice.person.make_key("work", "ed25519");
    scene.alice.take_ssh(&planned["grant"], &key);
    scene.alice.take_ssh(&unused["grant"], &key);
    scene.bob.approve(&pending).refused("too-long");
    let granted = approve_part(&scene.bob, &pending, &less("5m")).ok().json();
    // Each of its certificates is asked for anew, and it can go on.
    scene.alice.take_ssh(&granted["grant"], &key);
    let path = format!("/v1/grants/{}/extend", granted["grant"]["id"].as_str().unwrap());
    let more = json!({"duration": "10m", "reason": "INC-42 goes on"});
    let more = scene.alice.wire.post(&path, &more).ok().json();
    assert_eq!(scene.bob.approve(&more).ok().json()["status"], "approved");
}

#[test]
fn a_row_that_the_role_no_longer_gives_can_be_dropped() {
    let mut scene = Scene::new();
    let request = scene.pending("both", json!({}));
    scene.change(&[("roles/both.toml", "extensions = [\"permit-pty\"]", "")], 0);
    scene.bob.approve(&request).refused("role-changed");
    let rest = json!({"rows": [request["rows"][1]], "comment": "no terminal any more"});
    let granted = approve_part(&scene.bob, &request, &rest).ok().json();
    assert_eq!(granted["status"], "approved", "{granted:#}");
}

/// Who can approve is who is heard: by those that were asked, and by those that would be asked today.
#[test]
fn who_is_said_to_approve_can() {
    let mut scene = Scene::new();
    let request = scene.pending("web-shell", json!({}));
    assert_eq!(scene.status(&request)["approvers"], json!(["bob", "carol"]));
    let elsewhere = ("roles/web-shell.toml", "from = [\"sre\"]", "from = [\"dev\"]");
    scene.change(&[elsewhere], 0);
    assert_eq!(scene.status(&request)["approvers"], json!([]));
    scene.bob.approve(&request).problem();
}

#[test]
fn what_was_forbidden_since_is_neither_granted_nor_used() {
    let mut scene = Scene::new();
    let pending = scene.pending("web-shell", json!({}));
    let unused = scene.alice.granted("on-use", json!({"duration": "10m"}), &[&scene.bob]);
    let rules = "// === who may ask ===";
    scene.change(&[("policies/access.cedar", rules, FREEZE)], 0);
    let refused = scene.bob.approve(&pending).refused("no-longer-permitted");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("alice") && detail.contains("the rule freeze forbids it"), "{detail}");
    let still = scene.status(&pending);
    assert_eq!((&still["status"], &still["approvals"]), (&json!("pending"), &json!([])));
    assert_eq!(
        scene.alice.decide(&pending, "cancel", &json!({})).ok().json()["status"],
        "cancelled"
    );

    let key = scene.alice.person.make_key("work", "ed25519");
    scene.alice.ask_ssh(&unused["grant"], &key).refused("grant-ended");
    let ended = entry(&scene, &unused["grant"], "grant.end");
    assert_eq!(ended["payload"]["cause"], "policy", "{ended:#}");
    assert_eq!(ended["payload"]["decision"]["decision"]["rules"], json!(["freeze"]));
    assert_eq!(ended["payload"]["scope"]["window"], Value::Null);
}

#[test]
fn whoever_is_locked_has_not_approved() {
    let mut scene = Scene::new();
    let request = scene.pending("web-deploy", json!({}));
    scene.bob.approve(&request).ok();
    scene.lock("/v1/locks", "bob");
    let by_carol = scene.carol.approve(&request).ok().json();
    assert_eq!((&by_carol["status"], &by_carol["still_needed"]), (&json!("pending"), &json!(1)));
    scene.carol.approve(&request).refused("already-approved");
    scene.lock("/v1/locks/lift", "bob");
    // It counts again; but it is for somebody to say so.
    let status = scene.status(&request);
    assert_eq!(
        (&status["still_needed"], &status["approvers"]),
        (&json!(0), &json!(["bob", "carol"]))
    );
    scene.bob.login_again(&scene.ca);
    let granted = scene.bob.approve(&request).ok().json();
    assert_eq!(granted["status"], "approved", "{granted:#}");
    assert_eq!(granted["approvals"].as_array().unwrap().len(), 2, "each counts once: {granted:#}");
}

#[test]
fn what_waits_does_not_begin_while_who_approved_it_is_locked() {
    let scene = Scene::new();
    let fields = json!({"start": in_seconds(5), "duration": "10m"});
    let planned = scene.alice.granted("web-shell", fields, &[&scene.bob]);
    let unused = scene.alice.granted("on-use", json!({"duration": "10m"}), &[&scene.bob]);
    scene.lock("/v1/locks", "bob");
    let start = seconds(&planned["grant"]["term"]["scheduled"]["start"]);
    wait_for("its start", || (now() > start).then_some(()));
    let key = scene.alice.person.make_key("work", "ed25519");
    for waits in [&planned, &unused] {
        scene.alice.ask_ssh(&waits["grant"], &key).refused("grant-waiting");
    }
    scene.lock("/v1/locks/lift", "bob");
    for waits in [&planned, &unused] {
        scene.alice.take_ssh(&waits["grant"], &key);
        let started = entry(&scene, &waits["grant"], "grant.start");
        let approvals = started["payload"]["approvals"].as_array().unwrap().clone();
        assert_eq!(approvals.len(), 1, "{started:#}");
        assert_eq!(approvals[0]["decision"]["outcome"], "allow");
    }
}
