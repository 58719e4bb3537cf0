//! A log that is not what it was: clients are its witnesses, and what they save convinces anybody.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use base64ct::{Base64, Encoding};
use jit_ca_tests::{Ca, Issued, Lab, Output, Person, run, wait_for};
use serde_json::Value;
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{Checkpoint, Hash, check_record, check_tree, record_hash};

/// Asks for a role that a rule approves: some entries.
fn ask(person: &Person) -> Value {
    let wish = ["request", "web-logs", "--reason", "INC-42", "--json"];
    person.jit_ca(&wish).ok().json()
}

/// A note that foreign code has found to be signed by the key, and reads.
fn opened(note: &str, key: &str) -> Checkpoint {
    let verifier = StandardVerifier::new(key.trim_end()).unwrap();
    let signed = Note::from_bytes(note.as_bytes()).unwrap();
    let (verified, _) = signed.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!(verified.len(), 1, "{note}");
    Checkpoint::from_bytes(signed.text()).unwrap()
}

/// The file in which somebody keeps the newest checkpoint.
fn kept_file(person: &Person) -> PathBuf {
    let folder = person.file(".config/jit-ca/checkpoints");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.filter(|file| !file.ends_with("lock")).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

fn kept(person: &Person) -> String {
    fs::read_to_string(kept_file(person)).unwrap()
}

fn size_in(note: &str) -> u64 {
    note.lines().nth(1).unwrap().parse().unwrap()
}

/// What somebody has saved of logs that are not what they were, oldest first.
fn evidence(person: &Person) -> Vec<PathBuf> {
    let Ok(folders) = fs::read_dir(person.file(".config/jit-ca/evidence")) else {
        return Vec::new();
    };
    let mut folders: Vec<_> = folders.map(|folder| folder.unwrap().path()).collect();
    folders.sort();
    folders
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

/// Two checkpoints that somebody has saved, as foreign code reads them.
fn saved(folder: &Path) -> (Checkpoint, Checkpoint) {
    let key = read(folder, "log.key");
    (opened(&read(folder, "old.checkpoint"), &key), opened(&read(folder, "new.checkpoint"), &key))
}

/// Stops the daemon, puts this history in place, and starts it again.
fn tell(ca: &mut Ca, history: &Path) {
    ca.stop();
    ca.restore(history);
    ca.serve();
}

/// What the daemon says of its log to anybody.
fn newest(ca: &Ca) -> String {
    let url = format!("{}/log/checkpoint", ca.url());
    let mut curl = Command::new("curl");
    run(curl.args(["-sS", "--fail", "--insecure", &url])).ok().stdout
}

/// Refused, with both checkpoints shown, without a trace at the CA, and the kept one still there.
#[track_caller]
fn must_refuse(ca: &Ca, person: &Person, why: &str) -> Output {
    let (was_kept, before) = (kept(person), newest(ca));
    let wish = ["request", "web-logs", "--reason", "INC-43"];
    let output = person.jit_ca(&wish).exits(4).says(why).says("hint: do not go on");
    assert_eq!(output.stdout, "");
    for note in [&was_kept, &before] {
        assert!(output.stderr.contains(note.trim_end()), "{output}");
    }
    assert_eq!(kept(person), was_kept);
    // Nothing was asked of it: no request, not even one that was refused.
    assert_eq!(newest(ca), before);
    for again in [&["whoami"][..], &["log", "checkpoint"], &["trust"], &["login", "--again"]] {
        person.jit_ca(again).exits(4).says(why);
    }
    assert_eq!(kept(person), was_kept);
    output
}

#[test]
fn whoever_saw_another_history_refuses() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let (alice, bob) = (ca.person("alice"), ca.person("bob"));
    ca.stop();
    let fork = ca.snapshot("fork");
    ca.serve();
    ask(&alice);
    ca.stop();
    let of_alice = ca.snapshot("alice");
    ca.restore(&fork);
    ca.serve();
    for _ in 0..6 {
        ask(&bob);
    }
    ca.stop();
    let of_bob = ca.snapshot("bob");
    ca.serve();
    assert!(size_in(&kept(&bob)) > size_in(&kept(&alice)) + 10);

    // To Alice, Bob's history is long enough, and is not hers.
    must_refuse(&ca, &alice, "has been rewritten");
    let [folder] = <[PathBuf; 1]>::try_from(evidence(&alice)).unwrap();
    let (old, new) = saved(&folder);
    assert_eq!((old.size(), new.size() > old.size()), (size_in(&kept(&alice)), true));
    let proof: Value = serde_json::from_str(&read(&folder, "consistency.json")).unwrap();
    assert_eq!((&proof["from"], &proof["to"]), (&old.size().into(), &new.size().into()));
    let hashes = proof["hashes"].as_array().unwrap().iter();
    let hashes = hashes.map(|hash| hash_of(hash.as_str().unwrap())).collect();
    check_tree(&hashes, new.size(), *new.hash(), old.size(), *old.hash()).unwrap_err();
    assert!(read(&folder, "README").contains("RFC 6962"));

    // To Bob, Alice's is too short.
    tell(&mut ca, &of_alice);
    must_refuse(&ca, &bob, "has lost entries");
    let [folder] = <[PathBuf; 1]>::try_from(evidence(&bob)).unwrap();
    let (old, new) = saved(&folder);
    assert!(new.size() < old.size());
    assert_eq!(read(&folder, "old.checkpoint"), kept(&bob));

    // Each goes on with the history that it knows, and has forgotten nothing.
    alice.jit_ca(&["whoami"]).ok();
    tell(&mut ca, &of_bob);
    bob.jit_ca(&["whoami"]).ok();
    alice.jit_ca(&["whoami"]).exits(4);
    // To forget the CA is not to forget what it has shown.
    alice.jit_ca(&["logout", "--forget"]).exits(4);
    let (url, pin) = (ca.url(), ca.pin().to_owned());
    alice.jit_ca(&["trust", "--ca", &url, "--ca-pin", &pin]).exits(4).says("has been rewritten");
}

/// A digest as we write it, as foreign code has it.
fn hash_of(digest: &str) -> Hash {
    let bytes = base64ct::Base64Unpadded::decode_vec(digest.strip_prefix("SHA256:").unwrap());
    Hash(bytes.unwrap().try_into().unwrap())
}

#[test]
fn a_store_that_was_set_back_is_refused_by_who_had_seen_more() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let (alice, bob) = (ca.person("alice"), ca.person("bob"));
    ca.stop();
    let backup = ca.snapshot("backup");
    ca.serve();
    for _ in 0..3 {
        ask(&alice);
    }
    alice.jit_ca(&["whoami"]).ok();
    tell(&mut ca, &backup);
    // Bob had seen no more than there is.
    bob.jit_ca(&["whoami"]).ok();
    must_refuse(&ca, &alice, "has lost entries");

    // As large as what Alice saw, and other entries.
    loop {
        let size = size_in(&newest(&ca));
        if size == size_in(&kept(&alice)) {
            break;
        }
        bob.jit_ca(&["request", "no-such-role", "--reason", "INC-42"]).exits(2);
        // A refusal does not wait for its entry.
        wait_for("the refusal in the log", || (size_in(&newest(&ca)) > size).then_some(()));
    }
    must_refuse(&ca, &alice, "two histories");
    let of_one_size = evidence(&alice).into_iter().map(|folder| saved(&folder));
    let of_one_size: Vec<_> = of_one_size.filter(|(old, new)| old.size() == new.size()).collect();
    assert!(matches!(of_one_size.as_slice(), [(old, new)] if old.hash() != new.hash()));
}

