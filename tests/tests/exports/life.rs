//! A CA through its life, and its log's exports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jit_ca_cert::Key;
use jit_ca_cert::purpose::Log as LogPurpose;
use jit_ca_core::{SessionId, UnixTime};
use jit_ca_log::{LogKey, SignedCheckpoint};
use jit_ca_tests::{
    Ca, Caller, Host, Lab, Means, OpenIdProvider, Person, SoftPasskey, TokenIssuer, Wire, now, run,
    seconds, security_key, used, wait_for, workloads,
};
use jit_cad::keys::Keys;
use serde_json::{Value, json};

use super::forge::Log;
use crate::issuers;

/// How often the round of a day's work is gone through.
const ROUNDS: usize = 4;

const WORKLOAD: &str = "renew = \"1h\"\n[[workload]]\nname = \"deploy\"\ngroups = [\"dev\"]\nclaims = { project_path = \"acme/shop\" }\n";
const WORKLOAD_RULE: &str = "@id(\"workloads\")\npermit (principal is Workload, action in [Action::\"skip-approval\", Action::\"issue\"], resource) when { resource in [Role::\"web-logs\", Role::\"orders-api\"] };\n";

/// Alice's, of which each is a second factor of its own.
const SECURITY_KEYS: [&str; 2] = ["id_ed25519_sk", "id_ecdsa_sk"];

/// A CA through its life.
pub(super) struct Life {
    /// The CA's log key, as clients know it.
    pub(super) key: LogKey,
    /// What `jit-ca log export` wrote, the last first. All but that one are of before somebody was erased.
    pub(super) exports: Vec<PathBuf>,
    /// The same key, as an operator has it who would tamper.
    signing: Key<LogPurpose>,
    carol: Caller,
    _ca: Ca,
    lab: Lab,
}

impl Life {
    pub(super) fn new() -> Self {
        let lab = Lab::new();
        let people: [(&str, &[&str]); 2] = [("erin", &["dev"]), ("frank", &["dev"])];
        let homes = lab.folder("home");
        let (op, ci) = (OpenIdProvider::start(&lab), TokenIssuer::start(&lab));
        let mut ca = Ca::start_with_people(&lab, &people, |config| {
            configure(config, &homes);
            issuers::add(config, "op", &issuers::people_file(&op), &op);
            issuers::add(config, "ci", &issuers::workloads_file(&ci, WORKLOAD), &ci);
            fs::write(config.join("policies/workloads.cedar"), WORKLOAD_RULE).unwrap();
        });
        let [alice, bob, carol, erin] =
            ["alice", "bob", "carol", "erin"].map(|name| ca.caller(name));
        carol.person.login(&carol.authenticator.code()).ok();
        // Alice is logged in to the page beside all that follows.
        let link = alice.wire.post("/v1/passkeys", &json!({"label": "laptop"})).ok().json();
        SoftPasskey::enrol(&ca, link["url"].as_str().unwrap()).log_in(&ca);
        let work = Work::new(&alice, &bob, &carol, &erin);

        let mut exports = Vec::new();
        let export = |exports: &mut Vec<PathBuf>| {
            let file = lab.path().join(format!("export-{}.tar", exports.len()));
            carol.person.jit_ca(&["log", "export", file.to_str().unwrap()]).ok();
            exports.insert(0, file);
        };
        export(&mut exports);
        for round in 0..ROUNDS {
            work.day(round);
            export(&mut exports);
            change_policy(&ca, round);
            match round % 2 {
                0 => drop(ca.jit_cad(&["reload"]).ok()),
                _ => {
                    ca.stop();
                    ca.serve();
                }
            }
            activate(&carol);
            export(&mut exports);
        }
        vouched_for(&ca, &op, &ci);
        export(&mut exports);
        let stays = enrols(&lab, &ca, &bob);
        tells(&stays, &alice, &bob);
        export(&mut exports);
        // Somebody ends the login, and comes back.
        alice.wire.post("/v1/logout", &json!({})).ok();
        alice.person.login(&alice.authenticator.code()).ok();
        for name in SECURITY_KEYS {
            let key = homes.join("alice/.ssh").join(name);
            let (call, _) = alice.wire.login_call(&key, json!("security-key"));
            alice.wire.post("/v1/logins", &call).ok();
        }
        export(&mut exports);

        // A lock ends somebody's logins.
        let lock = json!({"what": "person:erin", "reason": "the laptop is gone"});
        bob.wire.post("/v1/locks", &lock).ok();
        carol.wire.post("/v1/locks/lift", &lock).ok();
        export(&mut exports);

        // What alice has lost is reset by two, after one of them has thought better of it.
        let ask = json!({"name": "alice", "reason": "the phone is gone"});
        for turn in ["withdraw", "confirm"] {
            let resets = bob.wire.post("/v1/mfa/resets", &ask).ok().json();
            let asked = json!({"name": "alice", "entry": resets[0]["entry"]});
            carol.wire.post(&format!("/v1/mfa/resets/{turn}"), &asked).ok();
        }
        export(&mut exports);

        // Somebody leaves and is forgotten; somebody who has never logged in leaves too.
        let users = ca.config().with_file_name("users.toml");
        let mut table: toml::Table = fs::read_to_string(&users).unwrap().parse().unwrap();
        let people = table["person"].as_array_mut().unwrap();
        people.retain(|person| !["erin", "frank"].contains(&person["name"].as_str().unwrap()));
        fs::write(&users, table.to_string()).unwrap();
        ca.jit_cad(&["reload"]).ok();
        activate(&carol);
        let (key, code) = (bob.person.key(), bob.authenticator.code());
        let mut order = vec!["log", "erase", "erin", "--by", "bob", "--key", key.to_str().unwrap()];
        order.extend(["--reason", "GDPR 17, DPO-31"]);
        let erase = || {
            let said = ca.jit_cad_reading(&order, &code);
            (said.code == 0).then_some(())
        };
        wait_for("the end of the last grant", erase);
        export(&mut exports);
        work.logs_at_once(&bob, 0);
        export(&mut exports);

        let folder = ca.config().parent().unwrap().with_file_name("keys");
        let (_, signing) = Keys::open(&folder, "the passphrase of a test").unwrap();
        let key = signing.log_key(carol.wire.trust()["origin"].as_str().unwrap().parse().unwrap());
        Self { key, exports, signing, carol, _ca: ca, lab }
    }

