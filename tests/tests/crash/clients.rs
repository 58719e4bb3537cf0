//! Those who ask for certificates until the daemon dies, and go on where they were cut off.

use std::fs;
use std::io::{BufRead, BufReader};
use std::mem;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use jit_ca_tests::{Ca, Caller, Lab, run};
use serde_json::{Value, json};

/// How many ask at the same time, each on its own connection.
const CLIENTS: usize = 4;
/// How many calls a client is given for one life of the daemon: more than it gets through.
const AHEAD: usize = 25;
/// How long a client may wait for answers under load.
const SOON: Duration = Duration::from_secs(30);
/// How often the checkpoint is asked for while the daemon lives, and for how long at most.
const CHECKPOINTS: (&str, u32) = ("100/s", 3_000);

/// One call for a certificate, made until it is answered.
#[derive(Clone, Copy, Debug)]
struct Call {
    client: usize,
    nth: usize,
}

impl Call {
    fn key(self) -> String {
        format!("k{}-{}", self.client, self.nth)
    }

    /// A client asks for SSH and for X.509 in turn.
    fn kind(self) -> &'static str {
        ["ssh", "x509"][self.nth % 2]
    }
}

/// What a client was given.
#[derive(Debug)]
pub(super) struct Received {
    /// The idempotency key of the call.
    pub(super) key: String,
    /// `ssh` or `x509`.
    pub(super) kind: &'static str,
    /// The answer.
    pub(super) reply: Value,
}

/// All clients, and what they were given.
pub(super) struct Clients {
    folder: PathBuf,
    key: PathBuf,
    login: Login,
    /// The first call of each client under this login.
    begun: [usize; CLIENTS],
    /// The first call of each client that is not answered yet.
    next: [usize; CLIENTS],
    /// Before which call each client's calls are written down.
    written: [usize; CLIENTS],
    pub(super) received: Vec<Received>,
    /// The answers that came a second time, of the same certificates.
    pub(super) repeated: Vec<Value>,
    /// How many calls were answered only in a later life of the daemon than they were first made in.
    pub(super) resumed: usize,
    /// Every checkpoint that the daemon served.
    pub(super) checkpoints: Vec<String>,
    lives: usize,
}

/// What the calls are made under.
struct Login {
    grants: [String; 2],
    /// What possession statements say between grant and idempotency key.
    statement: [String; 2],
    csr: String,
    certificate: PathBuf,
    private_key: PathBuf,
    root: PathBuf,
}

impl Clients {
    pub(super) fn new(lab: &Lab, alice: &Caller, bob: &Caller) -> Self {
        let folder = lab.folder("clients");
        let key = alice.person.make_key("work", "ed25519");
        let login = Login::new(alice, bob, &key);
        Self {
            folder,
            key,
            login,
            begun: [0; CLIENTS],
            next: [0; CLIENTS],
            written: [0; CLIENTS],
            received: Vec::new(),
            repeated: Vec::new(),
            resumed: 0,
            checkpoints: Vec::new(),
            lives: 0,
        }
    }

    /// Goes on under a new login and new grants. What was cut off under the old ones is given up.
    pub(super) fn renew(&mut self, alice: &Caller, bob: &Caller) {
        self.login = Login::new(alice, bob, &self.key);
        self.begun = self.written;
        self.next = self.written;
    }

    /// Asks until so many certificates have come, waits for `more`, and kills the daemon.
    pub(super) fn until_killed(&mut self, ca: &mut Ca, certificates: usize, more: Duration) {
        self.write_calls();
        let (answers, received) = channel();
        let mut clients: Vec<Child> =
            (0..CLIENTS).map(|client| self.start(client, ca, answers.clone())).collect();
        drop(answers);
        let watcher = self.watch_checkpoints(ca);

        for _ in 0..certificates {
            received.recv_timeout(SOON).expect("certificates under load");
        }
        thread::sleep(more);
        ca.kill();
        for client in &mut clients {
            client.wait().expect("curl ends");
        }
        let seen = watcher.wait_with_output().expect("curl ends").stdout;
        self.checkpoints.extend(whole_notes(&String::from_utf8_lossy(&seen)));
        (0..CLIENTS).for_each(|client| self.collect(client));
        self.lives += 1;
    }

