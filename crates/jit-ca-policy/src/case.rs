//! Policy tests: `policy-tests/*.toml`, the bundle's own statements of what it should decide.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::Arc;

use jit_ca_core::event::SubjectVouched;
use jit_ca_core::{
    Action, Decision, Facts, GroupName, HostName, Hosts, Means, Outcome, PersonName, RefusalCode,
    RoleName, Span, SubjectId, Text, UnixTime, ValueError,
};

use crate::engine::{concerns_a_role, concerns_anothers};
use crate::fault::Page;
use crate::rule::Names;
use crate::section::{At, Section};
use crate::{Bundle, Rule, decide};

/// What came of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// The file that the test stands in.
    pub path: String,
    /// Its line.
    pub line: usize,
    /// Its name.
    pub case: String,
    /// What should be decided: `deny, with code mfa-too-old`.
    pub expected: String,
    /// What was decided.
    pub got: Decision,
    /// Whether the two agree.
    pub passed: bool,
}

impl fmt::Display for TestResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TestResult { path, line, case, .. } = self;
        if self.passed {
            return write!(f, "{path}:{line}: ok: {case}");
        }
        write!(f, "{path}:{line}: FAILED: {case}\n  expected: {}", self.expected)?;
        write!(f, "\n  got: {}", outcome(self.got.outcome))?;
        if !self.got.rules.is_empty() {
            write!(f, ", by {}", self.got.rules.join(", "))?;
        }
        let mut reasons = self.got.reasons.iter();
        reasons.try_for_each(|reason| write!(f, "\n  {}: {}", reason.code, reason.text))
    }
}

/// Runs the bundle's own tests, in the order of files and lines.
pub fn run_tests(bundle: &Bundle) -> Vec<TestResult> {
    let cases = bundle.cases().iter();
    cases.map(|case| case.run(bundle)).collect()
}

/// The rules that made none of these decisions: no test would notice if they were not there.
pub fn untested<'b>(bundle: &'b Bundle, results: &[TestResult]) -> Vec<&'b Rule> {
    let tested = results.iter().flat_map(|result| &result.got.rules);
    let tested: BTreeSet<&str> = tested.map(String::as_str).collect();
    bundle.rules().filter(|rule| !tested.contains(rule.id())).collect()
}

/// A test as it was read; its names are known to be the bundle's.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    path: String,
    line: usize,
    name: String,
    facts: Facts,
    /// For whom issuers vouch, as the file has it.
    vouched: Arc<[SubjectVouched]>,
    expect: Outcome,
    rules: Option<BTreeSet<String>>,
    code: Option<RefusalCode>,
}

impl Case {
    /// The file that it stands in, and its name.
    pub(crate) fn place(&self) -> (String, String) {
        (self.path.clone(), self.name.clone())
    }

    /// All that it says, whichever line it stands in.
    pub(crate) fn says(&self) -> String {
        format!("{:?} {:?} {}", self.facts, self.vouched, self.expected())
    }

    fn run(&self, bundle: &Bundle) -> TestResult {
        let got = match self.vouched.is_empty() {
            true => decide(bundle, &self.facts),
            false => decide(&bundle.vouching(self.vouched.iter()), &self.facts),
        };
        let rules_agree = self.rules.as_ref().is_none_or(|rules| rules.iter().eq(&got.rules));
        let code_agrees =
            self.code.is_none_or(|code| got.reasons.iter().any(|reason| reason.code == code));
        TestResult {
            path: self.path.clone(),
            line: self.line,
            case: self.name.clone(),
            expected: self.expected(),
            passed: got.outcome == self.expect && rules_agree && code_agrees,
            got,
        }
    }

    fn expected(&self) -> String {
        let mut text = outcome(self.expect).to_owned();
        if let Some(rules) = &self.rules {
            let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
            let rules = if rules.is_empty() { "no rule".to_owned() } else { rules.join(", ") };
            text.push_str(&format!(", by {rules}"));
        }
        if let Some(code) = self.code {
            text.push_str(&format!(", with code {code}"));
        }
        text
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "allow",
        Outcome::Deny => "deny",
    }
}

