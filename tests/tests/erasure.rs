//! Erasure: people are forgotten, and every proof stays valid.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use jit_ca_log::{Leaf, LogKey, Proof};
use jit_ca_tests::stored::{self, Signer};
use jit_ca_tests::{
    Ca, Caller, Lab, Means, OpenIdProvider, Output, Person, repository, run, wait_for,
};
use jit_cad::store::Store;
use serde_json::{Value, json};

use crate::crash::Disk;
use crate::issuers::{add, people_file};

/// Those who will be forgotten: three of ten.
const LEAVERS: [&str; 3] = ["zebedee", "quillon", "wilhelmina"];

/// A CA whose people have used it in every way, among them those who will leave.
struct Scene {
    ca: Ca,
    lab: Lab,
    alice: Caller,
    carol: Caller,
    /// Who may erase, with a code that was not used.
    bob: Caller,
    proofs: Vec<Proof>,
    key: LogKey,
    /// The key id of a certificate of Zebedee's.
    key_id: String,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let people: [(&str, &[&str]); 6] = [
            ("zebedee", &["dev"]),
            ("quillon", &["dev", "sre"]),
            ("wilhelmina", &["contractors"]),
            ("erin", &["sre", "privacy"]),
            ("frank", &["sre", "privacy"]),
            ("grace", &["dev"]),
        ];
        let ca = Ca::start_with_people(&lab, &people, |config| {
            // A policy test may name somebody as well: such a file goes with its person.
            let tests = config.join("policy-tests/zebedee.toml");
            fs::write(tests, LEAVERS_TEST).unwrap();
        });
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.caller(name));
        let [zebedee, quillon, wilhelmina] = LEAVERS.map(|name| ca.caller(name));
        let mut proofs = Vec::new();
        let mut take = |caller: &Caller, request: &Value| {
            let (_, reply) = caller.take_ssh(&request["grant"], &caller.person.key());
            proofs.push(reply["proof"].as_str().unwrap().parse::<Proof>().unwrap());
            let id = |name: &str| reply[name].as_str().unwrap().to_owned();
            format!("jit-ca:{}:{}:{}", id("grant"), id("issuance"), caller.person.name())
        };

        // What the leavers asked for, and got; whom they said yes and no to; who spoke of them.
        let brief = |reason: &str| json!({"duration": "3s", "reason": reason});
        let key_id =
            take(&zebedee, &zebedee.granted("web-shell", brief("a disk is full"), &[&bob]));
        let (_, _, reply) = zebedee.take_x509(
            &zebedee.granted("orders-api", brief("orders time out"), &[&quillon])["grant"],
            &["-subj", "/CN=mine"],
        );
        let proof: Proof = reply["proof"].as_str().unwrap().parse().unwrap();
        take(&alice, &alice.granted("web-shell", brief("with the help of Zebedee"), &[&quillon]));
        let denied = alice.request("web-shell", brief("a second time")).ok().json();
        quillon.decide(&denied, "deny", &json!({"reason": "not today"})).ok();
        wilhelmina.request("web-shell", json!({})).problem();
        wilhelmina.wire.get("/v1/log/entries").problem();
        take(&alice, &alice.granted("web-shell", brief("INC-7 (_zebedee_backup.tar)"), &[&bob]));
        take(&alice, &alice.granted("web-shell", brief("INC-9"), &[&bob]));
        quillon.wire.post("/v1/logout", &json!({})).ok();
        proofs.push(proof);

        let trust = carol.wire.get("/v1/trust").ok().json();
        let key = trust["log_key"].as_str().unwrap().parse().unwrap();
        Self { ca, lab, alice, carol, bob, proofs, key, key_id }
    }

    /// Takes the leavers out of the configuration, and restarts the daemon.
    fn let_them_go(&mut self) {
        let config = self.ca.config();
        let folder = config.parent().unwrap();
        let users = folder.join("users.toml");
        let mut table: toml::Table = fs::read_to_string(&users).unwrap().parse().unwrap();
        let people = table["person"].as_array_mut().unwrap();
        people.retain(|person| !LEAVERS.contains(&person["name"].as_str().unwrap()));
        fs::write(&users, table.to_string()).unwrap();
        fs::remove_file(folder.join("policy-tests/zebedee.toml")).unwrap();
        self.ca.stop();
        self.ca.serve();
    }

    fn erase(&self, whom: &str, by: &Person, code: &str, reason: &str) -> Output {
        let key = by.key();
        let mut arguments = vec!["log", "erase", whom, "--by", by.name(), "--key"];
        arguments.extend([key.to_str().unwrap(), "--reason", reason]);
        self.ca.jit_cad_reading(&arguments, code)
    }
}

