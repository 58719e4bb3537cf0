//! Rules: `policies/*.cedar`, each with an `@id`, checked against the schema and for what Cedar lets pass.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    ActionConstraint, Effect, ParseErrors, Policy, PolicyId, PolicySet, PrincipalConstraint,
    ResourceConstraint, ValidationMode, Validator,
};
use miette::{Diagnostic, LabeledSpan};

use crate::engine::Vocabulary;
use crate::fault::Page;
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
}

impl Names<'_> {
    fn is_group(&self, name: &str) -> bool {
        let mut groups = self.people.iter().flat_map(|person| &person.groups);
        !self.people.complete || groups.any(|group| group.as_str() == name)
    }

    fn is_person(&self, id: &str) -> bool {
        let person = id.parse().ok().and_then(|id| self.people.by_id(&id));
        !self.people.complete || person.is_some()
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
            errors.iter().for_each(|error| diagnose(page, error, hint));
            return false;
        }
    };
    if parsed.num_of_templates() > 0 {
        let hint = "name the principal and the resource; nothing links templates";
        page.fault(0, "the file holds a template", hint);
    }
    let mut to_validate = PolicySet::new();
    let mut from = 0;
    for policy in parsed.policies() {
        let at = place(page.text(), policy, &mut from);
        let line = page.line(at);
        let id = id(page, at, policy, rules);
        let name = id.clone().unwrap_or_else(|| format!("line {line}"));
        let policy = policy.new_id(PolicyId::new(&name));
        check_annotations(page, at, &policy);
        check_match_all(page, at, &policy);
        check_names(page, at, &policy, names);
        if let Err(error) = to_validate.add(policy.clone()) {
            page.fault(at, error.to_string(), "put each rule on lines of its own");
        }
        if let Some(id) = id {
            let path = page.file.path.clone();
            rules.insert(id.clone(), Rule { policy, id, path, line });
        }
    }
    validate(page, vocabulary, &to_validate);
    true
}

fn validate(page: Page<'_>, vocabulary: &Vocabulary, rules: &PolicySet) {
    let validator = Validator::new(vocabulary.schema().clone());
    let result = validator.validate(rules, ValidationMode::Strict);
    let mut told = BTreeSet::new();
    for error in result.validation_errors() {
        told.insert(error.policy_id());
        let hint = "the schema, schema.cedarschema of jit-ca-policy, says what rules can look at";
        diagnose(page, error, hint);
    }
    // A rule that can never hold, or that reads otherwise than it looks: what Cedar only warns of
    // would be a forbid that forbids nothing. One finding for each rule is enough.
    for warning in result.validation_warnings() {
        if told.insert(warning.policy_id()) {
            diagnose(page, warning, "correct the rule or remove it: it does not do what it says");
        }
    }
}

/// The byte where the rule begins. The parser keeps the rules' order and text.
fn place(text: &str, policy: &Policy, from: &mut usize) -> usize {
    let rest = text.get(*from..).unwrap_or_default();
    let found = policy.to_cedar().and_then(|own| {
        let at = *from + rest.find(&own)?;
        *from = at + own.len();
        Some(at)
    });
    found.unwrap_or(*from)
}

fn id(
    page: Page<'_>,
    at: usize,
    policy: &Policy,
    rules: &BTreeMap<String, Rule>,
) -> Option<String> {
    const HINT: &str =
        r#"write @id("a-name-of-its-own") before it; decisions and the log name rules so"#;
    let Some(id) = policy.annotation("id") else {
        page.fault(at, "the rule has no @id", HINT);
        return None;
    };
    let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if id.is_empty() || id.len() > 63 || !id.bytes().all(ok) {
        let hint = "use a-z, 0-9 and '-', at most 63";
        page.fault(at, format!("{id:?} is not a rule's id"), hint);
        return None;
    }
    if let Some(Rule { path, line, .. }) = rules.get(id) {
        let message = format!("the rule {id} is already at {path}:{line}");
        page.fault(at, message, "give each rule an id of its own");
        return None;
    }
    Some(id.to_owned())
}

fn check_annotations(page: Page<'_>, at: usize, policy: &Policy) {
    for (key, value) in policy.annotations() {
        match (key, value) {
            ("id" | "description", _) | ("match_all", "meant") => {}
            ("match_all", _) => {
                let message = "@match_all does not say \"meant\"";
                page.fault(at, message, r#"write @match_all("meant"), or remove it"#);
            }
            _ => {
                let message = format!("unknown annotation @{key}");
                page.fault(at, message, "known here: @id, @description, @match_all");
            }
        }
    }
}

/// A permit for everybody, everything and always is mostly one whose conditions were forgotten.
fn check_match_all(page: Page<'_>, at: usize, policy: &Policy) {
    // There is one type of principal, so that `is` does not narrow it.
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
        let message = format!("the rule {} permits everything to everybody", policy.id());
        let hint =
            r#"name a principal, an action or a condition; @match_all("meant") if it is meant"#;
        page.fault(at, message, hint);
    }
}

/// A misspelt group in a forbid would forbid nobody.
fn check_names(page: Page<'_>, at: usize, policy: &Policy, names: &Names<'_>) {
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
                let hint = r#"write Person::"local/<id>" with an id of users.toml"#;
                (names.is_person(name), hint)
            }
            // Actions and the CA are the schema's.
            _ => continue,
        };
        if !known {
            let message = format!("the rule {} names an unknown {kind}::{name:?}", policy.id());
            page.fault(at, message, hint);
        }
    }
}

/// Cedar's own finding, at the line that it labels, with its own advice if it has any.
fn diagnose(page: Page<'_>, finding: &dyn Diagnostic, hint: &str) {
    let label = finding.labels().and_then(|mut labels| labels.next());
    let at = label.as_ref().map_or(0, LabeledSpan::offset);
    let advice = finding.help().map(|help| help.to_string());
    let expected = label.and_then(|label| label.label().map(str::to_owned));
    let hint = advice.or(expected).unwrap_or_else(|| hint.to_owned());
    page.fault(at, finding.to_string(), hint);
}
