//! The engine against Cedar itself: all rules in one set, everybody and every role in one store, everything checked
//! against the schema on each call, and the facts told in JSON. None of what makes a decision fast is used here.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Effect, Entities, EntityUid, PolicyId,
    PolicySet, Request, Schema,
};
use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use jit_ca_core::{Action, Facts, Hosts, Outcome, RefusalCode};
use jit_ca_policy::{Bundle, SCHEMA, decide};
use proptest::prelude::*;

use crate::sample::{facts, with_rules};

/// Scopes of every form.
const PRINCIPALS: [&str; 4] = [
    "principal",
    "principal in Group::\"dev\"",
    "principal == Person::\"local/u-2\"",
    "principal is Person in Group::\"sre\"",
];
const ACTIONS: [&str; 5] = [
    "action",
    "action == Action::\"issue\"",
    "action in [Action::\"issue\", Action::\"request\"]",
    "action in [Action::\"approve\", Action::\"skip-approval\"]",
    "action == Action::\"read-log\"",
];
const RESOURCES: [&str; 5] = [
    "resource",
    "resource is Role",
    "resource == Role::\"api\"",
    "resource in Role::\"shell\"",
    "resource == Ca::\"this\"",
];

/// Conditions on each fact that rules can look at, and two that can't always be evaluated. What is asked of a role
/// only is asked behind `resource is Role`.
const CONDITIONS: [&str; 18] = [
    "true",
    "context.mfa",
    "context has mfa_age && context.mfa_age <= duration(\"5m\")",
    "context.amr.contains(\"hwk\")",
    "context has acr && context.acr == \"urn:a\"",
    "context.source_address.isInRange(ip(\"192.0.2.0/24\"))",
    "context.source_address == ip(\"2001:db8::1\")",
    "context.now < datetime(\"2026-07-01T12:00:00Z\")",
    "context.weekday <= 5 && context.minute >= 600",
    "context.minute + 9223372036854774800 > 0",
    "resource is Role && resource.name like \"s*\"",
    "resource is Role && context.hosts.contains(\"web1\")",
    "resource is Role && context.hosts == [\"web1\", \"web2\", \"db1\"]",
    "resource is Role && context.duration <= duration(\"1h\")",
    "resource is Role && context.reason like \"INC-*\"",
    "resource is Role && context has ticket && context.ticket == \"INC-1\"",
    "resource is Role && context.now.offset(context.duration) > datetime(\"2026-07-02T00:00:00Z\")",
    "principal in [Group::\"sre\", Group::\"dev\"]",
];

pub(crate) type Rule = (bool, usize, usize, usize, usize);

pub(crate) fn rule() -> impl Strategy<Value = Rule> {
    (
        prop::bool::weighted(0.75),
        0..PRINCIPALS.len(),
        0..ACTIONS.len(),
        0..RESOURCES.len(),
        0..CONDITIONS.len(),
    )
        .prop_filter(
            "a rule that can never apply is a fault",
            |&(_, _, action, resource, condition)| {
                let (action, resource) = (ACTIONS[action], RESOURCES[resource]);
                let role = !action.contains("read-log") && !resource.contains("Ca::");
                let ca = (action == "action" || action.contains("read-log"))
                    && !resource.contains("Role");
                role || ca && !CONDITIONS[condition].starts_with("resource is Role")
            },
        )
}

pub(crate) fn cedar(rules: &[Rule]) -> String {
    let mut text = String::new();
    for (number, &(permit, principal, action, resource, condition)) in rules.iter().enumerate() {
        let effect = if permit { "permit" } else { "forbid" };
        let (principal, action) = (PRINCIPALS[principal], ACTIONS[action]);
        let (resource, condition) = (RESOURCES[resource], CONDITIONS[condition]);
        writeln!(
            text,
            "@id(\"r{number}\") @match_all(\"meant\") {effect} ({principal}, {action}, {resource}) when {{ {condition} }};"
        )
        .unwrap();
    }
    text
}

