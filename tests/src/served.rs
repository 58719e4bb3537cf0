//! An issuer of tokens on loopback: a script of `tests/oidc`, run by the Node that deploy/install-deps.sh has brought.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::program::{node, run_with_input};
use crate::{Lab, free_port, repository, run, wait_for};

/// A server at `https://127.0.0.1:PORT`, with a certificate of a CA of its own.
#[derive(Debug)]
pub struct Served {
    script: &'static str,
    folder: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Served {
    pub(crate) fn start(lab: &Lab, script: &'static str) -> Self {
        let port = free_port();
        let folder = lab.folder(&format!("{}-{port}", script.trim_end_matches(".mjs")));
        let openssl = |arguments: &str| {
            let mut openssl = Command::new("openssl");
            run(openssl.current_dir(&folder).args(arguments.split(' '))).ok();
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
        openssl(&format!("req -x509 {key} -subj /CN=site -keyout ca.key -out ca.pem"));
        let names = "-addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE";
        openssl(&format!(
            "req -x509 {key} -subj /CN=localhost {names} -CA ca.pem -CAkey ca.key -keyout server.key -out server.pem"
        ));
        let mut served = Self { script, folder, port, process: None };
        served.start_again();
        served
    }

    /// Runs again what was killed, at the same port and with what it had kept.
    pub fn start_again(&mut self) {
        self.kill();
        let log = OpenOptions::new().create(true).append(true).open(self.folder.join("log"));
        let mut command = node();
        command.arg(repository().join("tests/oidc").join(self.script));
        command.arg(&self.folder).arg(self.port.to_string()).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(log.expect("a file"));
        let process = command.spawn();
        self.process = Some(process.expect("node; run deploy/install-deps.sh tests"));
        wait_for("an issuer", || (self.ask(&json!({})).code == 0).then_some(()));
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a process");
            process.wait().expect("its end");
        }
    }

    /// What it is called, which is where it is.
    pub fn issuer(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The roots that its server is trusted by.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// From now on connections are taken and nothing is answered, or all is, what has waited as well.
    pub fn hang(&self, whether: bool) {
        self.control("hang", &json!(whether));
    }

    /// How often a path was asked for since it was started.
    pub fn asked(&self, path: &str) -> u64 {
        self.control("asked", &json!(null))[path].as_u64().unwrap_or_default()
    }

    /// Signs with new keys, and publishes no others.
    pub fn rotate(&self) {
        self.control("rotate", &json!(null));
    }

    pub(crate) fn control(&self, name: &str, value: &Value) -> Value {
        self.ask(&json!({ name: value })).ok().json()[name].clone()
    }

    fn ask(&self, control: &Value) -> crate::Output {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail", "--max-time", "20", "--cacert"]).arg(self.ca_file());
        curl.args(["--data-binary", "@-"]).arg(format!("{}/control", self.issuer()));
        run_with_input(&mut curl, &control.to_string())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
    }
}
