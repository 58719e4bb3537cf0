//! The API spoken by hand: curl for the calls, OpenSSL for keys and requests, `ssh-keygen -Y sign` for
//! statements. None of our code takes part, so what works here is what we say on the wire.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use base64ct::{Base64Unpadded, Encoding};
use serde_json::{Value, json};

use crate::program::run_with_input;
use crate::{Ca, Person, now, run, security_key, sha256};

/// Somebody who calls the API by hand.
#[derive(Clone, Debug)]
pub struct Wire {
    name: String,
    folder: PathBuf,
    url: String,
    trust: Value,
    /// The key and the certificate of a login.
    login: Option<(PathBuf, PathBuf)>,
}

/// What a call was answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status; none if there was no answer.
    pub status: Option<u16>,
    /// The headers, as they came.
    pub headers: String,
    /// The body, as it came.
    pub body: String,
    /// What curl said if there was no answer.
    pub error: String,
}

impl Wire {
    /// Meets the CA as nobody: takes its root from its own mouth and holds it against the pin.
    pub fn nobody(ca: &Ca, person: &Person) -> Self {
        let folder = person.file("wire");
        fs::create_dir_all(&folder).expect("a folder");
        let mut wire = Self {
            name: person.name().to_owned(),
            folder,
            url: ca.url(),
            trust: Value::Null,
            login: None,
        };
        let mut curl = Command::new("curl");
        let unverified =
            run(curl.args(["-sS", "--insecure"]).arg(format!("{}/v1/trust", ca.url()))).ok();
        wire.trust = unverified.json();
        let root =
            wire.write("root.pem", wire.trust["x509"][0]["certificate"].as_str().expect("a root"));
        assert_eq!(wire.spki_digest("x509", &root), ca.pin(), "the root is not the pinned one");
        wire
    }

    /// Shows a client certificate, whatever it is: `cert.pem` and `key.pem` in the folder.
    pub fn showing(ca: &Ca, person: &Person, folder: &Path) -> Self {
        let login = Some((folder.join("key.pem"), folder.join("cert.pem")));
        Self { login, ..Self::nobody(ca, person) }
    }

    /// Logs in by hand.
    pub fn login(ca: &Ca, person: &Person, factor: Value) -> Self {
        let mut wire = Self::nobody(ca, person);
        let (call, key) = wire.login_call(&person.key(), factor);
        let reply = wire.post("/v1/logins", &call).ok();
        let certificate = reply.json()["certificate"].as_str().expect("a certificate").to_owned();
        // Beside its key: who logs in again has both logins.
        let file = key.with_extension("pem");
        fs::write(&file, certificate).expect("a file");
        wire.login = Some((key, file));
        wire
    }

    /// The body of a login call, whose statement this SSH key signs, and the login key's file.
    pub fn login_call(&self, ssh_key: &Path, factor: Value) -> (Value, PathBuf) {
        let challenge = self.post("/v1/challenges", &json!({})).ok().json();
        self.login_answer(&challenge, ssh_key, factor)
    }

    /// The same, which answers this challenge.
    pub fn login_answer(
        &self,
        challenge: &Value,
        ssh_key: &Path,
        factor: Value,
    ) -> (Value, PathBuf) {
        let challenge = challenge["challenge"].as_str().expect("a challenge");
        let (key, csr) = self.key_and_csr("login", &["-subj", "/CN=ignored"]);
        let statement = format!(
            "jit-ca login v1\norigin: {}\npin: {}\nsubject: {}\nchallenge: {challenge}\nlogin-key: {}\n",
            self.text("origin"),
            self.text("pin"),
            self.name,
            self.spki_digest("pkey", &key),
        );
        let signature = self.sign("login.v1@jit-ca", ssh_key, &statement);
        let mut call =
            json!({"name": self.name, "challenge": challenge, "csr": csr, "signature": signature});
        call["factor"] = factor;
        (call, key)
    }

