//! The OpenAPI document: judged by a foreign validator, and held against what a real daemon answers.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jit_ca_tests::{
    Authenticator, Ca, Caller, Host, Lab, OpenIdProvider, Reply, SoftPasskey, TokenIssuer, Wire,
    repository, run, workloads,
};
use serde_json::{Value, json};

use crate::issuers;

const WORKLOAD: &str = "renew = \"1h\"\n[[workload]]\nname = \"deploy\"\ngroups = [\"dev\"]\nclaims = { project_path = \"acme/shop\" }\n";

/// Calls, and what they were answered.
#[derive(Default)]
struct Record(String);

impl Record {
    fn get(&mut self, wire: &Wire, path: &str) -> Reply {
        let reply = wire.get(path);
        self.note("get", path, false, &Value::Null, &reply);
        reply
    }

    fn post(&mut self, wire: &Wire, path: &str, body: &Value) -> Reply {
        let reply = wire.post(path, body);
        self.note("post", path, true, body, &reply);
        reply
    }

    fn post_again(&mut self, wire: &Wire, path: &str, body: &Value, key: &str) -> Reply {
        let reply = wire.post_again(path, body, key);
        self.note("post", path, true, body, &reply);
        reply
    }

    /// A POST that says nothing, with its key or without.
    fn post_nothing(&mut self, wire: &Wire, path: &str, key: Option<&str>) -> Reply {
        let header = key.map(|key| format!("idempotency-key: {key}"));
        let header = header.iter().flat_map(|header| ["-H", header.as_str()]);
        let arguments: Vec<&str> = ["-X", "POST"].into_iter().chain(header).collect();
        let reply = wire.call(&arguments, path, None);
        self.note("post", path, key.is_some(), &Value::Null, &reply);
        reply
    }

    /// A POST of bytes.
    fn post_bytes(&mut self, wire: &Wire, path: &str, bytes: &str) -> Reply {
        let reply = wire.call(&["-H", "content-type: application/octet-stream"], path, Some(bytes));
        self.note("post", path, false, &json!(bytes), &reply);
        reply
    }

    fn note(&mut self, method: &str, path: &str, keyed: bool, request: &Value, reply: &Reply) {
        let headers = reply.headers.lines().filter_map(|line| line.split_once(": "));
        let headers: serde_json::Map<String, Value> =
            headers.map(|(name, value)| (name.to_lowercase(), value.into())).collect();
        let call = json!({
            "method": method, "path": path, "idempotent": keyed, "request": request,
            "status": reply.status, "type": headers.get("content-type"), "headers": headers,
            "answer": reply.body,
        });
        self.0.push_str(&format!("{call}\n"));
    }
}

