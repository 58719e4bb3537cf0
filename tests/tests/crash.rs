//! The daemon is killed while it issues, again and again: what a client got is in the log.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use base64ct::{Base64Unpadded, Encoding};
use jit_ca_tests::{Ca, Caller, Issued, Lab, as_root, run, wait_for};
use serde_json::{Value, json};

const KILLS: usize = 50;
/// Clients that ask at the same time, each on its own connection.
const CLIENTS: usize = 4;
/// What each asks for until the daemon is killed: more than it gets.
const CALLS_PER_CLIENT: usize = 25;
/// How many certificates are waited for before a kill.
const CERTIFICATES_PER_KILL: usize = 12;

/// Calls for certificates that are made ahead, so that the clients lose no time.
struct Hammer {
    folder: PathBuf,
    grants: [String; 2],
    next: usize,
}

impl Hammer {
    const CALLS: usize = KILLS * CLIENTS * CALLS_PER_CLIENT;

    fn new(alice: &Caller, ssh: &Value, x509: &Value, lab: &Lab) -> Self {
        let folder = lab.folder("hammer");
        let grants = [ssh, x509].map(|grant| grant["id"].as_str().unwrap().to_owned());
        let key = alice.person.make_key("work", "ed25519");
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        let fingerprint = run(Command::new("ssh-keygen").arg("-lf").arg(&key)).ok();
        let fingerprint = fingerprint.line().split(' ').nth(1).unwrap().to_owned();
        let login = alice.wire.get("/v1/me").ok().json()["login"]["serial"].clone();
        let (_, csr) = alice.wire.key_and_csr("hammer", &["-subj", "/CN=x"]);
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-Y", "sign", "-n", "possession.v1@jit-ca", "-f"]).arg(&key);
        for call in (0..Self::CALLS).step_by(2) {
            let statement = format!(
                "jit-ca possession v1\norigin: {}\ngrant: {}\nlogin: {}\nkey: {fingerprint}\nidempotency-key: h{call}\n",
                alice.wire.trust()["origin"].as_str().unwrap(),
                grants[0],
                login.as_str().unwrap(),
            );
            fs::write(folder.join(call.to_string()), statement).unwrap();
            keygen.arg(call.to_string());
        }
        run(keygen.current_dir(&folder)).ok();
        for call in 0..Self::CALLS {
            let body = if call.is_multiple_of(2) {
                let signature = fs::read_to_string(folder.join(format!("{call}.sig"))).unwrap();
                json!({"public_key": public.trim_end(), "signature": signature})
            } else {
                json!({"csr": csr})
            };
            fs::write(folder.join(format!("{call}.json")), body.to_string()).unwrap();
        }
        Self { folder, grants, next: 0 }
    }

    fn path(&self, call: usize) -> String {
        let (grant, kind) = (&self.grants[call % 2], ["ssh", "x509"][call % 2]);
        format!("/v1/grants/{grant}/{kind}")
    }

    /// Starts a client that makes some calls in a row on one connection.
    fn start(&mut self, ca: &Ca, alice: &Caller) -> Child {
        let (key, certificate) = alice.wire.login_files();
        let calls = self.next..self.next + CALLS_PER_CLIENT;
        self.next = calls.end;
        let config: Vec<String> = calls
            .map(|call| {
                format!(
                    "url = \"{}{}\"\nheader = \"content-type: application/json\"\nheader = \"idempotency-key: h{call}\"\n\
                     data-binary = \"@{call}.json\"\noutput = \"{call}.reply\"\n\
                     cacert = {:?}\ncert = {certificate:?}\nkey = {key:?}\n",
                    ca.url(),
                    self.path(call),
                    alice.wire.root(),
                )
            })
            .collect();
        let file = self.folder.join(format!("{}.curl", self.next));
        fs::write(&file, config.join("next\n")).unwrap();
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail-early", "--config"]).arg(file).current_dir(&self.folder);
        curl.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("curl")
    }