pub(crate) fn some_facts() -> impl Strategy<Value = Facts> {
    let action = prop::sample::select(vec![
        Action::Request,
        Action::SkipApproval,
        Action::Approve,
        Action::Issue,
        Action::ReadLog,
    ]);
    let subject = prop::sample::select(vec!["u-1", "u-2", "u-3", "u-4"]);
    let role = prop::sample::select(vec!["api", "shell"]);
    let address = prop::sample::select(vec!["192.0.2.1", "::ffff:192.0.2.9", "2001:db8::1"]);
    let hosts = prop::sample::select(vec![None, Some("web1"), Some("db1,web1,web2"), Some("all")]);
    let duration = prop::option::of(prop::sample::select(vec!["1h", "90m", "4h"]));
    let text = || prop::option::of(prop::sample::select(vec!["INC-1", "none \"at\" all"]));
    let mfa = prop::option::of(0_u64..1_000);
    let amr = prop::sample::select(vec![vec![], vec!["hwk"], vec!["otp", "pop"]]);
    let means = (prop::option::of(prop::sample::select(vec!["urn:a", "urn:b"])), amr);
    let asked = (action, subject, role, address, hosts, duration, text(), text());
    (asked, 0_u64..200_000, mfa, means).prop_map(
        |(
            (action, subject, role, address, hosts, duration, reason, ticket),
            later,
            mfa,
            (acr, amr),
        )| {
            let mut facts = facts(action, subject, role);
            facts.now = facts.now.plus(format!("{}s", later + 1).parse().unwrap());
            facts.mfa_at = mfa.map(|age| facts.now.minus(format!("{}s", age + 1).parse().unwrap()));
            facts.means.acr = acr.map(|acr| acr.parse().unwrap());
            facts.means.amr = amr.iter().map(|method| method.parse().unwrap()).collect();
            facts.address = address.parse().unwrap();
            facts.hosts = hosts.filter(|_| role == "shell").map(|hosts| hosts.parse().unwrap());
            facts.duration = duration.map(|duration| duration.parse().unwrap());
            facts.reason = reason.map(|text| text.parse().unwrap());
            facts.ticket = ticket.map(|text| text.parse().unwrap());
            if action == Action::Approve {
                facts.requester = Some("local/u-1".parse().unwrap());
            }
            facts
        },
    )
}

/// The same facts but for one, for each that rules can look at.
fn varied(facts: &Facts) -> Vec<Facts> {
    let with = |change: &dyn Fn(&mut Facts)| {
        let mut facts = facts.clone();
        change(&mut facts);
        facts
    };
    let flipped = |here: bool, text: &str| (!here).then(|| text.parse().unwrap());
    vec![
        with(&|f| f.now = f.now.plus("2h".parse().unwrap())),
        with(&|f| f.mfa_at = f.mfa_at.is_none().then_some(f.now)),
        with(&|f| f.mfa_at = Some(f.now.minus("10m".parse().unwrap()))),
        with(&|f| {
            f.means.amr =
                f.means.amr.is_empty().then(|| "hwk".parse().unwrap()).into_iter().collect();
        }),
        with(&|f| f.means.acr = flipped(f.means.acr.is_some(), "urn:a")),
        with(&|f| f.address = "198.51.100.1".parse().unwrap()),
        with(&|f| f.hosts = Some("web2".parse().unwrap()).filter(|_| facts.hosts.is_none())),
        with(&|f| f.duration = Some("45m".parse().unwrap())),
        with(&|f| f.reason = flipped(facts.reason.is_some(), "INC-7")),
        with(&|f| f.ticket = flipped(facts.ticket.is_some(), "INC-1")),
        with(&|f| f.role = Some("api".parse().unwrap())),
        with(&|f| (f.action, f.requester) = (Action::Issue, None)),
        with(&|f| f.subject = "local/u-2".parse().unwrap()),
    ]
}

