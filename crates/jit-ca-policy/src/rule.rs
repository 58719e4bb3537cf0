//! Rules: `policies/*.cedar`, each with an `@id`, checked against the schema and for what Cedar lets pass.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{
    ActionConstraint, Effect, ParseErrors, Policy, PolicyId, PolicySet, PrincipalConstraint,
    ResourceConstraint, ValidationMode, Validator,
};
use jit_ca_core::SubjectKind;
use miette::{Diagnostic, LabeledSpan};

use crate::engine::Vocabulary;
use crate::fault::Page;
use crate::issuer::Issuers;
use crate::person::People;

/// One `permit` or `forbid`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Under the name that its `@id` gives.
    pub(crate) policy: Policy,
    id: String,
    path: String,
    line: usize,
}

impl Rule {
    /// Its name, which its `@id` gives.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The file that it stands in.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The line that it begins in.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Whether it permits; it forbids otherwise.
    pub fn permits(&self) -> bool {
        self.policy.effect() == Effect::Permit
    }

    /// What it is for, in its author's words.
    pub fn description(&self) -> Option<&str> {
        self.policy.annotation("description")
    }

    /// It as its file has it.
    pub fn text(&self) -> String {
        self.policy.to_cedar().unwrap_or_else(|| self.policy.to_string())
    }
}

/// The names that rules and tests may mention.
pub(crate) struct Names<'a> {
    pub(crate) is_role: &'a dyn Fn(&str) -> bool,
    pub(crate) people: &'a People,
    pub(crate) issuers: &'a Issuers,
}

impl Names<'_> {
    fn is_group(&self, name: &str) -> bool {
        let mut groups = self.people.iter().flat_map(|person| &person.groups);
        !self.people.complete
            || groups.any(|group| group.as_str() == name)
            || self.issuers.give(name, None)
    }

    fn is_person(&self, id: &str) -> bool {
        let person = id.parse().ok().and_then(|id| self.people.by_id(&id));
        !self.people.complete || person.is_some() || self.issuers.know(id, SubjectKind::Person)
    }
}

/// Adds a file's rules to those of other files; `false` if the file can't be read as Cedar at all.
pub(crate) fn read(
    page: Page<'_>,
    vocabulary: &Vocabulary,
    names: &Names<'_>,
    rules: &mut BTreeMap<String, Rule>,
) -> bool {
    let parsed: PolicySet = match page.text().parse() {
        Ok(parsed) => parsed,
        Err(errors) => {
            let errors: ParseErrors = errors;
            let hint = "write Cedar, as https://docs.cedarpolicy.com describes it";
            for error in errors.iter() {
                let finding = Finding::of(error, hint);
                let at = finding.at.unwrap_or(0);
                let name = name_before(page.text(), at);
                page.rule_fault(name, at, finding.message, finding.hint);
            }
            return false;
        }
    };
    for template in parsed.templates() {
        let at = page.text().find(&template.to_cedar()).unwrap_or(0);
        let hint = "name the principal and the resource; nothing links templates";
        page.rule_fault(template.annotation("id"), at, "it is a template", hint);
    }
    let mut to_validate = PolicySet::new();
    let mut places = HashMap::new();
    let mut from = 0;
    for policy in parsed.policies() {
        let at = begin(page.text(), policy, &mut from);
        let line = page.line(at);
        let name = policy.annotation("id").filter(|name| is_id(name));
        let place = Place { page, at, name: name.map(ToOwned::to_owned) };
        let id = id(&place, policy, rules);
        let policy_id = PolicyId::new(id.clone().unwrap_or_else(|| format!("line {line}")));
        let policy = policy.new_id(policy_id.clone());
        check_annotations(&place, &policy);
        check_match_all(&place, &policy);
        check_names(&place, &policy, names);
        if let Err(error) = to_validate.add(policy.clone()) {
            place.fault(error.to_string(), "put each rule on lines of its own");
        }
        places.insert(policy_id, place);
        if let Some(id) = id {
            let path = page.file.path.clone();
            rules.insert(id.clone(), Rule { policy, id, path, line });
        }
    }
    validate(vocabulary, &to_validate, &places);
    true
}

fn validate(vocabulary: &Vocabulary, rules: &PolicySet, places: &HashMap<PolicyId, Place<'_>>) {
    let validator = Validator::new(vocabulary.schema().clone());
    let result = validator.validate(rules, ValidationMode::Strict);
    let mut told = BTreeSet::new();
    let diagnose = |id: &PolicyId, finding: &dyn Diagnostic, hint: &str| {
        let Some(place) = places.get(id) else { return };
        let Finding { at, message, hint } = Finding::of(finding, hint);
        // Who reads it has the name already.
        let message = message.strip_prefix(&format!("for policy `{id}`, ")).unwrap_or(&message);
        Place { at: at.unwrap_or(place.at), ..place.clone() }.fault(message, hint);
    };
    for error in result.validation_errors() {
        told.insert(error.policy_id());
        let hint = "the schema, schema.cedarschema of jit-ca-policy, says what rules can look at";
        diagnose(error.policy_id(), error, hint);
    }
    // A rule that can never hold, or that reads otherwise than it looks: what Cedar only warns of
    // would be a forbid that forbids nothing. One finding for each rule is enough.
    for warning in result.validation_warnings() {
        if told.insert(warning.policy_id()) {
            let hint = "correct the rule or remove it: it does not do what it says";
            diagnose(warning.policy_id(), warning, hint);
        }
    }
}

