//! Logins that are open: seen, ended one by one or all at once, and ended by a lock.

use jit_ca_tests::{Ca, Caller, Lab, Wire};
use serde_json::json;

#[test]
fn logins_are_listed_and_ended_one_by_one_or_all_at_once() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let mut alice = ca.caller("alice");
    let first = alice.wire.clone();
    alice.login_again(&ca);
    alice.person.login(&alice.authenticator.code()).ok();
    let listed = |wire: &Wire| wire.get("/v1/logins").ok().json().as_array().unwrap().clone();
    let logins = listed(&alice.wire);
    // Enrolment's own is among them.
    assert_eq!(logins.len(), 4, "{logins:#?}");
    let this: Vec<bool> = logins.iter().map(|login| login["is_this"].as_bool().unwrap()).collect();
    assert_eq!(this, [false, true, false, false], "the newest is the first");
    for login in &logins {
        assert_eq!(login["address"], "127.0.0.1");
        assert!(login["idle_ends"].as_str().unwrap() <= login["expires"].as_str().unwrap());
    }
    let own = fingerprint(&alice);
    assert!(logins.iter().all(|login| login["key"] == own.as_str()), "{own}: {logins:#?}");

    // By the command line: the one in the middle goes, by the end of its serial.
    let shown = alice.person.jit_ca(&["logins"]).ok().stdout;
    assert_eq!(shown.matches("(this one)").count(), 1, "{shown}");
    let serial = first.get("/v1/me").ok().json()["login"]["serial"].as_str().unwrap().to_owned();
    let ending = serial.get(serial.len() - 6..).unwrap();
    assert!(shown.contains(ending), "{shown}");
    alice.person.jit_ca(&["logout", "abc"]).exits(2).says("too short");
    alice.person.jit_ca(&["logout", "zzzzzz"]).exits(2).says("jit-ca logins");
    alice.person.jit_ca(&["logout", ending]).ok();
    first.get("/v1/me").refused("unauthenticated");
    assert_eq!(listed(&alice.wire).len(), 3);

    // Nobody ends another's, nor sees it without the right to administer.
    let bob = ca.caller("bob");
    let other = json!({"which": {"one": listed(&alice.wire)[0]["serial"]}});
    bob.wire.post("/v1/logout", &other).refused("not-found");
    bob.wire.get("/v1/logins?subject=alice").refused("not-permitted");
    assert_eq!(bob.wire.get("/v1/logins?subject=bob").ok().json(), json!(listed(&bob.wire)));

    // All at once. An answer that was lost is given again, to whom it has ended as well.
    let (all, key) = (json!({"which": "all"}), "logout-everywhere");
    for _ in 0..2 {
        assert_eq!(alice.wire.post_again("/v1/logout", &all, key).status, Some(204));
    }
    // The same key for something else is still refused, and another key is none.
    alice.wire.post_again("/v1/logout", &json!({}), key).refused("idempotency-key-reused");
    alice.wire.post("/v1/logout", &all).refused("unauthenticated");
    alice.person.jit_ca(&["whoami"]).exits(3);
    alice.person.jit_ca(&["logout", "--all"]).ok();
    alice.login_again(&ca);
    assert_eq!(listed(&alice.wire).len(), 1);
    alice.person.login(&alice.authenticator.code()).ok();
    alice.person.jit_ca(&["logout", "--all"]).ok().says("everywhere");
    alice.wire.get("/v1/me").refused("unauthenticated");
}

#[test]
fn an_administrator_sees_another_persons_logins() {
    let lab = Lab::new();
    let ca = Ca::start_with(&lab, |config| {
        let rules = config.join("policies/operation.cedar");
        let rule = "@id(\"auditors-administer\")\npermit (principal in Group::\"auditors\", action == Action::\"administer\", resource);\n";
        let text = std::fs::read_to_string(&rules).unwrap();
        std::fs::write(&rules, text + rule).unwrap();
    });
    let (alice, carol) = (ca.caller("alice"), ca.caller("carol"));
    let seen = carol.wire.get("/v1/logins?subject=alice").ok().json();
    assert_eq!(seen.as_array().unwrap().len(), 2);
    assert!(seen.as_array().unwrap().iter().all(|login| login["is_this"] == false));
    carol.wire.get("/v1/logins?subject=nobody").refused("not-found");
    carol.person.login(&carol.authenticator.code()).ok();
    carol.person.jit_ca(&["logins", "--subject", "alice"]).ok().says("127.0.0.1");
    alice.wire.get("/v1/logins?subject=carol").refused("not-permitted");
}

#[test]
fn a_lock_ends_logins_and_its_end_opens_none() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let (mut alice, bob) = (ca.caller("alice"), ca.caller("bob"));
    let first = alice.wire.clone();
    alice.login_again(&ca);
    let call = json!({"what": "alice", "reason": "INC-7: laptop lost"});
    bob.wire.post("/v1/locks", &call).ok();
    let ended = |wires: [&Wire; 2]| {
        for wire in wires {
            wire.get("/v1/me").refused("unauthenticated");
        }
    };
    ended([&first, &alice.wire]);
    bob.wire.post("/v1/locks/lift", &call).ok();
    ended([&first, &alice.wire]);
    // Nor does a start.
    ca.stop();
    ca.serve();
    ended([&first, &alice.wire]);
    let before = alice.wire.clone();
    alice.login_again(&ca);
    ended([&first, &before]);
    alice.wire.get("/v1/me").ok();
    // What is locked for everybody, or for a role, is about no login.
    for what in ["web-shell", "all"] {
        bob.wire.post("/v1/locks", &json!({"what": what, "reason": "INC-7"})).ok();
        alice.wire.get("/v1/me").ok();
    }
    ca.jit_cad(&["unlock", "all", "--reason", "over"]).ok();
    // Whoever locks themselves has done so.
    let call = json!({"what": "bob", "reason": "my key is lost"});
    bob.wire.post("/v1/locks", &call).ok();
    bob.wire.get("/v1/me").refused("unauthenticated");
}

#[test]
fn who_leaves_the_user_file_has_no_login_from_then_on() {
    let lab = Lab::new();
    let ca = Ca::start_with_people(&lab, &[("erin", &["dev"])], |_| ());
    let (erin, bob) = (ca.caller("erin"), ca.caller("bob"));
    let users = ca.config().with_file_name("users.toml");
    let mut table: toml::Table = std::fs::read_to_string(&users).unwrap().parse().unwrap();
    let people = table["person"].as_array_mut().unwrap();
    people.retain(|person| person["name"].as_str() != Some("erin"));
    std::fs::write(&users, table.to_string()).unwrap();
    erin.wire.get("/v1/me").ok();
    ca.jit_cad(&["reload"]).ok();
    erin.wire.get("/v1/me").refused("unauthenticated");
    bob.wire.get("/v1/me").ok();
}

fn fingerprint(caller: &Caller) -> String {
    let mut keygen = std::process::Command::new("ssh-keygen");
    let said = jit_ca_tests::run(keygen.arg("-l").arg("-f").arg(caller.person.key())).ok();
    said.line().split(' ').nth(1).unwrap().to_owned()
}
