//! What hosts saw, held against the story's log by both verifiers.

use std::fs;
use std::path::Path;
use std::process::Command;

use jit_ca_core::Use;
use serde_json::Value;

use super::*;
use crate::hash::sha256;
use crate::verify::Mismatch;

/// A use of the story's first SSH certificate, as an honest host tells it.
fn used(teller: &Teller, story: &mut Story) -> Use {
    let intent = event!(story, at::SSH, CertificateIntended).clone();
    let grant = event!(story, at::GRANT, GrantMade).clone();
    let certificate = teller.ssh_certificate(intent.issuance, &grant);
    Use {
        time: UnixTime::from_secs(START + 7),
        host: "web1.example.org".parse().unwrap(),
        account: "deploy".to_owned(),
        ca: sha256(&teller.keys.ssh_user.wire()),
        serial: certificate.serial,
        key_id: certificate.key_id,
        tbs: sha256(intent.tbs.as_slice()),
    }
}

/// What both verifiers say of these uses: for each that is not as the log has it, its place and why.
fn mismatched(export: &Cursor<Vec<u8>>, uses: &[Use]) -> Vec<(usize, Mismatch)> {
    let options = Options { uses: Some(uses.to_vec()), ..Options::default() };
    let verdict = verdict(export.clone(), &options);
    assert_eq!(verdict.finding, None);
    let observed = verdict.observed.unwrap();
    assert_eq!(observed.uses, uses.len());
    let first = observed.mismatched.iter().map(|found| (found.nth, found.mismatch)).collect();

    let folder = tempfile::tempdir().unwrap();
    let (archive, lines) = (folder.path().join("log.tar"), folder.path().join("uses.jsonl"));
    fs::write(&archive, export.get_ref()).unwrap();
    let text: Vec<_> = uses.iter().map(|used| serde_json::to_string(used).unwrap()).collect();
    fs::write(&lines, text.join("\n")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/verify.py");
    let mut python = Command::new("/usr/bin/python3");
    let output = python.arg(script).arg("--observed").args([&lines, &archive]).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["verdict"], "holds");
    assert_eq!(said["observed"]["uses"], uses.len());
    let second = said["observed"]["mismatched"].as_array().unwrap().iter();
    let second: Vec<_> = second.map(|found| (&found["nth"], &found["mismatch"])).collect();
    let told = serde_json::to_value(&observed.mismatched).unwrap();
    let told = told.as_array().unwrap().iter();
    let told: Vec<_> = told.map(|found| (&found["nth"], &found["mismatch"])).collect();
    assert_eq!(told, second, "the verifiers disagree");
    first
}

/// How a use is changed, and what is said of it then.
type Changed = (fn(&mut Use), Option<Mismatch>);

fn said(export: &Cursor<Vec<u8>>, honest: &Use, changes: &[Changed]) {
    let mut uses = vec![honest.clone(); changes.len()];
    uses.iter_mut().zip(changes).for_each(|(used, (change, _))| change(used));
    let expected = changes.iter().enumerate();
    let expected: Vec<_> =
        expected.filter_map(|(nth, (_, mismatch))| Some((nth, (*mismatch)?))).collect();
    assert_eq!(mismatched(export, &uses), expected);
}