/// A tlog-proof, read by hand.
struct Proof {
    leaf: Vec<u8>,
    index: u64,
    hashes: Vec<Hash>,
    note: String,
}

impl Proof {
    fn beside(certificate: &Path) -> Self {
        let file = format!("{}.tlog-proof", certificate.display());
        let text = fs::read_to_string(file).unwrap();
        let (head, note) = text.split_once("\n\n").unwrap();
        let lines: Vec<&str> = head.lines().collect();
        assert_eq!(lines[0], "c2sp.org/tlog-proof@v1");
        let leaf = Base64::decode_vec(lines[1].strip_prefix("extra ").unwrap()).unwrap();
        let index = lines[2].strip_prefix("index ").unwrap().parse().unwrap();
        let hash = |line: &&str| Hash(Base64::decode_vec(line).unwrap().try_into().unwrap());
        Self { leaf, index, hashes: lines[3..].iter().map(hash).collect(), note: note.to_owned() }
    }

    /// That the log with this key holds the intent of these bytes, as foreign code sees it.
    fn must_prove(&self, log_key: &str, tbs: [u8; 32]) {
        let checkpoint = opened(&self.note, log_key);
        let check = |index, leaf: &[u8]| {
            let root = *checkpoint.hash();
            check_record(&self.hashes, checkpoint.size(), root, index, record_hash(leaf))
        };
        check(self.index, &self.leaf).unwrap();
        check(self.index + 1, &self.leaf).unwrap_err();
        check(self.index, &[&self.leaf[..], b"x"].concat()).unwrap_err();
        // RFC 8949: the text "tbs", and a byte string of 32.
        let field = [&b"\x63tbs\x58\x20"[..], &tbs].concat();
        assert!(self.leaf.windows(field.len()).any(|bytes| bytes == field));
    }
}