    /// Makes the calls that were cut off, and gives how many: each is answered now.
    pub(super) fn finish(&mut self, alice: &Caller) -> usize {
        let cut: Vec<Call> =
            (0..CLIENTS).map(|client| Call { client, nth: self.next[client] }).collect();
        self.write_calls();
        for call in &cut {
            let body = fs::read_to_string(self.folder.join(call.key())).expect("a call");
            let body: Value = serde_json::from_str(&body).expect("JSON");
            let path = self.login.path(*call);
            let reply = alice.wire.post_again(&path, &body, &call.key()).ok().json();
            self.received.push(Received { key: call.key(), kind: call.kind(), reply });
        }
        cut.len()
    }

    /// Writes down what the clients will ask for; ssh-keygen signs for all of them at once.
    fn write_calls(&mut self) {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-Y", "sign", "-n", "possession.v1@jit-ca", "-f"]).arg(&self.key);
        let mut new = Vec::new();
        for client in 0..CLIENTS {
            let end = self.next[client] + AHEAD;
            let begin = mem::replace(&mut self.written[client], end);
            new.extend((begin..end).map(|nth| Call { client, nth }));
        }
        for call in new.iter().filter(|call| call.kind() == "ssh") {
            let statement = self.login.statement.join(&call.key());
            fs::write(self.folder.join(call.key()), statement).expect("a file");
            keygen.arg(call.key());
        }
        run(keygen.current_dir(&self.folder)).ok();
        let public = fs::read_to_string(self.key.with_extension("pub")).expect("a key");
        for call in new {
            let body = if call.kind() == "ssh" {
                let signature = self.folder.join(format!("{}.sig", call.key()));
                let text = fs::read_to_string(&signature).expect("a signature");
                fs::remove_file(signature).expect("a file");
                json!({"public_key": public.trim_end(), "signature": text})
            } else {
                json!({"csr": self.login.csr})
            };
            fs::write(self.folder.join(call.key()), body.to_string()).expect("a file");
        }
    }

    /// The last call that a client had an answer to, if it can be made again under this login.
    fn last_answered(&self, client: usize) -> Option<Call> {
        let answered = self.begun[client]..self.next[client];
        answered.last().map(|nth| Call { client, nth })
    }

    /// Starts a client on one connection: the last call that was answered once more, then those that were not. Says
    /// when there is an answer to one of these.
    fn start(&self, client: usize, ca: &Ca, answers: Sender<()>) -> Child {
        let calls = (self.next[client]..self.written[client]).map(|nth| Call { client, nth });
        let calls = self.last_answered(client).into_iter().chain(calls);
        let config: Vec<String> = calls.map(|call| self.config(call, &ca.url())).collect();
        let file = self.folder.join(format!("{client}.curl"));
        fs::write(&file, config.join("next\n")).expect("a file");
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail-early", "--config"]).arg(file).current_dir(&self.folder);
        curl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut curl = curl.spawn().expect("curl");
        let said = BufReader::new(curl.stderr.take().expect("a pipe"));
        thread::spawn(move || {
            // What is said to stderr comes line by line. Nobody counts any more once the daemon is to die.
            for _ in said.lines().map_while(Result::ok).filter(|line| line == "0 200 first") {
                let _ = answers.send(());
            }
        });
        curl
    }

    fn config(&self, call: Call, url: &str) -> String {
        let again = if call.nth < self.next[call.client] { "again" } else { "first" };
        let Login { certificate, private_key, root, .. } = &self.login;
        let (path, key) = (self.login.path(call), call.key());
        format!(
            "url = \"{url}{path}\"\nheader = \"content-type: application/json\"\nheader = \"idempotency-key: {key}\"\n\
             data-binary = \"@{key}\"\noutput = \"{key}.{again}\"\n\
             write-out = \"%{{stderr}}%{{exitcode}} %{{http_code}} {again}\\n\"\n\
             cacert = {root:?}\ncert = {certificate:?}\nkey = {private_key:?}\n"
        )
    }