    /// The export that is tampered with: everything, with the erasure in it.
    pub(super) fn whole(&self) -> Vec<u8> {
        fs::read(&self.exports[0]).unwrap()
    }

    /// The log of that export.
    pub(super) fn log(&self) -> Log {
        Log::read(&self.whole())
    }

    /// The log of the last export before the erasure.
    pub(super) fn log_before_erasure(&self) -> Log {
        Log::read(&fs::read(&self.exports[2]).unwrap())
    }

    /// So many sizes that were not exported, each with the CA's own checkpoint of it.
    pub(super) fn sizes(&self, count: usize) -> Vec<(usize, String)> {
        let sizes = |file| Log::read(&fs::read(file).unwrap()).entries.len();
        let exported: Vec<usize> = self.exports.iter().map(sizes).collect();
        let most = self.log_before_erasure().entries.len();
        let free: Vec<usize> = (1..most).filter(|size| !exported.contains(size)).collect();
        assert!(free.len() >= count, "the log has {most} entries before the erasure");
        let chosen = (0..count).map(|nth| free[nth * free.len() / count]);
        let note = |size| self.carol.wire.get(&format!("/v1/log/checkpoints/{size}")).ok().body;
        chosen.map(|size| (size, note(size))).collect()
    }

    /// A checkpoint of any log, by the CA's key.
    pub(super) fn sign(&self, log: &Log) -> String {
        let checkpoint = log.checkpoint(self.key.origin().clone());
        let signed: SignedCheckpoint = self.signing.sign_checkpoint(&checkpoint).unwrap();
        signed.to_string()
    }

    /// A file of the lab.
    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        self.lab.file(name, bytes)
    }
}