struct Scene {
    op: OpenIdProvider,
    ci: TokenIssuer,
    alice: Caller,
    bob: Caller,
    carol: Caller,
    ca: Ca,
    lab: Lab,
    record: Record,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let (op, ci) = (OpenIdProvider::start(&lab), TokenIssuer::start(&lab));
        let ca = Ca::start_with(&lab, |config| {
            let people = issuers::people_file(&op).replace("[map]", "device = true\n[map]");
            issuers::add(config, "op", &people, &op);
            issuers::add(config, "ci", &issuers::workloads_file(&ci, WORKLOAD), &ci);
            let change = |path: &str, with: &dyn Fn(String) -> String| {
                let file = config.join(path);
                fs::write(&file, with(fs::read_to_string(&file).unwrap())).unwrap();
            };
            change("jit-cad.toml", &|text| {
                let text =
                    text.replace("second_administrator = false", "second_administrator = true");
                let text =
                    text + "[hosts]\nnames = [\"*.prod.test\", \"web1\"]\ncertificate = \"7d\"\n";
                let text = text
                    + "[recordings]\ndir = \"recordings\"\nkeep = \"90d\"\nsession = \"1 MiB\"\n";
                text + "[web]\naddress = \"127.0.0.1:0\"\nhost = \"ca.test\"\n"
            });
            let rule = "@id(\"workloads\")\npermit (principal is Workload, action == Action::\"issue\", resource);\n\
                        @id(\"administer\")\npermit (principal in Group::\"sre\", action == Action::\"administer\", resource);\n";
            change("policies/operation.cedar", &|text| text + rule);
        });
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.caller(name));
        Self { op, ci, alice, bob, carol, ca, lab, record: Record::default() }
    }

    /// Those for whom issuers vouch.
    fn issuers(&mut self) {
        let nobody = Wire::nobody(&self.ca, &self.ca.stranger("job"));
        self.record.get(&nobody, "/v1/issuers").ok();
        self.record.get(&nobody, "/v1/issuers/op").ok();
        assert_eq!(self.record.get(&nobody, "/v1/issuers/ci").status, Some(400));
        assert_eq!(self.record.get(&nobody, "/v1/issuers/gone").status, Some(404));
        let csr = nobody.key_and_csr("login", &["-subj", "/CN=x"]).1;
        let token = self.ci.token("RS256", &workloads::gitlab());
        let call = json!({"issuer": "ci", "csr": csr, "credential": {"token": token}});
        self.record.post(&nobody, "/v1/logins/issuer", &call).ok();
        self.record.post(&nobody, "/v1/logins/issuer", &call).refused("login-refused");
        self.by_certificate(&nobody, &csr);
        let begin = json!({"csr": csr, "max_age": 3600});
        let begun = self.record.post(&nobody, "/v1/issuers/op/device", &begin).ok().json();
        self.record.post(&nobody, "/v1/issuers/ci/device", &begin).refused("bad-request");
        let waits = json!({"issuer": "op", "csr": csr, "credential": {"device": {"challenge": begun["challenge"]}}});
        self.record.post(&nobody, "/v1/logins/issuer", &waits).refused("not-yet");
        // What it says of itself is kept; its code can't be redeemed.
        self.op.kill();
        let challenge = nobody.post("/v1/challenges", &json!({})).ok().json();
        let code = json!({"code": {
            "challenge": challenge["challenge"], "code": "c", "verifier": "0".repeat(43),
            "redirect_uri": "http://127.0.0.1:4711/callback",
        }});
        let call = json!({"issuer": "op", "csr": csr, "credential": code});
        let failed = self.record.post(&nobody, "/v1/logins/issuer", &call);
        assert_eq!(failed.status, Some(502), "{failed:?}");
    }

    /// What anybody may ask for.
    fn daemon(&mut self) -> Value {
        let nobody = Wire::nobody(&self.ca, &self.alice.person);
        for path in ["/healthz", "/readyz", "/v1/trust", "/log/checkpoint"] {
            self.record.get(&nobody, path).ok();
        }
        for path in ["/log/tile/0/000.p/1", "/v1/log/consistency?from=0"] {
            self.record.get(&nobody, path).ok();
        }
        self.record.post_nothing(&nobody, "/v1/challenges", None).ok();
        self.record.get(&nobody, "/v1/openapi.json").ok().json()
    }

    /// Somebody comes, enrols a second factor, and goes.
    fn login(&mut self) {
        let person = self.ca.stranger("dave");
        let nobody = Wire::nobody(&self.ca, &person);
        let code = self.ca.jit_cad(&["user", "enroll", "dave"]).ok();
        let log_in = |factor: Value, record: &mut Record| {
            let (call, key) = nobody.login_call(&person.key(), factor);
            let reply = record.post(&nobody, "/v1/logins", &call).ok().json();
            let certificate = key.with_extension("pem");
            fs::write(&certificate, reply["certificate"].as_str().unwrap()).unwrap();
            nobody.with_login(&key, &certificate)
        };
        let newcomer = log_in(json!({"enrolment-code": code.line()}), &mut self.record);
        self.record.get(&newcomer, "/v1/me").ok();
        self.record.get(&newcomer, "/v1/roles").refused("mfa-required");
        let secret = self.record.post_nothing(&newcomer, "/v1/mfa", Some("begin")).ok().json();
        let authenticator = Authenticator::shown_in(secret["uri"].as_str().unwrap()).unwrap();
        let code = json!({"code": authenticator.code()});
        self.record.post(&newcomer, "/v1/mfa/confirm", &code).ok();
        let dave = log_in(json!({"totp": authenticator.code()}), &mut self.record);
        self.record.get(&dave, "/v1/me").ok();
        self.record.get(&dave, "/v1/logins").ok();
        self.record.get(&dave, "/v1/logins?subject=alice").refused("forbidden");
        self.record.get(&self.bob.wire, "/v1/logins?subject=dave").ok();
        let one = json!({"which": {"one": "01"}});
        self.record.post(&dave, "/v1/logout", &one).refused("not-found");
        self.record.post(&dave, "/v1/logout", &json!({"which": "all"})).ok();
        self.record.get(&dave, "/v1/me").refused("unauthenticated");
    }

    /// A workload's certificate stands in for a token.
    fn by_certificate(&mut self, nobody: &Wire, csr: &str) {
        let job = self.ca.stranger("another-job");
        let mut claims = workloads::gitlab();
        claims["jti"] = "another".into();
        fs::write(job.file("token"), self.ci.token("RS256", &claims)).unwrap();
        let (url, pin) = (self.ca.url(), self.ca.pin().to_owned());
        let login =
            ["login", "--ca", &url, "--ca-pin", &pin, "--workload", "--token-file", "token"];
        job.jit_ca(&login).ok();
        let asked = ["request", "orders-api", "--reason", "INC-7", "--no-wait", "--json"];
        let request = job.jit_ca(&asked).json();
        self.bob.approve(&request).ok();
        job.jit_ca(&["cert", "x509", "--role", "orders-api", "--out", "tls"]).ok();
        let shown = Wire::showing(&self.ca, &job, &job.file("tls"));
        let call = json!({"csr": csr});
        self.record.post(&shown, "/v1/logins/certificate", &call).ok();
        self.record.post(nobody, "/v1/logins/certificate", &call).refused("unauthenticated");
    }

    /// Second factors are asked to be reset, and are.
    fn resets(&mut self) {
        let (alice, record) = (&self.alice.wire, &mut self.record);
        let (bob, carol) = (&self.bob.wire, &self.carol.wire);
        let call = json!({"name": "dave", "reason": "INC-9"});
        record.get(alice, "/v1/mfa/resets").refused("not-permitted");
        record.post(alice, "/v1/mfa/resets", &call).refused("not-permitted");
        record.post(bob, "/v1/mfa/resets", &json!({"name": "dave"})).refused("bad-request");
        let nobody = json!({"name": "nobody", "reason": "x"});
        record.post(bob, "/v1/mfa/resets", &nobody).refused("not-found");
        for path in ["/v1/mfa/resets/withdraw", "/v1/mfa/resets/confirm"] {
            let resets = record.post(bob, "/v1/mfa/resets", &call).ok().json();
            record.post(bob, "/v1/mfa/resets", &call).refused("reset-unchanged");
            let turn = json!({"name": "dave", "entry": resets[0]["entry"]});
            record.post(bob, "/v1/mfa/resets/confirm", &turn).refused("self-approval");
            record.post(carol, path, &turn).ok();
            record.post(carol, path, &turn).refused("reset-unchanged");
            record.get(carol, "/v1/mfa/resets").ok();
        }
    }

    /// A passkey comes and goes.
    fn passkeys(&mut self) {
        let (alice, record) = (&self.alice.wire, &mut self.record);
        assert_eq!(record.get(alice, "/v1/passkeys").ok().json(), json!([]));
        record.post(alice, "/v1/passkeys", &json!({"label": ""})).refused("bad-request");
        let link = record.post(alice, "/v1/passkeys", &json!({"label": "laptop"})).ok().json();
        let passkey = SoftPasskey::enrol(&self.ca, link["url"].as_str().unwrap());
        let listed = record.get(alice, "/v1/passkeys").ok().json();
        assert_eq!(listed[0]["id"], passkey.id());
        let me = record.get(alice, "/v1/me").ok().json();
        let challenge = alice.post("/v1/challenges", &json!({})).ok().json()["challenge"].clone();
        let statement = format!(
            "jit-ca step-up v1\norigin: {}\nsubject: {}\nlogin: {}\nchallenge: {}\n",
            record.get(alice, "/v1/trust").ok().json()["origin"].as_str().unwrap(),
            me["subject"].as_str().unwrap(),
            me["login"]["serial"].as_str().unwrap(),
            challenge.as_str().unwrap(),
        );
        let assertion = passkey.answer(&self.ca, &statement);
        let call = json!({"challenge": challenge, "assertion": assertion});
        record.post_again(alice, "/v1/step-up", &call, "step-up").ok();
        record.post_again(alice, "/v1/step-up", &call, "step-up").ok();
        record.post(alice, "/v1/step-up", &call).refused("wrong-statement");
        let remove = format!("/v1/passkeys/{}/remove", passkey.id());
        record.post_nothing(&self.bob.wire, &remove, Some("not-mine")).refused("not-found");
        record.post_nothing(alice, &remove, Some("remove")).ok();
        record.post_nothing(alice, &remove, Some("remove")).ok();
        record.post_nothing(alice, &remove, Some("again")).refused("not-found");
    }

    /// Requests of all fates, and certificates.
    fn access(&mut self) {
        let (alice, bob, record) = (&self.alice, &self.bob, &mut self.record);
        record.get(&alice.wire, "/v1/roles").ok();
        let ask = |role: &str, record: &mut Record| {
            let call =
                json!({"role": role, "reason": "INC-42", "ticket": "T-1", "duration": "10m"});
            record.post(&alice.wire, "/v1/requests", &call).ok().json()
        };
        let path = |request: &Value, verb: &str| {
            format!("/v1/requests/{}{verb}", request["id"].as_str().unwrap())
        };
        let (shell, api) = (ask("web-shell", record), ask("orders-api", record));
        let (logs, more) = (ask("web-logs", record), ask("web-shell", record));
        assert!(logs["approvals"][0]["by"]["rules"].is_array(), "{logs:#}");
        record.get(&bob.wire, &format!("{}?wait=1&approvals=0", path(&more, ""))).ok();
        let approved = |request: &Value, record: &mut Record| {
            let call = bob.wire.approve_call(request, &bob.person.key());
            let reply = record.post(&bob.wire, &path(request, "/approve"), &call).ok().json();
            reply["grant"]["id"].as_str().unwrap().to_owned()
        };
        let (shell_grant, api_grant) = (approved(&shell, record), approved(&api, record));
        let call = json!({"reason": "not now"});
        record.post(&bob.wire, &path(&more, "/deny"), &call).ok();
        let more = ask("web-shell", record);
        record.post_nothing(&alice.wire, &path(&more, "/cancel"), Some("cancel")).ok();
        record.get(&alice.wire, "/v1/requests?mine=true").ok();
        self.ends(&shell_grant);
        let (alice, bob, record) = (&self.alice, &self.bob, &mut self.record);
        record.get(&bob.wire, "/v1/requests?status=approved").ok();

        let key = alice.person.make_key("work", "ed25519");
        let (call, idempotency_key) = alice.wire.ssh_call(&shell_grant, &key);
        let ssh = format!("/v1/grants/{shell_grant}/ssh");
        record.post_again(&alice.wire, &ssh, &call, &idempotency_key).ok();
        let (_, csr) = alice.wire.key_and_csr("x509", &["-subj", "/CN=x"]);
        let x509 = format!("/v1/grants/{api_grant}/x509");
        record.post(&alice.wire, &x509, &json!({"row": "orders-api", "csr": csr})).ok();

        // What is refused, and why.
        let call = bob.wire.approve_call(&shell, &bob.person.key());
        record.post(&bob.wire, &path(&shell, "/approve"), &call).refused("not-pending");
        record.post(&alice.wire, &path(&logs, "/cancel"), &json!({})).refused("not-pending");
        let call = json!({"role": "no-such", "reason": "x"});
        record.post(&alice.wire, "/v1/requests", &call).refused("unknown-role");
        record.post_again(&alice.wire, "/v1/requests", &call, "once").refused("unknown-role");
        record.post(&alice.wire, "/v1/requests", &json!({"role": 7})).refused("bad-request");
        record.post(&alice.wire, &x509, &json!({"csr": "none"})).refused("bad-request");
        let large = json!({"role": "web-shell", "reason": "x".repeat(70_000)});
        record.post(&alice.wire, "/v1/requests", &large).refused("too-large");
        let call = json!({"role": "web-shell", "reason": "x"});
        record.post_again(&alice.wire, "/v1/requests", &call, "twice").ok();
        let other = json!({"role": "web-shell", "reason": "y"});
        let again = record.post_again(&alice.wire, "/v1/requests", &other, "twice");
        again.refused("idempotency-key-reused");
        let unknown = "/v1/requests/r-00000000000000000000000000";
        record.get(&alice.wire, unknown).refused("not-found");
        record.get(&alice.wire, "/v1/requests/x").refused("bad-request");
        record.get(&alice.wire, "/v1/requests?status=open").refused("bad-request");
    }

    /// More time, less time, emergencies and locks.
    fn ends(&mut self, shell_grant: &str) {
        let (alice, bob, carol) = (&self.alice.wire, &self.bob.wire, &self.carol.wire);
        let record = &mut self.record;
        let more = format!("/v1/grants/{shell_grant}/extend");
        let more = record.post(alice, &more, &json!({"reason": "goes on", "duration": "5m"}));
        assert_eq!(more.ok().json()["extends"], *shell_grant);
        let glass = json!({"role": "web-shell", "reason": "INC-42", "hosts": ["web1"]});
        let glass = record.post(bob, "/v1/break-glass", &glass).ok().json();
        record
            .post(alice, "/v1/break-glass", &json!({"role": "web-shell", "reason": "x"}))
            .refused("not-permitted");
        let review = format!("/v1/requests/{}/review", glass["id"].as_str().unwrap());
        let found = json!({"comment": "as it says"});
        record.post(carol, &review, &found).refused("not-to-review");
        let grant = format!("/v1/grants/{}", glass["grant"]["id"].as_str().unwrap());
        record.post_nothing(bob, &format!("{grant}/end"), Some("end")).ok();
        record.post(carol, &review, &found).ok();
        let later = json!({"role": "orders-api", "reason": "x", "start": "2099-01-01T00:00:00Z"});
        record.post(alice, "/v1/requests", &later).refused("start-out-of-bounds");
        let query =
            format!("subject=alice&role=web-shell&approver=bob&text=INC&before={}", glass["id"]);
        record.get(carol, &format!("/v1/requests?{}", query.replace('"', ""))).ok();
        record.get(carol, "/v1/requests?to_review=true&from=2026-01-01T00:00:00Z").ok();

        let lock = json!({"what": "web-shell", "reason": "laptop lost"});
        record.post(bob, "/v1/locks", &lock).ok();
        record.get(alice, "/v1/locks").ok();
        record
            .post(alice, "/v1/requests", &json!({"role": "web-shell", "reason": "x"}))
            .refused("locked");
        record.post(bob, "/v1/locks/lift", &lock).ok();
        record.post(bob, "/v1/locks/lift", &lock).refused("lock-unchanged");
        let other = self.alice.request("web-shell", json!({})).ok().json();
        let other = self.bob.approve(&other).ok().json();
        let grant = format!("/v1/grants/{}", other["grant"]["id"].as_str().unwrap());
        let record = &mut self.record;
        record.post(carol, &format!("{grant}/revoke"), &json!({"reason": "enough"})).ok();
        record.get(alice, &grant).ok();
        record.get(alice, "/v1/grants/g-00000000000000000000000000").refused("not-found");
    }

    /// A policy that waits for a second administrator.
    /// A host that enrols, renews its certificate and is revoked.
    fn hosts(&mut self) {
        let Self { bob, alice, carol, record, lab, ca, .. } = self;
        let host = Host::new(lab, ca, "web1.prod.test", "ed25519");
        let call = json!({"host": host.name, "aliases": ["web1"], "duration": "2h"});
        record.post(&alice.wire, "/v1/hosts/tokens", &call).refused("not-permitted");
        let token = record.post(&bob.wire, "/v1/hosts/tokens", &call).ok().json();
        let enrolment = host.enrolment(&token);
        record.post(&host.wire, "/v1/hosts/enrolment", &enrolment).ok();
        record.post(&host.wire, "/v1/hosts/enrolment", &enrolment).refused("login-refused");
        let call = host.login_call().0;
        record.post(&host.wire, "/v1/hosts/login", &call).ok();
        record.post(&host.wire, "/v1/hosts/login", &call).refused("login-refused");
        let login = host.login();
        record.post(&login, "/v1/host/certificate", &json!({})).ok();
        record.get(&login, "/v1/host/feed").ok();
        record.get(&login, "/v1/host/feed?from=1000000").refused("bad-request");
        record.get(&bob.wire, "/v1/hosts").ok();
        sessions(record, &host.login(), &alice.wire, &carol.wire);
        record.get(&host.wire, "/v1/trust").ok();
        let call = json!({"reason": "the disk was stolen"});
        record.post(&bob.wire, "/v1/hosts/web1/revoke", &call).ok();
        record.post(&bob.wire, "/v1/hosts/web1/revoke", &call).refused("host-unchanged");
        record.get(&host.wire, "/v1/trust").ok();
    }

    fn policy(&mut self) {
        let (alice, bob, record) = (&self.alice.wire, &self.bob.wire, &mut self.record);
        record.get(alice, "/v1/policy").refused("not-permitted");
        let state = record.get(bob, "/v1/policy").ok().json();
        assert_eq!(state["pending"], Value::Null);
        let role = self.ca.config().with_file_name("roles/more.toml");
        fs::copy(role.with_file_name("web-shell.toml"), role).unwrap();
        self.ca.jit_cad(&["reload"]).ok();
        let pending = record.get(bob, "/v1/policy").ok().json()["pending"].clone();
        let (wrong, right) = (json!({"hash": state["in_force"]}), json!({"hash": pending["hash"]}));
        record.post(alice, "/v1/policy/activate", &right).refused("not-permitted");
        record.post(bob, "/v1/policy/activate", &wrong).refused("not-proposed");
        record.post(bob, "/v1/policy/activate", &json!({})).refused("bad-request");
        record.post(bob, "/v1/policy/activate", &right).ok();
    }

    /// The log, for somebody who may read it and for somebody who may not.
    fn log(&mut self) {
        let (alice, carol, record) = (&self.alice.wire, &self.carol.wire, &mut self.record);
        let entries = record.get(carol, "/v1/log/entries").ok().json();
        assert!(entries.as_array().unwrap().len() > 30);
        let filter = "subject=alice&role=web-shell&from=2020-01-01T00:00:00Z&start=1&limit=3";
        record.get(carol, &format!("/v1/log/entries?{filter}")).ok();
        record.get(carol, "/v1/log/entries?start=1000000&wait=1").ok();
        for path in [
            "/v1/log/entries/0",
            "/v1/log/checkpoints/1",
            "/v1/log/consistency?from=1&to=7",
            "/v1/log/consistency?from=1000000",
            "/log/tile/entries/000.p/2",
            "/log/payloads/000.p/2",
        ] {
            record.get(carol, path).ok();
            if !path.contains("consistency") {
                record.get(alice, path).refused("not-permitted");
            }
        }
        for path in [
            "/v1/log/entries/1000000",
            "/v1/log/checkpoints/0",
            "/log/tile/7/000",
            "/log/tile/0/0",
            "/log/tile/entries/999",
            "/log/payloads/x",
        ] {
            record.get(carol, path).refused("not-found");
        }
        for path in [
            "/v1/log/entries?from=now",
            "/v1/log/entries/x",
            "/v1/log/checkpoints/x",
            "/v1/log/consistency",
            "/v1/log/consistency?from=0&to=1000000",
            "/v1/log/consistency?from=2&to=1",
        ] {
            record.get(carol, path).refused("bad-request");
        }
    }

    /// Each call that needs a login, by somebody who has none; and calls that nobody describes.
    fn strangers(&mut self, document: &Value) {
        let nobody = Wire::nobody(&self.ca, &self.alice.person);
        let mut refused = 0;
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let place = example_of(document, path, operation);
                nobody.call(&["-X", "DELETE"], &place, None).refused("no-such-method");
                if operation["security"].as_array().unwrap().is_empty() {
                    continue;
                }
                let reply = match method.as_str() {
                    "get" => self.record.get(&nobody, &place),
                    _ => self.record.post(&nobody, &place, &json!({})),
                };
                reply.refused("unauthenticated");
                refused += 1;
            }
        }
        assert!(refused > 15, "{refused}");
        for path in ["/v1", "/v1/nothing", "/log/", "/log/tile", "/v1/log/checkpoint", "/openapi"] {
            nobody.get(path).refused("no-such-call");
        }
        // In the end so many are refused that all have to wait.
        let call = nobody.login_call(&self.alice.person.key(), json!({"totp": "000000"})).0;
        let mut log_in = || self.record.post(&nobody, "/v1/logins", &call).status;
        assert!((0..30).any(|_| log_in() == Some(429)));
    }
}