#[test]
fn what_hosts_saw_is_as_the_log_has_it_or_is_named() {
    let teller = Teller::new();
    let mut story = teller.story();
    let honest = used(&teller, &mut story);
    let export = Told::of(&story).export(&teller);
    let time = UnixTime::from_secs;
    assert_eq!(time(START), honest.time.minus(Span::from_secs(7)));
    said(
        &export,
        &honest,
        &[
            (|_| (), None),
            // The host's own name, with or without its domain, and its clock, are its own.
            (|used| used.host = "web1".parse().unwrap(), None),
            (|used| used.time = UnixTime::from_secs(START - 60), None),
            (|used| used.time = UnixTime::from_secs(START + 1_859), None),
            (|used| used.time = UnixTime::from_secs(START - 61), Some(Mismatch::Untimely)),
            (|used| used.time = UnixTime::from_secs(START + 1_860), Some(Mismatch::Untimely)),
            // Made by somebody who has the key, and knows of a serial and a key id in the log.
            (|used| used.tbs = Digest::from_bytes([1; 32]), Some(Mismatch::Unlogged)),
            (|used| used.serial += 1, Some(Mismatch::Unlogged)),
            (|used| used.key_id.push('x'), Some(Mismatch::Unlogged)),
            (|used| used.key_id.clear(), Some(Mismatch::Unlogged)),
            (|used| used.ca = Digest::from_bytes([1; 32]), Some(Mismatch::Foreign)),
            (|used| used.account = "root".to_owned(), Some(Mismatch::Elsewhere)),
            (|used| used.host = "web2".parse().unwrap(), Some(Mismatch::Unclear)),
            (|used| used.host = "web10".parse().unwrap(), Some(Mismatch::Unclear)),
            // The first check that fails counts.
            (
                |used| {
                    used.account = "root".to_owned();
                    used.time = UnixTime::from_secs(START + 3_600);
                },
                Some(Mismatch::Untimely),
            ),
        ],
    );
    assert_eq!(mismatched(&export, &[]), []);
    let without = verdict(export, &Options::default());
    assert!(without.observed.is_none());
}

#[test]
fn of_what_is_erased_the_leaf_still_says_that_it_was() {
    let teller = Teller::new();
    let mut story = teller.story();
    let honest = used(&teller, &mut story);
    let gone = |entries: &[usize]| {
        let entries = entries.iter().map(|&index| (index as u64, index as u64)).collect();
        erased(&story, entries).export(&teller)
    };
    let unclear = Some(Mismatch::Unclear);
    said(
        &gone(&[at::SSH]),
        &honest,
        &[
            (|_| (), unclear),
            (|used| used.account = "root".to_owned(), unclear),
            (|used| used.serial += 1, unclear),
            (|used| used.tbs = Digest::from_bytes([1; 32]), Some(Mismatch::Unlogged)),
            (|used| used.key_id = "jit-ca".to_owned(), Some(Mismatch::Unlogged)),
            (
                |used| used.key_id = used.key_id.replacen(":g-0", ":g-1", 1),
                Some(Mismatch::Unlogged),
            ),
            // No grant is longer than a day.
            (|used| used.time = UnixTime::from_secs(START + 86_459), unclear),
            (|used| used.time = UnixTime::from_secs(START + 86_460), Some(Mismatch::Untimely)),
            (|used| used.time = UnixTime::from_secs(START - 61), Some(Mismatch::Untimely)),
        ],
    );
    // The account is the grant's to say.
    said(
        &gone(&[at::GRANT]),
        &honest,
        &[
            (|_| (), unclear),
            (|used| used.serial += 1, Some(Mismatch::Unlogged)),
            (|used| used.time = UnixTime::from_secs(START + 1_860), Some(Mismatch::Untimely)),
        ],
    );
}

#[test]
fn what_a_log_before_may_hold_can_t_be_said() {
    let teller = Teller::new();
    let mut story = teller.story();
    let honest = used(&teller, &mut story);
    let before =
        Succession { checkpoint: String::new(), reason: "the store was lost".parse().unwrap() };
    event!(story, at::INIT, LogInit).succeeds = Some(before);
    let export = Told::of(&story).export(&teller);
    let elsewhere: fn(&mut Use) = |used| used.tbs = Digest::from_bytes([1; 32]);
    said(
        &export,
        &honest,
        &[
            (|_| (), None),
            (elsewhere, Some(Mismatch::Unclear)),
            (
                |used| {
                    used.tbs = Digest::from_bytes([1; 32]);
                    used.time = UnixTime::from_secs(START + 86_460);
                },
                Some(Mismatch::Unlogged),
            ),
        ],
    );
}
