//! How access ends before its time: given back, revoked, locked; and how much of it there is at all.

use jit_ca_tests::{Authenticator, Caller, Wire, now, run, seconds, wait_for};
use serde_json::{Value, json};

use super::Scene;

fn path(grant: &Value, verb: &str) -> String {
    format!("/v1/grants/{}{verb}", grant["id"].as_str().unwrap())
}

#[test]
fn what_is_given_back_is_over_and_its_certificates_are_named() {
    let scene = Scene::new();
    let request = scene.alice.granted("web-shell", json!({}), &[&scene.bob]);
    let grant = &request["grant"];
    let key = scene.alice.person.make_key("work", "ed25519");
    let (_, certificate) = scene.alice.take_ssh(grant, &key);
    scene.bob.wire.post(&path(grant, "/end"), &json!({})).refused("not-yours");
    let file = scene.alice.wire.post(&path(grant, "/end"), &json!({})).ok().json();
    assert_eq!(file["request"]["grant"]["state"], "ended");
    assert_eq!(file["request"]["grant"]["over"]["ended"]["cause"], "given-back");
    let [left] = file["certificates"].as_array().unwrap().as_slice() else { panic!("{file:#}") };
    assert_eq!(
        (&left["issuance"], &left["until"]),
        (&certificate["issuance"], &certificate["expires"])
    );
    scene.alice.ask_ssh(grant, &key).refused("grant-ended");
    scene.alice.wire.post(&path(grant, "/end"), &json!({})).refused("grant-ended");
}

#[test]
fn who_may_revoke_does_and_nothing_is_issued_after_it() {
    let scene = Scene::new();
    let request = scene.alice.granted("web-shell", json!({}), &[&scene.bob]);
    let grant = &request["grant"];
    let key = scene.alice.person.make_key("work", "ed25519");
    scene.alice.take_ssh(grant, &key);
    let call = json!({"reason": "laptop lost"});
    scene.alice.wire.post(&path(grant, "/revoke"), &call).refused("not-permitted");
    scene.bob.wire.post(&path(grant, "/revoke"), &json!({})).refused("bad-request");
    let file = scene.carol.wire.post(&path(grant, "/revoke"), &call).ok().json();
    let revoked = &file["request"]["grant"]["over"]["revoked"];
    assert_eq!((&revoked["name"], &revoked["reason"]), (&json!("carol"), &json!("laptop lost")));
    let refused = scene.alice.ask_ssh(grant, &key).refused("grant-revoked");
    assert!(refused.problem()["detail"].as_str().unwrap().contains("laptop lost"));
    scene.bob.wire.post(&path(grant, "/revoke"), &call).refused("grant-revoked");

    let entries = format!("/v1/log/entries?grant={}", grant["id"].as_str().unwrap());
    let entries = scene.carol.wire.get(&entries).ok().json();
    let entry =
        entries.as_array().unwrap().iter().find(|entry| entry["type"] == "grant.revoke").unwrap();
    let scope = &entry["payload"]["scope"];
    assert_eq!((&scope["subject"], &scope["rows"]), (&request["subject"], &grant["rows"]));
    assert_eq!(scope["reason"], request["reason"]);
}

