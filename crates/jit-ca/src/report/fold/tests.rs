use jit_ca_core::event::{
    Asker, CertificateIssued, ClockAcknowledged, DaemonStarted, DaemonStopped, EndCause, Erased,
    ErasureCause, GlassBroken, GrantEnded, GrantRevoked, IssuanceFailed, LockLifted, LockSet,
    Locked, MfaCodeMade, MfaReset, MfaResetAsked, Officer, Refused, RequestCancelled,
    RequestDenied, RequestLapsed, Resetter, Reviewed, StrangersRefused,
};
use jit_ca_core::{Action, ActorRef, Bytes, RefusalCode, Span, UnixTime};
use jit_ca_log::Ids;
use jit_ca_log::archive::Payload;

use crate::report::model::{
    ApprovedBy, CertificateKind, CertificateOutcome, DaemonEvent, Permission, PolicyState,
    RefusalCount, RequestOutcome, RuleCount,
};
use crate::report::testing::{
    ALICE, BOB, CAROL, FROM, Script, TO, grant, issuance, of_issuance, of_request, period, request,
    subject,
};

const BEFORE: u64 = FROM - 50_000;

const ROLE: &str = r#"
description = "A shell"
default = "30m"
longest = "4h"
hosts = ["web1", "web2"]
[[approvals]]
count = 1
from = ["sre"]
[[ssh]]
tag = "web-shell"
login = "deploy"
[break_glass]
longest = "10m"
tell = ["sre"]
"#;

const RULES: &str = r#"
@id("dev-request") permit (principal in Group::"dev", action == Action::"request", resource);
@id("sre-request") permit (principal in Group::"sre", action == Action::"request", resource);
@id("at-once") permit (principal in Group::"sre", action == Action::"skip-approval", resource);
@id("approve") permit (principal in Group::"sre", action == Action::"approve", resource);
@id("read") permit (principal in Group::"audit", action == Action::"read-log", resource);
@id("administer") permit (principal in Group::"audit", action == Action::"administer", resource);
@id("emergency") permit (principal in Group::"dev", action == Action::"break-glass", resource);
"#;

fn script() -> Script {
    let mut script = Script::default();
    script.at(BEFORE).person(ALICE, "alice", &["dev"]).person(BOB, "bob", &["sre"]);
    script.person(CAROL, "carol", &["sre", "audit"]);
    script.file("roles/web-shell.toml", ROLE).file("policies/access.cedar", RULES).activate();
    script
}

fn issued(n: u8, of: u8) -> CertificateIssued {
    CertificateIssued { issuance: issuance(n), grant: Some(grant(of)), signature: Bytes::default() }
}

#[test]
fn a_period_is_half_open() {
    let ms = |seconds: u64| seconds * 1_000;
    assert!(period().contains(ms(FROM)) && !period().contains(ms(FROM) - 1));
    assert!(period().contains(ms(TO) - 1) && !period().contains(ms(TO)));
    assert!(period().ends_after(ms(TO) - 1) && !period().ends_after(ms(TO)));
}

