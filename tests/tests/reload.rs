//! Another policy while the daemon runs: all of it from one call to the next, or nothing.

use std::fs;
use std::process::Command;
use std::thread;

use jit_ca_tests::{Ca, Caller, Lab, run, wait_for};
use serde_json::{Value, json};

/// A CA with somebody who asks, somebody who approves, and somebody who reads the log.
struct Scene {
    alice: Caller,
    bob: Caller,
    carol: Caller,
    ca: Ca,
    _lab: Lab,
}

/// Lets those of a group bring a policy into force.
const ADMINISTER: &str = r#"
@id("sre-administers")
permit (principal in Group::"sre", action == Action::"administer", resource);
"#;

impl Scene {
    fn new() -> Self {
        Self::with(str::to_owned)
    }

    /// A policy comes into force by bob or carol alone.
    fn of_two() -> Self {
        Self::with(|text| {
            text.replace("second_administrator = false", "second_administrator = true")
        })
    }

    fn with(configure: fn(&str) -> String) -> Self {
        let lab = Lab::new();
        let ca = Ca::start_with(&lab, |config| {
            change(&config.join("jit-cad.toml"), configure);
            change(&config.join("policies/operation.cedar"), |rules| rules.to_owned() + ADMINISTER);
            // A role that the policy's own tests say nothing about.
            fs::copy(config.join("roles/web-shell.toml"), config.join("roles/debug.toml")).unwrap();
        });
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.caller(name));
        Self { alice, bob, carol, ca, _lab: lab }
    }

    /// Changes a file of the policy.
    fn edit(&self, path: &str, with: impl FnOnce(&str) -> String) {
        change(&self.ca.config().with_file_name(path), with);
    }

    fn entries(&self, of_type: &str) -> Vec<Value> {
        let entries = self.carol.wire.get("/v1/log/entries?start=0").ok().json();
        let entries = entries.as_array().unwrap().iter();
        entries.filter(|entry| entry["type"] == of_type).cloned().collect()
    }

    /// How many entries say something of policies.
    fn size(&self) -> usize {
        let types = ["bundle", "bundle.file", "bundle.proposed", "bundle.approval", "person"];
        types.into_iter().map(|of_type| self.entries(of_type).len()).sum()
    }

    /// What waits for a second administrator.
    fn pending(&self) -> Value {
        self.bob.wire.get("/v1/policy").ok().json()["pending"].clone()
    }

    fn activate(&self, by: &Caller, hash: &Value) -> jit_ca_tests::Reply {
        by.wire.post("/v1/policy/activate", &json!({"hash": hash}))
    }
}

fn change(file: &std::path::Path, with: impl FnOnce(&str) -> String) {
    let before = fs::read_to_string(file).unwrap();
    fs::write(file, with(&before)).unwrap();
}

/// The role takes at most a quarter of an hour, and says so in another entry of it.
fn shorter(role: &str) -> String {
    assert!(role.contains("longest = \"4h\""), "{role}");
    role.replace("longest = \"4h\"", "longest = \"90m\"")
}

#[test]
fn a_good_policy_is_in_force_from_the_next_call_on_and_the_log_says_what_changed() {
    let scene = Scene::new();
    scene.alice.request("debug", json!({"duration": "2h"})).ok();
    scene.edit("roles/debug.toml", shorter);
    let before = scene.size();
    let told = scene.ca.jit_cad(&["reload"]).ok().stdout;
    assert!(told.contains(" is in force; entry "), "{told}");
    assert!(told.ends_with("\nchanged roles/debug.toml\n"), "{told}");
    scene.alice.request("debug", json!({"duration": "2h"})).refused("too-long");

    assert_eq!(scene.size(), before + 2);
    let activated = scene.entries("bundle").pop().unwrap();
    let payload = &activated["payload"];
    let nothing = json!({"added": [], "changed": [], "removed": []});
    assert_eq!(payload["changes"]["files"], json!({"added": 0, "changed": 1, "removed": 0}));
    assert_eq!(payload["changes"]["people"], nothing, "{payload:#}");
    assert_eq!((&payload["asked"], &payload["approved"]), (&json!({"account": 0}), &Value::Null));
    assert!(told.contains(payload["hash"].as_str().unwrap()), "{told} {payload:#}");

    // What is in force already is not written again, and neither is what is there at the next start.
    let again = scene.ca.jit_cad(&["reload"]).ok().stdout;
    assert!(again.starts_with("nothing has changed: SHA256:"), "{again}");
    assert_eq!(scene.entries("bundle").len(), 2);
    let Scene { mut ca, carol, .. } = scene;
    ca.stop();
    ca.serve();
    let entries = carol.wire.get("/v1/log/entries?start=0").ok().json();
    let bundles = entries.as_array().unwrap().iter().filter(|entry| entry["type"] == "bundle");
    assert_eq!(bundles.count(), 2);
}