#[test]
fn proofs_beside_certificates_convince_foreign_code() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (alice, bob) = (ca.person("alice"), ca.person("bob"));
    let key = alice.jit_ca(&["trust", "--json"]).ok().json()["log_key"].clone();
    let key = key.as_str().unwrap();
    ask(&alice);

    // Into a folder, for a key that is there, and held for ssh.
    let issued = alice.jit_ca(&["cert", "ssh", "--out", "keys", "--json"]).ok().json();
    let mine = alice.make_key("work", "ed25519").display().to_string();
    let beside = alice.jit_ca(&["cert", "ssh", "--key", &mine, "--json"]).ok().json();
    let held = alice.jit_ca(&["login", "--json"]).ok().json()["certificates"][0].clone();
    for issued in [&issued, &beside] {
        let file = issued["certificate"].as_str().unwrap();
        assert_eq!(issued["proof"], format!("{file}.tlog-proof"));
    }
    for file in [&issued["certificate"], &beside["certificate"], &held] {
        let file = alice.file(file.as_str().unwrap());
        let line = fs::read_to_string(&file).unwrap();
        Proof::beside(&file).must_prove(key, Issued::ssh(&line).tbs);
    }
    assert_eq!(issued["entry"], Proof::beside(&alice.file("keys/key-cert.pub")).index);

    let wish = ["request", "orders-api", "--reason", "INC-42", "--no-wait", "--json"];
    let request = alice.jit_ca(&wish).exits(75).json();
    bob.jit_ca(&["approve", request["id"].as_str().unwrap(), "--yes"]).ok();
    let issued = alice.jit_ca(&["cert", "x509", "--out", "tls"]).ok();
    issued.says("tls/cert.pem.tlog-proof");
    let file = alice.file("tls/cert.pem");
    let pem = fs::read_to_string(&file).unwrap();
    let proof = Proof::beside(&file);
    proof.must_prove(key, Issued::x509(&pem).tbs);

    // What a certificate was proven under is kept as well.
    assert!(size_in(&kept(&alice)) >= size_in(&proof.note));
}

#[test]
fn two_at_once_never_lose_the_newer_checkpoint() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let alice = ca.person("alice");
    let file = kept_file(&alice);
    let done = AtomicBool::new(false);
    let watch = || {
        let (mut sizes, mut ended) = (vec![size_in(&fs::read_to_string(&file).unwrap())], false);
        while !ended {
            ended = done.load(Ordering::Relaxed);
            let size = size_in(&fs::read_to_string(&file).unwrap());
            if sizes.last() != Some(&size) {
                sizes.push(size);
            }
        }
        sizes
    };
    let sizes = thread::scope(|scope| {
        let watcher = scope.spawn(watch);
        let people = [(); 4].map(|()| scope.spawn(|| (0..5).for_each(|_| drop(ask(&alice)))));
        people.into_iter().for_each(|person| person.join().unwrap());
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    assert!(sizes.len() > 5 && sizes.is_sorted(), "{sizes:?}");
    alice.jit_ca(&["whoami"]).ok();
    assert_eq!(kept(&alice), newest(&ca));
    assert!(evidence(&alice).is_empty());
}

/// Has a daemon that is stopped begin another log, and starts it.
fn succeed(ca: &mut Ca, old: &str, new: &str) {
    let config = fs::read_to_string(ca.config()).unwrap();
    fs::write(ca.config(), config.replace(&format!("\"{old}\""), &format!("\"{new}\""))).unwrap();
    ca.jit_cad(&["log", "succeed", "--origin", new, "--reason", "the disk died"]).ok();
    ca.serve();
}

const OLD: &str = "ca.example.org/jit-ca";
const NEW: &str = "ca.example.org/jit-ca-2";

#[test]
fn a_log_that_was_rewritten_before_it_ended_is_not_said_to_be_whole() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let (alice, bob) = (ca.person("alice"), ca.person("bob"));
    ca.stop();
    let backup = ca.snapshot("backup");
    ca.serve();
    ask(&alice);
    alice.jit_ca(&["whoami"]).ok();
    let seen = size_in(&kept(&alice));
    tell(&mut ca, &backup);
    while size_in(&newest(&ca)) <= seen {
        ask(&bob);
    }
    must_refuse(&ca, &alice, "has been rewritten");
    let [saved] = <[PathBuf; 1]>::try_from(evidence(&alice)).unwrap();
    ca.stop();
    succeed(&mut ca, OLD, NEW);

    let saved = saved.to_str().unwrap();
    let told = alice.jit_ca(&["whoami"]).exits(4).says("is not proven").says(saved);
    assert!(!told.stderr.contains("all that") && !told.stderr.contains("lost"), "{told}");
    let accepted = alice.jit_ca(&["trust", "--accept-log", NEW]).ok();
    accepted.says("not known: it is not proven").says(saved);
}

