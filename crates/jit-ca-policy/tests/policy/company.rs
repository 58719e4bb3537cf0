//! `tests/company`: the policy of a company of 500 people, and bad ones.

use std::path::Path;

use jit_ca_policy::{Bundle, run_tests, untested};

use crate::sample::files;

const GOOD: &str = "../../tests/company/good";

#[test]
fn has_no_faults_and_tests_that_touch_each_rule() {
    let bundle = Bundle::parse(files(GOOD)).unwrap_or_else(|faults| panic!("{faults}"));
    let groups: std::collections::BTreeSet<_> =
        bundle.people().flat_map(|person| &person.groups).collect();
    assert_eq!((bundle.people().count(), groups.len(), bundle.roles().count()), (500, 40, 60));
    let results = run_tests(&bundle);
    let failed: Vec<String> =
        results.iter().filter(|result| !result.passed).map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(untested(&bundle, &results).is_empty());
}

#[test]
fn bad_ones_have_one_fault_each_where_it_is() {
    let bad = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/company/bad");
    let mut seen = 0;
    for name in std::fs::read_dir(&bad).unwrap() {
        let name = name.unwrap().file_name().into_string().unwrap();
        let mut bad_files = files(&format!("../../tests/company/bad/{name}"));
        let fault = bad_files.iter().position(|file| file.path == "fault.txt").unwrap();
        let fault = bad_files.remove(fault).text;
        let mut all = files(GOOD);
        all.retain(|file| !bad_files.iter().any(|bad| bad.path == file.path));
        all.extend(bad_files);
        let faults = Bundle::parse(all).unwrap_err();
        assert_eq!(faults.to_string(), fault.trim_end(), "{name}");
        assert_eq!(faults.iter().count(), 1, "{name}");
        seen += 1;
    }
    assert!(seen >= 10, "only {seen}");
}
