//! What differs: each kind of change to the configuration that is shipped, and random changes of rules.

use jit_ca_core::{Action, RefusalCode, RoleName};
use jit_ca_policy::diff::{AccessChange, Setting, Way};
use jit_ca_policy::{Bundle, Diff, SourceFile, decide, diff};
use proptest::prelude::*;

use crate::plain::{cedar, rule, some_facts};
use crate::sample::{files, with_rules};

fn bundle(files: Vec<SourceFile>) -> Bundle {
    Bundle::parse(files).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The shipped configuration against one with these texts replaced, in all of its files.
fn changed(changes: &[(&str, &str, &str)]) -> Diff {
    let mut new = files("../../ca-config");
    // Its tests are about what is changed here.
    new.retain(|file| !file.path.starts_with("policy-tests/"));
    let old = bundle(new.clone());
    for (path, from, to) in changes {
        let file = new.iter_mut().find(|file| file.path == *path).unwrap();
        assert!(file.text.contains(from), "{path} has no {from:?}");
        file.text = file.text.replacen(from, to, 1);
    }
    diff(&old, &bundle(new)).unwrap()
}

/// `way people action [roles] was -> now`, one a line.
fn access(diff: &Diff) -> String {
    let lines = diff.access.iter().map(|change| {
        let AccessChange { way, people, action, roles, was, now } = change;
        let roles: Vec<&str> = roles.iter().map(RoleName::as_str).collect();
        let when = [was, now].map(|holding| {
            holding.as_ref().map_or("never".to_owned(), |holding| {
                format!("{} by {}", holding.when, holding.rules.join(" "))
            })
        });
        format!("{way:?}: {people} {action} [{}] {}", roles.join(" "), when.join(" -> "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

const USERS: &str = "users.toml";
const RULES: &str = "policies/access.cedar";

#[test]
fn the_same_files_do_not_differ() {
    let diff = changed(&[]);
    assert!(diff.is_empty());
    assert!(diff.access.is_empty() && diff.roles.is_empty() && diff.rules.is_empty());
    assert!(diff.people.is_empty());
}

#[test]
fn who_joins_a_group_gains_what_it_may() {
    let diff =
        changed(&[(USERS, "groups = [\"contractors\"]", "groups = [\"contractors\", \"sre\"]")]);
    // The forbid that holds for contractors still does.
    assert_eq!(access(&diff), "");
    assert_eq!(diff.people.groups.len(), 1);
    assert_eq!(diff.people.groups[0].joined[0].as_str(), "dave");

    let diff = changed(&[(USERS, "groups = [\"dev\"]", "groups = [\"dev\", \"auditors\"]")]);
    assert_eq!(
        access(&diff),
        "Gains: alice review [orders-api web-deploy web-logs web-shell] never -> always by auditors-review\n\
         Gains: alice watch [orders-api web-deploy web-logs web-shell] never -> always by auditors-and-sre-watch\n\
         Gains: alice read-log [] never -> always by auditors-read"
    );
    // Two have to be left to approve.
    let diff = changed(&[
        (USERS, "groups = [\"contractors\"]", "groups = [\"contractors\", \"sre\"]"),
        (USERS, "groups = [\"sre\", \"privacy\"]", "groups = [\"privacy\"]"),
    ]);
    assert_eq!(
        access(&diff),
        "Loses: bob request [web-logs web-shell] always by sre-request -> never\n\
         Loses: bob skip-approval [web-logs] always by logs-at-once -> never\n\
         Loses: bob approve [orders-api web-deploy web-logs web-shell] always by sre-approve -> never\n\
         Loses: bob issue [orders-api web-deploy web-logs web-shell] always by holder-issue -> never\n\
         Loses: bob break-glass [web-shell] always by sre-break-glass -> never\n\
         Loses: bob revoke [orders-api web-deploy web-logs web-shell] always by sre-revoke -> never\n\
         Loses: bob watch [orders-api web-deploy web-logs web-shell] always by auditors-and-sre-watch -> never\n\
         Loses: bob lock [] always by sre-lock -> never\n\
         Loses: bob enrol-host [] always by sre-enrol-hosts -> never"
    );
}

#[test]
fn conditions_that_change_are_brought_out_by_the_situations() {
    let hour = "context.duration <= duration(\"1h\")";
    let half = "context.duration <= duration(\"30m\")";
    let everybody_who_may = "everybody but dave (3 people)";
    let shorter = changed(&[(RULES, hour, half)]);
    assert_eq!(
        access(&shorter),
        format!(
            "Narrower: {everybody_who_may} skip-approval [web-logs] \
             always by logs-at-once -> for at most 30m by logs-at-once"
        )
    );
    let by_day = changed(&[(RULES, hour, "context.weekday < 6")]);
    assert_eq!(
        access(&by_day),
        format!(
            "Narrower: {everybody_who_may} skip-approval [web-logs] \
             always by logs-at-once -> Monday to Friday by logs-at-once"
        )
    );
    // One where the other is not.
    let day = "permit (principal in Group::\"dev\", action == Action::\"read-log\", resource) when";
    let rule = |hours: &str| format!("@id(\"by-day\") {day} {{ {hours} }};");
    let [am, pm] =
        ["context.minute < 720", "context.minute >= 720"].map(|hours| with_rules(&rule(hours)));
    assert_eq!(
        access(&diff(&am.unwrap(), &pm.unwrap()).unwrap()),
        "Moved: group dev (2 people) read-log [] until 11:59 by by-day -> from 12:00 by by-day"
    );
}

#[test]
fn rules_are_told_by_name_and_text_even_if_nothing_else_shows_it() {
    let diff = changed(&[(RULES, "@id(\"dev-request\")", "@id(\"developers-request\")")]);
    assert_eq!(
        access(&diff),
        "OtherRules: alice request [orders-api web-deploy web-logs web-shell] \
         always by dev-request -> always by developers-request"
    );
    let names: Vec<_> =
        diff.rules.iter().map(|rule| (rule.id.as_str(), rule.was.is_some())).collect();
    assert_eq!(names, [("dev-request", true), ("developers-request", false)]);

    // No sample has a reason of this length: the situations don't show it, the text does.
    let diff = changed(&[(
        RULES,
        "forbid (\n  principal in Group::\"contractors\",\n  action,\n  resource\n);",
        "forbid (\n  principal in Group::\"contractors\",\n  action,\n  resource\n) when { context.now < datetime(\"9000-01-01\") };",
    )]);
    assert_eq!(diff.rules[0].id, "no-contractors");
    assert!(diff.rules[0].now.as_ref().unwrap().text.contains("9000"));
    // A comment is a change of the file alone.
    let diff = changed(&[(RULES, "// === who may ask ===", "// Who may ask")]);
    assert!(diff.access.is_empty() && diff.rules.is_empty() && !diff.is_empty());
    assert_eq!(diff.files[0].path, RULES);
}

#[test]
fn what_roles_require_and_give_is_told_field_by_field() {
    let role = "roles/web-shell.toml";
    let settings = |changes: &[(&str, &str, &str)]| {
        let diff = changed(changes);
        let settings = diff.roles.iter().flat_map(|role| &role.settings);
        let settings = settings.map(|Setting { what, was, now }| {
            let value = |value: &Option<String>| value.clone().unwrap_or("none".to_owned());
            format!("{what}: {} -> {}", value(was), value(now))
        });
        settings.collect::<Vec<_>>().join("\n")
    };
    for (from, to, expected) in [
        ("longest = \"4h\"", "longest = \"8h\"", "longest: 4h -> 8h"),
        ("default = \"30m\"", "default = \"20m\"", "default: 30m -> 20m"),
        ("pending_for = \"1h\"", "pending_for = \"2h\"", "pending_for: 1h -> 2h"),
        ("count = 1", "count = 2", "approvals: 1 of sre -> 2 of sre"),
        ("from = [\"sre\"]", "from = [\"dev\", \"sre\"]", "approvals: 1 of sre -> 1 of dev or sre"),
        ("max_age = \"8h\"", "max_age = \"1h\"", "mfa max_age: 8h -> 1h"),
        ("tell = [\"sre\"]", "tell = [\"dev\", \"sre\"]", "break_glass tell: sre -> dev, sre"),
        (
            "from = [\"sre\"]\n",
            "from = [\"sre\"]\nsigned = true\n[[approvals]]\ncount = 1\nfrom = [\"dev\"]\n",
            "approvals: 1 of sre -> 1 of sre, signed; 1 of dev",
        ),
        (
            "longest = \"4h\"",
            "longest = \"4h\"\nstart = \"first-use\"\nstart_within = \"2h\"\ncertificate_max = \"10m\"\nkeys = [\"rsa\"]",
            "certificate_max: none -> 10m\nkeys: ed25519, ecdsa-p256 -> rsa\nstart: none -> first-use, within 2h",
        ),
        (
            "[break_glass]",
            "[limits]\ngrants_per_day = 3\ncertificates = 9\n[break_glass]",
            "limits certificates: none -> 9\nlimits grants_per_day: none -> 3",
        ),
        ("[mfa]\nmax_age = \"8h\"", "", "mfa max_age: 8h -> none"),
        (
            "longest = \"4h\"",
            "longest = \"4h\"\nticket = \"INC-[0-9]+\"",
            "ticket: none -> INC-[0-9]+",
        ),
        (
            "login = \"deploy\"\nextensions = [\"permit-pty\"]",
            "login = \"deploy\"",
            "row web-shell: \
            ssh web-shell login=deploy hosts=web1,web2 extensions=permit-pty -> ssh web-shell login=deploy hosts=web1,web2",
        ),
    ] {
        assert_eq!(settings(&[(role, from, to)]), expected);
    }
    // A longer day, and the same answers on what both offer.
    let diff = changed(&[(role, "longest = \"4h\"", "longest = \"8h\"")]);
    assert_eq!(access(&diff), "");
    let diff = changed(&[(USERS, "zone = \"UTC\"", "zone = \"Europe/Berlin\"")]);
    assert_eq!(diff.zone.unwrap().now.unwrap(), "Europe/Berlin");
}

#[test]
fn roles_and_people_come_and_go() {
    let old = bundle(files("../../ca-config"));
    let mut new = files("../../ca-config");
    new.retain(|file| !file.path.starts_with("policy-tests/"));
    let deploy = new.iter_mut().find(|file| file.path == "roles/web-deploy.toml").unwrap();
    deploy.path = "roles/web-ship.toml".to_owned();
    deploy.text = deploy.text.replace("web-deploy", "web-ship");
    let users = new.iter_mut().find(|file| file.path == USERS).unwrap();
    users.text.push_str("\n[[person]]\nid = \"u-1005\"\nname = \"erin\"\ngroups = [\"dev\"]\n");
    let diff = diff(&old, &bundle(new)).unwrap();
    assert_eq!(diff.people.added[0].as_str(), "erin");
    let roles: Vec<_> =
        diff.roles.iter().map(|role| (role.role.as_str(), role.was_there, role.is_there)).collect();
    assert_eq!(roles, [("web-deploy", true, false), ("web-ship", false, true)]);
    assert!(
        diff.cases.len() > 30 && diff.cases.iter().all(|case| case.was_there && !case.is_there)
    );
    let access = access(&diff);
    for line in [
        "Gains: erin request [orders-api web-logs web-shell] never -> always by dev-request",
        "Gains: group dev (2 people) request [web-ship] never -> always by dev-request",
        "Loses: alice request [web-deploy] always by dev-request -> never",
        "Gains: group sre (2 people) approve [web-ship] never -> always by sre-approve",
    ] {
        assert!(access.lines().any(|found| found == line), "{line}\nis not in\n{access}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Where two policies decide otherwise about somebody, the page says so about them.
    #[test]
    fn whoever_is_decided_about_otherwise_is_named(
        both in prop::collection::vec(rule(), 0..2),
        old in prop::collection::vec(rule(), 0..2),
        new in prop::collection::vec(rule(), 0..2),
        questions in prop::collection::vec(some_facts(), 24),
    ) {
        let bundles = [old, new].map(|own| with_rules(&cedar(&[both.clone(), own].concat())).unwrap());
        let diff = diff(&bundles[0], &bundles[1]).unwrap();
        for facts in questions {
            let decisions = bundles.each_ref().map(|bundle| decide(bundle, &facts));
            let of_rules = [RefusalCode::NotPermitted, RefusalCode::Forbidden, RefusalCode::RuleError];
            let is_of_rules = decisions.iter().all(|decision| {
                decision.reasons.iter().all(|reason| of_rules.contains(&reason.code))
            });
            if !is_of_rules || decisions[0].outcome == decisions[1].outcome {
                continue;
            }
            let role = facts.role.clone().filter(|_| facts.action != Action::ReadLog);
            let is_told = diff.access.iter().any(|change| {
                change.action == facts.action
                    && change.way != Way::OtherRules
                    && change.people.ids.contains(&facts.subject)
                    && role.iter().all(|role| change.roles.contains(role))
            });
            prop_assert!(is_told, "{facts:?}\n{}", access(&diff));
        }
    }
}