/// Somebody whom a provider knows, and a job with a token, each of whom gets a certificate.
fn vouched_for(ca: &Ca, op: &OpenIdProvider, ci: &TokenIssuer) {
    let url = ca.url();
    let person = ca.stranger("alice-at-op");
    person.signs_on(&Person::by_issuer(ca, &url, "op"), &op.browser(), ("alice", Means::MFA)).ok();
    let job = ca.stranger("job");
    let token = ci.token("RS256", &workloads::gitlab());
    fs::write(job.file("token"), token).unwrap();
    let login =
        ["login", "--ca", &url, "--ca-pin", ca.pin(), "--workload", "--token-file", "token"];
    job.jit_ca(&login).ok();
    for subject in [&person, &job] {
        subject.jit_ca(&["request", "web-logs", "--host", "web1", "--reason", "INC-9"]).ok();
        subject.jit_ca(&["cert", "ssh", "--out", "logs"]).ok();
    }
    // The job goes on without a token, by its certificate, and by the one that it gets in turn.
    job.jit_ca(&["request", "orders-api", "--reason", "INC-9"]).ok();
    for _ in 0..2 {
        job.jit_ca(&["cert", "x509", "--role", "orders-api", "--out", "tls"]).ok();
        job.jit_ca(&["login", "--again", "--workload", "--certificate", "tls"]).ok();
    }
}

/// A host that enrols, twice, gets certificates, and is revoked; another one that stays.
fn enrols(lab: &Lab, ca: &Ca, bob: &Caller) -> Wire {
    let token = |host: &str, aliases: Value| {
        let call = json!({"host": host, "aliases": aliases});
        bob.wire.post("/v1/hosts/tokens", &call).ok().json()
    };
    let host = Host::new(lab, ca, "web1.example.org", "ed25519");
    let tokens = [token(&host.name, json!(["web1"])), token(&host.name, json!([]))];
    for token in &tokens {
        host.enrol(token);
        host.login().post("/v1/host/certificate", &json!({})).ok();
    }
    let stays = Host::new(lab, ca, "db1.example.org", "ecdsa");
    stays.enrol(&token(&stays.name, json!([])));
    let reason = json!({"reason": "the disk was stolen"});
    bob.wire.post(&format!("/v1/hosts/{}/revoke", host.name), &reason).ok();
    let stays = stays.login();
    stays.post("/v1/host/certificate", &json!({})).ok();
    stays
}

/// The host tells of a session by a certificate, and of one by a key, and somebody watches both.
fn tells(host: &Wire, alice: &Caller, bob: &Caller) {
    let grant = alice.granted("web-shell", json!({"hosts": ["web1"]}), &[bob])["grant"].clone();
    let (file, reply) = alice.take_ssh(&grant, &alice.person.key());
    let seen = used(&file, "web1", "deploy", now());
    let certificate = json!({
        "ca": seen["ca"], "serial": seen["serial"], "key_id": seen["key_id"],
        "until": reply["expires"],
    });
    for (nth, certificate) in [(1, certificate), (2, Value::Null)] {
        let id = SessionId::new(now() * 1_000, [nth; 10]);
        let time = UnixTime::from_secs(now()).to_string();
        let opened = json!({
            "session": id.to_string(), "account": "deploy", "certificate": certificate, "opened": time,
        });
        host.post("/v1/host/sessions", &json!({"opened": [opened]})).ok();
        let chunk = format!("/v1/host/sessions/{id}/channels/1/chunks/0");
        host.call(&["-H", "content-type: application/octet-stream"], &chunk, Some("{}\n")).ok();
        if certificate.is_object() {
            bob.wire.get(&format!("/v1/sessions/{id}/channels/1/recording")).ok();
        }
        let channel = json!({
            "number": 1, "command": "ls", "terminal": false, "started": time, "chunks": 1, "bytes": 3,
            "root": "SHA256:Yl9VMhSjmbH9vvFt3tLJOfPxSRvQH+gWmWWB6CY2Rgs",
        });
        let closed = json!({
            "session": id.to_string(), "closed": time, "why": "logged-out", "channels": [channel],
        });
        host.post("/v1/host/sessions", &json!({"closed": [closed]})).ok();
        if certificate.is_object() {
            bob.wire.get(&format!("/v1/sessions/{id}/channels/1/recording")).ok();
        }
    }
}