/// A Monday at noon, for tests that do not say when.
const AT: UnixTime = UnixTime::from_secs(1_767_614_400);
/// An address that is nobody's (RFC 5737), for tests that do not say from where.
const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The tests of a file.
pub(crate) fn read(page: Page<'_>, names: &Names<'_>, is_rule: &dyn Fn(&str) -> bool) -> Vec<Case> {
    let Some(mut top) = Section::parse(page) else {
        return Vec::new();
    };
    let vouched = top.sections("vouched").into_iter();
    let vouched: Arc<[_]> =
        vouched.filter_map(|section| vouched_for(page, names, section)).collect();
    let sections = top.sections("case");
    top.finish();
    let reader = Reader { page, names, vouched, is_rule };
    let cases = sections.into_iter();
    cases.filter_map(|section| reader.case(section)).collect()
}

/// Somebody for whom an issuer vouches, as far as the tests of a file go: what it would say at a login.
fn vouched_for(
    page: Page<'_>,
    names: &Names<'_>,
    mut section: Section<'_>,
) -> Option<SubjectVouched> {
    let subject =
        section.require::<SubjectId>("subject", r#"subject = "corp/00u1", the issuer and its id"#);
    let name = section.require::<PersonName>("name", r#"name = "alice@corp""#);
    let groups = section.items::<GroupName>("groups").map_or_else(Vec::new, |groups| groups.value);
    section.finish();
    let (subject, name) = (subject?, name?);
    let issuer = subject.value.issuer().parse().ok();
    let Some(issuer) = issuer.and_then(|issuer| names.issuers.all.get(&issuer)) else {
        if names.issuers.complete {
            let message = format!("there is no issuer {}", subject.value.issuer());
            page.fault(subject.at, message, "name one that has a file in issuers/");
        }
        return None;
    };
    if name.value.issuer() != Some(issuer.name.as_str()) {
        let hint = format!(
            "write {}@{}",
            name.value.as_str().split('@').next().unwrap_or_default(),
            issuer.name
        );
        page.fault(name.at, "it is not a name that the issuer vouches for", hint);
    }
    let given = issuer.groups();
    for group in groups.iter().filter(|group| !given.contains(&group.value)) {
        let message = format!("{} puts nobody into {}", issuer.name, group.value);
        page.fault(group.at, message, "name groups that the issuer's file gives");
    }
    Some(SubjectVouched {
        subject: subject.value,
        name: name.value,
        kind: issuer.kind(),
        groups: groups.into_iter().map(|group| group.value).collect(),
    })
}

struct Reader<'a> {
    page: Page<'a>,
    names: &'a Names<'a>,
    vouched: Arc<[SubjectVouched]>,
    is_rule: &'a dyn Fn(&str) -> bool,
}

impl Reader<'_> {
    fn case(&self, mut section: Section<'_>) -> Option<Case> {
        let at = section.at;
        let name = section.require::<Text>("name", r#"name = "what the test shows""#);
        let facts = self.facts(&mut section);
        if !section.has("expect") {
            section.missing("expect", r#"expect = "allow" or "deny""#);
        }
        let expect = section.variant::<Outcome>("expect");
        let rules = section.items::<RuleId>("rules").map(|rules| rules.value);
        for rule in rules.iter().flatten() {
            if !(self.is_rule)(&rule.value.0) {
                let message = format!("there is no rule {}", rule.value.0);
                self.page.fault(rule.at, message, "name rules by their @id");
            }
        }
        let code = section.variant::<RefusalCode>("code");
        if let (Some(code), Some(At { value: Outcome::Allow, .. })) = (&code, &expect) {
            let message = "an allow has no code";
            self.page.fault(code.at, message, "remove `code`, or expect \"deny\"");
        }
        section.finish();
        Some(Case {
            path: self.page.file.path.clone(),
            line: self.page.line(at),
            name: name?.value.to_string(),
            facts: facts?,
            vouched: Arc::clone(&self.vouched),
            expect: expect?.value,
            rules: rules.map(|rules| rules.into_iter().map(|rule| rule.value.0).collect()),
            code: code.map(|code| code.value),
        })
    }

    fn facts(&self, section: &mut Section<'_>) -> Option<Facts> {
        let subject = self.person(section, "subject", r#"subject = "alice""#);
        if !section.has("action") {
            section.missing("action", r#"action = "request""#);
        }
        let action = section.variant::<Action>("action").map(|action| action.value);
        let role = self.role(section, action);
        let needs_requester = action.is_some_and(concerns_anothers);
        let requester = if needs_requester || section.has("requester") {
            self.person(section, "requester", r#"requester = "alice""#)
        } else {
            None
        };
        let hosts = section.set::<HostName>("hosts");
        let now = section.value("at").map_or(AT, |at| at.value);
        let mfa_age = section.value::<Span>("mfa_age");
        let acr = section.value::<Text>("acr").map(|acr| acr.value);
        let amr = section.items::<Text>("amr").map_or_else(Vec::new, |amr| amr.value);
        let amr = amr.into_iter().map(|method| method.value).collect();
        let from = section.value::<Address>("from");
        let duration = section.value("duration");
        let reason = section.value("reason");
        let ticket = section.value("ticket");
        let facts = Facts {
            action: action?,
            subject: subject?,
            now,
            address: from.map_or(FROM, |from| from.value.0),
            mfa_at: mfa_age.map(|age| now.minus(age.value)),
            means: Means { acr, amr },
            role,
            requester,
            hosts: hosts.map(|hosts| Hosts::Named(hosts.value)),
            duration: duration.map(|duration| duration.value),
            reason: reason.map(|reason| reason.value),
            ticket: ticket.map(|ticket| ticket.value),
        };
        Some(facts)
    }

    /// A person by name, or by id as the log has it.
    fn person(
        &self,
        section: &mut Section<'_>,
        key: &'static str,
        example: &str,
    ) -> Option<SubjectId> {
        if !section.has(key) {
            section.missing(key, example);
        }
        let text = section.string(key)?;
        let by_name = text.value.parse().ok();
        let by_name = by_name.and_then(|name| self.names.people.by_name(&name));
        let by_id = || self.names.people.by_id(&text.value.parse().ok()?);
        let listed = by_name.or_else(by_id).map(|person| &person.id);
        let is_meant = |it: &&SubjectVouched| {
            it.name.as_str() == text.value || it.subject.to_string() == text.value
        };
        let vouched = || self.vouched.iter().find(is_meant).map(|it| &it.subject);
        let person = listed.or_else(vouched);
        if person.is_none() && self.names.people.complete {
            let message = format!("nobody is called {:?}", text.value);
            let hint = "write a name of users.toml or of a [[vouched]] of this file, or an id such as local/u-1001";
            self.page.fault(text.at, message, hint);
        }
        person.cloned()
    }

    fn role(&self, section: &mut Section<'_>, action: Option<Action>) -> Option<RoleName> {
        if action.is_some_and(concerns_a_role) && !section.has("role") {
            section.missing("role", r#"role = "web-shell""#);
        }
        let role = section.value::<RoleName>("role")?;
        if !(self.names.is_role)(role.value.as_str()) {
            let message = format!("there is no role {}", role.value);
            let hint = "name a role that has a file in roles/";
            self.page.fault(role.at, message, hint);
        }
        Some(role.value)
    }
}

/// An `@id`; whether there is such a rule is looked up.
#[derive(PartialEq)]
struct RuleId(String);

impl FromStr for RuleId {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

struct Address(IpAddr);

impl FromStr for Address {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| ValueError {
            kind: "address",
            given: text.chars().take(80).collect(),
            expected: "write an IP address such as 10.1.2.3 or 2001:db8::1",
        })
    }
}