#[test]
fn a_bad_policy_changes_nothing_and_its_faults_are_told() {
    let scene = Scene::new();
    let file = scene.ca.config().with_file_name("roles/web-shell.toml");
    let role = fs::read_to_string(&file).unwrap();
    let before = scene.size();
    let (misspelt, failing) =
        (role.replace("longest", "lnogest"), role.replace("longest = \"4h\"", "longest = \"1h\""));
    for (text, fault) in [
        (&misspelt, "roles/web-shell.toml"),
        // It can be read, and a test of the policy's own expects something else.
        (&failing, "policy-tests/access.toml"),
    ] {
        fs::write(&file, text).unwrap();
        let refused = scene.ca.jit_cad(&["reload"]).exits(2);
        assert!(refused.stderr.contains("the policy in force stays"), "{refused}");
        assert!(refused.stderr.contains(fault), "{refused}");
    }
    // Of a signal nobody hears but the journal.
    run(Command::new("kill").args(["-HUP", &scene.ca.pid().to_string()])).ok();
    wait_for("the fault in the journal", || {
        let text = scene.ca.log_text();
        (text.contains("nothing is reloaded") && text.contains("policy-tests/")).then_some(())
    });
    scene.edit("roles/web-shell.toml", |_| role.clone());
    scene.edit("jit-cad.toml", |text| text.replace("idle = ", "idel = "));
    let refused = scene.ca.jit_cad(&["reload"]).exits(2);
    assert!(refused.stderr.contains("`idel`"), "{refused}");
    scene.edit("jit-cad.toml", |text| text.replace("idel = ", "idle = "));
    assert_eq!(scene.size(), before);
    scene.alice.request("web-shell", json!({"duration": "3h"})).ok();
}

#[test]
fn a_hangup_reloads_and_another_configuration_waits_for_a_restart() {
    let scene = Scene::new();
    scene.edit("roles/debug.toml", shorter);
    scene.edit("jit-cad.toml", |text| text.replace("idle = \"30m\"", "idle = \"20m\""));
    run(Command::new("kill").args(["-HUP", &scene.ca.pid().to_string()])).ok();
    let activated = wait_for("the policy", || {
        let mut bundles = scene.entries("bundle");
        (bundles.len() == 2).then(|| bundles.remove(1))
    });
    assert_eq!(activated["payload"]["asked"], "signal");
    scene.alice.request("debug", json!({"duration": "2h"})).refused("too-long");
    wait_for("the journal", || scene.ca.log_text().contains("that takes a restart").then_some(()));
    let again = scene.ca.jit_cad(&["reload"]).ok().stdout;
    assert!(
        again.contains("jit-cad.toml says something else than at the daemon's start"),
        "{again}"
    );
}

#[test]
fn a_configuration_that_was_named_from_where_one_was_is_the_same_configuration() {
    let mut scene = Scene::new();
    scene.ca.stop();
    // The daemon's arguments are its own name, serve, --config, FILE and others.
    let relative = r#"cd "$(dirname "$4")" && program=$1 serve=$2 config=$3 file=./$(basename "$4") && shift 4 &&
        exec "$program" "$serve" "$config" "$file" "$@""#;
    assert!(scene.ca.serve_by(&["sh", "-c", relative, "sh"]));
    scene.edit("roles/debug.toml", shorter);
    let told = scene.ca.jit_cad(&["reload"]).ok().stdout;
    assert!(told.contains(" is in force; entry ") && !told.contains("jit-cad.toml"), "{told}");
}

