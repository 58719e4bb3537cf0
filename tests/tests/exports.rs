//! What proves a log: 200 honest exports that two verifiers take, and 200 tampered ones in which both find the
//! same fault at the same entry. The verifiers share nothing but docs/log-format.md.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice::from_ref;
use std::thread;

use jit_ca_core::event::Event;
use jit_ca_log::verify::Options;
use jit_ca_log::{Ids, LogKey, SignedCheckpoint};
use jit_ca_tests::{repository, run, sha256};
use serde_json::Value;

use forge::Log;
use life::Life;

mod bytes;
mod forge;
mod forgeries;
mod life;
mod replayed;

/// How many processes run the second verifier, and threads the first.
const AT_ONCE: usize = 4;

/// What a verifier says of an export. Where nothing is wrong there is no code, and some faults have no index.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    code: Option<String>,
    index: Option<u64>,
}

impl Said {
    fn fault(code: &str, index: Option<u64>) -> Self {
        Self { code: Some(code.to_owned()), index }
    }

    fn read(json: &Value) -> Self {
        let said = Self {
            code: json["code"].as_str().map(str::to_owned),
            index: json["first_bad_index"].as_u64(),
        };
        let verdict = if said.code.is_none() { "holds" } else { "broken" };
        assert_eq!(json["verdict"], verdict, "{json:#}");
        said
    }
}

/// What both verifiers say of these files, whole; the pins are files as well.
fn judge(files: &[PathBuf], key: Option<&LogKey>, pins: &[PathBuf]) -> Vec<(Value, Value)> {
    thread::scope(|scope| {
        let judged: Vec<_> = files
            .chunks(files.len().div_ceil(AT_ONCE))
            .map(|files| {
                let second = scope.spawn(move || by_python(files, key, pins));
                (scope.spawn(move || by_library(files, key, pins)), second)
            })
            .collect();
        let joined = judged.into_iter().map(|(first, second)| {
            first.join().unwrap().into_iter().zip(second.join().unwrap()).collect::<Vec<_>>()
        });
        joined.flatten().collect()
    })
}

fn by_library(files: &[PathBuf], key: Option<&LogKey>, pins: &[PathBuf]) -> Vec<Value> {
    let pins: Vec<SignedCheckpoint> =
        pins.iter().map(|pin| fs::read_to_string(pin).unwrap().parse().unwrap()).collect();
    let options = Options { key: key.cloned(), pins, uses: None };
    let verdict = |file: &PathBuf| {
        let file = File::open(file).unwrap();
        let verdict = jit_ca_log::verify(file, &options, &mut |_, _| ()).unwrap();
        serde_json::to_value(verdict).unwrap()
    };
    files.iter().map(verdict).collect()
}

fn by_python(files: &[PathBuf], key: Option<&LogKey>, pins: &[PathBuf]) -> Vec<Value> {
    let mut verifier = Command::new("/usr/bin/python3");
    verifier.arg(repository().join("tests/verify.py"));
    if let Some(key) = key {
        verifier.arg("--key").arg(key.to_string());
    }
    pins.iter().for_each(|pin| {
        verifier.arg("--pin").arg(pin);
    });
    let output = run(verifier.args(files));
    let lines: Vec<Value> =
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), files.len(), "{output}");
    let all_hold = lines.iter().all(|line| line["verdict"] == "holds");
    output.exits(i32::from(!all_hold));
    lines
}

/// The verdict of the program, of which the library's is to be the same.
fn by_command(file: &Path, key: &LogKey, pins: &[PathBuf]) -> Value {
    let mut jit_ca = Command::new(jit_ca_tests::program("jit-ca"));
    jit_ca.args(["log", "verify", "--json", "--key"]).arg(key.to_string());
    pins.iter().for_each(|pin| {
        jit_ca.arg("--pin").arg(pin);
    });
    let output = run(jit_ca.arg(file).env_clear().env("HOME", "/nonexistent"));
    let verdict = output.json();
    output.exits(if verdict["verdict"] == "holds" { 0 } else { 4 });
    verdict
}

#[test]
fn honest_exports_hold_and_tampered_ones_are_found_out_by_both_verifiers() {
    let life = Life::new();
    honest(&life);
    replayed::all(&life);
    let (tampered, by_operator) = tampered(&life);
    println!("{tampered} tampered exports, {by_operator} of them by an operator with all keys");
    pinned(&life);
    unknown(&life);
}

/// 200 sizes of one log: those at which the CA's own program exported it, and cuts of its export under the CA's own
/// checkpoint of that size.
fn honest(life: &Life) {
    let mut files = life.exports.clone();
    let log = life.log_before_erasure();
    let sizes = life.sizes(200 - files.len());
    for (size, note) in &sizes {
        files.push(life.file(&format!("cut-{size}.tar"), &log.cut(*size).archive(note, &life.key)));
    }
    assert_eq!(files.len(), 200);
    let mut told_sizes = HashSet::new();
    for (file, (first, second)) in files.iter().zip(judge(&files, Some(&life.key), &[])) {
        let said = Said::read(&first);
        assert_eq!(said, Said { code: None, index: None }, "{file:?}: {first:#}");
        assert_eq!(Said::read(&second), said, "{file:?}: {second:#}");
        for what in ["size", "root", "certificates", "erased", "orphans", "unaccounted"] {
            assert_eq!(first[what], second[what], "{what} of {file:?}");
        }
        told_sizes.insert(first["size"].as_u64().unwrap());
    }
    assert_eq!(told_sizes.len(), 200);
    // Nothing is needed but the file.
    let whole = &life.exports[0];
    for (first, second) in judge(from_ref(whole), None, &[]) {
        assert_eq!((&first["verdict"], &second["verdict"]), (&"holds".into(), &"holds".into()));
    }
    assert_eq!(by_command(whole, &life.key, &[])["verdict"], "holds");
}