#[test]
fn a_lock_stops_it_at_once_and_says_why() {
    let mut scene = Scene::new();
    let request = scene.alice.granted("web-shell", json!({}), &[&scene.bob]);
    let waiting = scene.pending("web-shell", json!({"reason": "INC-43"}));
    let key = scene.alice.person.make_key("work", "ed25519");
    let call = |what: &str| json!({"what": what, "reason": "INC-7: keys leaked"});
    scene.alice.wire.post("/v1/locks", &call("bob")).refused("not-permitted");
    scene.bob.wire.post("/v1/locks", &call("nobody-at-all")).refused("not-found");

    for what in ["alice", "local/u-1001", "web-shell", "role:web-shell", "all"] {
        let locks = scene.bob.wire.post("/v1/locks", &call(what)).ok().json();
        assert_eq!(locks[0]["reason"], "INC-7: keys leaked", "{locks:#}");
        scene.bob.wire.post("/v1/locks", &call(what)).refused("lock-unchanged");
        let is_her = ["alice", "local/u-1001"].contains(&what);
        if is_her {
            scene.alice.request("web-shell", json!({})).refused("unauthenticated");
        } else {
            let refused = scene.alice.ask_ssh(&request["grant"], &key).refused("locked");
            let problem = refused.problem();
            assert!(problem["detail"].as_str().unwrap().contains("INC-7"), "{refused:#?}");
            scene.alice.request("web-shell", json!({})).refused("locked");
            // Whoever looks may know.
            assert_eq!(scene.alice.wire.get("/v1/locks").ok().json(), locks);
        }
        scene.carol.approve(&waiting).refused("locked");
        if what == "all" {
            scene.ca.jit_cad(&["unlock", "all", "--reason", "over"]).ok();
        } else {
            let lifted = scene.carol.wire.post("/v1/locks/lift", &call(what)).ok().json();
            assert_eq!(lifted, json!([]));
        }
        scene.carol.wire.post("/v1/locks/lift", &call(what)).refused("lock-unchanged");
        if is_her {
            scene.alice.login_again(&scene.ca);
        }
    }
    scene.alice.take_ssh(&request["grant"], &key);

    // Logins, too: also after a restart, and nobody else's.
    scene.bob.wire.post("/v1/locks", &call("alice")).ok();
    scene.ca.kill();
    scene.ca.serve();
    let code = json!({"totp": scene.alice.authenticator.code()});
    let nobody = Wire::nobody(&scene.ca, &scene.alice.person);
    let (login, _) = nobody.login_call(&scene.alice.person.key(), code);
    // What would help needs no login of theirs.
    let hint = nobody.post("/v1/logins", &login).refused("locked").problem()["hint"].clone();
    let hint = hint.as_str().unwrap();
    assert!(hint.contains("an administrator who is not locked"), "{hint}");
    assert!(hint.contains("`jit-cad unlock` on the CA's machine"), "{hint}");
    scene.carol.login_again(&scene.ca);
    scene.bob.wire.post("/v1/locks/lift", &call("alice")).ok();
    scene.alice.login_again(&scene.ca);
}

#[test]
fn while_all_is_locked_access_is_taken_away_and_nothing_vouched_for() {
    let mut scene = Scene::new();
    // Who is locked alone does nothing: their logins have ended, and don't open again.
    let locks = |path: &str, scene: &Scene| {
        let call = json!({"what": "carol", "reason": "INC-7: keys leaked"});
        scene.bob.wire.post(path, &call).ok();
    };
    locks("/v1/locks", &scene);
    scene.carol.wire.get("/v1/me").refused("unauthenticated");
    locks("/v1/locks/lift", &scene);
    scene.carol.wire.get("/v1/me").refused("unauthenticated");
    scene.carol.login_again(&scene.ca);
    let Scene { alice, bob, carol, ca, .. } = &scene;
    let call = |what: &str| json!({"what": what, "reason": "INC-7: keys leaked"});
    let lift = |by: &Caller, what: &str| by.wire.post("/v1/locks/lift", &call(what));
    let hers = carol.granted("web-shell", json!({}), &[bob])["grant"].clone();
    let alices = alice.granted("web-shell", json!({}), &[bob])["grant"].clone();
    let waiting = scene.pending("web-shell", json!({"reason": "INC-43"}));
    let asked = carol.request("web-shell", json!({"reason": "INC-44"})).ok().json();
    let glass = json!({"role": "web-shell", "reason": "INC-45: the shop is down"});
    let emergency = bob.wire.post("/v1/break-glass", &glass).ok().json();
    bob.wire.post(&path(&emergency["grant"], "/end"), &json!({})).ok();
    let review = format!("/v1/requests/{}/review", emergency["id"].as_str().unwrap());
    let review = || carol.wire.post(&review, &json!({"comment": "it was"}));

    bob.wire.post("/v1/locks", &call("all")).ok();
    let refused = lift(carol, "all").refused("locked");
    assert!(refused.problem()["detail"].as_str().unwrap().contains("INC-7"), "{refused:#?}");
    review().refused("locked");
    carol.approve(&waiting).refused("locked");
    // All that takes away goes on; but not back again.
    carol.decide(&waiting, "deny", &json!({})).ok();
    carol.decide(&asked, "cancel", &json!({})).ok();
    carol.wire.post(&path(&hers, "/end"), &json!({})).ok();
    carol.wire.post(&path(&alices, "/revoke"), &json!({"reason": "laptop lost"})).ok();
    carol.wire.post("/v1/locks", &call("web-logs")).ok();
    // Nobody lifts what they are stopped by themselves.
    for by in [bob, carol] {
        lift(by, "all").refused("locked");
    }
    review().refused("locked");
    ca.jit_cad(&["unlock", "all", "--reason", "over"]).ok();
    lift(bob, "web-logs").ok();
    review().ok();

    // A second factor is as good as a login: it is enrolled before a lock or after it.
    let dave = ca.stranger("dave");
    let code = ca.jit_cad(&["user", "enroll", "dave"]).ok();
    let dave = Wire::login(ca, &dave, json!({"enrolment-code": code.line()}));
    let secret = dave.post("/v1/mfa", &json!({})).ok().json()["secret"].clone();
    let code = || Authenticator::new(secret.as_str().unwrap().to_owned()).code();
    bob.wire.post("/v1/locks", &call("all")).ok();
    dave.post("/v1/mfa", &json!({})).refused("locked");
    dave.post("/v1/mfa/confirm", &json!({"code": code()})).refused("locked");
    ca.jit_cad(&["unlock", "all", "--reason", "over"]).ok();
    dave.post("/v1/mfa/confirm", &json!({"code": code()})).ok();
    bob.wire.post("/v1/locks", &call("all")).ok();
    dave.post("/v1/logout", &json!({})).ok();
}