#[test]
fn who_is_removed_can_do_nothing_from_then_on_and_who_is_new_can_enrol() {
    let scene = Scene::new();
    let request = scene.alice.granted("debug", json!({}), &[&scene.bob]);
    let waits = scene.alice.request("debug", json!({"reason": "INC-43"})).ok().json();
    let key = scene.alice.person.make_key("work", "ed25519");
    scene.alice.ask_ssh(&request["grant"], &key).ok();
    // A call that waits when the policy changes is answered by the new one.
    let (alice, path) = (
        scene.alice.wire.clone(),
        format!("/v1/requests/{}?wait=30", waits["id"].as_str().unwrap()),
    );
    let waiting = thread::spawn(move || alice.get(&path));

    let file = scene.ca.config().with_file_name("users.toml");
    let users: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
    let mut changed = users.clone();
    let people = changed["person"].as_array_mut().unwrap();
    people.retain(|person| person["name"].as_str() != Some("alice"));
    people.push(
        toml::toml! {
            id = "u-2001"
            name = "erin"
            groups = ["dev"]
            ssh_keys = []
        }
        .into(),
    );
    fs::write(&file, changed.to_string()).unwrap();
    // Its tests name alice.
    fs::remove_dir_all(file.with_file_name("policy-tests")).unwrap();
    let told = scene.ca.jit_cad(&["reload"]).ok().stdout;
    assert!(told.contains("\nadded erin (local/u-2001)\n"), "{told}");
    assert!(told.contains("\nremoved alice (local/u-1001)\n"), "{told}");

    assert_eq!(waiting.join().unwrap().status, Some(401));
    for path in ["/v1/me", "/v1/roles", "/v1/requests"] {
        assert_eq!(scene.alice.wire.get(path).status, Some(401), "{path}");
    }
    assert_eq!(
        scene.alice.wire.post("/v1/requests", &json!({"role": "debug", "reason": "x"})).status,
        Some(401)
    );
    let grant = request["grant"]["id"].as_str().unwrap();
    let public_key = fs::read_to_string(key.with_extension("pub")).unwrap();
    let call = json!({"public_key": public_key.trim_end(), "signature": "none is looked at"});
    assert_eq!(scene.alice.wire.post(&format!("/v1/grants/{grant}/ssh"), &call).status, Some(401));
    let (call, _) =
        scene.alice.wire.login_call(&scene.alice.person.key(), json!({"totp": "000000"}));
    scene.alice.wire.post("/v1/logins", &call).refused("login-refused");
    scene.ca.jit_cad(&["user", "enroll", "alice"]).exits(2);
    // Nobody gives her anything.
    scene.bob.approve(&waits).refused("not-permitted");
    scene.ca.jit_cad(&["user", "enroll", "erin"]).ok();

    // Pseudonyms alone, and erin's subject is known before.
    let payload = scene.entries("bundle").pop().unwrap()["payload"].clone();
    let people = &payload["changes"]["people"];
    let subjects = scene.entries("subject");
    let actor = |name: &str| {
        let known = subjects.iter().find(|known| known["payload"]["name"] == name);
        known.unwrap()["actor"].clone()
    };
    assert_eq!(people["added"], json!([actor("erin")]), "{payload:#}");
    assert_eq!(people["removed"], json!([actor("alice")]), "{payload:#}");
}