#[test]
fn requests_are_told_with_who_agreed_and_what_came_of_it() {
    let mut script = script();
    // Over before the period: not told.
    script.at(BEFORE).request(1, ALICE, "old").approval(1, Ok(BOB), None).grant(1, BOB, 600);
    let ended = |n| GrantEnded {
        grant: grant(n),
        request: request(n),
        ended: UnixTime::from_secs(BEFORE + 600),
        cause: EndCause::Over,
        scope: crate::report::testing::scope("old"),
        decision: None,
    };
    script.push(ActorRef::DAEMON, Ids { grant: Some(grant(1)), ..of_request(1) }, ended(1));
    script.request(2, ALICE, "old, denied");
    let denial = |n| RequestDenied {
        request: request(n),
        by: subject("bob"),
        name: "bob".parse().unwrap(),
        reason: Some("not today".parse().unwrap()),
        decision: crate::report::testing::decided(Action::Approve, subject("bob")),
    };
    script.push(BOB, of_request(2), denial(2));
    // Asked before, approved in it.
    script.at(FROM - 60).request(3, ALICE, "late");
    script.at(FROM).approval(3, Ok(BOB), Some("go on")).grant(3, BOB, 1_800);
    script.at(FROM + 10).request(4, CAROL, "by rule").approval(4, Err("at-once"), None).grant(
        4,
        ActorRef::DAEMON,
        600,
    );
    script.at(FROM + 20).request(5, ALICE, "no");
    script.at(FROM + 30).push(BOB, of_request(5), denial(5));
    script.request(6, ALICE, "never mind");
    script.push(ALICE, of_request(6), RequestCancelled { request: request(6) });
    script.request(7, ALICE, "nobody looks");
    let lapsed = RequestLapsed {
        request: request(7),
        lapsed: UnixTime::from_secs(FROM + 40),
        scope: crate::report::testing::scope("nobody looks"),
    };
    script.at(FROM + 40).push(ActorRef::DAEMON, of_request(7), lapsed);
    script.at(TO - 1).request(8, ALICE, "late in the day");
    let report = script.report(None);

    let told: Vec<_> = report.requests.iter().map(|row| row.reason.as_deref().unwrap()).collect();
    assert_eq!(told, ["late", "by rule", "no", "never mind", "nobody looks", "late in the day"]);
    let late = &report.requests[0];
    assert_eq!((late.requester.as_str(), &late.outcome), ("alice", &RequestOutcome::Granted));
    let approval = &late.approvals[0];
    assert_eq!(approval.by, ApprovedBy::Person("bob".into()));
    assert_eq!((approval.after.secs(), approval.comment.as_deref()), (60, Some("go on")));
    assert_eq!(report.requests[1].approvals[0].by, ApprovedBy::Rules(vec!["at-once".into()]));
    assert!(matches!(
        &report.requests[2].outcome,
        RequestOutcome::Denied { by, reason: Some(reason), .. } if by == "bob" && reason == "not today"
    ));
    assert!(matches!(report.requests[3].outcome, RequestOutcome::Cancelled { .. }));
    assert!(matches!(report.requests[4].outcome, RequestOutcome::Lapsed { .. }));
    assert_eq!(report.requests[5].outcome, RequestOutcome::Pending);

    let figures = &report.figures;
    assert_eq!((figures.requests, figures.grants), (5, 2), "{figures:?}");
    assert_eq!((figures.grants_by_people, figures.grants_by_rules), (1, 1));
    assert_eq!((figures.denied, figures.cancelled, figures.lapsed, figures.pending), (1, 1, 1, 1));
    assert_eq!(figures.longest_grant, Some(Span::from_secs(1_800)));
    assert_eq!(figures.median_grant, Some(Span::from_secs(600)));
    assert_eq!(figures.median_wait, Some(Span::from_secs(60)));
    assert_eq!((figures.standing_privileges, figures.self_approvals), (0, 0));
    let rule = RuleCount {
        rules: vec!["at-once".into()],
        role: Some("web-shell".into()),
        requester: "carol".into(),
        count: 1,
    };
    assert_eq!(report.exceptions.by_rule, [rule]);
    let pair = &report.exceptions.pairs[0];
    assert_eq!(
        (pair.requester.as_str(), pair.approver.as_str(), pair.count, pair.of),
        ("alice", "bob", 1, 1)
    );
    let alice = report.people.iter().find(|row| row.name == "alice").unwrap();
    assert_eq!(
        (alice.requests, alice.grants, alice.subject.as_deref()),
        (4, 1, Some("local/u-alice"))
    );
    assert_eq!(report.people.iter().find(|row| row.name == "bob").unwrap().denials, 1);
}

#[test]
fn what_a_clock_is_put_back_behind_is_over() {
    let mut script = script();
    script.at(FROM + 20).request(1, ALICE, "before").at(FROM + 60).request(2, ALICE, "ahead");
    let ack = ClockAcknowledged { reason: "chrony was set up anew".parse().unwrap(), uid: 0 };
    script.at(FROM + 40).push(ActorRef::DAEMON, Ids::default(), ack);
    let (outcomes, entry) = (script.report(None).requests, script.last() as u64);
    let outcomes: Vec<_> = outcomes.into_iter().map(|row| row.outcome).collect();
    let at = UnixTime::from_secs(FROM + 40);
    assert_eq!(outcomes, [RequestOutcome::Pending, RequestOutcome::Lapsed { entry, at }]);
}

