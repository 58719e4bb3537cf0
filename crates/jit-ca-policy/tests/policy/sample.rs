//! Bundles for tests, from folders and from text.

use std::path::Path;

use jit_ca_core::{Action, Facts, Means, UnixTime};
use jit_ca_policy::{Bundle, Faults, SourceFile};

/// The files of a bundle in a folder below this crate; `faults.txt` and `jit-cad.toml` aside.
pub(crate) fn files(folder: &str) -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            if path.is_dir() {
                folders.push(path);
            } else if name != "faults.txt" && folder_needs(&root, name) {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push(file(name, &text));
            }
        }
    }
    files
}

/// `jit-cad.toml` is the daemon's, and lies beside a bundle; in a sample it is the fault.
fn folder_needs(root: &Path, name: &str) -> bool {
    name != "jit-cad.toml" || root.ends_with("bad-files")
}

pub(crate) fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

pub(crate) fn good() -> Bundle {
    Bundle::parse(files("tests/samples/good")).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The good sample with other rules.
pub(crate) fn with_rules(rules: &str) -> Result<Bundle, Faults> {
    let mut files = files("tests/samples/good");
    files.retain(|file| file.path.starts_with("roles/") || file.path == "users.toml");
    files.push(file("policies/rules.cedar", rules));
    Bundle::parse(files)
}

/// 2026-07-01, a Wednesday, 10:00 in Berlin.
pub(crate) const NOW: &str = "2026-07-01T08:00:00Z";

/// Facts of a person of the good sample, with a second factor given a minute ago.
pub(crate) fn facts(action: Action, subject: &str, role: &str) -> Facts {
    let now: UnixTime = NOW.parse().unwrap();
    Facts {
        action,
        subject: format!("local/{subject}").parse().unwrap(),
        now,
        address: "192.0.2.1".parse().unwrap(),
        mfa_at: Some(now.minus("1m".parse().unwrap())),
        means: Means::default(),
        role: Some(role.parse().unwrap()),
        requester: None,
        hosts: None,
        duration: None,
        reason: Some("INC-1".parse().unwrap()),
        ticket: None,
    }
}
