//! The engine against a naive reading of the same rules, and how many rules it looks at.

use std::fmt::Write as _;

use jit_ca_core::{Action, Decision, Facts, Outcome};
use jit_ca_policy::{Bundle, decide};
use proptest::prelude::*;

use crate::sample::{facts, file, files, with_rules};

#[test]
fn a_decision_looks_at_the_rules_of_its_action_and_role() {
    let mut files = files("tests/samples/good");
    files.retain(|file| file.path == "users.toml");
    let role = "description = \"One of many\"\ndefault = \"1h\"\nlongest = \"1h\"\n\
                [[approvals]]\ncount = 1\nfrom = [\"sre\"]\n[[x509]]\nservice = \"api\"\n";
    let mut rules = String::from(
        r#"@id("general") forbid (principal, action, resource) when { !context.mfa };"#,
    );
    for number in 0..25 {
        files.push(file(&format!("roles/r{number}.toml"), role));
        for action in ["request", "approve", "issue", "skip-approval"] {
            writeln!(
                rules,
                r#"@id("{action}-{number}") permit (principal, action == Action::"{action}", resource == Role::"r{number}");"#
            )
            .unwrap();
        }
    }
    files.push(file("policies/rules.cedar", &rules));
    let bundle = Bundle::parse(files).unwrap_or_else(|faults| panic!("{faults}"));

    let role = "r7".parse().unwrap();
    assert_eq!(bundle.rules_looked_at(Action::Request, Some(&role)), 2);
    assert_eq!(bundle.rules_looked_at(Action::ReadLog, None), 1);
    let decision = decide(&bundle, &facts(Action::Request, "u-1", "r7"));
    assert_eq!(decision.rules, ["request-7"]);
}

#[derive(Clone, Debug)]
struct Rule {
    permit: bool,
    group: Option<&'static str>,
    action: Option<Action>,
    role: Option<&'static str>,
    condition: Condition,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Condition {
    Always,
    ForAnHour,
    Fails,
}

const ACTIONS: [Action; 3] = [Action::Request, Action::SkipApproval, Action::Issue];

fn rule() -> impl Strategy<Value = Rule> {
    let group = prop::option::of(prop::sample::select(vec!["dev", "sre"]));
    let action = prop::option::of(prop::sample::select(ACTIONS.to_vec()));
    let role = prop::option::of(prop::sample::select(vec!["api", "shell"]));
    let condition = prop_oneof![
        3 => Just(Condition::Always),
        2 => Just(Condition::ForAnHour),
        1 => Just(Condition::Fails),
    ];
    let rule = (prop::bool::weighted(0.7), group, action, role, condition);
    rule.prop_map(|(permit, group, action, role, condition)| Rule {
        permit,
        group,
        action,
        role,
        condition,
    })
}

/// The rules in Cedar: with scopes, by which they are sliced, or with the same as conditions, so
/// that every decision looks at all of them.
fn cedar(rules: &[Rule], scoped: bool) -> String {
    let mut text = String::new();
    for (number, rule) in rules.iter().enumerate() {
        let effect = if rule.permit { "permit" } else { "forbid" };
        let group = rule.group.map(|group| format!("principal in Group::\"{group}\""));
        let action = rule.action.map(|action| format!("action == Action::\"{action}\""));
        let role = rule.role.map(|role| format!("resource == Role::\"{role}\""));
        let condition = match rule.condition {
            Condition::Always => "true",
            Condition::ForAnHour => "context.duration <= duration(\"1h\")",
            Condition::Fails => "context.minute + 9223372036854775807 > 0",
        };
        let scope = |part: &Option<String>, any: &str| match part {
            Some(part) if scoped => part.clone(),
            _ => any.to_owned(),
        };
        let mut conditions = vec!["resource is Role".to_owned()];
        conditions.extend([&group, &action, &role].into_iter().flatten().cloned());
        conditions.push(condition.to_owned());
        writeln!(
            text,
            "@id(\"r{number}\") {effect} ({}, {}, {}) when {{ {} }};",
            scope(&group, "principal"),
            scope(&action, "action"),
            scope(&role, "resource"),
            conditions.join(" && "),
        )
        .unwrap();
    }
    text
}

/// What the rules say, read naively: an error denies, then a forbid, then a permit allows.
fn naive(rules: &[Rule], groups: &[&str], facts: &Facts) -> (Outcome, Vec<String>) {
    let role = facts.role.as_ref().unwrap().as_str();
    let an_hour = "1h".parse().unwrap();
    let (mut permits, mut forbids, mut errors) = (vec![], vec![], vec![]);
    for (number, rule) in rules.iter().enumerate() {
        let applies = rule.group.is_none_or(|group| groups.contains(&group))
            && rule.action.is_none_or(|action| action == facts.action)
            && rule.role.is_none_or(|own| own == role);
        let holds = rule.condition == Condition::Always
            || rule.condition == Condition::ForAnHour && facts.duration.unwrap() <= an_hour;
        let id = format!("r{number}");
        match (applies, rule.condition, holds, rule.permit) {
            (true, Condition::Fails, ..) => errors.push(id),
            (true, _, true, true) => permits.push(id),
            (true, _, true, false) => forbids.push(id),
            _ => {}
        }
    }
    if errors.is_empty() && forbids.is_empty() && !permits.is_empty() {
        permits.sort();
        return (Outcome::Allow, permits);
    }
    forbids.extend(errors);
    forbids.sort();
    (Outcome::Deny, forbids)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn decides_as_a_naive_reading_does(rules in prop::collection::vec(rule(), 0..6)) {
        let sliced = with_rules(&cedar(&rules, true)).unwrap();
        let whole = with_rules(&cedar(&rules, false)).unwrap();
        for action in ACTIONS {
            for (subject, groups) in [("u-1", &["dev"][..]), ("u-2", &["sre", "dev"]), ("u-4", &[])] {
                for (role, duration) in [("api", "1h"), ("api", "2h"), ("shell", "1h")] {
                    let mut facts = facts(action, subject, role);
                    facts.duration = Some(duration.parse().unwrap());
                    facts.ticket = Some("INC-1".parse().unwrap());
                    let expected = naive(&rules, groups, &facts);
                    let got = |bundle| {
                        let Decision { outcome, rules, .. } = decide(bundle, &facts);
                        (outcome, rules)
                    };
                    prop_assert_eq!(got(&sliced), expected.clone());
                    prop_assert_eq!(got(&whole), expected);
                }
            }
        }
    }
}
