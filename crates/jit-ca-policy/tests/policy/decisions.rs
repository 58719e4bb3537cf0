//! Decisions: what a role requires, what the rules say, and what a person is told.

use jit_ca_core::{Action, Decision, Facts, KeyType, Means, Outcome, RefusalCode, Span, UnixTime};
use jit_ca_policy::{Bundle, Limits, Starts, can, decide, may_request, run_tests, who_can_approve};

use crate::sample::{facts, files, good, with_rules};

const ALLOW_ALL: &str = r#"@id("all") @match_all("meant") permit (principal, action, resource);"#;

/// A request that meets all requirements of the role `shell`.
fn request() -> Facts {
    Facts { ticket: Some("INC-1".parse().unwrap()), ..facts(Action::Request, "u-1", "shell") }
}

/// The codes and texts of a denial, `code: text`, one a line.
fn told(decision: &Decision) -> String {
    let reasons = decision.reasons.iter();
    let lines: Vec<String> =
        reasons.map(|reason| format!("{}: {}", reason.code, reason.text)).collect();
    lines.join("\n")
}

#[test]
fn what_a_role_requires_no_rule_can_give() {
    let bundle = with_rules(ALLOW_ALL).unwrap();
    assert!(decide(&bundle, &request()).allows());
    let old = request().now.minus("8h1s".parse().unwrap());
    let with = |change: &dyn Fn(&mut Facts)| {
        let mut facts = request();
        change(&mut facts);
        let decision = decide(&bundle, &facts);
        assert_eq!(decision.allows(), decision.reasons.is_empty());
        assert!(decision.allows() || decision.rules.is_empty());
        told(&decision)
    };
    for (change, expected) in [
        (
            &(|f: &mut Facts| f.subject = "local/u-9".parse().unwrap()) as &dyn Fn(&mut Facts),
            "not-permitted: local/u-9 is not in users.toml",
        ),
        (&|f| f.role = Some("root".parse().unwrap()), "unknown-role: there is no role root"),
        (&|f| f.role = None, "unknown-role: `request` needs a role"),
        (&|f| f.requester = Some("local/u-2".parse().unwrap()), "not-yours: only bob may do that"),
        (&|f| f.requester = Some("local/u-1".parse().unwrap()), ""),
        (&|f| f.mfa_at = None, "mfa-required: the login has no second factor"),
        (
            &|f| f.mfa_at = Some(old),
            "mfa-too-old: the second factor was given 8h1s ago, and shell accepts 8h",
        ),
        (&|f| f.mfa_at = Some(old.plus("1s".parse().unwrap())), ""),
        (&|f| f.duration = Some("4h".parse().unwrap()), ""),
        (
            &|f| f.duration = Some("4h1s".parse().unwrap()),
            "too-long: the longest duration of shell is 4h",
        ),
        (&|f| f.hosts = Some("db1,web2".parse().unwrap()), ""),
        (
            &|f| f.hosts = Some("db1,db2,web9".parse().unwrap()),
            "unknown-host: shell does not give db2 or web9; its hosts are db1, web1 and web2",
        ),
        (
            &|f| {
                f.role = Some("api".parse().unwrap());
                f.hosts = Some("web1".parse().unwrap());
            },
            "unknown-host: api does not give web1; its hosts are none",
        ),
        (
            &|f| f.ticket = None,
            "ticket-required: shell wants a ticket, such as (INC|OPS)-[0-9]+ matches",
        ),
        (
            &|f| f.ticket = Some("INC-1 or so".parse().unwrap()),
            "ticket-refused: shell wants a ticket that (INC|OPS)-[0-9]+ matches, whole",
        ),
        (
            &|f| {
                f.duration = Some("24h".parse().unwrap());
                f.mfa_at = None;
            },
            "too-long: the longest duration of shell is 4h\nmfa-required: the login has no second factor",
        ),
    ] {
        assert_eq!(with(change), expected);
    }
}

#[test]
fn nothing_is_done_without_a_second_factor() {
    let bundle = with_rules(ALLOW_ALL).unwrap();
    for action in [
        Action::Request,
        Action::SkipApproval,
        Action::Approve,
        Action::Issue,
        Action::ReadLog,
        Action::Erase,
        Action::Administer,
    ] {
        let requester = match action {
            Action::Approve => "local/u-2",
            _ => "local/u-1",
        };
        let mut facts = Facts { action, requester: Some(requester.parse().unwrap()), ..request() };
        assert!(decide(&bundle, &facts).allows(), "{action}");
        facts.mfa_at = None;
        let decision = decide(&bundle, &facts);
        assert_eq!(told(&decision), "mfa-required: the login has no second factor");
    }
}

