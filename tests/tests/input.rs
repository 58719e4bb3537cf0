//! Bad input gets a clear 4xx, and changes nothing.

use std::process::{Command, Stdio};
use std::thread;

use jit_ca_tests::{Ca, Caller, Lab, Reply, run, wait_for};
use serde_json::{Value, json};

struct Scene {
    alice: Caller,
    grant: String,
    request: String,
    _ca: Ca,
    _lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let ca = Ca::start(&lab);
        let alice = ca.caller("alice");
        let request = alice.granted("web-logs", json!({}), &[]);
        let text = |value: &Value| value["id"].as_str().unwrap().to_owned();
        Self { grant: text(&request["grant"]), request: text(&request), alice, _ca: ca, _lab: lab }
    }

    /// The log's size and root.
    fn head(&self) -> String {
        let checkpoint = self.alice.wire.get("/log/checkpoint").ok().body;
        checkpoint.lines().take(3).collect::<Vec<_>>().join("\n")
    }

    /// A POST of any text, with an idempotency key.
    fn post(&self, path: &str, body: &str) -> Reply {
        let headers = ["-H", "content-type: application/json", "-H", "idempotency-key: bad-input"];
        self.alice.wire.call(&headers, path, Some(body))
    }
}

/// The log's size, as its checkpoint says.
fn size(head: &str) -> u64 {
    head.lines().nth(1).unwrap().parse().unwrap()
}

/// A whole problem of the caller's own making.
#[track_caller]
fn clear(reply: &Reply) {
    assert!(reply.status.is_some_and(|status| (400..500).contains(&status)), "{reply:#?}");
    reply.problem();
}