const REASON: &str = "GDPR 17, DPO-31";

const LEAVERS_TEST: &str = r#"[[case]]
name = "quillon approves"
subject = "quillon"
action = "read-log"
mfa_age = "5m"
expect = "deny"
code = "not-permitted"
"#;

#[test]
fn three_of_ten_are_forgotten_and_every_proof_holds() {
    let mut scene = Scene::new();
    let refused = scene.erase("zebedee", &scene.bob.person, "000000", REASON);
    assert!(refused.stderr.contains("still in users.toml"), "{}", refused.stderr);
    scene.let_them_go();
    let before = scene.carol.wire.get("/log/checkpoint").ok().body;
    let size = before.lines().nth(1).unwrap().to_owned();
    let tiles = |size: &str| scene.carol.wire.get(&format!("/log/tile/0/000.p/{size}")).ok().body;
    let hashes = tiles(&size);
    sleep(Duration::from_secs(3));

    // 0. What somebody else still has open rests on no payload that goes.
    let open = json!({"reason": "taking over from Zebedee"});
    let open = scene.alice.request("web-shell", open).ok().json();
    let refused = scene.ca.jit_cad(&["log", "erase", "zebedee", "--dry-run"]).exits(1);
    assert!(refused.stderr.contains("is not over"), "{refused}");
    scene.alice.decide(&open, "cancel", &json!({})).ok();

    // 1. It is said what will go; nothing goes without a person who may, a signature and a code.
    let shown = scene.ca.jit_cad(&["log", "erase", "zebedee", "--dry-run"]).ok().stdout;
    for said in ["issue.intent", "nothing was erased", "entries of others, which name them"] {
        assert!(shown.contains(said), "{shown}");
    }
    let (grace, of_grace) = scene.ca.enrolled("grace");
    let refused = scene.erase("zebedee", &grace, &of_grace.code(), REASON);
    assert!(refused.stderr.contains("no rule lets"), "{}", refused.stderr);
    let refused = scene.erase("zebedee", &scene.ca.stranger("alice"), "000000", REASON);
    assert!(refused.stderr.contains("not the code"), "{}", refused.stderr);
    let refused = scene.erase("zebedee", &scene.bob.person, "000000", "as Zebedee asked");
    assert!(refused.stderr.contains("the reason names the subject"), "{}", refused.stderr);
    let unknown = scene.ca.jit_cad(&["log", "erase", "nobody", "--dry-run"]);
    assert!(unknown.stderr.contains("no such subject"), "{}", unknown.stderr);

    // 2. Each of them goes, by a person whose code is fresh.
    let (erin, of_erin) = scene.ca.enrolled("erin");
    let (frank, of_frank) = scene.ca.enrolled("frank");
    let orders = [
        ("zebedee", &scene.bob.person, scene.bob.authenticator.code()),
        ("local/x-1", &erin, of_erin.code()),
        ("wilhelmina", &frank, of_frank.code()),
    ];
    for (whom, by, code) in orders {
        let said = scene.erase(whom, by, &code, REASON).ok().stdout;
        assert!(said.contains("payloads; entry"), "{said}");
    }
    let again = scene.ca.jit_cad(&["log", "erase", "zebedee", "--dry-run"]);
    assert!(again.stderr.contains("no such subject"), "{}", again.stderr);

    // 3. The hashes are what they were, and every certificate's proof holds.
    assert_eq!(tiles(&size), hashes);
    for proof in &scene.proofs {
        let (leaf, _) = proof.verify(&scene.key).unwrap();
        assert_eq!(leaf.entry_type.as_str(), "issue.intent");
    }

    // A certificate of theirs is still known to be in the log, and who that was is not said any more.
    let key_id = scene.key_id.as_str();
    let auditor = &scene.carol.person;
    auditor.login(&scene.carol.authenticator.code()).ok();
    let who = auditor.jit_ca(&["log", "who", key_id]).exits(2);
    assert!(who.stderr.contains("has been erased"), "{who}");
    let grant = key_id.split(':').nth(1).unwrap();
    let left = auditor.jit_ca(&["log", "list", "--grant", grant, "--json"]).ok().json();
    assert!(left.as_array().unwrap().len() >= 5, "{left:#}");

    // 4. The erased entries are there, without what they said; the others say it still.
    let entries = scene.carol.wire.get("/v1/log/entries").ok().json();
    let entries = entries.as_array().unwrap();
    let erased = entries.iter().filter(|entry| entry["payload"].is_null()).count();
    assert!(erased > 20 && entries.len() > erased + 20, "{erased} of {}", entries.len());
    assert!(entries.iter().any(|entry| entry["payload"]["reason"] == "INC-9"));
    let erasures: Vec<_> = entries.iter().filter(|entry| entry["type"] == "erase").collect();
    assert_eq!(erasures.len(), 3);
    assert_eq!(erasures[0]["payload"]["reason"], REASON);
    assert_eq!(erasures[0]["name"], "bob");

    // 5. No name or id of theirs is left: not in what is served, not in any export, not in the database's file.
    let mut held = vec![
        ("entries", serde_json::to_vec(&entries).unwrap()),
        ("tiles", scene.carol.wire.get("/log/tile/entries/000").body.into_bytes()),
        ("requests", scene.carol.wire.get("/v1/requests").ok().body.into_bytes()),
    ];
    for format in ["tar", "jsonl", "csv"] {
        let file = scene.lab.path().join(format!("export.{format}"));
        auditor.jit_ca(&["log", "export", file.to_str().unwrap()]).ok();
        held.push((format, fs::read(file).unwrap()));
    }
    let export = scene.lab.path().join("export.tar");
    let verdict =
        auditor.jit_ca(&["log", "verify", export.to_str().unwrap(), "--json"]).ok().json();
    assert_eq!(verdict["verdict"], "holds", "{verdict:#}");
    let python = run(std::process::Command::new("/usr/bin/python3")
        .arg(repository().join("tests/verify.py"))
        .arg(&export));
    assert!(python.ok().stdout.contains("\"holds\""));
    scene.ca.stop();
    held.push(("the database", fs::read(scene.ca.data()).unwrap()));
    let folder = scene.ca.data().parent().unwrap().to_owned();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "nothing is left beside the database");
    for (what, bytes) in &held {
        let text = bytes.to_ascii_lowercase();
        for name in LEAVERS.iter().copied().chain(["local/x-0", "local/x-1", "local/x-2"]) {
            assert!(!text.windows(name.len()).any(|at| at == name.as_bytes()), "{name} in {what}");
        }
    }
    // What stays is the fold of what is left: checked when the CA goes.
    scene.ca.check_log().ok();
}

