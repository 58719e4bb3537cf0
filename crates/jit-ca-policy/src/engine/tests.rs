use std::sync::LazyLock;

use jit_ca_core::{Means, Span, UnixTime};
use proptest::prelude::*;

use super::expressions::MOST;
use super::*;
use crate::{Bundle, SourceFile};

static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let role = "description = \"A role\"\nhosts = [\"web1\"]\ndefault = \"1h\"\nlongest = \"4h\"\n\
                [[approvals]]\ncount = 1\nfrom = [\"dev\"]\n\
                [[ssh]]\ntag = \"web\"\nlogin = \"deploy\"\n";
    let people = "[[person]]\nid = \"u-1\"\nname = \"alice\"\ngroups = [\"dev\"]\n\
                  [[person]]\nid = \"u-2\"\nname = \"bob\"\n";
    let rules = "@id(\"all\") @match_all(\"meant\") permit (principal, action, resource);";
    let files = [("users.toml", people), ("roles/web.toml", role), ("policies/all.cedar", rules)];
    Bundle::parse(files.map(|(path, text)| file(path, text))).unwrap()
});

fn some_facts() -> impl Strategy<Value = Facts> {
    let action = prop::sample::select(ACTIONS.to_vec());
    let address = any::<std::net::IpAddr>();
    let hosts = prop::option::of(prop::sample::select(vec!["web1", "web2,web1", "all"]));
    let text = || prop::option::of("[a-z\"\\\\ö]{1,20}");
    let times = (1_u64..4_000_000_000, prop::option::of(0_u64..5_000_000_000));
    let duration = prop::option::of(0_u64..100_000);
    // Of those who left, and roles that did, there is no more than what they are called.
    let names = (
        prop::sample::select(vec!["web", "gone"]),
        prop::sample::select(vec!["local/u-2", "local/u-9"]),
    );
    (action, address, hosts, text(), text(), times, duration, names).prop_map(
        |(action, address, hosts, reason, ticket, (now, mfa_at), duration, (role, requester))| {
            let amr = reason.iter().filter_map(|text| text.parse().ok()).collect();
            let acr = ticket.as_ref().and_then(|text| text.parse().ok());
            Facts {
                action,
                subject: "local/u-1".parse().unwrap(),
                now: UnixTime::from_secs(now),
                address,
                mfa_at: mfa_at.map(UnixTime::from_secs),
                means: Means { acr, amr },
                role: Some(role.parse().unwrap()),
                requester: concerns_anothers(action).then(|| requester.parse().unwrap()),
                hosts: hosts.map(|hosts| hosts.parse().unwrap()),
                duration: duration.map(Span::from_secs),
                reason: reason.map(|text| text.parse().unwrap()),
                ticket: ticket.map(|text| text.parse().unwrap()),
            }
        },
    )
}

proptest! {
    /// So that no call needs to be checked against the schema.
    #[test]
    fn whatever_the_facts_they_fit_the_schema(facts in some_facts()) {
        let engine = BUNDLE.engine();
        let person = |id: &str| BUNDLE.person(&id.parse().unwrap()).unwrap();
        let is_about_role = concerns_a_role(facts.action);
        let question = Question {
            facts: &facts,
            subject: person("local/u-1"),
            role_name: facts.role.as_ref().filter(|_| is_about_role),
            role: facts.role.as_ref().filter(|_| is_about_role).and_then(|role| BUNDLE.role(role)),
            requester_id: facts.requester.as_ref().unwrap_or(&facts.subject),
            requester: BUNDLE.person(facts.requester.as_ref().unwrap_or(&facts.subject)),
            zone: BUNDLE.zone(),
        };
        let slice = &engine.slice(&question).unwrap();
        let context = engine.context(&told(&question, &Needs::everything()).unwrap()).unwrap();
        let schema = Some(&engine.rules.vocabulary.schema);
        prop_assert!(engine.request(&question, slice, context, schema).is_ok());
        let entities = engine.entities(&question, slice).unwrap();
        prop_assert!(Entities::from_entities(entities, schema).is_ok());
    }
}

/// A value that was told before is told as it was made then: it must not be another's.
#[test]
fn values_are_told_apart() {
    let expressions = Expressions::default();
    let (second, time) = (Span::from_secs(1), UnixTime::from_secs(1));
    let value = |expression: RestrictedExpression| {
        Context::from_pairs([("value".to_owned(), expression)]).unwrap().get("value")
    };
    let address = |text: &str| Literal::Address(text.parse().unwrap());
    let literals = [
        (Literal::Duration(second), "duration(\"1s\")"),
        (Literal::Time(time), "datetime(\"1970-01-01T00:00:01Z\")"),
        (address("192.0.2.1"), "ip(\"192.0.2.1\")"),
        (address("::1"), "ip(\"::1\")"),
        (Literal::Duration(Span::from_secs(2)), "duration(\"2s\")"),
    ];
    for _ in 0..2 {
        for (literal, text) in literals {
            let told = value(expressions.get(literal));
            assert!(told.is_some());
            assert_eq!(told, value(text.parse().unwrap()));
        }
    }
    // However many there are, few are kept.
    for second in 0..3 * u64::try_from(MOST).unwrap() {
        expressions.get(Literal::Duration(Span::from_secs(second)));
        assert!(expressions.len() <= MOST);
    }
}

#[test]
fn few_answers_are_kept() {
    let answers = Answers::default();
    let asked = |number| Asked {
        action: Action::Issue,
        role: None,
        subject: "local/u-1".parse().unwrap(),
        requester: "local/u-1".parse().unwrap(),
        told: vec![("minute", Told::Number(number))],
    };
    for number in 0..3 * i64::try_from(answers::MOST).unwrap() {
        assert!(answers.get(&asked(number)).is_none());
        answers.keep(asked(number), &Arc::default());
        assert!(answers.get(&asked(number)).is_some());
        assert!(answers.len() <= answers::MOST);
    }
}
