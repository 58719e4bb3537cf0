//! What a CA does in a day, made ahead as far as it can be, and made by hand: each answer may be none.

use std::collections::HashSet;
use std::path::PathBuf;

use base64ct::{Base64Unpadded, Encoding};
use jit_ca_tests::{Ca, Caller, Issued, Lab, Reply};
use serde_json::{Value, json};

/// How many certificates are issued.
const CERTIFICATES: usize = 4;

/// A CA in the middle of its life, stopped, and what will be asked of it.
pub(super) struct Work {
    pub(super) ca: Ca,
    alice: Caller,
    bob: Caller,
    carol: Caller,
    store: PathBuf,
    size: usize,
    calls: Vec<Call>,
}

/// A call for a certificate: path, body, idempotency key.
struct Call {
    path: String,
    body: Value,
    key: String,
}

/// What was answered with success: each must be in the log.
#[derive(Debug, Default)]
pub(super) struct Promised {
    /// The bytes that certificates sign, as the log's intents name them.
    certificates: Vec<String>,
    /// Entries of these types, of these requests.
    requests: Vec<(&'static str, String)>,
    /// The daemon said that it had stopped in order.
    pub(super) has_stopped: bool,
}

impl Promised {
    /// Whether nothing of the work was refused.
    pub(super) fn is_all(&self) -> bool {
        self.certificates.len() == CERTIFICATES + 1 && self.requests.len() == 3
    }
}

impl Work {
    pub(super) fn new(lab: &Lab) -> Self {
        let mut ca = Ca::start(lab);
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.caller(name));
        let grant = |role| alice.granted(role, json!({}), &[&bob])["grant"]["id"].clone();
        let [ssh, x509] =
            ["web-shell", "orders-api"].map(|role| grant(role).as_str().expect("an id").to_owned());
        let key = alice.person.make_key("work", "ed25519");
        // One more than is asked for: for the day after.
        let calls = (0..=CERTIFICATES).map(|nth| match nth % 2 {
            0 => {
                let (body, key) = alice.wire.ssh_call(&ssh, &key);
                Call { path: format!("/v1/grants/{ssh}/ssh"), body, key }
            }
            _ => {
                let csr = alice.wire.key_and_csr("work", &["-subj", "/CN=x"]).1;
                let path = format!("/v1/grants/{x509}/x509");
                Call { path, body: json!({"csr": csr}), key: format!("work-{nth}") }
            }
        });
        let calls = calls.collect();
        ca.stop();
        let checked = ca.check_log().ok();
        let size = checked.line().split(' ').next().expect("a size").parse().expect("a size");
        let store = ca.snapshot("before");
        Self { ca, alice, bob, carol, store, size, calls }
    }

    /// Sets the CA back to where it was.
    pub(super) fn begin_again(&self) {
        self.ca.restore(&self.store);
    }

    /// A login, a request, its approval, certificates. After each of them `done` is told so.
    pub(super) fn work(&self, mut done: impl FnMut(&str)) -> Promised {
        let mut promised = Promised::default();
        promised.certificates.extend(self.login());
        done("login");
        let request = self.alice.request("web-shell", json!({}));
        if let Some(request) = granted(&request) {
            let id = request["id"].as_str().expect("an id").to_owned();
            promised.requests.push(("request", id.clone()));
            done("request");
            if granted(&self.bob.approve(&request)).is_some() {
                promised.requests.extend(["approval", "grant"].map(|entry| (entry, id.clone())));
            }
        }
        done("approval");
        for call in &self.calls[..CERTIFICATES] {
            promised.certificates.extend(self.issue(call));
        }
        done("certificates");
        promised
    }

    fn login(&self) -> Option<String> {
        let wire = &self.alice.wire;
        let challenge = granted(&wire.post("/v1/challenges", &json!({})))?;
        let code = self.alice.authenticator.uncounted_code();
        let key = self.alice.person.key();
        let (call, _) = wire.login_answer(&challenge, &key, json!({"totp": code}));
        let login = granted(&wire.post("/v1/logins", &call))?;
        Some(digest(&Issued::x509(login["certificate"].as_str().expect("a certificate"))))
    }

    fn issue(&self, call: &Call) -> Option<String> {
        let reply = self.alice.wire.post_again(&call.path, &call.body, &call.key);
        let reply = granted(&reply)?;
        let certificate = reply["certificate"].as_str().expect("a certificate");
        Some(digest(&match call.path.ends_with("ssh") {
            true => Issued::ssh(certificate),
            false => Issued::x509(certificate),
        }))
    }

    /// The day after, on a machine that is well: all that was promised is in the log, no call counts twice, and it
    /// goes on.
    pub(super) fn must_have_kept(&mut self, promised: &Promised) {
        self.ca.serve();
        let before = self.entries();
        let tbs: HashSet<&str> = before.iter().filter_map(|entry| entry["tbs"].as_str()).collect();
        for certificate in &promised.certificates {
            assert!(tbs.contains(certificate.as_str()), "a certificate that the log does not hold");
        }
        for (kind, request) in &promised.requests {
            let is_it = |entry: &&Value| entry["type"] == *kind && entry["request"] == *request;
            assert!(before.iter().any(|entry| is_it(&entry)), "{kind} of {request} is lost");
        }
        let is_stop = |entry: &Value| entry["type"] == "daemon.stop";
        assert!(!promised.has_stopped || before.iter().any(is_stop), "its end is lost");
        // What had no answer is asked for once more, and one more thing.
        let certificates: Vec<_> =
            self.calls.iter().map(|call| self.issue(call).expect("a certificate")).collect();
        for certificate in &promised.certificates[promised.certificates.len().min(1)..] {
            assert!(certificates.contains(certificate), "the same call, another certificate");
        }
        let after = self.entries();
        let mut calls = HashSet::new();
        for intent in after.iter().filter(|entry| entry["type"] == "issue.intent") {
            if let Some(key) = intent["payload"]["under"]["idempotency_key"].as_str() {
                assert!(calls.insert(key), "one call twice: {intent:#}");
            }
        }
        assert_eq!(calls.len(), self.calls.len());
        self.ca.stop();
        self.ca.check_log().ok();
    }

    /// What the log holds beyond what it held at first.
    fn entries(&self) -> Vec<Value> {
        let path = format!("/v1/log/entries?start={}", self.size);
        let entries = self.carol.wire.get(&path).ok().json();
        entries.as_array().expect("entries").clone()
    }
}

/// The answer to what was done; none if it was not, which a dying daemon may say or not say any more.
fn granted(reply: &Reply) -> Option<Value> {
    let is_done = reply.status.is_some_and(|status| (200..300).contains(&status));
    assert!(is_done || reply.status.is_none_or(|status| status >= 500), "{reply:#?}");
    is_done.then(|| reply.json())
}

fn digest(issued: &Issued) -> String {
    format!("SHA256:{}", Base64Unpadded::encode_string(&issued.tbs))
}