#[test]
fn a_login_ends_with_the_ssh_key_that_it_was_made_with() {
    let scene = Scene::new();
    let Scene { alice, bob, ca, .. } = &scene;
    let grant = alice.granted("debug", json!({}), &[bob])["grant"].clone();
    let request = alice.request("debug", json!({"reason": "INC-43"})).ok().json();
    let work = alice.person.make_key("work", "ed25519");
    let other = alice.person.make_key("other", "ed25519");
    let public = |key: &std::path::Path| {
        fs::read_to_string(key.with_extension("pub")).unwrap().trim_end().to_owned()
    };
    let reload_with = |keys: &[String]| {
        scene.edit("users.toml", |users| {
            let mut users: toml::Table = users.parse().unwrap();
            let people = users["person"].as_array_mut().unwrap().iter_mut();
            let mut alice = people.filter(|person| person["name"].as_str() == Some("alice"));
            alice.next().unwrap()["ssh_keys"] = keys.to_vec().into();
            users.to_string()
        });
        ca.jit_cad(&["reload"]).ok().says("changed alice");
    };
    reload_with(&[public(&other), public(&alice.person.key())]);
    alice.ask_ssh(&grant, &work).ok();

    let (call, once) = alice.wire.ssh_call(grant["id"].as_str().unwrap(), &work);
    let (wire, path) =
        (alice.wire.clone(), format!("/v1/requests/{}?wait=30", request["id"].as_str().unwrap()));
    let waiting = thread::spawn(move || wire.get(&path));
    reload_with(&[public(&other)]);
    assert_eq!(waiting.join().unwrap().status, Some(401));
    let told = alice.wire.get("/v1/me");
    assert_eq!(told.status, Some(401), "{told:#?}");
    let text = |field: &str| told.problem()[field].as_str().unwrap().to_owned();
    assert!(text("detail").contains("the SSH key that it was made with"), "{told:#?}");
    assert!(text("hint").contains("log in again with a key that it has"), "{told:#?}");
    let path = format!("/v1/grants/{}/ssh", grant["id"].as_str().unwrap());
    for reply in [
        alice.wire.post_again(&path, &call, &once),
        alice.request("debug", json!({})),
        alice.wire.post("/v1/mfa", &json!({})),
        // It is over as it is.
        alice.wire.post("/v1/logout", &json!({})),
    ] {
        assert_eq!(reply.status, Some(401), "{reply:#?}");
    }

    let factor = json!({"totp": alice.authenticator.code()});
    let (call, key) = alice.wire.login_call(&other, factor);
    let reply = alice.wire.post("/v1/logins", &call).ok().json();
    let certificate = alice.person.file("other.pem");
    fs::write(&certificate, reply["certificate"].as_str().unwrap()).unwrap();
    let again = alice.wire.with_login(&key, &certificate);
    let (call, once) = again.ssh_call(grant["id"].as_str().unwrap(), &work);
    again.post_again(&path, &call, &once).ok();
    // Bob's keys are as they were.
    bob.wire.get("/v1/me").ok();
}

#[test]
fn a_second_administrator_brings_a_policy_into_force_that_was_seen() {
    let scene = Scene::of_two();
    assert_eq!(scene.pending(), Value::Null);
    // The first bundle took nobody.
    assert_eq!(scene.entries("bundle")[0]["payload"]["approved"], Value::Null);
    scene.edit("roles/debug.toml", shorter);
    // Who may, is said by the policy in force: the proposed one lets alice.
    let of_dev = ADMINISTER.replace("Group::\"sre\"", "Group::\"dev\"");
    scene.edit("policies/operation.cedar", |rules| rules.replace(ADMINISTER, &of_dev));
    let told = scene.ca.jit_cad(&["reload"]).ok().stdout;
    assert!(
        told.contains(" is proposed, and waits for an administrator: jit-ca policy activate "),
        "{told}"
    );
    let again = scene.ca.jit_cad(&["reload"]).ok().stdout;
    assert!(again.contains(" is proposed already\n"), "{again}");
    scene.alice.request("debug", json!({"duration": "2h"})).ok();
    let proposed = scene.entries("bundle.proposed");
    assert_eq!(proposed.len(), 1);
    let files = ["policies/operation.cedar", "roles/debug.toml"];
    assert_eq!(proposed[0]["payload"]["files"]["changed"], json!(files));

    let pending = scene.pending();
    let hash = &pending["hash"];
    assert_eq!(*hash, proposed[0]["payload"]["hash"]);
    let files = pending["files"].as_array().unwrap();
    let changed: Vec<_> = files.iter().filter(|file| file["before"] != file["after"]).collect();
    assert_eq!(changed.len(), 2, "{pending:#}");
    assert_eq!(changed[1]["path"], "roles/debug.toml");

    scene.alice.wire.get("/v1/policy").refused("not-permitted");
    scene.activate(&scene.alice, hash).refused("not-permitted");
    let in_force = scene.bob.wire.get("/v1/policy").ok().json()["in_force"].clone();
    scene.activate(&scene.bob, &in_force).refused("not-proposed");
    // What is activated is what was proposed, whatever the files say by now.
    scene.edit("roles/debug.toml", |role| role.replace("\"90m\"", "\"10h\""));
    let by_hand = json!({"hash": hash});
    let reply = scene.carol.wire.post_again("/v1/policy/activate", &by_hand, "once").ok().json();
    assert_eq!(reply, json!({"in_force": hash, "pending": null}));
    assert_eq!(
        scene.carol.wire.post_again("/v1/policy/activate", &by_hand, "once").ok().json(),
        reply
    );
    scene.alice.request("debug", json!({"duration": "2h"})).refused("too-long");
    scene.activate(&scene.bob, hash).refused("not-permitted");
    scene.activate(&scene.alice, hash).refused("not-proposed");

    let approval = &scene.entries("bundle.approval")[0];
    let activated = &scene.entries("bundle")[1];
    assert_eq!(approval["name"], "carol");
    assert_eq!(approval["index"].as_u64().unwrap() + 1, activated["index"].as_u64().unwrap());
    assert_eq!(activated["payload"]["approved"], approval["actor"]);
    assert_eq!(activated["payload"]["changes"], proposed[0]["payload"]["changes"]);
    assert_eq!(approval["bundle"], in_force);
}