#[test]
fn bad_input_is_answered_clearly_and_changes_nothing() {
    let scene = Scene::new();
    let before = scene.head();
    let mut refusals = 0;
    let long = "x".repeat(5000);
    let grant_ssh = format!("/v1/grants/{}/ssh", scene.grant);
    let grant_x509 = format!("/v1/grants/{}/x509", scene.grant);
    let approve = format!("/v1/requests/{}/approve", scene.request);
    let table: Vec<(&str, String)> = vec![
        // Not JSON, not an object, not these fields, not these types.
        ("/v1/requests", String::new()),
        ("/v1/requests", "{".to_owned()),
        ("/v1/requests", "null".to_owned()),
        ("/v1/requests", "[]".to_owned()),
        ("/v1/requests", "\u{0}".to_owned()),
        ("/v1/requests", "[".repeat(50_000)),
        ("/v1/requests", json!({"role": "web-logs"}).to_string()),
        ("/v1/requests", json!({"role": 7, "reason": "x"}).to_string()),
        ("/v1/requests", json!({"role": "web-logs", "reason": "x", "admin": true}).to_string()),
        ("/v1/requests", json!({"role": "web-logs", "reason": "x", "duration": 60}).to_string()),
        ("/v1/requests", json!({"role": "web-logs", "reason": "x", "duration": "-1h"}).to_string()),
        ("/v1/requests", json!({"role": "web-logs", "reason": "x", "duration": "0s"}).to_string()),
        ("/v1/requests", json!({"role": "web-logs", "reason": "x", "duration": "99999999999999999999h"}).to_string()),
        ("/v1/requests", json!({"role": "web-logs", "reason": "x", "hosts": "web1"}).to_string()),
        ("/v1/requests", json!({"role": "web-logs", "reason": "x", "hosts": ["web1,web2"]}).to_string()),
        ("/v1/requests", json!({"role": "web-logs", "reason": "x", "hosts": ["*"]}).to_string()),
        ("/v1/requests", json!({"role": "../web-logs", "reason": "x"}).to_string()),
        ("/v1/requests", json!({"role": "web-logs", "reason": ""}).to_string()),
        ("/v1/requests", json!({"role": "web-logs", "reason": "a\nforged: line"}).to_string()),
        ("/v1/requests", json!({"role": "web-logs", "reason": "a\u{202e}b"}).to_string()),
        ("/v1/requests", json!({"role": "web-logs", "reason": long}).to_string()),
        // Malformed keys, signatures and requests.
        (&grant_ssh, json!({"public_key": "", "signature": ""}).to_string()),
        (&grant_ssh, json!({"public_key": "ssh-ed25519 AAAA", "signature": "x"}).to_string()),
        (&grant_ssh, json!({"public_key": format!("ssh-ed25519 {long}"), "signature": "x"}).to_string()),
        (&grant_ssh, json!({"public_key": "ssh-ed25519\nssh-rsa", "signature": "x"}).to_string()),
        (&grant_x509, json!({"csr": ""}).to_string()),
        (&grant_x509, json!({"csr": "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n"}).to_string()),
        (&grant_x509, json!({"csr": "-----BEGIN CERTIFICATE REQUEST-----\n!!!\n-----END CERTIFICATE REQUEST-----\n"}).to_string()),
        (&grant_x509, json!({"csr": long}).to_string()),
        (&approve, json!({"hash": "SHA256:x", "duration": "1m", "rows": [], "signature": ""}).to_string()),
        (&approve, json!({"hash": "SHA256:AAAA", "duration": "1m", "rows": ["ssh a"], "signature": ""}).to_string()),
        // Ids that are none, and none that exist.
        ("/v1/requests/x/approve", "{}".to_owned()),
        ("/v1/requests/r-00000000000000000000000000/cancel", "{}".to_owned()),
        ("/v1/requests/..%2f..%2fetc/cancel", "{}".to_owned()),
        ("/v1/grants/g-00000000000000000000000000/ssh", json!({"public_key": "x", "signature": "x"}).to_string()),
        ("/v1/nothing", "{}".to_owned()),
        ("/v1/mfa/confirm", json!({"code": "abcdef"}).to_string()),
        ("/v1/mfa/confirm", json!({"code": long}).to_string()),
        // Login calls of nobody, who leaves no entry.
        ("/v1/logins", "{}".to_owned()),
        ("/v1/logins", json!({"name": "Ro ot", "challenge": "", "csr": "", "signature": "", "factor": {"totp": ""}}).to_string()),
    ];
    for (path, body) in &table {
        let reply = scene.post(path, body);
        println!("{path} {body:.200}"); // shown when the test fails
        clear(&reply);
        // What is understood, and refused to somebody known, is an entry and changes nothing else.
        let code = reply.problem()["code"].as_str().unwrap().to_owned();
        refusals += u64::from(["key-refused", "not-found"].contains(&code.as_str()));
    }
    assert!((1..10).contains(&refusals), "{refusals}");
    for path in [
        "/v1/requests/x",
        "/v1/requests/r-00000000000000000000000000",
        "/v1/requests?status=open",
        "/v1/requests?wait=1",
        "/v1/requests/r-00000000000000000000000000?wait=-1",
        "/v1/log/entries/x",
        "/v1/log/entries/-1",
        "/v1",
        "/",
        "/v1/me/../../etc/passwd",
    ] {
        clear(&scene.alice.wire.get(path));
    }
    let expected = size(&before) + refusals;
    wait_for("the refusals' entries", || (size(&scene.head()) >= expected).then_some(()));
    assert_eq!(size(&scene.head()), expected);
}

