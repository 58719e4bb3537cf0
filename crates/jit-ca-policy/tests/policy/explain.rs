//! Why, and what would have to be different.

use jit_ca_core::{Action, Facts, RefusalCode};
use jit_ca_policy::{Bundle, decide, explain};
use proptest::prelude::*;

use crate::plain::{cedar, rule, some_facts};
use crate::sample::{facts, files, with_rules};

/// A developer's request for a shell, of the shipped configuration.
fn asked() -> Facts {
    facts(Action::Request, "u-1001", "web-shell")
}

/// What would help, and then the rules that would permit it and what they lack.
fn told(bundle: &Bundle, facts: &Facts) -> String {
    let explanation = explain(bundle, facts).unwrap();
    assert_eq!(explanation.decision, decide(bundle, facts));
    let ways = explanation.ways.iter().map(|way| way.changes.join(" and "));
    let rules = explanation.would_permit.iter().map(|unmet| {
        format!(
            "{} ({}:{}): {}",
            unmet.rule.id,
            unmet.rule.path,
            unmet.rule.line,
            unmet.lacks.join("; ")
        )
    });
    ways.chain(rules).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_single_change_is_named_if_one_is_enough() {
    let bundle = Bundle::parse(files("../../ca-config")).unwrap();
    let sre = "\nsre-request (policies/access.cedar:30): principal in Group::\"sre\"";
    let old = asked().now.minus("9h".parse().unwrap());
    for (change, expected) in [
        (&(|_: &mut Facts| {}) as &dyn Fn(&mut Facts), ""),
        (&|f| f.mfa_at = None, "give a second factor"),
        (&|f| f.mfa_at = Some(old), "give the second factor again"),
        (&|f| f.duration = Some("5h".parse().unwrap()), "ask for at most 4h"),
        (&|f| f.hosts = Some("db1,web1".parse().unwrap()), "ask for web1 alone"),
        (&|f| f.hosts = Some("db1".parse().unwrap()), "ask for all of the role's hosts"),
        (
            &|f| {
                f.duration = Some("5h".parse().unwrap());
                f.mfa_at = None;
            },
            "give a second factor and ask for at most 4h",
        ),
        (
            &|f| {
                f.duration = Some("5h".parse().unwrap());
                f.mfa_at = None;
                f.hosts = Some("db1".parse().unwrap());
            },
            "give a second factor and ask for at most 4h and ask for all of the role's hosts",
        ),
    ] {
        let mut facts = asked();
        change(&mut facts);
        let expected = match expected {
            "" => String::new(),
            expected => format!("{expected}{sre}"),
        };
        assert_eq!(told(&bundle, &facts), expected);
    }
}

#[test]
fn rules_say_what_they_lack() {
    let bundle = Bundle::parse(files("../../ca-config")).unwrap();
    let mut facts = Facts { action: Action::SkipApproval, ..asked() };
    facts.role = Some("web-logs".parse().unwrap());
    facts.duration = Some("61m".parse().unwrap());
    assert_eq!(
        told(&bundle, &facts),
        "ask for at most 1h\n\
         logs-at-once (policies/access.cedar:49): context.duration <= duration(\"1h\")"
    );
    // Nobody is told to become somebody else.
    let read = Facts { action: Action::ReadLog, role: None, ..asked() };
    assert_eq!(
        told(&bundle, &read),
        "auditors-read (policies/operation.cedar:3): principal in Group::\"auditors\""
    );
    // A rule for other roles would not help.
    let deploy = Facts { subject: "local/u-1002".parse().unwrap(), ..asked() };
    let deploy = Facts { role: Some("web-deploy".parse().unwrap()), ..deploy };
    assert_eq!(
        told(&bundle, &deploy),
        "dev-request (policies/access.cedar:22): principal in Group::\"dev\""
    );
    let unknown = Facts { role: Some("root".parse().unwrap()), ..asked() };
    assert_eq!(told(&bundle, &unknown), "");
}

#[test]
fn values_around_those_of_the_rules_are_tried() {
    let permit = "@id(\"it\") permit (principal, action == Action::\"request\", resource == Role::\"api\") when";
    let mut asked = facts(Action::Request, "u-1", "api");
    asked.reason = None;
    for (condition, expected) in [
        ("context.duration < duration(\"2h\")", "ask for at most 1h59m59s"),
        ("context.reason like \"INC-*\"", "give a reason such as INC-1"),
        ("context has ticket && context.ticket == \"OPS\"", "give a ticket such as OPS"),
        (
            // It is Wednesday, 10:00 in Berlin.
            "context.weekday > 5 && context.minute < 60",
            "ask at another time, such as Saturday 2026-07-04 00:59 (Europe/Berlin)",
        ),
        (
            "context.source_address.isInRange(ip(\"10.0.0.0/8\"))",
            "call from an address such as 10.0.0.0",
        ),
        (
            "context.reason == \"drill\" && context.source_address == ip(\"::1\")",
            "give a reason such as drill and call from an address such as ::1",
        ),
        ("context.duration < duration(\"1h\") && context.duration > duration(\"2h\")", ""),
    ] {
        let bundle = with_rules(&format!("{permit} {{ {condition} }};")).unwrap();
        let asked = Facts { duration: Some("24h".parse().unwrap()), ..asked.clone() };
        let told = told(&bundle, &asked);
        let way = told.lines().next().filter(|line| !line.starts_with("it (")).unwrap_or_default();
        assert_eq!(way, expected, "{condition}");
    }
}

/// An emergency has its own longest duration, and a ticket its role's pattern.
#[test]
fn what_a_role_takes_is_what_is_advised() {
    let bundle =
        with_rules("@id(\"all\") @match_all(\"meant\") permit (principal, action, resource);");
    let bundle = bundle.unwrap();
    let mut asked = facts(Action::Request, "u-1", "shell");
    assert_eq!(told(&bundle, &asked), "give a ticket such as INC-0");
    asked.ticket = Some("OPS-seven".parse().unwrap());
    assert_eq!(told(&bundle, &asked), "give a ticket such as INC-0");
    let emergency =
        Facts { action: Action::BreakGlass, duration: Some("1h".parse().unwrap()), ..asked };
    assert_eq!(told(&bundle, &emergency), "ask for at most 20m");
}

#[test]
fn deciding_rules_are_told_with_their_places() {
    let bundle = Bundle::parse(files("../../ca-config")).unwrap();
    let dave = Facts { subject: "local/u-1004".parse().unwrap(), ..asked() };
    let explanation = explain(&bundle, &dave).unwrap();
    let rule = &explanation.rules[0];
    assert_eq!(
        (rule.id.as_str(), rule.path.as_str(), rule.line),
        ("no-contractors", "policies/access.cedar", 38)
    );
    assert_eq!(rule.description.as_deref(), Some("contractors get production through a colleague"));
    assert!(explanation.ways.is_empty());
    let explanation = explain(&bundle, &asked()).unwrap();
    assert_eq!(explanation.rules[0].id, "dev-request");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// A permit lacks something if and only if it would not permit as the only rule.
    #[test]
    fn what_lacks_something_does_not_permit_and_what_does_not_does(
        rules in prop::collection::vec(rule(), 1..5),
        questions in prop::collection::vec(some_facts(), 4),
    ) {
        let bundle = with_rules(&cedar(&rules)).unwrap();
        for facts in questions {
            let explanation = explain(&bundle, &facts).unwrap();
            if explanation.decision.allows() {
                prop_assert!(explanation.ways.is_empty() && explanation.would_permit.is_empty());
                continue;
            }
            for (number, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.0) {
                let alone = with_rules(&cedar(&[*rule])).unwrap();
                let role = facts.role.as_ref().filter(|_| facts.action != Action::ReadLog);
                let is_of_rules = |code| matches!(code, RefusalCode::NotPermitted | RefusalCode::RuleError);
                let refused = decide(&alone, &facts).reasons.iter().any(|reason| is_of_rules(reason.code));
                let id = format!("r{number}");
                let lacks = explanation.would_permit.iter().any(|unmet| unmet.rule.id == id);
                // One for other actions and roles is not named: no facts would help.
                let condition = cedar(&[*rule]);
                let is_elsewhere = alone.rules_looked_at(facts.action, role) == 0
                    || condition.contains("resource.name") && role.is_none_or(|role| role.as_str() != "shell")
                    || condition.contains("is Role") && role.is_none();
                prop_assert_eq!(lacks, refused && !is_elsewhere, "{} {:?}", condition, facts);
            }
        }
    }
}

#[test]
fn other_means_of_logging_in_are_named() {
    let rule = |condition: &str| {
        let rules = "@id(\"all\") @match_all(\"meant\") permit (principal, action, resource);";
        with_rules(&format!(
            "{rules}\n@id(\"means\") forbid (principal, action, resource) {condition};"
        ))
        .unwrap()
    };
    let mut facts = facts(Action::ReadLog, "u-1", "shell");
    facts.means.amr = ["sms".parse().unwrap()].into();
    for (condition, expected) in [
        ("unless { context.amr.contains(\"hwk\") }", "log in so that amr has hwk"),
        ("when { context.amr.contains(\"sms\") }", "log in so that amr has no sms"),
        ("unless { context has acr && context.acr == \"urn:a\" }", "log in so that acr is urn:a"),
    ] {
        let explanation = explain(&rule(condition), &facts).unwrap();
        assert_eq!(explanation.ways[0].changes, [expected], "{condition}");
    }
}
