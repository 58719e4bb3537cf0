//! What our types promise is read in the source: a witness is made in one place.

use std::fs;
use std::path::{Path, PathBuf};

use jit_ca_tests::repository;

/// The witness types, each with the file of its constructor and the places that call it.
const WITNESSES: [(&str, &str, &[&str]); 2] = [
    (
        "Authenticated",
        "jit-cad/src/identity/authenticated.rs",
        &[
            "jit-cad/src/identity/certificate.rs",
            "jit-cad/src/identity/login.rs",
            "jit-cad/src/identity/token.rs",
        ],
    ),
    // INVARIANT (log before sign): the sequencer alone says that something is recorded.
    ("Recorded", "jit-ca-log/src/recorded.rs", &["jit-cad/src/sequencer.rs"]),
];

/// A file of a crate's and its program text: no comments, no tests.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn read(crates: &Path, file: &Path) -> Self {
        let path = file.strip_prefix(crates).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(file).unwrap();
        let program = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = program.lines().filter(|line| !line.trim_start().starts_with("//"));
        Self { path, text: lines.collect::<Vec<_>>().join("\n") }
    }

    /// The types whose `assertion` is named here, once for each time.
    fn asserted(&self) -> Vec<String> {
        let last_word = |text: &str| {
            let mut words = text.rsplit(|c: char| !c.is_alphanumeric() && c != '_');
            words.next().unwrap().to_owned()
        };
        let mut before: Vec<&str> = self.text.split("::assertion").collect();
        before.pop();
        before.into_iter().map(last_word).collect()
    }
}

fn sources() -> Vec<Source> {
    let crates = repository().join("crates");
    let mut files = Vec::new();
    for entry in fs::read_dir(&crates).unwrap() {
        collect(&entry.unwrap().path().join("src"), &mut files);
    }
    assert!(files.len() > 50, "{files:?}");
    files.sort();
    files.iter().map(|file| Source::read(&crates, file)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
}

#[test]
fn a_witness_has_one_constructor_and_callers_that_are_known() {
    let (mut made, mut called) = (Vec::new(), Vec::new());
    for source in sources() {
        let Source { path, text } = &source;
        made.extend(text.matches("fn assertion").map(|_| path.clone()));
        called.extend(source.asserted().into_iter().map(|witness| (witness, path.clone())));
        // Its fields are public: it could be written down without its constructor.
        assert!(!text.contains("Authenticated {"), "{path}");
    }
    called.sort();
    let mut files = WITNESSES.map(|(_, file, _)| file.to_owned());
    files.sort();
    assert_eq!(made, files);
    let callers = WITNESSES.iter().flat_map(|(name, _, callers)| {
        callers.iter().map(|caller| ((*name).to_owned(), (*caller).to_owned()))
    });
    assert_eq!(called, callers.collect::<Vec<_>>());
}

#[test]
fn a_caller_is_seen_however_it_is_written() {
    let asserted = |text: &str| Source { path: String::new(), text: text.to_owned() }.asserted();
    assert_eq!(asserted("fn f() { Recorded::assertion(1) }"), ["Recorded"]);
    assert_eq!(asserted("x.map(jit_ca_log::Recorded::assertion)"), ["Recorded"]);
    assert_eq!(asserted("Recorded::<u8>::assertion; Self::assertion"), ["", "Self"]);
    assert!(asserted("an assertion of nothing").is_empty());
}
