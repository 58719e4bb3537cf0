//! Bad bundles, and every word of what is said about them.

use jit_ca_policy::Bundle;
use proptest::prelude::*;

use crate::sample::{file, files, with_rules};

#[test]
fn roles() {
    check("bad-roles");
}

#[test]
fn users() {
    check("bad-users");
}

#[test]
fn rules() {
    check("bad-rules");
}

#[test]
fn tests() {
    check("bad-tests");
}

#[test]
fn files_that_are_none_of_a_bundle() {
    check("bad-files");
}

#[test]
fn a_file_that_is_there_twice() {
    let mut twice = files("tests/samples/good");
    twice.push(file("users.toml", ""));
    let faults = Bundle::parse(twice).unwrap_err().to_string();
    assert_eq!(faults, "users.toml: the file is there twice\n  hint: give it once");
}

#[test]
fn paths_that_only_look_like_a_bundles() {
    for path in [
        "/users.toml",
        "roles/users.toml/x.toml",
        "policies/rules.toml",
        "policies/a/b.cedar",
        "policy-tests/../users.toml",
        "roles/web.toml.toml",
        "users.toml ",
    ] {
        let mut files = files("tests/samples/good");
        files.push(file(path, ""));
        let faults = Bundle::parse(files).unwrap_err();
        assert!(faults.iter().all(|fault| fault.path == path), "{faults}");
    }
}

#[test]
fn lines_are_told_after_a_fault_in_each_file() {
    let faults = Bundle::parse(files("tests/samples/bad-roles")).unwrap_err();
    let places: Vec<_> = faults.iter().map(|fault| (&fault.path, fault.line)).collect();
    let mut sorted = places.clone();
    sorted.sort();
    assert_eq!(places, sorted);
    assert!(places.iter().all(|(_, line)| line.is_some()));
}

/// Whatever is wrong with a rule, the rule is named, if it has a name.
#[test]
fn faults_of_rules_name_the_rule() {
    let faults = Bundle::parse(files("tests/samples/bad-rules")).unwrap_err();
    let nameless = faults.iter().filter(|fault| fault.rule.is_none());
    let nameless: Vec<&str> = nameless.map(|fault| fault.message.as_str()).collect();
    assert_eq!(nameless, ["the rule has no @id", "\"Not An Id\" is not a rule's id"]);
    assert!(faults.iter().all(|fault| fault.line.is_some()));

    // Where the file can't be parsed, it is the rule that is being written at the fault.
    for (rules, name) in [
        ("@id(\"a\") permit (principal, action, resource)", Some("a")),
        ("@id(\"a\") permit (principal, action, resource) when { 1 + };", Some("a")),
        ("@id(\"a\") forbid (principal, action, resource);\n@id(\"b\") allow (", Some("b")),
        ("@id(\"a\") forbid (principal, action, resource);\nallow (principal);", None),
    ] {
        let faults = with_rules(rules).unwrap_err();
        let fault = faults.iter().next().unwrap();
        assert_eq!(fault.rule.as_deref(), name, "{rules}\n{faults}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Bad text is told of, whatever it is, and with a hint.
    #[test]
    fn no_text_is_too_bad_to_be_told_of(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        cut in 0usize..40,
        inserted in r#"[\PC\n"\[\]{}=,]{0,12}"#,
    ) {
        let mut files = files("tests/samples/good");
        let file = which.get_mut(&mut files);
        let characters: Vec<char> = file.text.chars().collect();
        let (before, after) = characters.split_at(at.index(characters.len()));
        let after = after.get(cut..).unwrap_or_default();
        file.text = before.iter().copied().chain(inserted.chars()).chain(after.iter().copied()).collect();
        if let Err(faults) = Bundle::parse(files) {
            prop_assert!(faults.iter().count() > 0);
            for fault in &faults {
                prop_assert!(!fault.message.is_empty() && !fault.hint.is_empty());
                prop_assert!(fault.line.is_some(), "{fault}");
            }
        }
    }
}

/// The faults of a sample are what its `faults.txt` says, to the letter.
fn check(sample: &str) {
    let folder = format!("tests/samples/{sample}");
    let faults = Bundle::parse(files(&folder)).unwrap_err().to_string();
    let golden = format!("{}/{folder}/faults.txt", env!("CARGO_MANIFEST_DIR"));
    let golden = std::fs::read_to_string(golden).unwrap_or_default();
    assert!(faults == golden.trim_end(), "{folder}/faults.txt should say\n{faults}");
}