/// Keys of all kinds; roles whose requests lapse soon, with rows of both kinds, for some networks, of which the time begins
/// with the first certificate, and that two groups have to agree to.
fn configure(config: &Path, homes: &Path) {
    let users = config.join("users.toml");
    let mut table: toml::Table = fs::read_to_string(&users).unwrap().parse().unwrap();
    for person in table["person"].as_array_mut().unwrap() {
        let name = person["name"].as_str().unwrap().to_owned();
        let kind: &[&str] = match name.as_str() {
            "bob" => &["ecdsa", "-b", "384"],
            "carol" => &["rsa", "-b", "2048"],
            "erin" => &["ecdsa", "-b", "256"],
            _ => continue,
        };
        // Where a person's key lies, whatever its kind.
        let file = homes.join(&name).join(".ssh/id_ed25519");
        fs::remove_file(&file).unwrap();
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-N", "", "-C", &name, "-t"]).args(kind).arg("-f").arg(&file);
        run(&mut keygen).ok();
        let public = fs::read_to_string(file.with_extension("pub")).unwrap();
        let person = person.as_table_mut().unwrap();
        person.insert("ssh_keys".to_owned(), vec![public.trim_end().to_owned()].into());
    }
    for (name, kind) in SECURITY_KEYS.into_iter().zip(["ed25519", "ecdsa"]) {
        let file = homes.join("alice/.ssh").join(name);
        let public = security_key::make(&file, kind, &["verify-required"]);
        let people = table["person"].as_array_mut().unwrap().iter_mut();
        let alice = people.into_iter().find(|person| person["name"].as_str() == Some("alice"));
        alice.unwrap()["ssh_keys"].as_array_mut().unwrap().push(public.into());
    }
    fs::write(&users, table.to_string()).unwrap();

    // A bundle comes into force by carol, and second factors are reset by her and bob.
    let file = config.join("jit-cad.toml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("second_administrator = false", "second_administrator = true");
    let web = "[web]\naddress = \"127.0.0.1:0\"\nhost = \"ca.test\"\n";
    let hosts = "[hosts]\nnames = [\"*.example.org\", \"web1\"]\ncertificate = \"7d\"\n";
    let kept = "[recordings]\ndir = \"recordings\"\nkeep = \"90d\"\nsession = \"1 MiB\"\n";
    fs::write(&file, text + web + hosts + kept).unwrap();
    let rules = config.join("policies/operation.cedar");
    let rule = "@id(\"sre-administer\")\npermit (principal in Group::\"sre\", action == Action::\"administer\", resource);\n";
    fs::write(&rules, fs::read_to_string(&rules).unwrap() + rule).unwrap();

    // A name that falls into two fields of the archive's header.
    let long = format!("policy-tests/{}.toml", "nothing-".repeat(11));
    fs::write(config.join(long), "# No test.\n").unwrap();
    let deploy = config.join("roles/web-deploy.toml");
    let text = fs::read_to_string(&deploy).unwrap();
    fs::write(deploy, text + "source_address = [\"10.0.0.0/8\", \"127.0.0.0/8\"]\n").unwrap();
    let shell = fs::read_to_string(config.join("roles/web-shell.toml")).unwrap();
    let hasty = shell.replace("pending_for = \"1h\"", "pending_for = \"1s\"");
    fs::write(config.join("roles/hasty.toml"), hasty).unwrap();
    let both = shell.replace("web-shell", "both").replace("count = 1", "count = 2");
    let both = both.replace("extensions =", "source_address = \"caller\"\nextensions =");
    let both = both + "\n[[x509]]\nservice = \"both-api\"\n";
    fs::write(config.join("roles/both.toml"), both).unwrap();
    for (name, within) in [("on-use", "1h"), ("unused", "2s")] {
        let role = shell.replace("web-shell", name);
        let start = format!("start = \"first-use\"\nstart_within = \"{within}\"\n");
        fs::write(config.join(format!("roles/{name}.toml")), start + &role).unwrap();
    }
    let one = "[[approvals]]\ncount = 1\nfrom = [\"sre\"]\n";
    let two =
        "[[approvals]]\ncount = 1\nfrom = [\"auditors\"]\n\n".to_owned() + one + "signed = true\n";
    let pair = shell.replace("web-shell", "pair").replace(one, &two);
    let pair = pair + "\n[limits]\ncertificates = 1\n";
    assert!(pair.contains(&two), "{pair}");
    fs::write(config.join("roles/pair.toml"), pair).unwrap();
}

/// Brings the policy into force that waits.
fn activate(by: &Caller) {
    let hash = by.wire.get("/v1/policy").ok().json()["pending"]["hash"].clone();
    by.wire.post("/v1/policy/activate", &json!({"hash": hash})).ok();
}

/// Another bundle for each round.
fn change_policy(ca: &Ca, round: usize) {
    let role = ca.config().with_file_name("roles/web-logs.toml");
    let text = fs::read_to_string(&role).unwrap();
    fs::write(&role, format!("# As of round {round}.\n{text}")).unwrap();
    let extra = ca.config().with_file_name("roles/orders-more.toml");
    if round.is_multiple_of(2) {
        let orders =
            fs::read_to_string(ca.config().with_file_name("roles/orders-api.toml")).unwrap();
        fs::write(extra, orders.replace("service = \"orders-api\"", "service = \"orders-more\""))
            .unwrap();
    } else {
        fs::remove_file(extra).unwrap();
    }
}

/// What is done at a CA day by day.
struct Work<'a> {
    alice: &'a Caller,
    bob: &'a Caller,
    carol: &'a Caller,
    erin: &'a Caller,
    keys: [PathBuf; 2],
}