#[test]
fn certificates_are_told_with_their_outcome() {
    let mut script = script();
    script.at(FROM - 100).request(1, ALICE, "x").approval(1, Ok(BOB), None).grant(1, BOB, 3_600);
    // Before the period: it counts for its grant alone.
    script.intent(1, 1, "ssh-user", ALICE).push(ALICE, of_issuance(1, 1), issued(1, 1));
    script.at(FROM + 5).intent(2, 1, "ssh-user", ALICE).intent(3, 1, "x509-clients", ALICE);
    script.push(ALICE, of_issuance(3, 1), issued(3, 1));
    script.push(ALICE, of_issuance(2, 1), issued(2, 1));
    script.intent(4, 1, "ssh-user", ALICE);
    let failed =
        IssuanceFailed { issuance: issuance(4), grant: Some(grant(1)), error: "no".into() };
    script.push(ALICE, of_issuance(4, 1), failed);
    script.intent(5, 1, "ssh-user", ALICE);
    let report = script.report(None);

    let outcomes: Vec<_> =
        report.certificates.iter().map(|row| (row.kind.unwrap(), row.outcome)).collect();
    use CertificateKind::{Ssh, X509};
    use CertificateOutcome::{Failed, Issued, Unknown};
    assert_eq!(outcomes, [(Ssh, Issued), (X509, Issued), (Ssh, Failed), (Ssh, Unknown)]);
    let (ssh, x509) = (&report.certificates[0], &report.certificates[1]);
    assert_eq!(ssh.serial.as_deref(), Some("258"));
    assert_eq!(ssh.key_id, Some(format!("jit-ca:{}:{}:alice", grant(1), issuance(2))));
    assert_eq!(x509.serial.as_deref(), Some("0000000000000103"));
    assert_eq!(x509.key_id, Some(format!("CN=alice, OU=web-shell, serialNumber={}", grant(1))));

    assert_eq!((report.figures.ssh_certificates, report.figures.x509_certificates), (2, 1));
    assert_eq!(report.figures.people_with_access, 1);
    assert_eq!(report.requests[0].grant.as_ref().unwrap().certificates, 4);
    assert_eq!(report.people.iter().find(|row| row.name == "alice").unwrap().certificates, 3);
    let orphans: Vec<_> = report.exceptions.orphans.iter().map(|row| row.issuance).collect();
    assert_eq!(orphans, [Some(issuance(5))]);
    assert_eq!(report.exceptions.failed_issuances[0].error.as_deref(), Some("no"));
}

#[test]
fn the_rules_are_asked_who_could() {
    let mut script = script();
    script.at(FROM + 50).person(ALICE, "alice", &["dev", "sre"]);
    script.file("roles/web-shell.toml", &ROLE.replace("4h", "2h"));
    script.activate_for(Asker::Account(7), Some(CAROL));
    let report = script.report(None);

    let [first, second] = report.policies.as_slice() else { panic!("{:#?}", report.policies) };
    assert_eq!((first.state, second.state), (PolicyState::Whole, PolicyState::Whole));
    // Rules that look at the time are asked within the period.
    assert_eq!((first.asked_at.secs(), first.from.secs()), (FROM, BEFORE));
    assert_eq!((first.until, second.until), (Some(second.from), None));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let expected = Permission {
        may_request: names(&["alice", "bob", "carol"]),
        without_approval: names(&["bob", "carol"]),
        can_approve: names(&["bob", "carol"]),
        may_break_glass: names(&["alice"]),
    };
    assert_eq!(first.roles[0].people.as_ref(), Some(&expected));
    assert_eq!(first.powers.as_ref().unwrap().read_log, ["carol"]);
    let powers = first.powers.as_ref().unwrap();
    assert!(powers.erase.is_empty() && powers.lock.is_empty());
    assert_eq!(powers.administer, ["carol"]);
    assert_eq!((first.read_by.as_str(), &first.approved_by), ("the daemon, as it began", &None));
    assert!(first.changes.is_none());
    assert_eq!(second.read_by, "uid 7 on the daemon's machine");
    assert_eq!(second.approved_by.as_deref(), Some("carol"));

    assert_eq!(second.roles[0].longest, Span::from_secs(7_200));
    assert_eq!(second.roles[0].people.as_ref().unwrap().can_approve, ["alice", "bob", "carol"]);
    let changes = second.changes.as_ref().unwrap();
    assert_eq!(changes.files_changed, ["roles/web-shell.toml"]);
    assert_eq!(
        (changes.people_changed[0].name.as_str(), &changes.people_changed[0].joined),
        ("alice", &names(&["sre"]))
    );
    assert_eq!(report.exceptions.policy_changes, 1);
}

