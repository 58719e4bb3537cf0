//! The configuration that is shipped, which the demo runs on and people copy.

use std::collections::BTreeSet;

use jit_ca_core::{Action, Row, UnixTime};
use jit_ca_policy::{Bundle, Faults, Role, may_request, run_tests, who_can_approve};

use crate::sample::{facts, files};

fn ca_config() -> Result<Bundle, Faults> {
    Bundle::parse(files("../../ca-config"))
}

#[test]
fn has_no_faults_and_passes_its_tests() {
    let bundle = ca_config().unwrap_or_else(|faults| panic!("{faults}"));
    let results = run_tests(&bundle);
    assert!(results.len() > 20);
    let failed: Vec<String> =
        results.iter().filter(|result| !result.passed).map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn each_rule_decides_a_test() {
    let bundle = ca_config().unwrap();
    let results = run_tests(&bundle);
    let tested: BTreeSet<&str> =
        results.iter().flat_map(|result| &result.got.rules).map(String::as_str).collect();
    let ids = bundle.files().iter().filter(|file| file.path.ends_with(".cedar"));
    let ids = ids.flat_map(|file| file.text.lines());
    let ids: BTreeSet<&str> =
        ids.filter_map(|line| line.strip_prefix("@id(\"")?.strip_suffix("\")")).collect();
    assert_eq!(tested, ids);
}

#[test]
fn the_roles_are_those_that_the_field_asks_for_first() {
    let bundle = ca_config().unwrap();
    let rows: Vec<String> =
        bundle.roles().flat_map(|role| &role.rows).map(Row::to_string).collect();
    assert_eq!(
        rows,
        [
            "x509 orders-api",
            "ssh web-deploy login=deploy hosts=web1,web2",
            "ssh web-logs login=deploy hosts=web1,web2 force-command=journalctl --unit=nginx --since=-1h --no-pager",
            "ssh web-shell login=deploy hosts=web1,web2 extensions=permit-pty",
        ]
    );
}

#[test]
fn who_may_ask_and_who_can_approve() {
    let bundle = ca_config().unwrap();
    let now = UnixTime::from_secs(1_800_000_000);
    let asks = |name: &str| {
        let person = bundle.person_named(&name.parse().unwrap()).unwrap();
        let roles = may_request(&bundle, &person.id, now, "10.0.0.1".parse().unwrap());
        let names: Vec<&str> = roles.iter().map(|role: &&Role| role.name.as_str()).collect();
        names.join(" ")
    };
    assert_eq!(asks("alice"), "orders-api web-deploy web-logs web-shell");
    assert_eq!(asks("bob"), "web-logs web-shell");
    assert_eq!(asks("dave"), "");

    let approve = |subject: &str, role: &str| {
        let people = who_can_approve(&bundle, &facts(Action::Request, subject, role));
        let names: Vec<&str> = people.iter().map(|person| person.name.as_str()).collect();
        names.join(" ")
    };
    assert_eq!(approve("u-1001", "web-shell"), "bob carol");
    assert_eq!(approve("u-1002", "web-shell"), "carol");
}