/// Where a rule stands, and what it is called, for what is wrong with it.
#[derive(Clone)]
struct Place<'a> {
    page: Page<'a>,
    at: usize,
    /// `None` if it has no `@id`, or one that is none.
    name: Option<String>,
}

impl Place<'_> {
    fn fault(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.page.rule_fault(self.name.as_deref(), self.at, message, hint);
    }
}

/// The byte where the rule begins. The parser keeps the rules' order and text.
fn begin(text: &str, policy: &Policy, from: &mut usize) -> usize {
    let rest = text.get(*from..).unwrap_or_default();
    let found = policy.to_cedar().and_then(|own| {
        let at = *from + rest.find(&own)?;
        *from = at + own.len();
        Some(at)
    });
    found.unwrap_or(*from)
}

/// The name of the rule that a byte lies in, of a file that can't be parsed: the last `@id` before it, if no rule ends
/// in between.
fn name_before(text: &str, at: usize) -> Option<&str> {
    let (_, after) = text.get(..at)?.rsplit_once("@id(\"")?;
    let (name, rest) = after.split_once('"')?;
    (is_id(name) && !rest.contains(';')).then_some(name)
}

fn is_id(name: &str) -> bool {
    let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !name.is_empty() && name.len() <= 63 && name.bytes().all(ok)
}

fn id(place: &Place<'_>, policy: &Policy, rules: &BTreeMap<String, Rule>) -> Option<String> {
    const HINT: &str =
        r#"write @id("a-name-of-its-own") before it; decisions and the log name rules so"#;
    let Some(id) = policy.annotation("id") else {
        place.fault("the rule has no @id", HINT);
        return None;
    };
    if !is_id(id) {
        place.fault(format!("{id:?} is not a rule's id"), "use a-z, 0-9 and '-', at most 63");
        return None;
    }
    if let Some(Rule { path, line, .. }) = rules.get(id) {
        place.fault(format!("it is already at {path}:{line}"), "give each rule an id of its own");
        return None;
    }
    Some(id.to_owned())
}

fn check_annotations(place: &Place<'_>, policy: &Policy) {
    for (key, value) in policy.annotations() {
        match (key, value) {
            ("id" | "description", _) | ("match_all", "meant") => {}
            ("match_all", _) => {
                let message = "@match_all does not say \"meant\"";
                place.fault(message, r#"write @match_all("meant"), or remove it"#);
            }
            _ => {
                let message = format!("unknown annotation @{key}");
                place.fault(message, "known here: @id, @description, @match_all");
            }
        }
    }
}

/// A permit for everybody, everything and always is mostly one whose conditions were forgotten.
fn check_match_all(place: &Place<'_>, policy: &Policy) {
    // Most are people, so that `is` hardly narrows it.
    let narrows = !matches!(
        policy.principal_constraint(),
        PrincipalConstraint::Any | PrincipalConstraint::Is(_)
    ) || !matches!(policy.action_constraint(), ActionConstraint::Any)
        || !matches!(
            policy.resource_constraint(),
            ResourceConstraint::Any | ResourceConstraint::Is(_)
        )
        || policy.has_non_scope_constraint();
    if policy.effect() == Effect::Permit && !narrows && policy.annotation("match_all").is_none() {
        let hint =
            r#"name a principal, an action or a condition; @match_all("meant") if it is meant"#;
        place.fault("it permits everything to everybody", hint);
    }
}

/// A misspelt group in a forbid would forbid nobody.
fn check_names(place: &Place<'_>, policy: &Policy, names: &Names<'_>) {
    for entity in policy.entity_literals() {
        let name = entity.id().unescaped();
        let kind = entity.type_name().to_string();
        let (known, hint) = match kind.as_str() {
            "Role" => ((names.is_role)(name), "name a role that has a file in roles/"),
            "Group" => {
                let hint = "name a group that somebody is in, or remove the rule";
                (names.is_group(name), hint)
            }
            "Person" => {
                let hint = r#"write Person::"local/<id>" with an id of users.toml, or one of an issuer of people"#;
                (names.is_person(name), hint)
            }
            "Workload" => {
                let hint =
                    r#"write Workload::"<issuer>/<workload>/<sub>" of an issuer of workloads"#;
                (names.issuers.know(name, SubjectKind::Workload), hint)
            }
            // Actions and the CA are the schema's.
            _ => continue,
        };
        if !known {
            place.fault(format!("it names an unknown {kind}::{name:?}"), hint);
        }
    }
}

/// What Cedar found, at the byte that it labels, with its own advice if it has any.
struct Finding {
    at: Option<usize>,
    message: String,
    hint: String,
}

impl Finding {
    fn of(finding: &dyn Diagnostic, hint: &str) -> Self {
        let label = finding.labels().and_then(|mut labels| labels.next());
        let at = label.as_ref().map(LabeledSpan::offset);
        let advice = finding.help().map(|help| help.to_string());
        let expected = label.and_then(|label| label.label().map(str::to_owned));
        let hint = advice.or(expected).unwrap_or_else(|| hint.to_owned());
        Self { at, message: finding.to_string(), hint }
    }
}