#[test]
fn what_is_locked_for_everybody_is_unlocked_on_the_machine() {
    let mut scene = Scene::new();
    let unlock = |arguments: &[&str]| scene.ca.jit_cad(&[&["unlock"], arguments].concat());
    assert_eq!(unlock(&[]).ok().line(), "nothing is locked");
    unlock(&["all", "--reason", "x"]).exits(2).says("all is not locked").says("without a name");
    unlock(&["all"]).exits(2).says("--reason");
    for what in ["all", "alice", "web-shell"] {
        let call = json!({"what": what, "reason": "INC-7: keys leaked"});
        scene.bob.wire.post("/v1/locks", &call).ok();
    }
    let told = unlock(&[]).ok().stdout;
    for line in [
        "all is",
        "person:alice (local/u-1001) is",
        "role:web-shell is",
        "by bob: INC-7: keys leaked",
    ] {
        assert!(told.contains(line), "{line} is not in {told}");
    }
    scene.alice.request("web-shell", json!({})).refused("unauthenticated");
    for what in ["all", "person:alice", "role:web-shell"] {
        unlock(&[what, "--reason", "keys replaced"]).ok();
        unlock(&[what, "--reason", "keys replaced"]).exits(2);
    }
    scene.alice.login_again(&scene.ca);
    scene.alice.request("web-shell", json!({})).ok();
    let entries = scene.carol.wire.get("/v1/log/entries?start=0").ok().json();
    let mut lifted = entries.as_array().unwrap().iter().filter(|entry| entry["type"] == "unlock");
    assert!(lifted.all(|entry| entry["payload"]["by"]["machine"]["uid"].is_u64()), "{entries:#}");
}

#[test]
fn short_certificates_bound_what_a_revocation_leaves() {
    let scene = Scene::new();
    let request = scene.alice.granted("short", json!({"duration": "10m"}), &[&scene.bob]);
    let grant = &request["grant"];
    let key = scene.alice.person.make_key("work", "ed25519");
    let (file, first) = scene.alice.take_ssh(grant, &key);
    let left = seconds(&first["expires"]) - now();
    assert!(left <= 60 && left > 50, "{first:#}");
    let shown = run(std::process::Command::new("ssh-keygen").arg("-L").arg("-f").arg(file)).ok();
    assert!(shown.stdout.contains("Valid: from "), "{}", shown.stdout);
    // A second later the next one is valid for longer.
    wait_for("a second", || (now() > seconds(&first["expires"]) - 58).then_some(()));
    let (_, second) = scene.alice.take_ssh(grant, &key);
    assert!(seconds(&second["expires"]) > seconds(&first["expires"]));
    assert!(seconds(&second["expires"]) <= seconds(&grant["window"]["end"]));
}

#[test]
fn a_role_is_had_as_often_as_it_may_be() {
    let scene = Scene::new();
    let key = scene.alice.person.make_key("work", "ed25519");
    let request = scene.alice.granted("twice", json!({}), &[&scene.bob]);
    for _ in 0..2 {
        scene.alice.take_ssh(&request["grant"], &key);
    }
    scene.alice.ask_ssh(&request["grant"], &key).refused("too-many-certificates");
    scene.pending("twice", json!({}));
    let refused = scene.alice.request("twice", json!({})).refused("too-many-grants");
    let told = "twice may be had 2 times within 24h: yours are 1 that began and 1 still waiting; there is room again at 2";
    assert!(refused.json()["detail"].as_str().unwrap().starts_with(told), "{refused:?}");
    scene.bob.request("twice", json!({})).ok();

    // The whole company's limit: how much one person may ask for at once.
    for number in 0..4 {
        scene.pending("web-shell", json!({"reason": format!("INC-{number}")}));
    }
    let refused = scene.alice.request("web-shell", json!({})).refused("too-many-requests");
    assert_eq!(refused.status, Some(409));
    scene.carol.request("web-shell", json!({})).ok();
}