#[test]
fn a_start_with_changed_files_proposes_and_what_was_proposed_does_not_outlive_the_daemon() {
    let mut scene = Scene::of_two();
    scene.edit("roles/debug.toml", shorter);
    scene.edit("users.toml", |users| users.replace("\"contractors\"", "\"contractors\", \"dev\""));
    scene.ca.stop();
    scene.ca.serve();
    // The one in force is made again from the log.
    scene.alice.request("debug", json!({"duration": "2h"})).ok();
    let pending = scene.pending();
    let at_start = scene.entries("bundle.proposed").pop().unwrap();
    assert_eq!(
        (&pending["asked"], &at_start["payload"]["asked"]),
        (&json!("start"), &json!("start"))
    );
    assert!(
        scene.ca.log_text().contains("the policy has changed, and waits"),
        "{}",
        scene.ca.log_text()
    );

    // Put back, nothing waits: not at the reload, and not at the next start.
    scene.edit("roles/debug.toml", |role| role.replace("\"90m\"", "\"4h\""));
    scene.edit("users.toml", |users| users.replace("\"contractors\", \"dev\"", "\"contractors\""));
    let told = scene.ca.jit_cad(&["reload"]).ok().stdout;
    assert!(told.contains(" is no longer proposed\n"), "{told}");
    scene.activate(&scene.bob, &pending["hash"]).refused("not-proposed");
    scene.ca.stop();
    scene.ca.serve();
    assert_eq!(scene.pending(), Value::Null);
    assert_eq!(scene.entries("bundle.proposed").len(), 1);

    // Proposed again by a start, and activated.
    scene.edit("roles/debug.toml", shorter);
    scene.ca.stop();
    scene.ca.serve();
    let hash = scene.pending()["hash"].clone();
    scene.activate(&scene.bob, &hash).ok();
    scene.alice.request("debug", json!({"duration": "2h"})).refused("too-long");
    scene.ca.stop();
    scene.ca.serve();
    assert_eq!((scene.pending(), scene.entries("bundle").len()), (Value::Null, 2));
}

#[test]
fn of_two_who_activate_at_once_one_does_and_of_two_proposals_the_last_counts() {
    let scene = Scene::of_two();
    for round in 0..4 {
        let longest = format!("longest = \"{}m\"", 100 + round);
        let edit = |role: &str| {
            let line = role.lines().find(|line| line.starts_with("longest")).unwrap().to_owned();
            role.replace(&line, &longest)
        };
        scene.edit("roles/debug.toml", edit);
        scene.ca.jit_cad(&["reload"]).ok();
        let hash = scene.pending()["hash"].clone();
        let call = json!({"hash": hash});
        let replies = thread::scope(|scope| {
            let calls = [&scene.bob, &scene.carol, &scene.bob, &scene.carol].map(|by| {
                let (wire, call) = (&by.wire, &call);
                scope.spawn(move || wire.post("/v1/policy/activate", call))
            });
            calls.map(|call| call.join().unwrap())
        });
        let done = replies.iter().filter(|reply| reply.status == Some(200)).count();
        let lost = replies.iter().filter(|reply| reply.status == Some(409)).count();
        assert_eq!((done, lost), (1, 3), "{replies:#?}");
        assert_eq!(scene.entries("bundle").len(), 2 + round);
        assert_eq!(scene.entries("bundle.approval").len(), 1 + round);
    }
    // What was seen, and another one is proposed by then.
    scene.edit("roles/debug.toml", |role| role.replace("longest = \"103m\"", "longest = \"104m\""));
    scene.ca.jit_cad(&["reload"]).ok();
    let seen = scene.pending()["hash"].clone();
    scene.edit("roles/debug.toml", |role| role.replace("longest = \"104m\"", "longest = \"105m\""));
    scene.ca.jit_cad(&["reload"]).ok();
    let reply = scene.activate(&scene.bob, &seen);
    assert_eq!(reply.status, Some(409));
    reply.refused("not-proposed");
    scene.activate(&scene.bob, &scene.pending()["hash"]).ok();
}

