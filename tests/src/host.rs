//! A host that enrols, by hand: `ssh-keygen -Y sign` for its statements, curl for its calls.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64ct::{Base64Unpadded, Encoding as _};
use serde_json::{Value, json};

use crate::{Ca, Lab, Reply, Wire, run};

/// A host with a host key. What it has enrolled as is the CA's to know.
#[derive(Debug)]
pub struct Host {
    /// What it is called.
    pub name: String,
    /// Its host key; beside it lie the public key, and the certificate once there is one.
    pub key: PathBuf,
    /// Its calls, without a login.
    pub wire: Wire,
}

impl Host {
    /// A host of this name with a new key of this type.
    pub fn new(lab: &Lab, ca: &Ca, name: &str, kind: &str) -> Self {
        let key = lab.folder(&format!("host-{name}")).join(format!("ssh_host_{kind}_key"));
        let mut keygen = Command::new("ssh-keygen");
        run(keygen.args(["-q", "-t", kind, "-N", "", "-C", name, "-f"]).arg(&key)).ok();
        let wire = Wire::nobody(ca, &ca.stranger(&format!("host-{name}")));
        Self { name: name.to_owned(), key, wire }
    }

    /// The body of an enrolment by a token as the CA gave it, for its names.
    pub fn enrolment(&self, token: &Value) -> Value {
        self.enrolment_signed_by(token, &self.key)
    }

    /// The same, signed by another key than the one that is to be certified.
    pub fn enrolment_signed_by(&self, token: &Value, signer: &Path) -> Value {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let aliases = token["aliases"].as_array().expect("a list").iter();
        let aliases: String = aliases.map(|alias| format!("alias: {}\n", text(alias))).collect();
        let hash = crate::sha256(text(&token["token"]).as_bytes());
        let hash = format!("SHA256:{}", Base64Unpadded::encode_string(&hash));
        let statement = format!(
            "jit-ca host v1\norigin: {}\npin: {}\nhost: {}\n{aliases}token: {hash}\nkey: {}\n",
            text(&self.wire.trust()["origin"]),
            text(&self.wire.trust()["pin"]),
            text(&token["host"]),
            self.fingerprint(),
        );
        let signature = self.wire.sign("host.v1@jit-ca", signer, &statement);
        json!({
            "token": token["token"], "host": token["host"], "aliases": token["aliases"],
            "public_key": self.public_key(), "signature": signature,
        })
    }

    /// Enrols, and keeps the certificate.
    pub fn enrol(&self, token: &Value) -> Value {
        let enrolled = self.wire.post("/v1/hosts/enrolment", &self.enrolment(token)).ok().json();
        self.keep(&enrolled);
        enrolled
    }

    /// Keeps a certificate as sshd finds it.
    pub fn keep(&self, answer: &Value) {
        let certificate = answer["certificate"].as_str().expect("a certificate");
        fs::write(self.certificate(), certificate).expect("a file");
    }

    /// The certificate's file.
    pub fn certificate(&self) -> PathBuf {
        let name = self.key.file_name().and_then(|name| name.to_str()).expect("a name");
        self.key.with_file_name(format!("{name}-cert.pub"))
    }

    /// The body of a login, and the login key's file.
    pub fn login_call(&self) -> (Value, PathBuf) {
        let challenge = self.wire.post("/v1/challenges", &json!({})).ok().json();
        let (key, csr) = self.wire.key_and_csr("host-login", &["-subj", "/CN=ignored"]);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let statement = format!(
            "jit-ca host-login v1\norigin: {}\npin: {}\nhost: {}\nchallenge: {}\nlogin-key: {}\n",
            text(&self.wire.trust()["origin"]),
            text(&self.wire.trust()["pin"]),
            self.name,
            text(&challenge["challenge"]),
            self.wire.key_digest(&key),
        );
        let signature = self.wire.sign("host-login.v1@jit-ca", &self.key, &statement);
        let call = json!({
            "host": self.name, "challenge": challenge["challenge"], "csr": csr, "signature": signature,
        });
        (call, key)
    }

    /// Tries to log in.
    pub fn try_login(&self) -> (Reply, PathBuf) {
        let (call, key) = self.login_call();
        (self.wire.post("/v1/hosts/login", &call), key)
    }

    /// Logs in.
    pub fn login(&self) -> Wire {
        let (reply, key) = self.try_login();
        let file = key.with_extension("pem");
        let reply = reply.ok().json();
        fs::write(&file, reply["certificate"].as_str().expect("a certificate")).expect("a file");
        self.wire.with_login(&key, &file)
    }

    /// SHA-256 of its key, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        let mut fingerprint = Command::new("ssh-keygen");
        let fingerprint = run(fingerprint.arg("-l").arg("-f").arg(&self.key)).ok();
        fingerprint.line().split(' ').nth(1).expect("a fingerprint").to_owned()
    }

    /// Its public key, as its file has it.
    pub fn public_key(&self) -> String {
        let line = fs::read_to_string(self.key.with_extension("pub")).expect("a public key");
        line.trim_end().to_owned()
    }
}