#[test]
fn what_is_erased_still_counts() {
    let mut script = script();
    script.at(FROM + 5).request(1, ALICE, "secret");
    let asked = script.last();
    script.approval(1, Ok(BOB), None);
    let agreed = script.last();
    script.grant(1, BOB, 600);
    let granted = script.last();
    script.intent(1, 1, "ssh-user", ALICE);
    let intended = script.last();
    script.push(ALICE, of_issuance(1, 1), issued(1, 1));
    let erased = Erased {
        cause: ErasureCause::Subject(ALICE),
        reason: "she asked for it".parse().unwrap(),
        entries: vec![(0, 1), (asked as u64, intended as u64)],
    };
    script.push(ActorRef::DAEMON, Ids::default(), erased);
    for index in [0, 1, asked, agreed, granted, intended] {
        script.erase(index);
    }
    let report = script.report(None);

    let row = &report.requests[0];
    let unnamed = format!("erased (actor {ALICE})");
    assert_eq!((row.requester.as_str(), row.erased, &row.reason), (unnamed.as_str(), true, &None));
    assert_eq!(row.approvals[0].by, ApprovedBy::Person("bob".into()));
    assert_eq!(row.outcome, RequestOutcome::Granted);
    assert_eq!((report.figures.grants, report.figures.longest_grant), (1, None));
    assert_eq!((report.figures.erased_certificates, report.figures.people_with_access), (1, 1));
    assert_eq!(report.log.erased_payloads, 6);
    let erasure = &report.exceptions.erasures[0];
    assert_eq!((erasure.payloads, erasure.actor.clone()), (6, Some(ALICE.to_string())));
    // The bundle without her is not the one that was in force.
    assert_eq!(report.policies[0].state, PolicyState::PartErased);
    let text = format!("{report:?}");
    assert!(!text.contains("alice") && !text.contains("secret"), "{text}");
}

#[test]
fn rules_are_asked_without_what_is_erased_as_far_as_they_can_be() {
    let state = |script: &Script| {
        let policy = script.report(None).policies.remove(0);
        (policy.state, policy.roles.iter().map(|role| role.people.is_some()).collect::<Vec<_>>())
    };
    // The only one of a group, whom a rule and the number of approvers need.
    let mut script = script();
    script.file("roles/two.toml", &ROLE.replace("count = 1", "count = 2")).activate();
    assert_eq!(state(&script), (PolicyState::Whole, vec![true, true]));
    let bobs = script.entries.iter().position(|entry| entry.leaf.actor == BOB).unwrap();
    script.erase(0).erase(1).erase(bobs).erase(bobs + 1);
    assert_eq!(state(&script), (PolicyState::PartErased, vec![true, true]));
    let policy = script.report(None).policies.remove(0);
    assert_eq!(policy.people_erased, 2);
    assert_eq!(policy.roles[0].people.as_ref().unwrap().may_request, ["carol"]);

    // A role that a rule names.
    let mut script = self::script();
    script.file("roles/gone.toml", &ROLE.replace("web-shell", "gone"));
    let gone = script.last();
    let rule =
        r#"@id("g") permit (principal, action == Action::"request", resource == Role::"gone");"#;
    script.file("policies/gone.cedar", rule).activate().erase(gone);
    assert_eq!(state(&script), (PolicyState::RulesUnreadable, vec![false]));

    let mut script = self::script();
    script.file("roles/broken.toml", "description = 1").activate();
    assert_eq!(state(&script), (PolicyState::RolesUnreadable, vec![]));
}