/// What a host tells of sessions, and who sees them. No grant gave this one: it is for who may read the log.
fn sessions(record: &mut Record, host: &Wire, alice: &Wire, carol: &Wire) {
    let id = "s-01m3250v000w3ge1r70w3ge1r7";
    let opened = json!({
        "session": id, "account": "deploy", "from": "192.0.2.7", "opened": "2026-11-22T09:00:00Z",
        "certificate": {
            "ca": "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "serial": "7",
            "key_id": "guest", "until": "2026-11-22T10:00:00Z",
        },
    });
    record.post(host, "/v1/host/sessions", &json!({"opened": [opened]})).ok();
    let chunk = format!("/v1/host/sessions/{id}/channels/1/chunks/0");
    record.post_bytes(host, &chunk, "hello\n").ok();
    record.post_bytes(host, &chunk, "other\n").refused("conflict");
    record.post_bytes(host, &chunk.replace("/1/", "/0/"), "hello\n").refused("bad-request");
    let channel = json!({
        "number": 1, "command": "ls", "terminal": false, "started": "2026-11-22T09:00:00Z",
        "root": "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "chunks": 1, "bytes": 6,
    });
    record.get(carol, &format!("/v1/sessions/{id}")).ok();
    let closed = json!({
        "session": id, "closed": "2026-11-22T09:00:00Z", "why": "logged-out", "channels": [channel],
    });
    record.post(host, "/v1/host/sessions", &json!({"closed": [closed]})).ok();
    let standing = json!({"certificates": ["7"]});
    record.post(host, "/v1/host/standing?wait=1", &standing).ok();
    record.get(carol, "/v1/sessions?host=web1.prod.test&from=2026-11-22T09:00:00Z").ok();
    record.get(alice, "/v1/sessions?mine=true&open=true&role=web-shell").ok();
    record.get(carol, "/v1/sessions?from=yesterday").refused("bad-request");
    record.get(carol, &format!("/v1/sessions/{id}")).ok();
    record.get(alice, &format!("/v1/sessions/{id}")).refused("not-found");
    let recording = format!("/v1/sessions/{id}/channels/1/recording");
    record.get(carol, &recording).ok();
    record.get(alice, &recording).refused("not-found");
}