    /// The whole answer to a call; none if it did not arrive, or not whole.
    fn reply(&self, call: usize) -> Option<Value> {
        let text = fs::read_to_string(self.folder.join(format!("{call}.reply"))).ok()?;
        let reply: Value = serde_json::from_str(&text).ok()?;
        assert!(reply["certificate"].is_string(), "{reply:#}");
        Some(reply)
    }

    /// How many of the calls from this one on were answered.
    fn answered_since(&self, first: usize) -> usize {
        (first..self.next).filter(|&call| self.reply(call).is_some()).count()
    }
}

/// SHA-256 of what was signed, as entries have it.
fn tbs(call: usize, reply: &Value) -> String {
    let certificate = reply["certificate"].as_str().unwrap();
    let issued =
        if call.is_multiple_of(2) { Issued::ssh(certificate) } else { Issued::x509(certificate) };
    format!("SHA256:{}", Base64Unpadded::encode_string(&issued.tbs))
}

fn entries(auditor: &Caller) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let page = auditor.wire.get(&format!("/v1/log/entries?start={}", all.len())).ok().json();
        let page = page.as_array().unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page.iter().cloned());
    }
}

#[test]
fn killed_fifty_times_it_logs_every_certificate_and_repeats_no_serial() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.caller(name));
    let ssh = alice.granted("web-shell", json!({"duration": "4h"}), &[&bob])["grant"].clone();
    let x509 = alice.granted("orders-api", json!({"duration": "4h"}), &[&bob])["grant"].clone();
    let mut hammer = Hammer::new(&alice, &ssh, &x509, &lab);

    for kill in 0..KILLS {
        let first = hammer.next;
        let mut clients: Vec<Child> = (0..CLIENTS).map(|_| hammer.start(&ca, &alice)).collect();
        wait_for("certificates", || {
            (hammer.answered_since(first) >= CERTIFICATES_PER_KILL).then_some(())
        });
        // At another moment of a call each time.
        sleep(Duration::from_micros(u64::try_from(kill * 311 % 7000).unwrap()));
        ca.kill();
        for client in &mut clients {
            client.wait().unwrap();
        }
        ca.serve();
    }

    let got: HashMap<usize, Value> =
        (0..hammer.next).filter_map(|call| Some((call, hammer.reply(call)?))).collect();
    let log = entries(&carol);
    let of = |kind: &str| log.iter().filter(|entry| entry["type"] == kind).collect::<Vec<_>>();
    let intents = of("issue.intent");
    let done: HashSet<&str> =
        of("issue.done").iter().filter_map(|entry| entry["issuance"].as_str()).collect();
    let open = intents
        .iter()
        .filter(|intent| !done.contains(intent["issuance"].as_str().unwrap()))
        .count();
    println!(
        "{} certificates, {} intents, {open} of them without outcome",
        got.len(),
        intents.len()
    );
    assert!(got.len() >= 500, "{} certificates", got.len());
    assert!(open >= 10, "{open} intents without outcome");

    // Every certificate that a client got is in the log, at the index that it was told.
    for (&call, reply) in &got {
        let index = usize::try_from(reply["entry"].as_u64().unwrap()).unwrap();
        assert_eq!(log[index]["type"], "issue.intent");
        assert_eq!(log[index]["issuance"], reply["issuance"]);
        assert_eq!(log[index]["tbs"], tbs(call, reply), "{reply:#}");
    }
    // No serial twice, of the SSH and of the X.509 authority.
    let mut serials = HashSet::new();
    for intent in &intents {
        let payload = &intent["payload"];
        let serial = (payload["purpose"].to_string(), payload["serial"].to_string());
        assert!(serials.insert(serial), "{payload:#}");
    }

    // Whoever asks again by the same idempotency key gets what was meant the first time.
    let key =
        |intent: &Value| intent["payload"]["under"]["idempotency_key"].as_str().map(str::to_owned);
    let meant: HashMap<String, &Value> =
        intents.iter().filter_map(|intent| Some((key(intent)?, &intent["tbs"]))).collect();
    let lost = (0..hammer.next)
        .filter(|call| !got.contains_key(call) && meant.contains_key(&format!("h{call}")));
    for call in lost {
        let body = fs::read_to_string(hammer.folder.join(format!("{call}.json"))).unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        let reply =
            alice.wire.post_again(&hammer.path(call), &body, &format!("h{call}")).ok().json();
        assert_eq!(tbs(call, &reply), *meant[&format!("h{call}")], "{reply:#}");
    }
    let again = entries(&carol);
    let more = again.iter().filter(|entry| entry["type"] == "issue.intent").count() - intents.len();
    // Only daemons' own certificates may have been made since, and none was started.
    assert_eq!(more, 0, "asking again issued anew");
}

