//! Who is calling: everything that is nearly a login and is none.

use std::path::Path;
use std::process::Command;

use jit_ca_tests::{Ca, Lab, Reply, Wire, run};
use serde_json::{Value, json};

fn try_login(wire: &Wire, call: &Value) -> Reply {
    wire.post("/v1/logins", call)
}

#[test]
fn a_code_is_taken_once_and_none_before_it() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let alice = ca.caller("alice");
    let stranger = Wire::nobody(&ca, &alice.person);
    let used = alice.authenticator.last_code();
    let (call, _) = stranger.login_call(&alice.person.key(), json!({"totp": used}));
    try_login(&stranger, &call).refused("login-refused");
    // The refused attempt used nothing up.
    Wire::login(&ca, &alice.person, json!({"totp": alice.authenticator.code()}));
}

#[test]
fn a_challenge_is_answered_once_and_by_the_daemon_that_made_it() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let alice = ca.caller("alice");
    let stranger = Wire::nobody(&ca, &alice.person);
    let (mut call, _) =
        stranger.login_call(&alice.person.key(), json!({"totp": alice.authenticator.code()}));
    try_login(&stranger, &call).ok();
    // With a code that is good, so that the challenge alone can be the reason.
    call["factor"] = json!({"totp": alice.authenticator.code()});
    try_login(&stranger, &call).refused("login-refused");

    let (call, _) = stranger.login_call(&alice.person.key(), call["factor"].clone());
    ca.stop();
    ca.serve();
    try_login(&stranger, &call).refused("login-refused");
    Wire::login(&ca, &alice.person, call["factor"].clone());
}

#[test]
fn a_statement_counts_only_by_the_users_key_and_as_it_was_signed() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (alice, bob) = (ca.caller("alice"), ca.stranger("bob"));
    let stranger = Wire::nobody(&ca, &alice.person);
    let factor = json!({"totp": alice.authenticator.code()});
    for key in [bob.key(), alice.person.make_key("unknown", "ed25519")] {
        let (call, _) = stranger.login_call(&key, factor.clone());
        try_login(&stranger, &call).refused("login-refused");
    }

    // The same signature, over another login key, as another person.
    let (signed, _) = stranger.login_call(&alice.person.key(), factor);
    let mut call = signed.clone();
    call["csr"] = stranger.key_and_csr("other", &["-subj", "/CN=x"]).1.into();
    try_login(&stranger, &call).refused("login-refused");
    let mut call = signed.clone();
    call["name"] = json!("bob");
    try_login(&stranger, &call).refused("login-refused");
    try_login(&stranger, &signed).ok();
}

#[test]
fn unknown_names_and_wrong_codes_are_answered_alike_and_slowed_down() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let alice = ca.caller("alice");
    let known = Wire::nobody(&ca, &alice.person);
    let unknown = Wire::nobody(&ca, &ca.stranger("mallory"));
    alice.person.make_key("unknown", "ed25519");

    let wrong_code = known.login_call(&alice.person.key(), json!({"totp": "000000"})).0;
    let wrong_name = unknown.login_call(&alice.person.key(), json!({"totp": "000000"})).0;
    let wrong_key =
        known.login_call(&alice.person.file(".ssh/unknown"), json!({"totp": "000000"})).0;
    let replies = [(&known, &wrong_code), (&unknown, &wrong_name), (&known, &wrong_key)]
        .map(|(wire, call)| try_login(wire, call).refused("login-refused"));
    for reply in &replies {
        assert_eq!((reply.status, &reply.body), (replies[0].status, &replies[0].body));
    }

    // A right code does not help who has to wait. It is made before, as the first wait is a short one.
    let right = json!({"totp": alice.authenticator.code()});
    let (right, _) = known.login_call(&alice.person.key(), right);
    let slowed = (0..8).find_map(|_| {
        let reply =
            try_login(&known, &known.login_call(&alice.person.key(), json!({"totp": "000000"})).0);
        (reply.status == Some(429)).then_some(reply)
    });
    slowed.expect("guesses are slowed down").refused("too-many-attempts");
    try_login(&known, &right).refused("too-many-attempts");
    // Who is logged in goes on.
    alice.wire.get("/v1/me").ok();
}

