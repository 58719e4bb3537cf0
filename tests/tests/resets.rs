//! Second factors that are reset: by two administrators, or on the CA's machine.

use std::fs;
use std::path::Path;
use std::thread;

use jit_ca_tests::{
    Authenticator, Ca, Caller, Lab, Means, OpenIdProvider, Person, Reply, SoftPasskey, Wire,
};
use serde_json::{Value, json};

use crate::issuers;

const RESETS: &str = "/v1/mfa/resets";
const CONFIRM: &str = "/v1/mfa/resets/confirm";
const WITHDRAW: &str = "/v1/mfa/resets/withdraw";

/// A CA that bob and carol administer, and alice, who has lost her phone.
struct Scene {
    alice: Caller,
    bob: Caller,
    carol: Caller,
    ca: Ca,
    _lab: Lab,
}

/// SREs administer, and there is a page.
fn configure(config: &Path) {
    let rules = config.join("policies/operation.cedar");
    let rule = "@id(\"sre-administer\")\npermit (principal in Group::\"sre\", action == Action::\"administer\", resource);\n";
    fs::write(&rules, fs::read_to_string(&rules).unwrap() + rule).unwrap();
    let file = config.join("jit-cad.toml");
    let web = "[web]\naddress = \"127.0.0.1:0\"\nhost = \"ca.test\"\n";
    fs::write(&file, fs::read_to_string(&file).unwrap() + web).unwrap();
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let ca = Ca::start_with(&lab, configure);
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.caller(name));
        Self { alice, bob, carol, ca, _lab: lab }
    }

    /// Bob asks for a reset of Alice's; gives the entry.
    fn asked(&self) -> Value {
        let call = json!({"name": "alice", "reason": "INC-9: the phone is lost"});
        let resets = self.bob.wire.post(RESETS, &call).ok().json();
        // A code of a reset before may wait as well.
        let mut resets = resets.as_array().unwrap().iter();
        let asked = resets.find(|reset| reset["status"] == "asked").unwrap();
        json!({"name": "alice", "entry": asked["entry"]})
    }

    fn entries(&self, kind: &str) -> Vec<Value> {
        let entries = self.carol.wire.get("/v1/log/entries").ok().json();
        let entries = entries.as_array().unwrap().iter();
        entries.filter(|entry| entry["type"] == kind).cloned().collect()
    }

    fn log_in(&self, factor: Value) -> Reply {
        let alice = &self.alice.person;
        let (call, _) = Wire::nobody(&self.ca, alice).login_call(&alice.key(), factor);
        Wire::nobody(&self.ca, alice).post("/v1/logins", &call)
    }
}