/// All there is, as Cedar takes it.
struct Plain<'b> {
    bundle: &'b Bundle,
    schema: Schema,
    rules: PolicySet,
    entities: Entities,
}

/// What Cedar says, and by which rules: permits and forbids that hold, and those that could not be evaluated.
struct Said {
    allows: bool,
    permits: BTreeSet<String>,
    forbids: BTreeSet<String>,
    errors: BTreeSet<String>,
}

impl<'b> Plain<'b> {
    fn new(bundle: &'b Bundle, text: &str) -> Self {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
        let mut rules = PolicySet::new();
        for policy in text.parse::<PolicySet>().unwrap().policies() {
            let id = PolicyId::new(policy.annotation("id").unwrap());
            rules.add(policy.new_id(id)).unwrap();
        }
        let entities = entities(bundle, &schema);
        Self { bundle, schema, rules, entities }
    }

    fn ask(&self, facts: &Facts) -> Said {
        let about_role = facts.action != Action::ReadLog;
        let role = facts.role.as_ref().filter(|_| about_role);
        let uid = |text: String| text.parse::<EntityUid>().unwrap();
        let action = uid(format!("Action::\"{}\"", facts.action));
        let context = context(self.bundle, facts, about_role);
        let request = Request::new(
            uid(format!("Person::\"{}\"", facts.subject)),
            action.clone(),
            uid(role.map_or("Ca::\"this\"".to_owned(), |role| format!("Role::\"{role}\""))),
            Context::from_json_str(&context, Some((&self.schema, &action))).unwrap(),
            Some(&self.schema),
        )
        .unwrap();
        let response = Authorizer::new().is_authorized(&request, &self.rules, &self.entities);

        let effect = |id: &&PolicyId| self.rules.policy(id).unwrap().effect();
        let named = |wanted: Effect| {
            let reason = response.diagnostics().reason();
            reason.filter(|id| effect(id) == wanted).map(ToString::to_string).collect()
        };
        let errors = response.diagnostics().errors().map(|error| match error {
            AuthorizationError::PolicyEvaluationError(error) => error.policy_id().to_string(),
        });
        Said {
            allows: response.decision() == Decision::Allow,
            permits: named(Effect::Permit),
            forbids: named(Effect::Forbid),
            errors: errors.collect(),
        }
    }
}

fn context(bundle: &Bundle, facts: &Facts, about_role: bool) -> String {
    let zone = TimeZoneDatabase::bundled().get(bundle.zone_name()).unwrap();
    let now = Timestamp::from_second(facts.now.secs().try_into().unwrap()).unwrap();
    let local = now.to_zoned(zone);
    let mut parts = vec![
        format!("\"now\": \"{now}\""),
        format!("\"weekday\": {}", local.weekday().to_monday_one_offset()),
        format!("\"minute\": {}", i32::from(local.hour()) * 60 + i32::from(local.minute())),
        format!("\"source_address\": \"{}\"", facts.address.to_canonical()),
        format!("\"mfa\": {}", facts.mfa_at.is_some()),
    ];
    if let Some(at) = facts.mfa_at {
        parts.push(format!("\"mfa_age\": \"{}s\"", facts.now.secs() - at.secs()));
    }
    let methods: Vec<String> = facts.means.amr.iter().map(|it| format!("\"{it}\"")).collect();
    parts.push(format!("\"amr\": [{}]", methods.join(",")));
    if let Some(acr) = &facts.means.acr {
        parts.push(format!("\"acr\": \"{acr}\""));
    }
    if about_role {
        let role = bundle.role(facts.role.as_ref().unwrap()).unwrap();
        let hosts: Vec<String> = match &facts.hosts {
            Some(Hosts::Named(hosts)) => hosts.iter().map(|host| format!("\"{host}\"")).collect(),
            _ => role.hosts().iter().map(|host| format!("\"{host}\"")).collect(),
        };
        let duration = facts.duration.unwrap_or(role.default).secs();
        let reason = facts.reason.as_ref().map_or("", |reason| reason.as_str());
        parts.push(format!("\"hosts\": [{}]", hosts.join(",")));
        parts.push(format!("\"duration\": \"{duration}s\""));
        parts.push(format!("\"reason\": {reason:?}"));
        if let Some(ticket) = &facts.ticket {
            parts.push(format!("\"ticket\": {:?}", ticket.as_str()));
        }
    }
    if let (Action::Approve, Some(requester)) = (facts.action, &facts.requester) {
        parts.push(format!("\"requester\": {{\"type\": \"Person\", \"id\": \"{requester}\"}}"));
        parts.push("\"requester_is_workload\": false".to_owned());
    }
    format!("{{{}}}", parts.join(","))
}