/// A small disk of its own for the store.
pub(crate) struct Disk(PathBuf);

impl Disk {
    pub(crate) fn new(lab: &Lab, size: &str) -> Self {
        let folder = lab.folder("disk");
        let options = format!("size={size},mode=777");
        run(as_root("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder)).ok();
        Self(folder)
    }

    /// Has the store lie on it, and issuance stop where less than this is free.
    pub(crate) fn configure(config: &Path, keep_free: &str) {
        let file = config.join("jit-cad.toml");
        let text = fs::read_to_string(&file).unwrap();
        let text = text.replace("../data/jit-ca.redb", "../../disk/jit-ca.redb");
        fs::write(file, text.replace("\"256 MiB\"", &format!("\"{keep_free}\""))).unwrap();
    }

    /// How many KiB are free.
    pub(crate) fn free(&self) -> u64 {
        let shown = run(Command::new("df").args(["-k", "--output=avail"]).arg(&self.0)).ok();
        shown.line().lines().last().unwrap().trim().parse().unwrap()
    }

    /// Takes so much of it.
    pub(crate) fn fill_to(&self, size: &str) {
        let filler = format!("{}/filler", self.0.display());
        run(Command::new("fallocate").args(["-l", size, &filler])).ok();
    }

    pub(crate) fn fill(&self) {
        // It ends when nothing more can be written.
        run(Command::new("dd")
            .args(["if=/dev/zero", "bs=4k"])
            .arg(format!("of={}/filler", self.0.display())));
    }

    pub(crate) fn empty(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(as_root("umount").arg("--lazy").arg(&self.0));
    }
}

#[test]
fn on_a_full_disk_it_issues_nothing_and_goes_on_when_there_is_room() {
    let lab = Lab::new();
    let disk = Disk::new(&lab, "8m");
    // Nothing stops it before.
    let mut ca = Ca::start_with(&lab, |config| Disk::configure(config, "0 MiB"));
    let [alice, carol] = ["alice", "carol"].map(|name| ca.caller(name));
    let grant = alice.granted("web-logs", json!({}), &[])["grant"].clone();
    let key = alice.person.make_key("work", "ed25519");
    let (call, idempotency_key) = alice.wire.ssh_call(grant["id"].as_str().unwrap(), &key);
    disk.fill();

    // Until the room that the store has set aside is used up.
    let long = "x".repeat(500);
    let mut asked = 0;
    let refused = loop {
        let reply = alice.request("web-shell", json!({"reason": long}));
        asked += 1;
        assert!(asked < 3000, "the store is never full");
        if reply.status != Some(200) && reply.status != Some(201) {
            break reply;
        }
    };
    // The daemon ends by itself then: what it could not write, it does not know either.
    assert!(refused.status.is_none_or(|status| status >= 500), "{refused:#?}");
    let path = format!("/v1/grants/{}/ssh", grant["id"].as_str().unwrap());
    let reply = alice.wire.post_again(&path, &call, &idempotency_key);
    assert!(reply.status.is_none_or(|status| status >= 500), "{reply:#?}");
    assert_ne!(carol.wire.get("/readyz").status, Some(200));
    wait_for("a word on it", || ca.log_text().contains("No space left on device").then_some(()));

    disk.empty();
    ca.kill();
    ca.serve();
    carol.wire.get("/readyz").ok();
    alice.take_ssh(&grant, &key);
}
