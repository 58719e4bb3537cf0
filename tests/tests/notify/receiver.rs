//! Somebody who is notified, and what they were told.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use jit_ca_tests::{Lab, free_port, repository, run, wait_for};
use serde_json::Value;

/// What messages are signed with: 32 bytes.
pub(super) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDc2FVsBQIhrs=";

/// A service that is notified, see receiver.py.
pub(super) struct Receiver {
    folder: PathBuf,
    pub(super) port: u16,
    has_tls: bool,
    server: Option<Child>,
}

impl Receiver {
    /// One in the clear, on 127.0.0.1. It does not run yet.
    pub(super) fn new(lab: &Lab) -> Self {
        let folder = lab.folder("receiver");
        fs::write(folder.join("secret"), format!("{SECRET}\n")).unwrap();
        Self { folder, port: free_port(), has_tls: false, server: None }
    }

    /// One at https://localhost, with a certificate of a CA that the system does not know.
    pub(super) fn with_tls(lab: &Lab) -> Self {
        let mut receiver = Self::new(lab);
        receiver.has_tls = true;
        let openssl = |arguments: &str| {
            let mut openssl = Command::new("openssl");
            run(openssl.current_dir(&receiver.folder).args(arguments.split(' '))).ok();
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
        openssl(&format!("req -x509 {key} -subj /CN=site -keyout ca.key -out ca.pem"));
        let names = "-addext subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE";
        openssl(&format!(
            "req -x509 {key} -subj /CN=localhost {names} -CA ca.pem -CAkey ca.key -keyout key.pem -out cert.pem"
        ));
        receiver
    }

    pub(super) fn start(&mut self) {
        let mut python = Command::new("/usr/bin/python3");
        python.arg(repository().join("tests/tests/notify/receiver.py")).arg(self.port.to_string());
        python.arg(&self.folder).arg(SECRET);
        if self.has_tls {
            python.args(["cert.pem", "key.pem"].map(|file| self.folder.join(file)));
        }
        python.stdin(Stdio::null()).stdout(Stdio::null());
        self.server = Some(python.spawn().expect("python3"));
        wait_for("the receiver", || TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    /// A `[[notify]]` table for a path of this service.
    pub(super) fn target(&self, name: &str, more: &str) -> String {
        let secret = self.file("secret");
        let place = match self.has_tls {
            true => format!(
                "webhook = \"https://localhost:{}/{name}\"\nca_file = {:?}",
                self.port,
                self.file("ca.pem")
            ),
            false => format!("webhook = \"http://127.0.0.1:{}/{name}\"", self.port),
        };
        let more = match more.contains("allow_private") {
            true => more.to_owned(),
            false => format!("{more}\nallow_private = [\"127.0.0.1\", \"::1\"]"),
        };
        format!(
            "\n[[notify]]\nname = {name:?}\n{place}\nsecret = {{ file = {secret:?} }}\n{more}\n"
        )
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// From now on nothing of it is ill.
    pub(super) fn gets_well(&self) {
        fs::write(self.file("well"), "").unwrap();
    }

    /// What a path was told and took, in the order in which it came. All of it is signed.
    pub(super) fn told(&self, name: &str) -> Vec<Value> {
        let told = self.lines(name);
        for message in &told {
            assert_eq!(
                (&message["signed"], &message["type"]),
                (&true.into(), &"application/json".into()),
                "{message:#}"
            );
        }
        told
    }

    /// What a path was sent, whether it took it or not.
    pub(super) fn tried(&self, name: &str) -> Vec<Value> {
        self.lines(&format!("{name}.tried"))
    }

    pub(super) fn lines(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.file(&format!("{name}.jsonl"))).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until a path was told this of a request; gives the message.
    pub(super) fn is_told(&self, name: &str, kind: &str, of: &Value) -> Value {
        wait_for(&format!("{kind} at {name}"), || {
            let told = self.told(name).into_iter();
            let mut told = told.map(|message| message["body"].clone());
            told.find(|body| body["type"] == kind && body["data"]["request"] == of["id"])
        })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            server.kill().expect("a process");
            server.wait().expect("the receiver ends");
        }
    }
}

/// Has a configuration name these targets beside those that it has.
pub(super) fn name_targets(config: &Path, targets: &[String]) {
    let text = fs::read_to_string(config).expect("jit-cad.toml");
    fs::write(config, text + &targets.concat()).expect("jit-cad.toml");
}
