//! What time alone ends or forbids, by a daemon whose clock the test sets.

use jit_ca_tests::{Authenticator, Ca, Caller, Lab, Wire, now, wait_for};
use serde_json::json;

const MINUTE: i64 = 60;

fn scene(lab: &Lab) -> (Ca, Caller, Caller) {
    let mut ca = Ca::start(lab);
    let (alice, carol) = (ca.caller("alice"), ca.caller("carol"));
    ca.serve_by_own_clock();
    (ca, alice, carol)
}

/// A code that is right by a clock that is so many seconds ahead.
fn code_at(authenticator: &Authenticator, ahead: i64) -> String {
    let time = now().checked_add_signed(ahead).unwrap();
    // The step after that time's, which no login before had.
    authenticator.code_of(time / Authenticator::STEP + 1)
}

#[test]
fn a_challenge_is_old_after_ten_minutes() {
    let lab = Lab::new();
    let (ca, alice, _carol) = scene(&lab);
    let stranger = Wire::nobody(&ca, &alice.person);
    // A challenge that is had at `start`, answered some seconds later by a code that is right by then.
    let answer = |start: i64, later: i64| {
        if start > 0 {
            ca.let_pass(start);
        }
        let code = code_at(&alice.authenticator, start + later);
        let (call, _) = stranger.login_call(&alice.person.key(), json!({"totp": code}));
        ca.let_pass(start + later);
        stranger.post("/v1/logins", &call)
    };
    answer(0, 598).ok();
    answer(15 * MINUTE, 601).refused("login-refused");
}

#[test]
fn a_login_ends_when_it_is_not_used_and_after_its_time() {
    let lab = Lab::new();
    let (ca, alice, carol) = scene(&lab);
    ca.let_pass(29 * MINUTE);
    alice.wire.get("/v1/me").ok();
    ca.let_pass(31 * MINUTE);
    alice.wire.get("/v1/me").ok();
    assert_eq!(carol.wire.get("/v1/me").status, Some(401));
    // However often it is used, not for more than twelve hours.
    for ahead in (60..12 * 60).step_by(29) {
        ca.let_pass(ahead * MINUTE);
        alice.wire.get("/v1/me").ok();
    }
    ca.let_pass(12 * 60 * MINUTE + 1);
    let reply = alice.wire.get("/v1/me");
    assert!(reply.status.is_none_or(|status| status == 401), "{reply:#?}");
}

#[test]
fn strangers_are_counted_and_fill_no_log() {
    let lab = Lab::new();
    let (ca, alice, carol) = scene(&lab);
    let stranger = Wire::nobody(&ca, &ca.stranger("mallory"));
    let size = || {
        let checkpoint = carol.wire.get("/log/checkpoint").ok().body;
        checkpoint.lines().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = size();
    for _ in 0..4 {
        let (call, _) = stranger.login_call(&alice.person.key(), json!({"totp": "000000"}));
        stranger.post("/v1/logins", &call).refused("login-refused");
    }
    assert_eq!(size(), before);
    ca.let_pass(61);
    let entry = wait_for("the count", || {
        let entries = carol.wire.get(&format!("/v1/log/entries?start={before}")).ok().json();
        entries
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["type"] == "refusal.strangers")
            .cloned()
    });
    assert_eq!(entry["payload"]["count"], 4);
}