impl<'a> Work<'a> {
    fn new(alice: &'a Caller, bob: &'a Caller, carol: &'a Caller, erin: &'a Caller) -> Self {
        let keys = ["ed25519", "ecdsa"].map(|kind| alice.person.make_key(kind, kind));
        Self { alice, bob, carol, erin, keys }
    }

    fn day(&self, round: usize) {
        let Self { alice, bob, carol, erin, keys } = self;
        let brief = |hosts: Value| json!({"duration": "3s", "hosts": hosts});
        // One person approves, two do, or rules; certificates of both kinds for keys of both kinds.
        let shell = alice.granted("web-shell", json!({"hosts": ["web1"]}), &[bob]);
        keys.iter().for_each(|key| drop(alice.take_ssh(&shell["grant"], key)));
        let deploy = alice.granted("web-deploy", json!({"ticket": "T-1"}), &[bob, carol]);
        alice.take_ssh(&deploy["grant"], &keys[round % 2]);
        let both = alice.granted("both", json!({"hosts": ["web1", "web2"]}), &[carol, bob]);
        alice.take_ssh(&both["grant"], &keys[0]);
        alice.take_x509(&both["grant"], &["-subj", "/CN=mine"]);
        let orders = erin.granted("orders-api", brief(json!([])), &[carol]);
        erin.take_x509(&orders["grant"], &["-subj", "/CN=mine"]);
        self.take_x509_of_ed25519(&alice.granted("orders-api", json!({}), &[bob])["grant"]);
        (0..5).for_each(|nth| self.logs_at_once(alice, nth));
        let erins = erin.granted("web-shell", brief(json!([])), &[bob]);
        erin.take_ssh(&erins["grant"], &erin.person.key());

        // Less than was asked for.
        let request = alice.request("both", json!({"duration": "10m"})).ok().json();
        for (approver, duration) in [(bob, "9m"), (carol, "8m")] {
            let rows = json!([request["rows"][0]]);
            let part = json!({"duration": duration, "rows": rows, "comment": "it will do"});
            let call = approver.wire.approve_part_call(&request, &part, &approver.person.key());
            approver.decide(&request, "approve", &call).ok();
        }
        self.in_all_ways(round);

        // No, and no longer.
        let denied = alice.request("web-shell", json!({})).ok().json();
        alice.approve(&denied).problem();
        bob.decide(&denied, "deny", &json!({"reason": "not today"})).ok();
        let cancelled = alice.request("web-shell", json!({})).ok().json();
        alice.decide(&cancelled, "cancel", &json!({})).ok();
        alice.wire.get("/v1/log/entries").problem();
        let hasty = alice.request("hasty", json!({})).ok().json();
        let path = format!("/v1/requests/{}?wait=10", hasty["id"].as_str().unwrap());
        assert_eq!(alice.wire.get(&path).ok().json()["status"], "lapsed");
        self.has_entry(&erins["grant"], "grant.end");
    }

