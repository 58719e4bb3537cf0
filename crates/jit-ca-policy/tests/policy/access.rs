//! Who can and what somebody can: what is said of everybody, against decisions about each.

use jit_ca_core::{Action, Facts, RefusalCode, RoleName};
use jit_ca_policy::{Access, Bundle, Deed, When, decide, what_can, who_can};
use proptest::prelude::*;

use crate::plain::{cedar, rule, some_facts};
use crate::sample::{files, with_rules};

/// `who: when, by rules`, one a line.
fn lines(accesses: &[Access]) -> String {
    let lines = accesses.iter().map(|access| {
        let holding = &access.holding;
        format!("{}: {}, by {}", access.people, holding.when, holding.rules.join(" "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn who(bundle: &Bundle, action: Action, role: Option<&str>) -> String {
    let role = role.map(|role| role.parse().unwrap());
    lines(&who_can(bundle, &Deed { action, role }).unwrap().access)
}

#[test]
fn people_are_told_by_groups_and_situations_in_words() {
    for (rules, expected) in [
        ("permit (principal, action, resource);", "everybody (4 people): always, by it"),
        (
            "permit (principal in Group::\"sre\", action, resource);",
            "group sre (2 people): always, by it",
        ),
        (
            "permit (principal, action, resource) unless { principal == Person::\"local/u-4\" };",
            "everybody but dave (3 people): always, by it",
        ),
        ("permit (principal == Person::\"local/u-1\", action, resource);", "alice: always, by it"),
        (
            "permit (principal, action, resource) when { context.mfa && context.weekday < 6 };",
            "everybody (4 people): Monday to Friday, by it",
        ),
        (
            "permit (principal, action, resource) when { context.minute >= 9 * 60 && context.minute < 17 * 60 };",
            "everybody (4 people): 09:00 to 16:59, by it",
        ),
        (
            "permit (principal, action, resource) when { context has mfa_age && context.mfa_age <= duration(\"10m\") };",
            "everybody (4 people): with a second factor of at most 10m, by it",
        ),
        (
            "permit (principal, action, resource) when { context.now > datetime(\"2026-12-01\") };",
            "everybody (4 people): in the week of 2026-12-14, by it",
        ),
        (
            "permit (principal, action, resource) when { context.source_address.isInRange(ip(\"10.0.0.0/8\")) };",
            "everybody (4 people): from 10.0.0.0 to 10.255.255.255, by it",
        ),
        (
            "permit (principal, action, resource) unless { context.source_address.isInRange(ip(\"10.0.0.0/8\")) };",
            "everybody (4 people): not from 10.0.0.0 to 10.255.255.255, by it",
        ),
        (
            "permit (principal, action, resource) when { context.weekday < 6 || context.minute < 60 };",
            "everybody (4 people): in 12 of 20 situations asked about, by it",
        ),
    ] {
        let bundle = with_rules(&format!("@id(\"it\") @match_all(\"meant\") {rules}")).unwrap();
        assert_eq!(who(&bundle, Action::ReadLog, None), expected, "{rules}");
    }
}

#[test]
fn what_is_wanted_of_a_role_is_told_in_words() {
    let permit = "@id(\"it\") permit (principal == Person::\"local/u-1\", action == Action::\"request\", resource)";
    for (condition, expected) in [
        // The role's own requirements leave no room for more than 4h, or for a second factor of more than 8h.
        ("context.duration <= duration(\"5h\")", "always"),
        ("context.duration <= duration(\"1h\")", "for at most 1h"),
        ("context.duration > duration(\"1h\")", "for at least 1h1s"),
        ("context has mfa_age && context.mfa_age < duration(\"9h\")", "always"),
        ("context.hosts.contains(\"db1\")", "not on web1 alone"),
        ("context.hosts == [\"web2\"]", "on web2 alone"),
        ("context.reason != \"\"", "not without a reason"),
        ("context has ticket && context.ticket like \"INC-*\"", "with a ticket such as INC-1"),
        ("context.amr.contains(\"hwk\")", "with amr hwk"),
        ("!context.amr.contains(\"sms\")", "not with amr sms"),
        ("context.amr.contains(\"user\")", "with amr mfa and pop and user or with amr user"),
        ("context has acr && context.acr == \"urn:strong\"", "with acr urn:strong"),
        ("context has acr", "not without acr"),
    ] {
        let bundle = with_rules(&format!("{permit} when {{ {condition} }};")).unwrap();
        let expected = format!("alice: {expected}, by it");
        assert_eq!(who(&bundle, Action::Request, Some("shell")), expected, "{condition}");
    }
}

#[test]
fn a_rule_that_wants_many_unusual_facts_at_once_is_seen_and_that_not_all_was_asked_is_said() {
    const MANY: &str = r#"@id("it") permit (principal == Person::"local/u-1", action == Action::"request", resource)
        when { context.hosts == ["db1"] && context has ticket && context.ticket like "CHG-*" }
        when { context.duration <= duration("10m") && context.weekday >= 6 && context.minute < 6 * 60 }
        unless { context.reason == "" || !context.source_address.isInRange(ip("10.0.0.0/8")) };
        @id("other") permit (principal == Person::"local/u-2", action == Action::"request", resource)
        when { context.weekday < 6 };"#;
    let bundle = with_rules(MANY).unwrap();
    let role = || Some("shell".parse().unwrap());
    let deed = Deed { action: Action::Request, role: role() };
    let reach = who_can(&bundle, &deed).unwrap();
    assert_eq!(reach.asked.in_pairs, [deed]);
    let told = lines(&reach.access);
    let expected = "alice: Saturday, until 05:59, from 10.0.0.0, for 9m59s, on db1 alone, ";
    assert!(
        told.contains(expected) && told.ends_with("with a ticket such as CHG-1, by it"),
        "{told}"
    );
    assert!(told.contains("bob: Monday to Friday, by other"), "{told}");
    let alice = &bundle.person_named(&"alice".parse().unwrap()).unwrap().id;
    let reach = what_can(&bundle, alice).unwrap();
    assert!(reach.access.iter().any(|access| access.roles.contains(&role().unwrap())), "{reach:?}");
    assert!(!reach.asked.in_pairs.is_empty());
    // Few facts are asked about in all combinations.
    let bundle = with_rules(
        "@id(\"it\") permit (principal, action, resource) when { context.weekday < 6 };",
    )
    .unwrap();
    let deed = Deed { action: Action::Request, role: role() };
    assert_eq!(who_can(&bundle, &deed).unwrap().asked.in_pairs, []);
}

#[test]
fn approvals_are_by_approvers_and_for_others() {
    let bundle = with_rules(
        "@id(\"it\") @match_all(\"meant\") permit (principal, action, resource);\n\
         @id(\"not\") forbid (principal, action == Action::\"approve\", resource == Role::\"api\") \
         when { context.requester in Group::\"dev\" };",
    )
    .unwrap();
    // `shell` is approved by dev and sre, `api` by sre.
    assert_eq!(
        who(&bundle, Action::Approve, Some("shell")),
        "everybody but dave (3 people): always, by it"
    );
    assert_eq!(
        who(&bundle, Action::Approve, Some("api")),
        "group sre (2 people): for requests of carol, dave, by it"
    );
}

#[test]
fn somebodys_roles_are_told_together() {
    let bundle = Bundle::parse(files("../../ca-config")).unwrap();
    let of = |name: &str| {
        let id = &bundle.person_named(&name.parse().unwrap()).unwrap().id;
        let accesses = what_can(&bundle, id).unwrap().access;
        let lines = accesses.iter().map(|Access { action, roles, holding, .. }| {
            let roles: Vec<&str> = roles.iter().map(RoleName::as_str).collect();
            format!("{action} [{}] {}", roles.join(" "), holding.when)
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        of("alice"),
        "request [orders-api web-deploy web-logs web-shell] always\n\
         skip-approval [web-logs] always\n\
         issue [orders-api web-deploy web-logs web-shell] always"
    );
    assert_eq!(of("dave"), "");
}

/// Whether the role's requirements have a part in the denial: then the rules did not decide.
fn is_about_the_role(facts: &Facts, bundle: &Bundle) -> bool {
    let of_rules = [RefusalCode::NotPermitted, RefusalCode::Forbidden, RefusalCode::RuleError];
    let decision = decide(bundle, facts);
    decision
        .reasons
        .iter()
        .any(|reason| !of_rules.contains(&reason.code) && reason.code != RefusalCode::NotAnApprover)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whoever is said to be able to always is, and who is not named never is, in situations that nobody chose for it.
    #[test]
    fn always_is_always_and_never_is_never(
        rules in prop::collection::vec(rule(), 1..4),
        questions in prop::collection::vec(some_facts(), 8),
    ) {
        let bundle = with_rules(&cedar(&rules)).unwrap_or_else(|faults| panic!("{faults}"));
        for facts in questions {
            let role = facts.role.clone().filter(|_| facts.action != Action::ReadLog);
            let reach = who_can(&bundle, &Deed { action: facts.action, role }).unwrap();
            let accesses = reach.access;
            let found = accesses.iter().find(|access| access.people.ids.contains(&facts.subject));
            if is_about_the_role(&facts, &bundle) {
                continue;
            }
            let allows = decide(&bundle, &facts).allows();
            match found.map(|access| &access.holding.when) {
                None => prop_assert!(!allows, "{facts:?}"),
                Some(When::Always) => prop_assert!(allows, "{facts:?}"),
                Some(_) => {}
            }
        }
    }
}