    /// The body of a call for an SSH certificate of this key, and its idempotency key.
    pub fn ssh_call(&self, grant: &str, ssh_key: &Path) -> (Value, String) {
        let login = self.get("/v1/me").ok().json()["login"]["serial"].clone();
        let idempotency_key = unique();
        let public_key = fs::read_to_string(ssh_key.with_extension("pub")).expect("a public key");
        let mut fingerprint = Command::new("ssh-keygen");
        let fingerprint = run(fingerprint.arg("-l").arg("-f").arg(ssh_key)).ok();
        let statement = format!(
            "jit-ca possession v1\norigin: {}\ngrant: {grant}\nlogin: {}\nkey: {}\nidempotency-key: {idempotency_key}\n",
            self.text("origin"),
            login.as_str().expect("a serial"),
            fingerprint.line().split(' ').nth(1).expect("a fingerprint"),
        );
        let signature = self.sign("possession.v1@jit-ca", ssh_key, &statement);
        (json!({"public_key": public_key.trim_end(), "signature": signature}), idempotency_key)
    }

    /// The body of an approval of a request as the API shows it, signed by this SSH key.
    pub fn approve_call(&self, request: &Value, ssh_key: &Path) -> Value {
        self.approve_part_call(request, &json!({}), ssh_key)
    }

    /// The same, with this duration, these rows, hosts or this comment in place of what was asked for.
    pub fn approve_part_call(&self, request: &Value, part: &Value, ssh_key: &Path) -> Value {
        let of = |name: &str| part.get(name).unwrap_or(&request[name]).clone();
        let (duration, rows, hosts) = (of("duration"), of("rows"), of("hosts"));
        let mut statement = format!(
            "jit-ca approval v1\norigin: {}\nrequest: {}\nduration: {}\n",
            self.text("origin"),
            request["hash"].as_str().expect("a hash"),
            duration.as_str().expect("a duration"),
        );
        let comment = &part["comment"];
        for row in rows.as_array().expect("rows") {
            statement.push_str(&format!("row: {}\n", row.as_str().expect("a row")));
        }
        let named: Vec<&str> =
            hosts.as_array().expect("hosts").iter().filter_map(Value::as_str).collect();
        statement.push_str(&format!("hosts: {}\n", named.join(",")));
        let signature = self.sign("approval.v1@jit-ca", ssh_key, &statement);
        json!({
            "hash": request["hash"], "duration": duration, "rows": rows, "hosts": hosts,
            "comment": comment, "signature": signature,
        })
    }