/// Exports that somebody has changed: the archive's bytes, or, by all keys of the CA, everything that rests on what
/// was changed.
fn tampered(life: &Life) -> (usize, usize) {
    let places = if std::env::var_os("JIT_CA_LONG").is_some() { 6 } else { 2 };
    let (mut files, mut expected) = (Vec::new(), Vec::new());
    let mut made = HashSet::from([sha256(&life.whole())]);
    let mut add = |name: &str, bytes: &[u8], said: Option<Said>| {
        // Two ways to the same bytes count once.
        if !made.insert(sha256(bytes)) {
            return;
        }
        files.push(life.file(&format!("{name}.tar"), bytes));
        expected.push(said);
    };

    let by_hand = bytes::all(&life.whole(), places);
    for (name, bytes, said) in &by_hand {
        add(name, bytes, said.clone());
    }
    // An erasure leaves less to hold a log against: what can be done without one is.
    let logs = [life.log_before_erasure(), life.log()];
    for forgery in forgeries::all() {
        let forge = |log: &Log, place| {
            let mut forged = log.clone();
            let index = (forgery.make)(&mut forged, place)?;
            Some((place, forged, u64::try_from(index).unwrap()))
        };
        let mut on = logs
            .iter()
            .map(|log| (0..places).filter_map(|place| forge(log, place)).collect::<Vec<_>>());
        let forged = on.find(|forged| !forged.is_empty());
        let forged = forged.unwrap_or_default();
        assert!(!forged.is_empty(), "there is nothing to do {:?} to", forgery.name);
        for (place, forged, index) in forged {
            let bytes = forged.archive(&life.sign(&forged), &life.key);
            let said = Said::fault(forgery.code, Some(index));
            add(&format!("operator-{}-{place}", forgery.name), &bytes, Some(said));
        }
    }
    assert!(files.len() >= 200, "{} tampered exports", files.len());

    let mut wrong = Vec::new();
    let judged = judge(&files, Some(&life.key), &[]);
    for ((file, expected), (first, second)) in files.iter().zip(&expected).zip(&judged) {
        let name = file.file_stem().unwrap().to_string_lossy();
        let (one, two) = (Said::read(first), Said::read(second));
        if one != two || one.code.is_none() || expected.as_ref().is_some_and(|said| *said != one) {
            let message = &first["message"];
            wrong.push(format!(
                "{name}: expected {expected:?}, jit-ca {one:?}, verify.py {two:?} {message}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), files.len(), wrong.join("\n"));
    for (file, (first, _)) in files.iter().zip(&judged).step_by(16) {
        let told = by_command(file, &life.key, &[]);
        assert_eq!(Said::read(&told), Said::read(first), "{file:?}");
    }
    let is_operators = |file: &&PathBuf| file.to_string_lossy().contains("/operator-");
    (files.len(), files.iter().filter(is_operators).count())
}

/// Whoever kept a checkpoint is not shown an older log, nor another one.
fn pinned(life: &Life) {
    let log = life.log_before_erasure();
    let half = log.entries.len() / 2;
    let older =
        life.file("older.tar", &log.cut(half).archive(&life.sign(&log.cut(half)), &life.key));
    let whole = life.file("whole.tar", &log.archive(&life.sign(&log), &life.key));
    let mut other = log.clone();
    other.entries[half - 1].leaf = other.entries[half - 2].leaf.clone();
    let others = life.file("others.note", life.sign(&other.cut(half)).as_bytes());
    let newest = life.file("newest.note", life.sign(&log).as_bytes());
    let halfway = life.file("halfway.note", life.sign(&log.cut(half)).as_bytes());

    let said = |file: &PathBuf, pins: &[PathBuf]| {
        let judged = judge(from_ref(file), Some(&life.key), pins);
        let (first, second) = (Said::read(&judged[0].0), Said::read(&judged[0].1));
        assert_eq!(first, second);
        assert_eq!(first, Said::read(&by_command(file, &life.key, pins)));
        first.code
    };
    assert_eq!(said(&whole, &[newest.clone(), halfway.clone()]), None);
    assert_eq!(said(&older, &[halfway.clone(), newest]).as_deref(), Some("stale"));
    assert_eq!(said(&older, from_ref(&halfway)), None);
    assert_eq!(said(&whole, &[halfway, others.clone()]).as_deref(), Some("pin"));
    assert_eq!(said(&older, &[others]).as_deref(), Some("pin"));
}

/// What a later CA may write is hashed like all else, and no fault.
fn unknown(life: &Life) {
    let mut log = life.log_before_erasure();
    let halfway = log.entries.len() / 2;
    // What is written together is not parted.
    let at = log.find_from(halfway, |event| matches!(event, Event::RequestMade(_))).unwrap();
    log.insert(at, log.entries[at].clone());
    let mut leaf = log.leaf(at);
    leaf.entry_type = "not.known".parse().unwrap();
    (leaf.ids, leaf.tbs) = (Ids::default(), None);
    log.put(at, leaf, b"whatever it says");
    let file = life.file("unknown.tar", &log.archive(&life.sign(&log), &life.key));
    for (first, second) in judge(from_ref(&file), Some(&life.key), &[]) {
        assert_eq!((&first["verdict"], &second["verdict"]), (&"holds".into(), &"holds".into()));
        assert_eq!(first["unknown"], 1);
    }
}