#[test]
fn approvals_are_by_others_and_by_approvers() {
    let bundle = with_rules(ALLOW_ALL).unwrap();
    let approve = |subject: &str, requester: Option<&str>| {
        let mut facts = facts(Action::Approve, subject, "shell");
        facts.requester = requester.map(|id| id.parse().unwrap());
        told(&decide(&bundle, &facts))
    };
    assert_eq!(approve("u-2", Some("local/u-1")), "");
    assert_eq!(
        approve("u-2", Some("local/u-2")),
        "self-approval: nobody approves their own request"
    );
    assert_eq!(
        approve("u-4", Some("local/u-1")),
        "not-an-approver: shell is approved by dev or sre, and dave is in none of them"
    );
    assert_eq!(approve("u-2", Some("local/u-9")), "not-permitted: local/u-9 is not in users.toml");
    assert_eq!(approve("u-2", None), "not-permitted: `approve` needs a requester");
}

#[test]
fn emergencies_are_shorter_and_need_no_ticket() {
    let bundle = with_rules(ALLOW_ALL).unwrap();
    let mut facts = facts(Action::BreakGlass, "u-1", "shell");
    facts.duration = Some("20m".parse().unwrap());
    assert_eq!(told(&decide(&bundle, &facts)), "");
    facts.duration = Some("21m".parse().unwrap());
    let decision = decide(&bundle, &facts);
    assert_eq!(told(&decision), "too-long: an emergency with shell is 20m");
    facts = Facts { role: Some("api".parse().unwrap()), duration: None, ..facts };
    let decision = decide(&bundle, &facts);
    assert_eq!(told(&decision), "no-break-glass: there are no emergencies for api");
}

#[test]
fn what_was_given_can_be_looked_at_and_taken_away_whatever_the_role_gives_by_now() {
    let bundle = with_rules(ALLOW_ALL).unwrap();
    for action in [Action::Review, Action::Revoke, Action::Watch] {
        let mut facts = facts(action, "u-2", "shell");
        facts.requester = Some("local/u-1".parse().unwrap());
        facts.duration = Some("24h".parse().unwrap());
        facts.hosts = Some("gone1".parse().unwrap());
        facts.mfa_at = Some(UnixTime::from_secs(0));
        assert_eq!(told(&decide(&bundle, &facts)), "", "{action}");
        facts.requester = Some("local/u-2".parse().unwrap());
        let own = told(&decide(&bundle, &facts));
        let expected = match action {
            Action::Review => "self-approval: nobody reviews their own emergency",
            _ => "",
        };
        assert_eq!(own, expected, "{action}");
    }
}

#[test]
fn what_was_given_can_be_looked_at_and_taken_away_also_where_role_and_holder_have_left() {
    const FORBID: &str = r#"
        @id("by-name") forbid (principal, action in [Action::"review", Action::"revoke", Action::"watch"], resource)
        when { resource.name == "gone-2" };
        @id("of-dev") forbid (principal, action in [Action::"review", Action::"revoke", Action::"watch"], resource)
        when { context.requester in Group::"dev" && resource.name == "gone" };
        @id("on-web9") forbid (principal, action == Action::"revoke", resource)
        when { context.hosts == ["web9"] && context.duration > duration("0s") };"#;
    let rules = [ALLOW_ALL, FORBID].concat();
    let bundle = with_rules(&rules).unwrap();
    let ask = |action, role: &str, requester: &str, hosts: Option<&str>| {
        let mut facts = facts(action, "u-2", role);
        facts.requester = Some(requester.parse().unwrap());
        facts.hosts = hosts.map(|hosts| hosts.parse().unwrap());
        told(&decide(&bundle, &facts))
    };
    for action in [Action::Review, Action::Revoke, Action::Watch] {
        assert_eq!(ask(action, "gone", "local/u-9", None), "", "{action}");
        assert_eq!(ask(action, "shell", "local/u-9", None), "", "{action}");
        // Rules that go by what a role is called, or by the groups of whoever is still there, hold.
        assert!(ask(action, "gone-2", "local/u-9", None).contains("by-name"), "{action}");
        assert!(ask(action, "gone", "local/u-1", None).contains("of-dev"), "{action}");
        let own = ask(action, "gone", "local/u-2", None);
        assert_eq!(own.contains("self-approval"), action == Action::Review, "{own}");
    }
    assert_eq!(ask(Action::Revoke, "gone", "local/u-9", Some("web9")), "");
    // Nothing is given to anybody, or with anything, that has left.
    for action in [Action::Request, Action::Approve, Action::Issue, Action::BreakGlass] {
        assert_ne!(ask(action, "gone", "local/u-1", None), "", "{action}");
    }
    assert_eq!(
        ask(Action::Approve, "shell", "local/u-9", None),
        "not-permitted: local/u-9 is not in users.toml"
    );
    let bundle = with_rules("").unwrap();
    let mut facts = facts(Action::Revoke, "u-2", "gone");
    facts.requester = Some("local/u-9".parse().unwrap());
    let none = "not-permitted: no rule lets bob revoke gone of local/u-9";
    assert_eq!(told(&decide(&bundle, &facts)), none);
}