    /// All ways in which access begins and ends.
    fn in_all_ways(&self, round: usize) {
        let Self { alice, bob, carol, erin, keys } = self;
        let of = |grant: &Value, verb: &str| {
            format!("/v1/grants/{}/{verb}", grant["id"].as_str().unwrap())
        };
        let reason = json!({"reason": "INC-43: it is known by now"});
        // Two groups, of which one signs; Carol, who is in both, counts in one.
        let pair = alice.request("pair", json!({})).ok().json();
        let part = json!({"hosts": ["web1"], "comment": "web2 is not concerned"});
        let mut call = carol.wire.approve_part_call(&pair, &part, &carol.person.key());
        if round % 2 == 1 {
            call["signature"] = Value::Null;
        }
        carol.decide(&pair, "approve", &call).ok();
        let pair = bob.approve(&pair).ok().json();
        alice.take_ssh(&pair["grant"], &keys[0]);
        // At a time, and for longer; given back, and taken away.
        let start = UnixTime::from_secs(now() + 3).to_string();
        let fields = json!({"start": start, "duration": "10m"});
        let planned = alice.granted("web-shell", fields, &[bob])["grant"].clone();
        let used = alice.granted("on-use", json!({"duration": "10m"}), &[carol])["grant"].clone();
        alice.take_ssh(&used, &keys[1]);
        alice.wire.post(&of(&used, "end"), &json!({})).ok();
        let unused = erin.granted("unused", json!({"duration": "10m"}), &[bob])["grant"].clone();
        let erins = erin.granted("web-shell", json!({}), &[bob])["grant"].clone();
        erin.take_ssh(&erins, &erin.person.key());
        bob.wire.post(&of(&erins, "revoke"), &reason).ok();
        // At once, and looked at afterwards.
        let call = json!({"role": "web-shell", "reason": "INC-44: the shop is down"});
        let emergency = bob.wire.post("/v1/break-glass", &call).ok().json();
        bob.take_ssh(
            &emergency["grant"],
            &bob.person.make_key(&format!("emergency-{round}"), "ed25519"),
        );
        bob.wire.post(&of(&emergency["grant"], "end"), &json!({})).ok();
        let review = format!("/v1/requests/{}/review", emergency["id"].as_str().unwrap());
        carol.wire.post(&review, &json!({"comment": "it was"})).ok();
        // Nothing for a moment.
        let lock = json!({"what": "person:frank", "reason": "the laptop is gone"});
        bob.wire.post("/v1/locks", &lock).ok();
        carol.wire.post("/v1/locks/lift", &lock).ok();

        wait_for("the start", || (now() >= seconds(&json!(start))).then_some(()));
        alice.take_ssh(&planned, &keys[0]);
        let more = alice.wire.post(&of(&planned, "extend"), &reason).ok().json();
        let more = bob.approve(&more).ok().json();
        alice.wire.post(&of(&more["grant"], "end"), &json!({})).ok();
        carol.wire.post(&of(&planned, "revoke"), &reason).ok();
        self.has_entry(&unused, "grant.end");
    }

    /// Waits for an entry about a grant.
    fn has_entry(&self, grant: &Value, kind: &str) {
        let path = format!("/v1/log/entries?grant={}", grant["id"].as_str().unwrap());
        wait_for(kind, || {
            let entries = self.carol.wire.get(&path).ok().json();
            let mut entries = entries.as_array().unwrap().iter();
            entries.any(|entry| entry["type"] == kind).then_some(())
        });
    }

    fn logs_at_once(&self, who: &Caller, nth: usize) {
        let grant = who.granted("web-logs", json!({}), &[])["grant"].clone();
        who.take_ssh(&grant, &self.keys[nth % 2]);
    }

    fn take_x509_of_ed25519(&self, grant: &Value) {
        let file = self.alice.person.file("ed25519.csr");
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-new", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x", "-keyout"]);
        run(openssl.arg(self.alice.person.file("ed25519.key")).arg("-out").arg(&file)).ok();
        let csr = fs::read_to_string(file).unwrap();
        let path = format!("/v1/grants/{}/x509", grant["id"].as_str().unwrap());
        self.alice.wire.post(&path, &json!({"csr": csr})).ok();
    }
}