#[test]
fn two_administrators_reset_what_somebody_has_lost() {
    let scene = Scene::new();
    let Scene { alice, bob, carol, ca, .. } = &scene;
    for admin in [bob, carol] {
        admin.person.login(&admin.authenticator.code()).ok();
    }
    let mfa = |who: &Caller, words: &[&str]| who.person.jit_ca(&[&["mfa"], words].concat());
    let reset = |who: &Caller, words: &[&str]| mfa(who, &[&["reset", "alice"], words].concat());
    assert_eq!(mfa(bob, &["resets"]).ok().line(), "nothing waits");
    reset(bob, &["--confirm"]).exits(2).says("nobody has asked").says("--reason");
    reset(bob, &[]).exits(2);
    reset(bob, &["--confirm", "--withdraw"]).exits(2);
    reset(bob, &["--reason", "INC-9: the phone is lost"]).ok().says("--confirm");
    let link = alice.wire.post("/v1/passkeys", &json!({"label": "phone"})).ok().json();
    let passkey = SoftPasskey::enrol(ca, link["url"].as_str().unwrap());
    passkey.log_in(ca);
    // Nothing has changed by that; who asked can't go on alone.
    alice.wire.get("/v1/me").ok();
    reset(bob, &["--confirm"]).exits(3).says("another administrator");
    let shown = mfa(carol, &["resets"]).ok();
    shown.says("alice").says("asked").says("bob").says("INC-9");
    reset(carol, &["--withdraw"]).ok().says("nothing waits");
    reset(carol, &["--confirm"]).exits(2).says("nobody has asked");
    reset(bob, &["--reason", "INC-9: the phone is lost"]).ok();

    let done = reset(carol, &["--confirm", "--json"]).ok().json();
    let code = done["code"].as_str().unwrap().to_owned();
    let listed = mfa(bob, &["resets", "--json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed[0]["status"], "confirmed");
    assert_eq!(
        (&listed[0]["asked_by"], &listed[0]["confirmed_by"]),
        (&json!("bob"), &json!("carol"))
    );
    assert!(!listed.to_string().contains(&code));

    // What she had counts no more, and no login is open.
    alice.wire.get("/v1/me").refused("unauthenticated");
    scene.log_in(json!({"totp": alice.authenticator.code()})).refused("login-refused");
    let refused = passkey.tries_to_log_in(ca);
    assert_ne!(refused.code, 0, "{refused}");
    assert!(refused.stdout.contains("login-refused"), "{refused}");
    let authenticator = alice.person.enrol(&code);
    alice.person.login(&authenticator.code()).ok();
    alice.person.jit_ca(&["passkey", "list"]).ok().says("no passkey");
    alice.person.jit_ca(&["whoami"]).ok().says("alice");
    scene.log_in(json!({"totp": alice.authenticator.code()})).refused("login-refused");
    scene.log_in(json!({"enrolment-code": code})).refused("login-refused");
    assert_eq!(mfa(carol, &["resets"]).ok().line(), "nothing waits");

    // Both decisions stand in the log, and the code does not.
    let asked = scene.entries("mfa.reset.asked");
    let made = scene.entries("mfa.reset");
    assert_eq!((asked.len(), made.len(), scene.entries("mfa.reset.withdrawn").len()), (2, 1, 1));
    let by = &made[0]["payload"]["by"]["person"];
    assert_eq!(by["asked"], asked[1]["index"]);
    for (name, decision) in [("bob", &asked[1]["payload"]["decision"]), ("carol", &by["decision"])]
    {
        assert_eq!(decision["facts"]["action"], "administer", "{name}");
        assert!(decision["facts"]["mfa_at"].is_string() || decision["facts"]["mfa_at"].is_u64());
    }
    assert!(!made[0].to_string().contains(&code));
}

/// The second factor is the issuer's: what there is of hers here goes, and there is no code.
#[test]
fn whom_an_issuer_vouches_for_loses_passkeys_and_logins() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = Ca::start_with(&lab, |config| {
        configure(config);
        issuers::add(config, "op", &issuers::people_file(&op), &op);
    });
    let [bob, carol] = ["bob", "carol"].map(|name| ca.caller(name));
    let (alice, url) = (ca.stranger("alice-at-op"), ca.url());
    let sign_on = Person::by_issuer(&ca, &url, "op");
    alice.signs_on(&sign_on, &op.browser(), ("alice", Means::MFA)).ok();
    let name = alice.jit_ca(&["whoami", "--json"]).ok().json()["name"].clone();
    let ask = json!({"name": name, "reason": "INC-9: the phone is lost"});
    bob.wire.post(RESETS, &ask).refused("reset-unchanged");
    let link = alice.jit_ca(&["passkey", "add", "--name", "phone", "--json"]).ok().json();
    let passkey = SoftPasskey::enrol(&ca, link["url"].as_str().unwrap());
    passkey.log_in(&ca);

    let resets = bob.wire.post(RESETS, &ask).ok().json();
    let turn = json!({"name": name, "entry": resets[0]["entry"]});
    let done = carol.wire.post(CONFIRM, &turn).ok().json();
    assert_eq!((&done["code"], &done["expires"]), (&Value::Null, &Value::Null));
    assert_eq!(carol.wire.get(RESETS).ok().json(), json!([]));
    alice.jit_ca(&["whoami"]).exits(3);
    assert_ne!(passkey.tries_to_log_in(&ca).code, 0);
    // Her issuer still vouches for her.
    alice.signs_on(&sign_on, &op.browser(), ("alice", Means::MFA)).ok();
    alice.jit_ca(&["passkey", "list"]).ok().says("no passkey");
    assert_ne!(passkey.tries_to_log_in(&ca).code, 0);
}

#[test]
fn nobody_resets_alone_nor_what_is_their_own() {
    let scene = Scene::new();
    let Scene { alice, bob, carol, ca, .. } = &scene;
    let ask =
        |who: &Caller, name: &str| who.wire.post(RESETS, &json!({"name": name, "reason": "INC-9"}));
    // Who may not administer sees nothing, and does nothing.
    alice.wire.get(RESETS).refused("not-permitted");
    ask(alice, "bob").refused("not-permitted");
    ask(bob, "bob").refused("self-approval");
    ask(bob, "nobody").refused("not-found");
    // There is nothing to reset.
    ask(bob, "dave").refused("reset-unchanged");
    assert!(scene.entries("mfa.reset.asked").is_empty());

    let asked = scene.asked();
    ask(bob, "alice").refused("reset-unchanged");
    ask(carol, "alice").refused("reset-unchanged");
    bob.wire.post(CONFIRM, &asked).refused("self-approval");
    alice.wire.post(CONFIRM, &asked).refused("not-permitted");
    alice.wire.post(WITHDRAW, &asked).refused("not-permitted");
    let other = json!({"name": "alice", "entry": asked["entry"].as_u64().unwrap() - 1});
    carol.wire.post(CONFIRM, &other).refused("reset-unchanged");
    carol
        .wire
        .post(CONFIRM, &json!({"name": "bob", "entry": asked["entry"]}))
        .refused("reset-unchanged");
    // An administrator whose own it is neither confirms nor withdraws.
    let own = carol.wire.post(RESETS, &json!({"name": "bob", "reason": "INC-9"})).ok().json();
    let own = own.as_array().unwrap().iter().find(|reset| reset["name"] == "bob").unwrap();
    let own = json!({"name": "bob", "entry": own["entry"]});
    bob.wire.post(CONFIRM, &own).refused("self-approval");
    bob.wire.post(WITHDRAW, &own).refused("self-approval");
    carol.wire.post(WITHDRAW, &own).ok();
    // Who is locked resets nobody.
    ca.jit_cad(&["unlock", "all", "--reason", "none"]).exits(2);
    bob.wire.post("/v1/locks", &json!({"what": "all", "reason": "INC-9"})).ok();
    carol.wire.post(CONFIRM, &asked).refused("locked");
    ca.jit_cad(&["unlock", "all", "--reason", "over"]).ok();
    // Once it is done, the same call has no code to give any more, and is not done again.
    let key = "carol-confirms";
    carol.wire.post_again(CONFIRM, &asked, key).ok();
    let again = carol.wire.post_again(CONFIRM, &asked, key);
    assert_eq!(again.status, Some(400), "{again:#?}");
    carol.wire.post(CONFIRM, &asked).refused("reset-unchanged");
    carol.wire.post(WITHDRAW, &asked).refused("reset-unchanged");
    assert_eq!(scene.entries("mfa.reset").len(), 1);
    // The code may not have arrived: it is asked for again, and the one before is replaced.
    let second = carol.wire.post(RESETS, &json!({"name": "alice", "reason": "INC-9"}));
    assert_eq!(second.ok().json().as_array().unwrap().len(), 2);
}

/// What a stolen laptop asks for is not done either, once its owner is back.
#[test]
fn what_somebody_asks_counts_while_they_may_ask_for_it() {
    let mut scene = Scene::new();
    let asked = scene.asked();
    let Scene { carol, .. } = &scene;
    let lock = json!({"what": "bob", "reason": "INC-9: whose laptop was it?"});
    carol.wire.post("/v1/locks", &lock).ok();
    carol.wire.post(CONFIRM, &asked).refused("reset-unchanged");
    carol.wire.post("/v1/locks/lift", &lock).ok();
    carol.wire.post(CONFIRM, &asked).refused("reset-unchanged");
    assert_eq!(carol.wire.get(RESETS).ok().json(), json!([]));

    // Nor is what somebody asks whose own second factor is reset then.
    scene.bob.login_again(&scene.ca);
    let asked = scene.asked();
    let Scene { carol, ca, .. } = &scene;
    let code = ca.jit_cad(&["user", "enroll", "bob", "--alone", "--reason", "INC-9"]).ok();
    carol.wire.post(CONFIRM, &asked).refused("reset-unchanged");
    scene.bob.authenticator = scene.bob.person.enrol(code.line());
    scene.bob.login_again(&scene.ca);

    // What takes nothing away goes on while everything is locked.
    let asked = scene.asked();
    let Scene { bob, carol, ca, .. } = &scene;
    bob.wire.post("/v1/locks", &json!({"what": "all", "reason": "INC-9"})).ok();
    carol.wire.post(CONFIRM, &asked).refused("locked");
    carol.wire.post(WITHDRAW, &asked).ok();
    ca.jit_cad(&["unlock", "all", "--reason", "over"]).ok();

    // Who administers no more has asked for nothing: by today's policy.
    let asked = scene.asked();
    let rules = ca.config().with_file_name("policies/operation.cedar");
    let rule = "@id(\"not-bob\")\n@description(\"he has moved on\")\nforbid (principal == Person::\"local/u-1002\", action == Action::\"administer\", resource);\n";
    fs::write(&rules, fs::read_to_string(&rules).unwrap() + rule).unwrap();
    ca.jit_cad(&["reload"]).ok();
    carol.wire.post(CONFIRM, &asked).refused("no-longer-permitted");
    assert_eq!(scene.entries("mfa.reset").len(), 1);
}

#[test]
fn of_two_who_confirm_or_withdraw_at_once_one_does() {
    let scene = Scene::new();
    let Scene { bob, carol, .. } = &scene;
    for round in 0..4 {
        let asked = scene.asked();
        let calls: [(&Caller, &str); 3] = match round % 2 {
            0 => [(carol, CONFIRM), (carol, CONFIRM), (carol, CONFIRM)],
            _ => [(carol, CONFIRM), (bob, WITHDRAW), (carol, WITHDRAW)],
        };
        let before = scene.entries("mfa.reset").len();
        let replies: Vec<Reply> = thread::scope(|scope| {
            let asked = &asked;
            let calls = calls.map(|(who, path)| {
                let wire = who.wire.clone();
                scope.spawn(move || wire.post(path, asked))
            });
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        });
        let done: Vec<bool> = replies.iter().map(|reply| reply.status == Some(200)).collect();
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "{replies:#?}");
        let codes = replies.iter().filter(|reply| {
            reply.body.contains("\"code\":\"")
                && reply.status == Some(200)
                && reply.json()["code"].is_string()
        });
        assert_eq!(codes.count(), scene.entries("mfa.reset").len() - before);
    }
}