#[test]
fn what_is_out_of_the_ordinary_is_told() {
    let mut script = script();
    let nobody = Ids::default();
    let start = || DaemonStarted { version: "0.1.0".into(), address: "127.0.0.1:8440".into() };
    let stop = DaemonStopped { cause: "SIGTERM".into() };
    script.push(ActorRef::DAEMON, nobody, start());
    script.at(FROM).push(ActorRef::DAEMON, nobody, start()).push(ActorRef::DAEMON, nobody, stop);
    script.push(ActorRef::DAEMON, nobody, start());
    for _ in 0..2 {
        let refused = Refused {
            subject: subject("bob"),
            action: Some(Action::Request),
            code: RefusalCode::TooLong,
            detail: "too long".into(),
            address: [127, 0, 0, 1].into(),
            decision: None,
            bundle: None,
        };
        script.push(BOB, nobody, refused);
    }
    let strangers = |count| StrangersRefused { count, since: UnixTime::from_secs(FROM) };
    script.push(ActorRef::DAEMON, nobody, strangers(3)).push(
        ActorRef::DAEMON,
        nobody,
        strangers(4),
    );
    let code = MfaCodeMade {
        subject: subject("bob"),
        code: jit_ca_core::Digest::from_bytes([0; 32]),
        expires: UnixTime::from_secs(FROM + 9),
    };
    script.push(ActorRef::DAEMON, nobody, code);
    script.put(
        ActorRef::DAEMON,
        nobody,
        "new.thing".parse().unwrap(),
        Payload::OfUnknownType(vec![1]),
    );
    let retention = Erased {
        cause: ErasureCause::Retention(UnixTime::from_secs(FROM - 9)),
        reason: "a year is over".parse().unwrap(),
        entries: vec![(3, 3)],
    };
    script.push(ActorRef::DAEMON, nobody, retention);
    let found = script.report(None).exceptions;

    let runs: Vec<_> = found.daemon.iter().map(|run| run.what).collect();
    assert_eq!(runs, [DaemonEvent::StartAfterCrash, DaemonEvent::Stop, DaemonEvent::Start]);
    let refused = RefusalCount {
        name: "bob".into(),
        action: Some("request".into()),
        code: Some("too-long".into()),
        count: 2,
    };
    assert_eq!(found.refusals, [refused]);
    assert_eq!(found.strangers_refused, 7);
    assert_eq!(found.enrolment_codes[0].name.as_deref(), Some("bob"));
    assert_eq!(
        (found.unknown_entries[0].entry_type.as_str(), found.unknown_entries[0].count),
        ("new.thing", 1)
    );
    assert_eq!((found.erasures[0].ordered_by.as_ref(), found.erasures[0].payloads), (None, 1));
}

#[test]
fn two_people_of_one_name_are_told_apart() {
    let mut script = script();
    let other = ActorRef::from_bytes([7; 16]);
    let known = jit_ca_core::event::SubjectKnown {
        subject: "local/u-9".parse().unwrap(),
        name: "alice".parse().unwrap(),
        actor: other,
    };
    script.push(other, Ids::default(), known).at(FROM).request(1, ALICE, "x");
    let report = script.report(None);
    assert_eq!(report.requests[0].requester, "alice (local/u-alice)");
}