#[test]
fn a_login_certificate_is_worth_nothing_without_its_key() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let alice = ca.caller("alice");
    let (other_key, _) = alice.wire.key_and_csr("other", &["-subj", "/CN=x"]);
    let (key, certificate) = alice.wire.login_files();
    let connect = |key: &Path| {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-connect", ca.url().trim_start_matches("https://")]);
        openssl.arg("-CAfile").arg(alice.wire.root()).args(["-verify_return_error", "-brief"]);
        run(openssl.arg("-cert").arg(certificate).arg("-key").arg(key))
    };
    connect(key).ok();
    // OpenSSL itself declines to pair them, and the daemon lets in nobody who sends none.
    assert_ne!(connect(&other_key).code, 0);
    let reply = alice.wire.with_login(&other_key, certificate).get("/v1/me");
    assert_eq!(reply.status, None, "{reply:#?}");
    let reply = Wire::nobody(&ca, &alice.person).get("/v1/me");
    assert_eq!(reply.status, Some(401), "{reply:#?}");

    // A certificate that says the same, of another CA.
    let forged = lab.path().join("forged.pem");
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-subj", "/CN=alice", "-days", "1", "-out"]).arg(&forged);
    run(openssl.arg("-key").arg(key)).ok();
    let reply = alice.wire.with_login(key, &forged).get("/v1/me");
    assert!(reply.status.is_none_or(|status| status == 401), "{reply:#?}");
    alice.wire.get("/v1/me").ok();
}

#[test]
fn no_session_is_resumed_and_no_other_certificate_is_a_login() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (alice, bob) = (ca.caller("alice"), ca.caller("bob"));
    let (key, certificate) = alice.wire.login_files();
    let session = lab.path().join("session.pem");
    for version in ["-tls1_2", "-tls1_3"] {
        for direction in ["-sess_out", "-sess_in"] {
            if direction == "-sess_in" && !session.exists() {
                continue; // the daemon gave none
            }
            let mut sh = Command::new("sh");
            let script = r#"printf 'GET /v1/me HTTP/1.0\r\n\r\n' | openssl s_client -ign_eof "$@""#;
            sh.args(["-c", script, "sh", "-connect", ca.url().trim_start_matches("https://")]);
            sh.arg(version).arg("-CAfile").arg(alice.wire.root()).arg(direction).arg(&session);
            let reply = run(sh.arg("-key").arg(key).arg("-cert").arg(certificate));
            reply.says(" 200 OK").says("New, TLSv1");
        }
    }

    // One of the same CA's, of the same person's, made for a service.
    let grant = alice.granted("orders-api", json!({}), &[&bob])["grant"].clone();
    let (key, chain, _) = alice.take_x509(&grant, &["-subj", "/CN=x"]);
    let reply = alice.wire.with_login(&key, &chain).get("/v1/me");
    reply.refused("unauthenticated");
}

#[test]
fn after_logout_nothing_is_answered() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let alice = ca.caller("alice");
    let grant = alice.granted("web-logs", json!({}), &[])["grant"].clone();
    let key = alice.person.make_key("work", "ed25519");
    let (call, idempotency_key) = alice.wire.ssh_call(grant["id"].as_str().unwrap(), &key);
    alice.wire.post("/v1/logout", &json!({})).ok();
    for _ in 0..2 {
        let path = format!("/v1/grants/{}/ssh", grant["id"].as_str().unwrap());
        let replies = [
            alice.wire.get("/v1/me"),
            alice.wire.get("/v1/roles"),
            alice.wire.post_again(&path, &call, &idempotency_key),
        ];
        for reply in replies {
            assert_eq!(reply.status, Some(401), "{reply:#?}");
        }
        // Nor by a daemon that was started since.
        ca.stop();
        ca.serve();
    }
}

#[test]
fn a_login_without_a_second_factor_can_only_enrol_one() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let alice = ca.stranger("alice");
    let code = ca.jit_cad(&["user", "enroll", "alice"]).ok().line().to_owned();
    let factor = json!({"enrolment-code": code});
    let newcomer = Wire::login(&ca, &alice, factor.clone());
    newcomer.get("/v1/me").ok();
    newcomer.get("/v1/roles").refused("mfa-required");
    let request = json!({"role": "web-logs", "reason": "INC-42"});
    newcomer.post("/v1/requests", &request).refused("mfa-required");

    // The code is spent, and an enrolment without a right code of the new secret enrols nothing.
    let (call, _) = newcomer.login_call(&alice.key(), factor);
    try_login(&newcomer, &call).refused("login-refused");
    newcomer.post("/v1/mfa", &json!({})).ok();
    let reply = newcomer.post("/v1/mfa/confirm", &json!({"code": "000000"}));
    assert!(reply.status.is_some_and(|status| (400..500).contains(&status)), "{reply:#?}");
    newcomer.get("/v1/roles").refused("mfa-required");
}