    /// Asks for the checkpoint again and again, as whoever watches the log does.
    fn watch_checkpoints(&self, ca: &Ca) -> Child {
        let (rate, most) = CHECKPOINTS;
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail-early", "--rate", rate, "--cacert"]).arg(&self.login.root);
        // What stands behind `#` is not sent.
        curl.arg(format!("{}/log/checkpoint#[1-{most}]", ca.url()));
        curl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        curl.spawn().expect("curl")
    }

    /// Takes in what a client was answered.
    fn collect(&mut self, client: usize) {
        let begin = self.next[client];
        if let Some(call) = self.last_answered(client)
            && let Some(again) = self.answer(call, "again")
        {
            let first = self.received.iter().rev().find(|received| received.key == call.key());
            let first = &first.expect("it was answered before").reply;
            must_be_the_same(call.kind(), first, &again);
            self.repeated.push(again);
        }
        while let Some(reply) = self.answer(Call { client, nth: self.next[client] }, "first") {
            let call = Call { client, nth: self.next[client] };
            self.received.push(Received { key: call.key(), kind: call.kind(), reply });
            self.next[client] += 1;
        }
        self.resumed += usize::from(self.lives > 0 && self.next[client] > begin);
    }

    /// The whole answer to a call; none if it did not arrive, or not whole.
    fn answer(&self, call: Call, which: &str) -> Option<Value> {
        let file = self.folder.join(format!("{}.{which}", call.key()));
        let text = fs::read_to_string(&file).ok()?;
        fs::remove_file(file).expect("a file");
        let reply: Value = serde_json::from_str(&text).ok()?;
        assert!(reply["certificate"].is_string(), "{reply:#}");
        Some(reply)
    }
}

impl Login {
    fn new(alice: &Caller, bob: &Caller, key: &Path) -> Self {
        let granted = |role| alice.granted(role, json!({"duration": "4h"}), &[bob]);
        let grants = ["web-shell", "orders-api"]
            .map(|role| granted(role)["grant"]["id"].as_str().expect("an id").to_owned());
        let fingerprint = run(Command::new("ssh-keygen").arg("-lf").arg(key)).ok();
        let fingerprint = fingerprint.line().split(' ').nth(1).expect("a fingerprint");
        let serial = alice.wire.get("/v1/me").ok().json()["login"]["serial"].clone();
        let (origin, serial) = (&alice.wire.trust()["origin"], serial.as_str().expect("a serial"));
        let (private_key, certificate) = alice.wire.login_files();
        let statement = format!(
            "jit-ca possession v1\norigin: {}\ngrant: {}\nlogin: {serial}\nkey: {fingerprint}\nidempotency-key: ",
            origin.as_str().expect("an origin"),
            grants[0],
        );
        Self {
            statement: [statement, "\n".to_owned()],
            csr: alice.wire.key_and_csr("hammer", &["-subj", "/CN=x"]).1,
            certificate: certificate.to_owned(),
            private_key: private_key.to_owned(),
            root: alice.wire.root(),
            grants,
        }
    }

    fn path(&self, call: Call) -> String {
        format!("/v1/grants/{}/{}", self.grants[call.nth % 2], call.kind())
    }
}

/// A call that is made again gives the same certificate, also in another life of the daemon. Where the outcome was
/// lost with the life before, an ECDSA signature is made anew, with other random numbers; all that is signed stays.
fn must_be_the_same(kind: &str, first: &Value, again: &Value) {
    for field in ["issuance", "serial", "entry", "expires"] {
        assert_eq!(first[field], again[field], "{field}");
    }
    assert!(kind == "x509" || first["certificate"] == again["certificate"], "{again:#}");
}

/// The notes in what was served, without one that was cut off.
fn whole_notes(text: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = String::new();
    for line in text.split_inclusive('\n') {
        note.push_str(line);
        // C2SP signed-note: the signature is the last line.
        if line.starts_with('\u{2014}') && line.ends_with('\n') {
            notes.push(mem::take(&mut note));
        }
    }
    notes
}