/// A path of the document with its own examples for the parameters.
fn example_of(document: &Value, path: &str, operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut path = path.to_owned();
    for parameter in parameters.iter().filter(|parameter| parameter["in"] == "path") {
        let schema = &parameter["schema"];
        let schema = match schema["$ref"].as_str() {
            Some(place) => document.pointer(place.trim_start_matches('#')).unwrap(),
            None => schema,
        };
        let example = &schema["examples"][0];
        let example = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
        path = path.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &example);
    }
    path
}

/// Python's packages for `tests/openapi.py`, installed once beside the checkout's other tools.
fn packages() -> PathBuf {
    let wanted = repository().join("tests/python.txt");
    let folder = repository().join(".tools/python");
    let installed = folder.join("python.txt");
    if fs::read(&installed).ok() != fs::read(&wanted).ok() {
        let mut pip = Command::new("/usr/bin/pip3");
        pip.args(["install", "--quiet", "--no-deps", "--upgrade", "--target"]).arg(&folder);
        run(pip.arg("--requirement").arg(&wanted)).ok();
        fs::copy(wanted, installed).unwrap();
    }
    folder
}

fn judge(document: &Path, calls: &str) {
    let mut python = Command::new("/usr/bin/python3");
    python.env("PYTHONPATH", packages()).arg(repository().join("tests/openapi.py")).arg(document);
    let mut judge =
        python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // One that ends before it has read them says why.
    let _ = judge.stdin.take().unwrap().write_all(calls.as_bytes());
    let verdict = judge.wait_with_output().unwrap();
    let [out, err] = [verdict.stdout, verdict.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(verdict.status.success(), "{out}{err}");
}

#[test]
fn a_real_daemon_answers_every_call_as_the_openapi_document_says() {
    let mut scene = Scene::new();
    let served = scene.daemon();
    let file = repository().join("crates/jit-ca-api/openapi.json");
    let written: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(served, written);
    scene.login();
    scene.issuers();
    scene.passkeys();
    scene.resets();
    scene.access();
    scene.hosts();
    scene.policy();
    scene.log();
    scene.strangers(&served);
    let document = scene.lab.file("openapi.json", served.to_string());
    judge(&document, &scene.record.0);
}