#[test]
fn an_administrator_who_is_locked_activates_nothing() {
    let scene = Scene::of_two();
    scene.edit("roles/debug.toml", shorter);
    scene.ca.jit_cad(&["reload"]).ok();
    let hash = &scene.pending()["hash"];
    let lock = |what: &str| {
        let call = json!({"what": what, "reason": "laptop lost"});
        scene.bob.wire.post("/v1/locks", &call).ok();
    };
    lock("carol");
    scene.activate(&scene.carol, hash).refused("unauthenticated");
    lock("all");
    scene.activate(&scene.bob, hash).refused("locked");
    assert_eq!(scene.pending()["hash"], *hash);
    scene.ca.jit_cad(&["unlock", "all", "--reason", "found"]).ok();
    scene.activate(&scene.bob, hash).ok();
}

#[test]
fn calls_and_reloads_beside_one_another_agree_on_the_policy() {
    let scene = Scene::new();
    let call = json!({"role": "debug", "duration": "2h", "reason": "INC-42"});
    thread::scope(|scope| {
        for _ in 0..3 {
            let (wire, call) = (&scene.alice.wire, &call);
            scope.spawn(move || {
                for _ in 0..6 {
                    let reply = wire.post("/v1/requests", call);
                    match reply.status {
                        Some(200) => {}
                        Some(403) => drop(reply.refused("too-long")),
                        _ => panic!("{reply:#?}"),
                    }
                }
            });
        }
        for round in 0..20 {
            let text = ["longest = \"4h\"", "longest = \"90m\""];
            let (old, new) = (text[round % 2], text[(round + 1) % 2]);
            scene.edit("roles/debug.toml", |role| role.replace(old, new));
            scene.ca.jit_cad(&["reload"]).ok();
        }
    });
    assert_eq!(scene.entries("bundle").len(), 21);
    wait_for("all entries", || {
        let said = scene.entries("request").len() + scene.entries("refusal").len();
        (said == 18).then_some(())
    });
    // That each request is of the bundle in force, the verifier says of the log as it is dropped; that each was decided by
    // the one that it names, also a refusal that was written a moment later, the replay.
    let carol = &scene.carol.person;
    carol.login(&scene.carol.authenticator.code()).ok();
    let told = carol.jit_ca(&["--json", "log", "replay"]).ok().json();
    assert_eq!(told["without_policy"], 0, "{told:#}");
    assert!(told["decisions"].as_u64().unwrap() >= 18, "{told:#}");
}

#[test]
fn the_program_shows_what_waits_and_activates_what_it_showed() {
    let scene = Scene::of_two();
    let carol = &scene.carol.person;
    carol.login(&scene.carol.authenticator.code()).ok();
    let told = carol.jit_ca(&["policy", "pending"]).ok();
    assert!(told.stdout.starts_with("nothing is proposed; SHA256:"), "{told}");
    scene.edit("roles/debug.toml", shorter);
    scene.ca.jit_cad(&["reload"]).ok();
    let told = carol.jit_ca(&["policy", "pending"]).ok();
    for line in [
        "--- in-force/roles/debug.toml",
        "+++ proposed/roles/debug.toml",
        "+longest = \"90m\"",
        "by        the account 0",
    ] {
        assert!(told.stdout.contains(line), "{told}");
    }
    let hash = scene.pending()["hash"].as_str().unwrap().to_owned();
    let told = carol.jit_ca(&["policy", "activate", &hash, "--yes"]).ok();
    assert_eq!(told.stdout, format!("{hash} is in force\n"));
    let told = carol.jit_ca(&["policy", "activate", &hash, "--yes"]).exits(3);
    assert!(told.stderr.contains("not proposed"), "{told}");
}
