//! A CA with people whose connections are open, and what races begin with.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jit_ca_tests::{Ca, Caller, Lab, Wire};
use serde_json::{Value, json};

use super::line::{Answer, Line};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Alice,
    Eve,
    Dora,
    Bob,
    Carol,
    Fred,
}

/// A call that is to be made on one of somebody's lines.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) by: Who,
    pub(super) line: usize,
    pub(super) path: String,
    pub(super) body: Value,
    /// The idempotency key, if it is not a fresh one.
    pub(super) key: Option<String>,
}

pub(super) struct Scene {
    pub(super) ca: Ca,
    lines: BTreeMap<Who, [Line; 2]>,
    csr: String,
    /// Who asks for what is raced for, by turns: whoever loses often is slowed down.
    pub(super) asker: Who,
    glasses: u64,
    /// How many requests of Dora's wait.
    pending: usize,
    /// Who reads how things stand.
    carol: Wire,
    _lab: Lab,
}

impl Scene {
    pub(super) fn new() -> Self {
        let lab = Lab::new();
        let people: &[(&str, &[&str])] =
            &[("eve", &["dev"]), ("dora", &["dev"]), ("fred", &["auditors"])];
        let ca = Ca::start_with_people(&lab, people, change);
        let callers = [Who::Alice, Who::Eve, Who::Dora, Who::Bob, Who::Carol, Who::Fred]
            .map(|who| (who, ca.caller(&name(who))));
        let (_, csr) = callers[0].1.wire.key_and_csr("races", &["-subj", "/CN=ignored"]);
        let carol = callers[4].1.wire.clone();
        let open = |(who, caller): &(Who, Caller)| {
            let line = |nth| Line::open(&ca, &caller.wire, &format!("{who:?}-{nth}"));
            (*who, [line(0), line(1)])
        };
        let lines = callers.iter().map(open).collect();
        Self { ca, lines, csr, asker: Who::Alice, glasses: 0, pending: 0, carol, _lab: lab }
    }

    pub(super) fn line(&mut self, who: Who, nth: usize) -> &mut Line {
        &mut self.lines.get_mut(&who).unwrap()[nth]
    }

    /// Two lines at once.
    pub(super) fn two(&mut self, calls: &[Call; 2]) -> [&mut Line; 2] {
        let [one, other] = calls.each_ref().map(|call| (call.by, call.line));
        assert_ne!(one, other, "one line does one call at a time");
        let mut found = [None, None];
        for (who, lines) in &mut self.lines {
            for (nth, line) in lines.iter_mut().enumerate() {
                if (*who, nth) == one {
                    found[0] = Some(line);
                } else if (*who, nth) == other {
                    found[1] = Some(line);
                }
            }
        }
        found.map(Option::unwrap)
    }

    pub(super) fn post(&mut self, who: Who, path: &str, body: &Value) -> Value {
        self.line(who, 0).post(path, body).ok()
    }

    /// The asker has asked for a role.
    pub(super) fn asked(&mut self, role: &str) -> Value {
        let body = json!({"role": role, "reason": "INC-42", "duration": "10m"});
        let request = self.post(self.asker, "/v1/requests", &body);
        assert_eq!(request["status"], "pending", "{request:#}");
        request
    }

    /// The same, and Bob has approved.
    pub(super) fn granted(&mut self, role: &str) -> Value {
        let request = self.asked(role);
        let Call { by, path, body, .. } = self.approve(Who::Bob, &request);
        let request = self.post(by, &path, &body);
        assert_eq!(request["status"], "approved", "{request:#}");
        request
    }

    pub(super) fn approve(&self, by: Who, request: &Value) -> Call {
        let path = format!("/v1/requests/{}/approve", request["id"].as_str().unwrap());
        let of = |name: &str| request[name].clone();
        let body = json!({
            "hash": of("hash"), "duration": of("duration"), "rows": of("rows"), "hosts": of("hosts"),
        });
        Call { by, line: 0, path, body, key: None }
    }