#[test]
fn resets_are_told_with_both_administrators() {
    let mut script = script();
    let decided = |who| crate::report::testing::decided(Action::Administer, subject(who));
    let login = || vec![1].into();
    let asked = MfaResetAsked {
        subject: subject("alice"),
        reason: "the phone is lost".parse().unwrap(),
        by: subject("bob"),
        name: "bob".parse().unwrap(),
        login: login(),
        decision: decided("bob"),
        lapses: UnixTime::from_secs(FROM + 86_400),
    };
    script.at(FROM).push(BOB, Ids::default(), asked);
    let asked = script.last() as u64;
    let by = Resetter::Person {
        subject: subject("carol"),
        name: "carol".parse().unwrap(),
        login: login(),
        decision: Box::new(decided("carol")),
        asked,
    };
    script.push(CAROL, Ids::default(), MfaReset { subject: subject("alice"), by, code: None });
    let by = Resetter::Machine { uid: 0, reason: "both are away".parse().unwrap() };
    let alone = MfaReset { subject: subject("alice"), by, code: None };
    script.push(ActorRef::DAEMON, Ids::default(), alone);
    let report = script.report(None);
    let told = report.exceptions.resets.iter().map(|row| {
        let what = row.what.to_string();
        assert_eq!(row.name.as_deref(), Some("alice"));
        (what, row.by.as_str(), row.asked_by.as_deref(), row.reason.as_deref().unwrap())
    });
    let told: Vec<_> = told.collect();
    assert_eq!(
        told,
        [
            ("asked for".to_owned(), "bob", None, "the phone is lost"),
            ("reset".to_owned(), "carol", Some("bob"), "the phone is lost"),
            ("reset".to_owned(), "the CA", None, "both are away"),
        ]
    );
}

#[test]
fn emergencies_revocations_and_locks_are_told() {
    let mut script = script();
    let decided = |action| crate::report::testing::decided(action, subject("alice"));
    script.at(FROM).request(1, ALICE, "the shop is down");
    let told = ["sre".parse().unwrap()].into();
    let broken = GlassBroken { request: request(1), told, decision: decided(Action::BreakGlass) };
    script.push(ALICE, of_request(1), broken);
    script.grant(1, ALICE, 600);
    let of_grant = |n| Ids { grant: Some(grant(n)), ..of_request(n) };
    let revoked = GrantRevoked {
        grant: grant(1),
        request: request(1),
        revoked: UnixTime::from_secs(FROM + 5),
        by: subject("bob"),
        name: "bob".parse().unwrap(),
        reason: "enough".parse().unwrap(),
        scope: crate::report::testing::scope("the shop is down"),
        decision: decided(Action::Revoke),
    };
    script.at(FROM + 5).push(BOB, of_grant(1), revoked);
    let lock = Locked::Subject(subject("alice"));
    let by = || Officer::Machine { uid: 0 };
    let (set, reason) = (lock.clone(), "laptop lost".parse().unwrap());
    script.push(ActorRef::DAEMON, Ids::default(), LockSet { lock: set, by: by(), reason });
    let reason = "found".parse().unwrap();
    script.push(ActorRef::DAEMON, Ids::default(), LockLifted { lock, by: by(), reason });
    let report = script.report(None);
    let row = &report.requests[0];
    assert_eq!(row.emergency.as_ref().unwrap().told, ["sre"]);
    let end = row.grant.as_ref().unwrap().end.as_ref().unwrap();
    assert_eq!(end.revoked, Some(("bob".to_owned(), Some("enough".to_owned()))));
    let figures = &report.figures;
    assert_eq!((figures.grants, figures.emergencies, figures.revoked), (1, 1, 1));
    assert_eq!((figures.emergencies_not_reviewed, figures.grants_by_people), (1, 0));
    let locks: Vec<_> =
        report.exceptions.locks.iter().map(|it| (it.locked, it.what.as_deref().unwrap())).collect();
    assert_eq!(locks, [(true, "alice"), (false, "alice")]);

    let review = Reviewed {
        request: request(1),
        by: subject("carol"),
        name: "carol".parse().unwrap(),
        comment: "it was".parse().unwrap(),
        decision: decided(Action::Review),
    };
    script.push(CAROL, of_request(1), review);
    let report = script.report(None);
    let review = report.requests[0].emergency.as_ref().unwrap().review.as_ref().unwrap();
    assert_eq!((review.by.as_str(), review.comment.as_deref()), ("carol", Some("it was")));
    assert_eq!(report.figures.emergencies_not_reviewed, 0);
}