fn entities(bundle: &Bundle, schema: &Schema) -> Entities {
    let people = bundle.people().map(|person| {
        let groups = person.groups.iter();
        let groups = groups.map(|group| format!("{{\"type\": \"Group\", \"id\": \"{group}\"}}"));
        let groups: Vec<String> = groups.collect();
        format!(
            "{{\"uid\": {{\"type\": \"Person\", \"id\": \"{}\"}}, \"attrs\": {{}}, \"parents\": [{}]}}",
            person.id,
            groups.join(",")
        )
    });
    let roles = bundle.roles().map(|role| {
        let name = &role.name;
        format!(
            "{{\"uid\": {{\"type\": \"Role\", \"id\": \"{name}\"}}, \"attrs\": {{\"name\": \"{name}\"}}, \"parents\": []}}"
        )
    });
    let all: Vec<String> = people.chain(roles).collect();
    Entities::from_json_str(&format!("[{}]", all.join(",")), Some(schema)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn decides_as_cedar_does_with_all_rules(
        rules in prop::collection::vec(rule(), 0..24),
        questions in prop::collection::vec(some_facts(), 3),
    ) {
        let text = cedar(&rules);
        let bundle = with_rules(&text).unwrap_or_else(|faults| panic!("{faults}"));
        let plain = Plain::new(&bundle, &text);
        // Each twice, and between the two those that differ from it in one thing: the engine keeps answers.
        let all = questions.iter().flat_map(|facts| {
            [vec![facts.clone()], varied(facts), vec![facts.clone()]].concat()
        });
        for facts in all {
            let facts = &facts;
            let expected = plain.ask(facts);
            let decision = decide(&bundle, facts);
            let by_rules = |code| {
                matches!(code, RefusalCode::NotPermitted | RefusalCode::Forbidden | RefusalCode::RuleError)
            };
            let refused = decision.reasons.iter().any(|reason| by_rules(reason.code));
            prop_assert_eq!(!refused, expected.allows && expected.errors.is_empty());
            prop_assert_eq!(decision.outcome == Outcome::Allow, decision.reasons.is_empty());
            let named: BTreeSet<String> = decision.rules.into_iter().collect();
            let named_by_cedar = match decision.outcome {
                Outcome::Allow => expected.permits,
                Outcome::Deny => &expected.forbids | &expected.errors,
            };
            prop_assert_eq!(named, named_by_cedar);
        }
    }
}

#[test]
fn the_oracle_can_say_all_three() {
    let rules = "@id(\"p\") permit (principal in Group::\"dev\", action, resource);\n\
                 @id(\"f\") forbid (principal, action, resource == Role::\"shell\");\n\
                 @id(\"e\") permit (principal, action == Action::\"issue\", resource) when \
                 { context.minute + 9223372036854775807 > 0 };";
    let bundle = with_rules(rules).unwrap();
    let plain = Plain::new(&bundle, rules);
    let of = |action, role| plain.ask(&facts(action, "u-1", role));
    let name = |name: &str| BTreeSet::from([name.to_owned()]);
    assert_eq!(of(Action::Request, "api").permits, name("p"));
    assert_eq!(of(Action::Request, "shell").forbids, name("f"));
    assert_eq!(of(Action::Issue, "api").errors, name("e"));
}
