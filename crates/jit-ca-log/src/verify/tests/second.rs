//! The second verifier, which has to say the same of each export as the first one.

mod random;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;

/// How many processes run it.
const AT_ONCE: usize = 4;

/// What is found first in each of these, by both verifiers.
pub(super) fn found_by_both(exports: Vec<Cursor<Vec<u8>>>) -> Vec<Option<(Code, Option<u64>)>> {
    let second = found_by_python(&exports);
    let first: Vec<_> =
        exports.into_iter().map(|export| verdict(export, &Options::default())).collect();
    let told = |verdict: &Verdict| {
        let json = serde_json::to_value(verdict).unwrap();
        (json["code"].clone(), json["first_bad_index"].clone())
    };
    let differ = first.iter().map(told).zip(second).enumerate().zip(&first);
    let differ = differ.filter(|((_, (first, second)), _)| first != second);
    let differ: Vec<_> = differ.map(|(told, verdict)| (told, &verdict.finding)).collect();
    assert!(differ.is_empty(), "the verifiers disagree: {differ:#?}");
    let findings = first.into_iter().map(|verdict| verdict.finding);
    findings.map(|finding| finding.map(|finding| (finding.code, finding.index))).collect()
}

fn found_by_python(exports: &[Cursor<Vec<u8>>]) -> Vec<(serde_json::Value, serde_json::Value)> {
    let folder = tempfile::tempdir().unwrap();
    let file = |nth: usize| folder.path().join(format!("{nth}.tar"));
    for (nth, export) in exports.iter().enumerate() {
        fs::write(file(nth), export.get_ref()).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/verify.py");
    let files: Vec<_> = (0..exports.len()).map(file).collect();
    let told = thread::scope(|scope| {
        let runs = files.chunks(files.len().div_ceil(AT_ONCE)).map(|files| {
            let mut python = Command::new("/usr/bin/python3");
            python.arg(&script).args(files);
            scope.spawn(move || python.output().unwrap())
        });
        let runs: Vec<_> = runs.collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect::<Vec<_>>()
    });
    let lines = told.iter().flat_map(|output| {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.is_empty(), "{errors}");
        str::from_utf8(&output.stdout).unwrap().lines()
    });
    let said = lines.map(|line| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        (json["code"].clone(), json["first_bad_index"].clone())
    });
    let said: Vec<_> = said.collect();
    assert_eq!(said.len(), exports.len());
    said
}