#[test]
fn payloads_are_kept_for_as_long_as_the_configuration_says() {
    let lab = Lab::new();
    let mut ca = Ca::start_with(&lab, |config| set_keep(config, "30d"));
    let alice = ca.caller("alice");
    let request = alice.granted("web-logs", json!({"duration": "1m", "reason": "INC-8"}), &[]);
    alice.take_ssh(&request["grant"], &alice.person.key());
    drop(alice);
    // Nobody has looked at this one yet: that does not go by age.
    let bob = ca.caller("bob");
    let call = json!({"role": "web-shell", "reason": "INC-9: the shop is down", "duration": "1m"});
    bob.wire.post("/v1/break-glass", &call).ok();
    drop(bob);

    ca.serve_by_own_clock();
    ca.let_pass(31 * 24 * 60 * 60);
    ca.stop();
    ca.serve();
    wait_for("the daily erasure", || ca.log_text().contains("are erased").then_some(()));
    ca.stop();

    let snapshot = Store::open(&ca.data()).unwrap().read().unwrap();
    assert_eq!(snapshot.to_review().unwrap().len(), 1);
    let payloads = (0..snapshot.size().unwrap()).map(|index| {
        let leaf = Leaf::decode(&snapshot.leaf(index).unwrap().unwrap()).unwrap();
        (leaf.entry_type.to_string(), snapshot.payload(index).unwrap().is_some())
    });
    let payloads: Vec<_> = payloads.collect();
    let erased = |kind: &str| payloads.iter().any(|(of, there)| of == kind && !there);
    for kind in ["request", "approval", "grant", "login", "issue.done"] {
        assert!(erased(kind), "{kind} is kept: {payloads:?}");
    }
    for kind in [
        "log.init",
        "bundle",
        "bundle.file",
        "person",
        "subject",
        "mfa.enrolled",
        "erase",
        "break-glass",
    ] {
        assert!(payloads.iter().any(|(of, _)| of == kind), "there is no {kind}");
        assert!(!erased(kind), "{kind} is erased: {payloads:?}");
    }
    drop(snapshot);
    let signer = Signer::of(&ca);
    assert_eq!(stored::verdict(&stored::export(&ca.data(), &signer).unwrap(), &signer), None);
}