#[test]
fn on_the_machine_a_code_is_for_a_first_second_factor_unless_somebody_says_why() {
    let scene = Scene::new();
    let Scene { alice, carol, ca, .. } = &scene;
    let enroll = |words: &[&str]| ca.jit_cad(&[&["user", "enroll"], words].concat());
    let refused = enroll(&["alice"]);
    assert_ne!(refused.code, 0);
    refused.says("has a second factor already").says("jit-ca mfa reset").says("--alone");
    enroll(&["alice", "--alone"]).exits(2);
    enroll(&["alice", "--reason", "x"]).exits(2);
    assert!(scene.entries("mfa.reset").is_empty());
    alice.wire.get("/v1/me").ok();
    // Who has none is enrolled, as ever, and has nothing to reset.
    enroll(&["dave"]).ok();
    let none = enroll(&["dave", "--alone", "--reason", "x"]);
    assert_ne!(none.says("neither an authenticator nor a passkey").code, 0);

    let code = enroll(&["alice", "--alone", "--reason", "INC-9: carol is on leave"]).ok();
    // That code is not replaced by one for which nobody gives a reason.
    assert_ne!(enroll(&["alice"]).says("was reset").says("--alone").code, 0);
    alice.wire.get("/v1/me").refused("unauthenticated");
    scene.log_in(json!({"totp": alice.authenticator.code()})).refused("login-refused");
    let listed = carol.wire.get(RESETS).ok().json();
    assert_eq!((&listed[0]["status"], &listed[0]["asked_by"]), (&json!("confirmed"), &Value::Null));
    let made = scene.entries("mfa.reset");
    let machine = &made[0]["payload"]["by"]["machine"];
    assert_eq!(machine["reason"], "INC-9: carol is on leave");
    assert!(machine["uid"].is_u64(), "{machine}");
    let authenticator: Authenticator = alice.person.enrol(code.line());
    alice.person.login(&authenticator.code()).ok();
    assert_eq!(carol.wire.get(RESETS).ok().json(), json!([]));
}