#[test]
fn sizes_headers_and_methods_are_bounded() {
    let scene = Scene::new();
    let before = scene.head();
    let wire = &scene.alice.wire;
    let reason =
        |length: usize| json!({"role": "web-logs", "reason": "x".repeat(length)}).to_string();
    assert_eq!(scene.post("/v1/requests", &reason(70_000)).status, Some(413));
    // One that is far too large may be cut off before it is answered.
    let huge = scene.post("/v1/requests", &reason(1_000_000));
    assert!(huge.status.is_none_or(|status| status == 413), "{:?} {}", huge.status, huge.error);
    let chunked = [
        "-H",
        "transfer-encoding: chunked",
        "-H",
        "content-type: application/json",
        "-H",
        "idempotency-key: a",
    ];
    let huge = wire.call(&chunked, "/v1/requests", Some(&reason(1_000_000)));
    assert!(huge.status.is_none_or(|status| status == 413), "{:?} {}", huge.status, huge.error);

    let bomb = format!("x-bomb: {}", "x".repeat(100_000));
    let reply = wire.call(&["-H", &bomb], "/v1/me", None);
    assert!(reply.status.is_none_or(|status| (400..500).contains(&status)), "{:?}", reply.status);
    let many: Vec<String> = (0..500).flat_map(|n| ["-H".to_owned(), format!("x-{n}: 1")]).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let reply = wire.call(&many, "/v1/me", None);
    assert!(reply.status.is_none_or(|status| (400..500).contains(&status)), "{:?}", reply.status);

    clear(&wire.call(&["-X", "DELETE"], "/v1/requests", None));
    clear(&wire.call(
        &["-X", "PUT", "-H", "content-type: application/json"],
        "/v1/mfa",
        Some("{}"),
    ));
    let as_text = ["-H", "content-type: text/plain", "-H", "idempotency-key: a"];
    clear(&wire.call(&as_text, "/v1/requests", Some(&reason(5))));
    assert_eq!(scene.head(), before);
    wire.get("/v1/me").ok();
}

#[test]
fn a_post_is_repeatable_by_its_idempotency_key_alone() {
    let scene = Scene::new();
    let wire = &scene.alice.wire;
    let body = json!({"role": "web-shell", "reason": "INC-42"});
    let json_only = ["-H", "content-type: application/json"];
    clear(&wire.call(&json_only, "/v1/requests", Some(&body.to_string())));
    for key in ["", "with space", "ünïcode", &"x".repeat(129)] {
        let header = format!("idempotency-key: {key}");
        let reply = wire.call(
            &[&json_only[..], &["-H", &header]].concat(),
            "/v1/requests",
            Some(&body.to_string()),
        );
        clear(&reply);
    }

    let first = wire.post_again("/v1/requests", &body, "once").ok();
    let head = scene.head();
    let again = wire.post_again("/v1/requests", &body, "once").ok();
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert_eq!(scene.head(), head);
    let other = json!({"role": "web-shell", "reason": "INC-43"});
    clear(&wire.post_again("/v1/requests", &other, "once"));
    assert_eq!(scene.head(), head);

    // A certificate too: the same one, and no second issuance.
    let key = scene.alice.person.make_key("work", "ed25519");
    let (call, idempotency_key) = wire.ssh_call(&scene.grant, &key);
    let path = format!("/v1/grants/{}/ssh", scene.grant);
    let ask = || certified(&wire.post_again(&path, &call, &idempotency_key).ok().json());
    assert_eq!(ask(), ask());
}

/// An answer with a certificate, and of its proof what it says and not which checkpoint it is under.
fn certified(answer: &Value) -> Value {
    let mut answer = answer.clone();
    let proof = answer["proof"].as_str().unwrap();
    answer["proof"] = proof.lines().take(3).collect();
    answer
}

#[test]
fn a_silent_connection_is_closed() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-quiet", "-connect", ca.url().trim_start_matches("https://")]);
    // Its standard input stays open, so that it says nothing and waits.
    openssl.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut silent = openssl.spawn().unwrap();
    wait_for("the end of a connection that says nothing", || silent.try_wait().unwrap());
}

#[test]
fn an_x509_certificate_is_the_same_to_the_byte_however_often_it_is_asked_for() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (alice, bob) = (ca.caller("alice"), ca.caller("bob"));
    let grant = alice.granted("orders-api", json!({}), &[&bob])["grant"]["id"].clone();
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
    let csr = run(openssl.args(["-subj", "/CN=x", "-keyout", "/dev/null"])).ok().stdout;
    let path = format!("/v1/grants/{}/x509", grant.as_str().unwrap());
    let ask = || alice.wire.post_again(&path, &json!({"csr": csr}), "once").ok().json();
    // ECDSA draws randomness: a second signature would differ.
    let answers: Vec<Value> = thread::scope(|scope| {
        let asked: Vec<_> = (0..6).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert_eq!(certified(&ask()), certified(&ask()));
    let is_pem = |answer: &Value| answer["certificate"].as_str().unwrap().contains("BEGIN");
    assert!(answers.iter().all(is_pem));
}