/// By what an issuer called somebody others may have called them, too: each of those names is theirs.
#[test]
fn what_an_issuer_called_somebody_is_forgotten_with_them() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = Ca::start_with(&lab, |config| add(config, "op", &people_file(&op), &op));
    let [alice, bob] = ["alice", "bob"].map(|name| ca.caller(name));
    let (person, url) = (ca.stranger("at-op"), ca.url());
    let login = [Person::by_issuer(&ca, &url, "op").as_slice(), &["--again"]].concat();
    for (name, login) in [("zebedee", &login[..7]), ("quillon", &login)] {
        let email = format!("{name}@corp.example");
        op.says_of("u7", &json!({"groups": ["dev"], "email": email, "email_verified": true}));
        person.signs_on(login, &op.browser(), ("u7", Means::MFA)).ok();
        person.jit_ca(&["whoami"]).ok().says(&format!("{name}@op"));
    }
    for name in ["zebedee", "quillon"] {
        let reason = json!({"reason": format!("with the help of {name}@op")});
        let asked = alice.request("web-shell", reason).ok().json();
        alice.decide(&asked, "cancel", &json!({})).ok();
    }
    fs::remove_file(ca.config().with_file_name("issuers").join("op.toml")).unwrap();
    ca.jit_cad(&["reload"]).ok();

    let key = bob.person.key();
    let order = ["log", "erase", "op/u7", "--by", "bob", "--reason", REASON, "--key"];
    let order = [order.as_slice(), &[key.to_str().unwrap()]].concat();
    ca.jit_cad_reading(&order, &bob.authenticator.code()).ok();
    let bytes = fs::read(ca.data()).unwrap();
    for name in ["zebedee", "quillon"] {
        assert!(!bytes.windows(name.len()).any(|at| at == name.as_bytes()), "{name} is there");
    }
}

fn set_keep(config: &Path, keep: &str) {
    let file = config.join("jit-cad.toml");
    let text = fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.starts_with("keep_payloads")).unwrap();
    fs::write(&file, text.replace(line, &format!("keep_payloads = \"{keep}\""))).unwrap();
}

#[test]
fn on_a_full_disk_an_erasure_waits_and_the_daemon_goes_on() {
    let lab = Lab::new();
    let disk = Disk::new(&lab, "8m");
    let mut ca = Ca::start_with_people(&lab, &[("zebedee", &["dev"])], |config| {
        Disk::configure(config, "0 MiB");
    });
    let carol = ca.caller("carol");
    let (bob, authenticator) = ca.enrolled("bob");
    let users = ca.config().with_file_name("users.toml");
    let mut table: toml::Table = fs::read_to_string(&users).unwrap().parse().unwrap();
    let people = table["person"].as_array_mut().unwrap();
    people.retain(|person| person["name"].as_str() != Some("zebedee"));
    fs::write(&users, table.to_string()).unwrap();
    ca.stop();
    ca.serve();

    let is_held = |ca: &Ca| {
        let bytes = fs::read(ca.data()).unwrap();
        bytes.windows(7).any(|at| at == b"zebedee")
    };
    // Room for the log to go on, and none for a copy of the store.
    disk.fill_to(&format!("{}KiB", disk.free() - 1024));
    let key = bob.key();
    let order = ["log", "erase", "zebedee", "--by", "bob", "--reason", REASON, "--key"];
    let order = [order.as_slice(), &[key.to_str().unwrap()]].concat();
    let failed = ca.jit_cad_reading(&order, &authenticator.code()).exits(1);
    failed.says("can't be written anew").says("was not begun");
    assert!(is_held(&ca));
    carol.wire.get("/readyz").ok();
    let entries = carol.wire.get("/v1/log/entries").ok().json();
    for entry in entries.as_array().unwrap() {
        assert!(!entry["payload"].to_string().contains("zebedee"), "{entry:#}");
    }

    ca.stop();
    ca.serve();
    wait_for("a warning", || ca.log_text().contains("is not finished yet").then_some(()));
    disk.empty();
    ca.stop();
    ca.serve();
    assert!(!is_held(&ca));
}