    /// Makes a P-256 key and a PKCS#10 request for it, with what else OpenSSL is told to put in.
    pub fn key_and_csr(&self, name: &str, arguments: &[&str]) -> (PathBuf, String) {
        let name = format!("{name}-{}", unique());
        let (key, csr) =
            (self.folder.join(format!("{name}.key")), self.folder.join(format!("{name}.csr")));
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ]);
        openssl.args(arguments).arg("-keyout").arg(&key).arg("-out").arg(&csr);
        run(&mut openssl).ok();
        (key, fs::read_to_string(csr).expect("a request"))
    }

    /// The digest of a login key, as statements write it.
    pub fn key_digest(&self, key: &Path) -> String {
        self.spki_digest("pkey", key)
    }

    /// Signs a text as `ssh-keygen -Y sign` does.
    pub fn sign(&self, namespace: &str, ssh_key: &Path, text: &str) -> String {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(ssh_key);
        if security_key::holds(ssh_key) {
            security_key::plug_in(&mut keygen);
        }
        run_with_input(&mut keygen, text).ok().stdout
    }

    /// The same caller, with this key and this certificate for a login.
    pub fn with_login(&self, key: &Path, certificate: &Path) -> Self {
        let login = Some((key.to_owned(), certificate.to_owned()));
        Self { login, ..self.clone() }
    }

    /// The key and the certificate of the login.
    pub fn login_files(&self) -> (&Path, &Path) {
        let (key, certificate) = self.login.as_ref().expect("a login");
        (key, certificate)
    }

    /// The CA's trust anchors, as it gave them.
    pub fn trust(&self) -> &Value {
        &self.trust
    }

    /// The file of the CA's root.
    pub fn root(&self) -> PathBuf {
        self.folder.join("root.pem")
    }

    /// A GET.
    pub fn get(&self, path: &str) -> Reply {
        self.call(&["-X", "GET"], path, None)
    }

    /// A POST of JSON with a fresh idempotency key.
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_again(path, body, &unique())
    }

    /// A POST of JSON with an idempotency key.
    pub fn post_again(&self, path: &str, body: &Value, idempotency_key: &str) -> Reply {
        let header = format!("idempotency-key: {idempotency_key}");
        self.call(
            &["-H", "content-type: application/json", "-H", &header],
            path,
            Some(&body.to_string()),
        )
    }

    /// Any call: what curl is told, the path, and what is sent.
    pub fn call(&self, arguments: &[&str], path: &str, body: Option<&str>) -> Reply {
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "--http1.1",
            "--include",
            "--max-time",
            "60",
            "-H",
            "expect:",
            "--cacert",
        ]);
        curl.arg(self.root());
        if let Some((key, certificate)) = &self.login {
            curl.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        if body.is_some() {
            curl.args(["--data-binary", "@-"]);
        }
        curl.args(arguments).arg(format!("{}{path}", self.url));
        let output = run_with_input(&mut curl, body.unwrap_or_default());
        let (headers, body) = output.stdout.split_once("\r\n\r\n").unwrap_or_default();
        let status = headers.split(' ').nth(1).map(|status| status.parse().expect("a status"));
        Reply { status, headers: headers.to_owned(), body: body.to_owned(), error: output.stderr }
    }

    fn text(&self, name: &str) -> &str {
        self.trust[name].as_str().expect("trust says it")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("a file");
        path
    }

    /// SHA-256 of the SubjectPublicKeyInfo of a key or of a certificate, as OpenSSL reads it.
    fn spki_digest(&self, kind: &str, file: &Path) -> String {
        let pem = self.folder.join("spki.pem");
        let mut openssl = Command::new("openssl");
        let wanted = if kind == "x509" { ["-noout", "-pubkey"].as_slice() } else { &["-pubout"] };
        let public = run(openssl.arg(kind).args(wanted).arg("-in").arg(file)).ok();
        fs::write(&pem, public.stdout).expect("a file");
        let der = self.folder.join("spki.der");
        let mut openssl = Command::new("openssl");
        openssl.args(["pkey", "-pubin", "-outform", "DER", "-in"]).arg(&pem).arg("-out").arg(&der);
        run(&mut openssl).ok();
        let digest = sha256(&fs::read(der).expect("a key"));
        format!("SHA256:{}", Base64Unpadded::encode_string(&digest))
    }
}

impl Reply {
    /// Fails the test unless the call was done.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status.is_some_and(|status| (200..300).contains(&status)), "{self:#?}");
        self
    }

    /// Fails the test unless the call was refused for this reason, in a whole problem.
    #[track_caller]
    pub fn refused(self, code: &str) -> Self {
        assert!(self.status.is_some_and(|status| (400..500).contains(&status)), "{self:#?}");
        assert_eq!(self.problem()["code"], code, "{self:#?}");
        self
    }

    /// The problem that the reply is, which has to be whole (RFC 9457).
    #[track_caller]
    pub fn problem(&self) -> Value {
        let headers = self.headers.to_lowercase();
        assert!(headers.contains("content-type: application/problem+json"), "{self:#?}");
        let problem = self.json();
        assert_eq!(problem["status"].as_u64(), self.status.map(u64::from), "{self:#?}");
        for field in ["type", "title", "detail", "code"] {
            assert!(
                problem[field].as_str().is_some_and(|text| !text.is_empty()),
                "no {field}: {self:#?}"
            );
        }
        problem
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// A text that no other call has.
fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("t{}-{}", now(), NEXT.fetch_add(1, Ordering::Relaxed))
}