#[test]
fn whoever_forgets_the_ca_does_not_overlook_its_new_log() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let alice = ca.person("alice");
    ca.stop();
    let backup = ca.snapshot("backup");
    ca.serve();
    ask(&alice);
    alice.jit_ca(&["whoami"]).ok();
    ca.stop();
    ca.restore(&backup);
    succeed(&mut ca, OLD, NEW);

    alice.jit_ca(&["logout", "--forget"]).exits(4);
    let (url, pin) = (ca.url(), ca.pin().to_owned());
    let contact = ["--ca", &url, "--ca-pin", &pin];
    let accept = format!("jit-ca trust --accept-log {NEW} --ca {url} --ca-pin {pin}");
    for command in [&["login", "--name", "alice"][..], &["trust"], &["log", "checkpoint"]] {
        let refused = alice.jit_ca(&[command, &contact].concat()).exits(4);
        refused.says("are lost").says("the disk died").says(&accept);
    }
    assert!(evidence(&alice).is_empty());
    let accept = [&["trust", "--accept-log", NEW][..], &contact].concat();
    alice.jit_ca(&accept[..3]).exits(2).says("hint: meet the CA first");
    alice.jit_ca(&accept).ok().says("at least");
    assert_eq!(evidence(&alice).len(), 1);
    alice.jit_ca(&[&["log", "checkpoint"][..], &contact].concat()).ok().says(NEW);

    // Somebody else's machine has seen nothing, and has nothing to accept.
    let bob = ca.stranger("bob");
    bob.jit_ca(&[&["log", "checkpoint"][..], &contact].concat()).ok().says(NEW);
    bob.jit_ca(&accept).exits(2).says("nothing was seen here");

    // A log key that was put in place of another is not taken for it.
    let folder = alice.file(".config/jit-ca/checkpoints");
    let file = fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|file| file.to_str().unwrap().contains("jit-ca-2+"));
    let other = folder.join("ca.example.org+jit-ca-2+00000000");
    fs::rename(file.unwrap(), &other).unwrap();
    let note = fs::read_to_string(&other).unwrap();
    fs::write(&other, note.replacen("/jit-ca-2 ", "/else ", 1)).unwrap();
    let refused = alice.jit_ca(&[&["log", "checkpoint"][..], &contact].concat()).exits(4);
    refused.says("has another key").says("jit-ca-2+00000000").says("move");
}

#[test]
fn after_an_honest_restore_the_new_log_is_taken_by_its_name() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let alice = ca.person("alice");
    ca.stop();
    let backup = ca.snapshot("backup");
    ca.serve();
    ask(&alice);
    alice.jit_ca(&["whoami"]).ok();
    let seen = kept(&alice);
    ca.stop();
    ca.restore(&backup);
    let (old, new) = (OLD, NEW);
    succeed(&mut ca, old, new);

    let accept = format!("jit-ca trust --accept-log {new}");
    for command in [&["whoami"][..], &["login"], &["trust"], &["log", "checkpoint"], &["status"]] {
        let refused = alice.jit_ca(command).exits(4).says("the disk died").says(&accept);
        refused.says("are lost");
    }
    alice.jit_ca(&["trust", "--accept-log", "ca.example.org/other"]).exits(2).says(new);
    let accepted = alice.jit_ca(&["trust", "--accept-log", new, "--json"]).ok();
    let shown = accepted.json();
    assert_eq!((&shown["log"], &shown["was"]), (&new.into(), &old.into()));
    let [lost, went_on] = ["lost", "goes_on_from"].map(|name| shown[name].as_u64().unwrap());
    assert!(lost > 0, "{shown}");
    assert_eq!(shown["seen"], lost + went_on);
    assert_eq!(size_in(&seen), lost + went_on);
    let folder = PathBuf::from(shown["evidence"].as_str().unwrap());
    assert_eq!(read(&folder, "old.checkpoint"), seen);
    let (before, last) = saved(&folder);
    assert_eq!((before.origin(), last.origin(), last.size()), (old, old, went_on));

    // From now on it is the new one that has to go on. Logins were entries of the old one.
    alice.jit_ca(&["log", "checkpoint"]).ok().says(new);
    alice.jit_ca(&["whoami"]).exits(3).says("jit-ca login");
    alice.jit_ca(&["trust", "--accept-log", new]).exits(2);
}