#[test]
fn what_no_rule_permits_is_refused() {
    let bundle = with_rules("").unwrap();
    for (action, subject, requester, text) in [
        (Action::Request, "u-1", "u-1", "alice request shell"),
        (Action::SkipApproval, "u-1", "u-1", "alice have shell without a person's approval"),
        (Action::Approve, "u-2", "u-1", "bob approve shell for alice"),
        (Action::Issue, "u-1", "u-1", "alice take certificates for shell"),
        (Action::BreakGlass, "u-1", "u-1", "alice break glass for shell"),
        (Action::Review, "u-2", "u-1", "bob review the emergency of alice with shell"),
        (Action::Revoke, "u-2", "u-1", "bob revoke shell of alice"),
        (Action::Watch, "u-2", "u-1", "bob watch what alice did with shell"),
        (Action::Lock, "u-1", "u-1", "alice lock or unlock"),
        (Action::ReadLog, "u-1", "u-1", "alice read the log"),
        (Action::Erase, "u-1", "u-1", "alice erase a subject from the log"),
        (Action::Administer, "u-1", "u-1", "alice bring a policy into force"),
    ] {
        let mut facts = facts(action, subject, "shell");
        facts.requester = Some(format!("local/{requester}").parse().unwrap());
        facts.ticket = request().ticket;
        let decision = decide(&bundle, &facts);
        assert_eq!(decision.outcome, Outcome::Deny);
        assert_eq!(told(&decision), format!("not-permitted: no rule lets {text}"));
        assert!(decision.rules.is_empty());
    }
}

#[test]
fn a_forbid_wins_and_says_why() {
    let bundle = good();
    let mut facts = request();
    let decision = decide(&bundle, &facts);
    assert_eq!(
        (decision.outcome, told(&decision)),
        (Outcome::Deny, "forbidden: the rule not-db1 forbids it: db1 is being moved".to_owned())
    );
    assert_eq!(decision.rules, ["not-db1"]);

    facts.hosts = Some("web1".parse().unwrap());
    assert_eq!(decide(&bundle, &facts).rules, ["devs-request"]);
    facts.address = "::ffff:10.1.2.3".parse().unwrap();
    assert_eq!(decide(&bundle, &facts).rules, ["devs-request", "from-the-office"]);
}

#[test]
fn a_rule_that_fails_denies_whatever_the_others_say() {
    // Cedar alone skips the forbid, and allows.
    let overflow = "context.minute + 9223372036854775807 > 0";
    let rules = format!(
        r#"{ALLOW_ALL}
        @id("overflows") forbid (principal, action == Action::"request", resource) when {{ {overflow} }};
        @id("too") permit (principal, action == Action::"request", resource == Role::"api") when {{ {overflow} }};"#
    );
    let bundle = with_rules(&rules).unwrap();
    let decision = decide(&bundle, &request());
    assert_eq!(decision.outcome, Outcome::Deny);
    assert_eq!(decision.rules, ["overflows"]);
    assert_eq!(decision.reasons[0].code, RefusalCode::RuleError);
    assert!(told(&decision).starts_with("rule-error: the rule overflows could not be evaluated: "));

    // The rule is about asking alone, and `too` about another role.
    assert!(decide(&bundle, &facts(Action::Issue, "u-1", "shell")).allows());
    let decision = decide(&bundle, &facts(Action::Request, "u-1", "api"));
    assert_eq!(decision.rules, ["overflows", "too"]);
}

