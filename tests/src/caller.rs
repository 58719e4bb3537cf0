//! Somebody who is logged in by hand, and the calls that most tests begin with.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{Authenticator, Ca, Person, Reply, Wire};

/// Somebody who is logged in by hand.
#[derive(Debug)]
pub struct Caller {
    /// Who it is.
    pub person: Person,
    /// The second factor.
    pub authenticator: Authenticator,
    /// The calls.
    pub wire: Wire,
}

impl Ca {
    /// Enrols somebody's second factor and logs in, by hand.
    pub fn caller(&self, name: &str) -> Caller {
        let person = self.stranger(name);
        let code = self.enrolment_code(name);
        let newcomer = Wire::login(self, &person, json!({"enrolment-code": code}));
        let secret = newcomer.post("/v1/mfa", &json!({})).ok().json()["secret"].clone();
        let authenticator = Authenticator::new(secret.as_str().expect("a secret").to_owned());
        newcomer.post("/v1/mfa/confirm", &json!({"code": authenticator.code()})).ok();
        let wire = Wire::login(self, &person, json!({"totp": authenticator.code()}));
        Caller { person, authenticator, wire }
    }
}

impl Caller {
    /// Logs in once more.
    pub fn login_again(&mut self, ca: &Ca) {
        let code = self.authenticator.code();
        self.wire = Wire::login(ca, &self.person, json!({"totp": code}));
    }

    /// Asks for a role, with the fields that a request may have beside it and its reason.
    pub fn request(&self, role: &str, fields: Value) -> Reply {
        let mut call = json!({"role": role, "reason": "INC-42: orders time out"});
        let Value::Object(fields) = fields else { panic!("{fields} is no object") };
        for (name, value) in fields {
            call[name] = value;
        }
        self.wire.post("/v1/requests", &call)
    }

    /// Approves a request as the API shows it, all of it.
    pub fn approve(&self, request: &Value) -> Reply {
        self.decide(request, "approve", &self.wire.approve_call(request, &self.person.key()))
    }

    /// Approves, denies or cancels a request.
    pub fn decide(&self, request: &Value, verb: &str, call: &Value) -> Reply {
        let id = request["id"].as_str().expect("an id");
        self.wire.post(&format!("/v1/requests/{id}/{verb}"), call)
    }

    /// Asks for a role and has these people approve it; gives the request with its grant.
    pub fn granted(&self, role: &str, fields: Value, approvers: &[&Self]) -> Value {
        let mut request = self.request(role, fields).ok().json();
        for approver in approvers {
            request = approver.approve(&request).ok().json();
        }
        assert_eq!(request["status"], "approved", "{request:#}");
        request
    }

    /// Takes an SSH certificate of this key; gives its file and the reply.
    pub fn take_ssh(&self, grant: &Value, ssh_key: &Path) -> (PathBuf, Value) {
        let reply = self.ask_ssh(grant, ssh_key).ok().json();
        let file = self.person.file(reply["issuance"].as_str().expect("an issuance"));
        fs::write(&file, reply["certificate"].as_str().expect("a certificate")).expect("a file");
        (file, reply)
    }

    /// Asks for an SSH certificate of this key.
    pub fn ask_ssh(&self, grant: &Value, ssh_key: &Path) -> Reply {
        let grant = grant["id"].as_str().expect("a grant's id");
        let (call, idempotency_key) = self.wire.ssh_call(grant, ssh_key);
        self.wire.post_again(&format!("/v1/grants/{grant}/ssh"), &call, &idempotency_key)
    }

    /// Takes an X.509 certificate of a fresh key, with what OpenSSL is told to put into its request;
    /// gives the files of the key and of the chain, and the reply.
    pub fn take_x509(&self, grant: &Value, arguments: &[&str]) -> (PathBuf, PathBuf, Value) {
        let grant = grant["id"].as_str().expect("a grant's id");
        let (key, csr) = self.wire.key_and_csr("x509", arguments);
        let reply = self.wire.post(&format!("/v1/grants/{grant}/x509"), &json!({"csr": csr}));
        let reply = reply.ok().json();
        let text = |name: &str| reply[name].as_str().expect("PEM").to_owned();
        let file = key.with_extension("pem");
        fs::write(&file, text("certificate") + &text("chain")).expect("a file");
        (key, file, reply)
    }
}