    /// The asker takes a certificate.
    pub(super) fn take(&self, request: &Value) -> Call {
        let path = format!("/v1/grants/{}/x509", request["grant"]["id"].as_str().unwrap());
        Call { by: self.asker, line: 0, path, body: json!({"csr": self.csr}), key: None }
    }

    /// Bob breaks glass; made again, it is the same call.
    pub(super) fn glass(&mut self) -> Call {
        self.glasses += 1;
        let (key, path) = (Some(format!("glass-{}", self.glasses)), "/v1/break-glass".to_owned());
        let body = json!({"role": "web-shell", "reason": "INC-42", "duration": "5m"});
        Call { by: Who::Bob, line: 0, path, body, key }
    }

    /// An emergency that is over.
    pub(super) fn emergency(&mut self) -> Value {
        let glass = self.glass();
        let request = self.post(Who::Bob, &glass.path, &glass.body);
        self.end_emergency(&request);
        request
    }

    pub(super) fn end_emergency(&mut self, request: &Value) {
        let grant = request["grant"]["id"].as_str().unwrap();
        self.post(Who::Bob, &format!("/v1/grants/{grant}/end"), &json!({}));
    }

    pub(super) fn unlock(&mut self, what: &str) {
        self.post(Who::Bob, "/v1/locks/lift", &json!({"what": what, "reason": "over"}));
    }

    /// What the asker is called.
    pub(super) fn name_of_asker(&self) -> String {
        name(self.asker)
    }

    /// A request as it stands now.
    pub(super) fn again(&self, request: &Value) -> Value {
        self.carol.get(&format!("/v1/requests/{}", request["id"].as_str().unwrap())).ok().json()
    }

    pub(super) fn decide(&mut self, by: Who, request: &Value, verb: &str) -> Answer {
        let path = format!("/v1/requests/{}/{verb}", request["id"].as_str().unwrap());
        self.line(by, 0).post(&path, &json!({}))
    }

    /// The asker takes a request back, if it still waits.
    pub(super) fn withdraw(&mut self, request: &Value) {
        if self.again(request)["status"] == "pending" {
            assert!(self.decide(self.asker, request, "cancel").is_done());
        }
    }

    /// The asker takes all back that still waits.
    pub(super) fn withdraw_all(&mut self) {
        let pending = self.carol.get("/v1/requests?status=pending").ok().json()["requests"].clone();
        let own = self.name_of_asker();
        for request in pending.as_array().unwrap().iter().filter(|it| it["name"] == own) {
            assert!(self.decide(self.asker, request, "cancel").is_done());
        }
    }

    /// Dora has asked for as much as lets one more request wait, and no second.
    pub(super) fn ask_to_the_limit(&mut self) {
        let body = json!({"role": "orders-api", "reason": "INC-42"});
        for _ in std::mem::replace(&mut self.pending, OPEN - 1)..OPEN - 1 {
            self.post(Who::Dora, "/v1/requests", &body);
        }
    }
}

/// How many requests of one person may be pending.
pub(super) const OPEN: usize = 5;

fn name(who: Who) -> String {
    format!("{who:?}").to_lowercase()
}

fn change(config: &Path) {
    let daemon = config.join("jit-cad.toml");
    let text = fs::read_to_string(&daemon).unwrap();
    fs::write(daemon, text.replace("open = 20", &format!("open = {OPEN}"))).unwrap();
    let api = fs::read_to_string(config.join("roles/orders-api.toml")).unwrap();
    let role = |name: &str, text: &str| {
        let text = text.replace("service = \"orders-api\"", &format!("service = \"{name}\""));
        fs::write(config.join(format!("roles/{name}.toml")), text).unwrap();
    };
    role("pair", &api.replace("count = 1", "count = 2"));
    role("on-use", &format!("start = \"first-use\"\nstart_within = \"1h\"\n{api}"));
    role("once", &format!("limits = {{ certificates = 1 }}\n{api}"));
    role("hasty", &format!("pending_for = \"2s\"\n{api}"));
}