#[test]
fn hours_are_those_of_the_zone() {
    let bundle = good();
    let skips = |now: &str| {
        let mut facts = facts(Action::SkipApproval, "u-1", "api");
        facts.now = now.parse().unwrap();
        facts.mfa_at = Some(facts.now);
        decide(&bundle, &facts).allows()
    };
    // Nine in the morning in Berlin, in summer and in winter.
    assert!(!skips("2026-07-01T06:59:59Z") && skips("2026-07-01T07:00:00Z"));
    assert!(!skips("2026-01-05T07:59:59Z") && skips("2026-01-05T08:00:00Z"));
    assert!(skips("2026-07-01T14:59:59Z") && !skips("2026-07-01T15:00:00Z"));
    // Friday, and the Saturday after it.
    assert!(skips("2026-07-03T08:00:00Z") && !skips("2026-07-04T08:00:00Z"));
}

#[test]
fn rules_see_what_they_are_told_they_see() {
    for (action, condition) in [
        (Action::Request, r#"context.duration == duration("30m")"#),
        (Action::Request, r#"context.hosts == ["db1", "web1", "web2"]"#),
        (Action::Request, r#"context.reason == "INC-1""#),
        (Action::Request, r#"context has ticket && context.ticket like "INC-*""#),
        (
            Action::Request,
            r#"context.mfa && context has mfa_age && context.mfa_age == duration("1m")"#,
        ),
        (Action::Request, r#"context.amr == ["hwk", "mfa"] && !context.amr.contains("otp")"#),
        (Action::Request, r#"context has acr && context.acr == "urn:strong""#),
        (Action::ReadLog, r#"context has acr && context.amr.containsAll(["mfa"])"#),
        (Action::Request, r#"context.source_address == ip("192.0.2.1")"#),
        (Action::Request, r#"context.now == datetime("2026-07-01T08:00:00Z")"#),
        (Action::Request, "context.weekday == 3 && context.minute == 10 * 60"),
        (Action::Request, r#"resource.name like "sh*""#),
        (Action::Request, r#"principal == Person::"local/u-1" && principal in Group::"dev""#),
        (Action::Approve, r#"context.requester in Group::"sre" && context.requester != principal"#),
        (Action::ReadLog, r#"resource == Ca::"this" && context.weekday == 3"#),
        (Action::ReadLog, r#"context.now > datetime("2026-01-01")"#),
    ] {
        let rule = format!(
            r#"@id("it") permit (principal, action == Action::"{action}", resource) when {{ {condition} }};"#
        );
        let bundle = with_rules(&rule).unwrap_or_else(|faults| panic!("{faults}"));
        let requester = match action {
            Action::Approve => Some("local/u-3".parse().unwrap()),
            _ => None,
        };
        let amr = ["hwk", "mfa"].map(|method| method.parse().unwrap()).into();
        let means = Means { acr: Some("urn:strong".parse().unwrap()), amr };
        let facts = Facts { action, requester, means, ..request() };
        assert!(decide(&bundle, &facts).allows(), "{condition}");
    }
}

#[test]
fn who_could_log_in_by_other_means_is_not_left_out() {
    let rules = "@id(\"all\") @match_all(\"meant\") permit (principal, action, resource);\n\
                 @id(\"keys\") forbid (principal, action, resource) unless { context.amr.contains(\"hwk\") };";
    let bundle = with_rules(rules).unwrap();
    let asked = request();
    assert!(!decide(&bundle, &asked).allows());
    assert!(!may_request(&bundle, &asked.subject, asked.now, asked.address).is_empty());
    assert!(!who_can_approve(&bundle, &asked).is_empty());
    assert!(can(&bundle, &facts(Action::ReadLog, "u-1", "shell")));
    // No means are good enough where a rule takes none.
    let none = "@id(\"none\") forbid (principal, action, resource) when { context.amr.contains(\"x\") || true };";
    let bundle = with_rules(&format!("{rules}\n{none}")).unwrap();
    assert!(may_request(&bundle, &asked.subject, asked.now, asked.address).is_empty());
}

#[test]
fn the_policy_reads_the_other_way_round() {
    let bundle = good();
    let asked = request();
    let names = |roles: Vec<&jit_ca_policy::Role>| {
        let names: Vec<String> = roles.iter().map(|role| role.name.to_string()).collect();
        names.join(" ")
    };
    // `shell` has a forbidden host among all of its hosts; the ticket that it wants is overlooked.
    let roles = may_request(&bundle, &asked.subject, asked.now, asked.address);
    assert_eq!(names(roles), "api");
    let bundle = with_rules(ALLOW_ALL).unwrap();
    let roles = may_request(&bundle, &asked.subject, asked.now, asked.address);
    assert_eq!(names(roles), "api shell");

    let can_approve = |bundle: &Bundle, subject: &str| {
        let asked = Facts { subject: subject.parse().unwrap(), ..asked.clone() };
        let people = who_can_approve(bundle, &asked);
        let names: Vec<String> = people.iter().map(|person| person.name.to_string()).collect();
        names.join(" ")
    };
    assert_eq!(can_approve(&bundle, "local/u-1"), "bob carol");
    assert_eq!(can_approve(&bundle, "local/u-2"), "alice carol");
    // Here no SRE approves for an SRE, and nobody but them approves.
    assert_eq!(can_approve(&good(), "local/u-2"), "");
}

#[test]
fn people_are_found_by_id_name_and_key() {
    let bundle = good();
    let alice = bundle.person(&"local/u-1".parse().unwrap()).unwrap();
    assert_eq!(bundle.person_named(&"alice".parse().unwrap()), Some(alice));
    assert_eq!(alice.ssh_keys.len(), 2);
    for key in &alice.ssh_keys {
        assert_eq!(bundle.person_by_key(key.as_str()), Some(alice));
        let commented = format!("{key} another comment");
        assert_eq!(bundle.person_by_key(&commented), Some(alice));
    }
    assert_eq!(bundle.person_by_key("ssh-ed25519 AAAA"), None);
    let bob = bundle.person_named(&"bob".parse().unwrap()).unwrap();
    assert_eq!(bundle.person_by_key(bob.ssh_keys[1].as_str()), Some(bob));
    let people: Vec<&str> = bundle.people().map(|person| person.name.as_str()).collect();
    assert_eq!(people, ["alice", "bob", "carol", "dave"]);
}

#[test]
fn a_role_is_what_its_file_says() {
    let bundle = good();
    let role = bundle.role(&"shell".parse().unwrap()).unwrap();
    let rows: Vec<String> = role.rows.iter().map(ToString::to_string).collect();
    assert_eq!(
        rows,
        [
            "ssh shell login=deploy hosts=web1,web2 extensions=permit-port-forwarding,permit-pty source-address=caller",
            "ssh db-shell login=postgres hosts=db1 source-address=10.0.0.0/8,2001:db8::/32 force-command=psql --no-psqlrc",
            "x509 orders-api",
        ]
    );
    let spans = [role.default, role.longest, role.pending_for, role.mfa_max_age.unwrap()];
    assert_eq!(spans.map(|span| span.to_string()), ["30m", "4h", "10m", "8h"]);
    let approvals: Vec<String> = role.approvals.iter().map(ToString::to_string).collect();
    assert_eq!(approvals, ["1 of dev or sre", "1 of sre, signed"]);
    assert_eq!(role.approvers().len(), 2);
    assert_eq!(role.ticket.as_ref().unwrap().as_str(), "(INC|OPS)-[0-9]+");
    assert_eq!((role.starts, role.schedule_ahead.to_string().as_str()), (Starts::AtApproval, "7d"));
    assert_eq!((role.certificate_max.unwrap().secs(), role.limits.grants_per_day), (600, Some(3)));
    let break_glass = role.break_glass.as_ref().unwrap();
    assert_eq!((break_glass.longest.to_string().as_str(), break_glass.tell.len()), ("20m", 1));
    assert_eq!(role.keys, KeyType::ALL.into());
    let api = bundle.role(&"api".parse().unwrap()).unwrap();
    assert_eq!((api.pending_for.to_string().as_str(), api.mfa_max_age), ("1h", None));
    assert!(api.ticket.is_none() && api.break_glass.is_none() && api.hosts().is_empty());
    assert_eq!((api.certificate_max, api.limits), (None, Limits::default()));
    assert_eq!(api.keys, KeyType::USUAL.into());
    let within = Span::from_secs(2 * 60 * 60);
    assert_eq!(
        (api.starts, api.schedule_ahead),
        (Starts::AtFirstUse { within }, Span::from_secs(0))
    );
}

#[test]
fn files_are_kept_whole_and_in_order() {
    let mut given = files("tests/samples/good");
    given.sort_by(|a, b| b.path.cmp(&a.path));
    let bundle = Bundle::parse(given.clone()).unwrap();
    given.reverse();
    assert_eq!(bundle.files(), given);
}

#[test]
fn a_test_that_fails_says_what_was_expected_and_what_came() {
    let results = run_tests(&good());
    let texts: Vec<String> = results.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "policy-tests/all.toml:1: ok: a developer asks",
            "policy-tests/all.toml:9: FAILED: this case is wrong about who and why\n  \
             expected: deny, by not-db1, with code forbidden\n  \
             got: allow, by from-the-office",
        ]
    );
}
