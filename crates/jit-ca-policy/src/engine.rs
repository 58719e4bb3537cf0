//! Asking Cedar: facts become its entities and context, and only the rules that could apply are looked at.

mod answers;
mod expressions;
mod needs;
mod parts;
mod vocabulary;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Effect, Entities, Entity, EntityUid, PolicySet,
    Request, RestrictedExpression, Schema,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use jit_ca_core::{Action, Facts, Hosts, RoleName, Span, SubjectId, SubjectKind, Text};

use self::answers::{Answers, Asked};
use self::expressions::{Expressions, Literal, Told};
pub(crate) use self::needs::Needs;
pub(crate) use self::parts::Part;
pub(crate) use self::vocabulary::Vocabulary;
use crate::rule::Rule;
use crate::{Person, Role};

/// The words that rules are written in, as a Cedar schema.
pub const SCHEMA: &str = include_str!("schema.cedarschema");

/// Every action, for slicing.
pub(crate) const ACTIONS: [Action; 13] = [
    Action::Request,
    Action::SkipApproval,
    Action::Approve,
    Action::Issue,
    Action::BreakGlass,
    Action::Review,
    Action::Revoke,
    Action::Watch,
    Action::Lock,
    Action::ReadLog,
    Action::Erase,
    Action::Administer,
    Action::EnrolHost,
];

/// Whether the action is about a role; the others are about the CA.
pub fn concerns_a_role(action: Action) -> bool {
    match action {
        Action::Request
        | Action::SkipApproval
        | Action::Approve
        | Action::Issue
        | Action::BreakGlass
        | Action::Review
        | Action::Revoke
        | Action::Watch => true,
        Action::Lock | Action::ReadLog | Action::Erase | Action::Administer | Action::EnrolHost => {
            false
        }
    }
}

/// Whether the action is done to what somebody asked for or got, who is its requester.
pub fn concerns_anothers(action: Action) -> bool {
    matches!(action, Action::Approve | Action::Review | Action::Revoke | Action::Watch)
}

/// Whether the action gives nobody anything: it looks at what somebody got, or takes it away. So it can be done also
/// where who got it, or the role, has left the policy.
pub(crate) fn gives_nothing(action: Action) -> bool {
    matches!(action, Action::Review | Action::Revoke | Action::Watch)
}

/// The rules, sliced by action and role: Cedar's time is linear in the rules that it looks at.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    rules: Arc<Rules>,
    expressions: Expressions,
    answers: Answers,
}

#[derive(Debug)]
struct Rules {
    vocabulary: Vocabulary,
    /// Without a role: of what concerns none, or of roles that are not known.
    slices: HashMap<(Action, Option<RoleName>), Slice>,
    descriptions: BTreeMap<String, String>,
}

/// What all questions about one action and role have in common, worked out once.
#[derive(Clone, Debug)]
struct Slice {
    action: EntityUid,
    resource: EntityUid,
    /// The action and the role, as rules see them.
    entities: Vec<Entity>,
    rules: PolicySet,
    /// What of the context the rules look at; nothing else is told to them.
    needs: Needs,
}

/// What is asked, with the names of the facts looked up.
pub(crate) struct Question<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) subject: &'a Person,
    /// There if and only if the action concerns a role.
    pub(crate) role_name: Option<&'a RoleName>,
    /// What the bundle says of it; nothing only where the action [`gives_nothing`].
    pub(crate) role: Option<&'a Role>,
    pub(crate) requester_id: &'a SubjectId,
    /// Likewise.
    pub(crate) requester: Option<&'a Person>,
    pub(crate) zone: &'a TimeZone,
}

/// What the rules say: the ids of those that hold, and of those that could not be evaluated.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) permits: BTreeSet<String>,
    pub(crate) forbids: BTreeSet<String>,
    pub(crate) errors: BTreeMap<String, String>,
}

/// Why no rule could be asked; it is the engine's fault then, and nothing is permitted.
pub(crate) type Unasked = Box<dyn std::error::Error + Send + Sync>;

impl Engine {
    pub(crate) fn new<'a>(
        vocabulary: Vocabulary,
        rules: &BTreeMap<String, Rule>,
        roles: impl Iterator<Item = &'a RoleName>,
    ) -> Result<Self, Unasked> {
        let needs = |rule: &Rule| Needs::of(&rule.policy);
        let rules: Vec<(&Rule, Needs)> =
            rules.values().map(|rule| Ok((rule, needs(rule)?))).collect::<Result<_, Unasked>>()?;
        let mut slices = HashMap::new();
        let roles: Vec<&RoleName> = roles.collect();
        let known = vocabulary.entities(&roles)?;
        for action in ACTIONS {
            let mut keys: Vec<(Option<&RoleName>, EntityUid)> = Vec::new();
            if concerns_a_role(action) {
                keys.extend(roles.iter().map(|role| (Some(*role), vocabulary.role(role))));
                keys.push((None, vocabulary.unknown_role()));
            } else {
                keys.push((None, vocabulary.ca()));
            }
            for (role, resource) in keys {
                let slice = vocabulary.slice(&rules, &known, action, resource)?;
                slices.insert((action, role.cloned()), slice);
            }
        }
        let descriptions = rules.iter().filter_map(|(rule, _)| {
            let description = rule.policy.annotation("description")?;
            Some((rule.policy.id().to_string(), description.to_owned()))
        });
        let descriptions = descriptions.collect();
        let rules = Arc::new(Rules { vocabulary, slices, descriptions });
        Ok(Self { rules, expressions: Expressions::default(), answers: Answers::default() })
    }

    /// The same rules, of which nothing has been asked yet.
    pub(crate) fn anew(&self) -> Self {
        Self { answers: Answers::default(), ..self.clone() }
    }

    /// The rules that a decision on the action and the role looks at.
    pub(crate) fn rules(&self, action: Action, role: Option<&RoleName>) -> Option<&PolicySet> {
        self.rules.slices.get(&(action, role.cloned())).map(|slice| &slice.rules)
    }

    /// Whether one of these rules may look at the attribute of the context.
    pub(crate) fn looks_at(&self, action: Action, role: Option<&RoleName>, name: &str) -> bool {
        let slice = self.rules.slices.get(&(action, role.cloned()));
        slice.is_some_and(|slice| slice.needs.has(name))
    }

    /// Whether the scope of some permit admits the person: without one the answer is no, whatever the facts are.
    pub(crate) fn may_permit(
        &self,
        action: Action,
        role: Option<&RoleName>,
        person: &Person,
    ) -> bool {
        let rules = self.rules(action, role).into_iter().flat_map(PolicySet::policies);
        let mut permits = rules.filter(|rule| rule.effect() == Effect::Permit);
        permits.any(|rule| self.rules.vocabulary.admits(&rule.principal_constraint(), person))
    }

    /// Of a role that is not known, the rules that name none, and no more of it than its name.
    fn slice(&self, question: &Question<'_>) -> Result<Cow<'_, Slice>, Unasked> {
        let (action, role) = (question.facts.action, question.role_name);
        if let Some(slice) = self.rules.slices.get(&(action, role.cloned())) {
            return Ok(Cow::Borrowed(slice));
        }
        let slice = self.rules.slices.get(&(action, None)).zip(role);
        let (slice, role) = slice.ok_or("there are no rules for this action")?;
        let mut slice = slice.clone();
        slice.resource = self.rules.vocabulary.role(role);
        slice.entities.push(self.rules.vocabulary.role_entity(role)?);
        Ok(Cow::Owned(slice))
    }

    /// What a rule is for, in its author's words.
    pub(crate) fn description(&self, rule: &str) -> Option<&str> {
        self.rules.descriptions.get(rule).map(String::as_str)
    }

    /// # Errors
    /// If Cedar can't be told the facts, which no facts of a [`Question`] do.
    pub(crate) fn ask(&self, question: &Question<'_>) -> Result<Arc<Answer>, Unasked> {
        let slice = self.slice(question)?;
        let asked = Asked {
            action: question.facts.action,
            role: question.role_name.cloned(),
            subject: question.subject.id.clone(),
            requester: question.requester_id.clone(),
            told: told(question, &slice.needs)?,
        };
        if let Some(answer) = self.answers.get(&asked) {
            return Ok(answer);
        }
        let answer = Arc::new(self.ask_cedar(question, &slice, &asked.told)?);
        self.answers.keep(asked, &answer);
        Ok(answer)
    }

    /// Whether a part of a rule holds; `None` if it can't be evaluated.
    ///
    /// # Errors
    /// As [`Engine::ask`].
    pub(crate) fn holds(
        &self,
        question: &Question<'_>,
        part: &Part,
    ) -> Result<Option<bool>, Unasked> {
        let slice = self.slice(question)?;
        let told = told(question, &part.needs)?;
        let request = self.request(question, &slice, self.context(&told)?, None)?;
        let entities = self.entities(question, &slice)?;
        let rules = PolicySet::from_policies([part.rule.clone()])?;
        let response = Authorizer::new().is_authorized(&request, &rules, &entities);
        let is_known = response.diagnostics().errors().next().is_none();
        Ok(is_known.then(|| response.decision() == cedar_policy::Decision::Allow))
    }

    fn ask_cedar(
        &self,
        question: &Question<'_>,
        slice: &Slice,
        told: &[(&'static str, Told)],
    ) -> Result<Answer, Unasked> {
        let request = self.request(question, slice, self.context(told)?, None)?;
        let entities = self.entities(question, slice)?;
        let response = Authorizer::new().is_authorized(&request, &slice.rules, &entities);

        let mut answer = Answer::default();
        for error in response.diagnostics().errors() {
            let AuthorizationError::PolicyEvaluationError(error) = error;
            let id: &str = error.policy_id().as_ref();
            let text = error.inner().to_string();
            answer.errors.insert(id.to_owned(), text);
        }
        // Cedar gives the permits of an allow, or the forbids of a deny.
        for id in response.diagnostics().reason() {
            let name: &str = id.as_ref();
            match slice.rules.policy(id).map(cedar_policy::Policy::effect) {
                Some(Effect::Permit) => answer.permits.insert(name.to_owned()),
                _ => answer.forbids.insert(name.to_owned()),
            };
        }
        Ok(answer)
    }

    /// Without a schema it is taken as it is: that all questions fit it is known from their types, and by a test.
    fn request(
        &self,
        question: &Question<'_>,
        slice: &Slice,
        context: Context,
        schema: Option<&Schema>,
    ) -> Result<Request, Unasked> {
        let subject = self.rules.vocabulary.subject(question.subject.kind, &question.subject.id);
        let (action, resource) = (slice.action.clone(), slice.resource.clone());
        Ok(Request::new(subject, action, resource, context, schema)?)
    }

    /// The few entities that the question is about, and not the whole company.
    fn entities(&self, question: &Question<'_>, slice: &Slice) -> Result<Entities, Unasked> {
        let mut entities = slice.entities.clone();
        let Question { subject, requester_id, requester, .. } = question;
        let vocabulary = &self.rules.vocabulary;
        entities.push(vocabulary.entity(subject.kind, &subject.id, &subject.groups));
        if **requester_id != subject.id {
            let none = BTreeSet::new();
            let groups = requester.map_or(&none, |requester| &requester.groups);
            // A rule looks at whoever asked by one type: see `requester_is_workload`.
            entities.push(vocabulary.entity(SubjectKind::Person, requester_id, groups));
        }
        Ok(Entities::from_entities(entities, None)?)
    }

    fn context(&self, told: &[(&'static str, Told)]) -> Result<Context, Unasked> {
        let pairs = told.iter().map(|(name, told)| ((*name).to_owned(), self.expression(told)));
        Ok(Context::from_pairs(pairs)?)
    }

    fn expression(&self, told: &Told) -> RestrictedExpression {
        match told {
            Told::Flag(flag) => RestrictedExpression::new_bool(*flag),
            Told::Number(number) => RestrictedExpression::new_long(*number),
            Told::Text(text) => RestrictedExpression::new_string(text.clone()),
            Told::Texts(texts) => {
                let texts = texts.iter().cloned();
                RestrictedExpression::new_set(texts.map(RestrictedExpression::new_string))
            }
            Told::Person(id) => {
                let id = self.rules.vocabulary.subject(SubjectKind::Person, id);
                RestrictedExpression::new_entity_uid(id)
            }
            Told::Literal(literal) => self.expressions.get(*literal),
        }
    }
}

/// What the rules are told of the facts: what they look at.
fn told(question: &Question<'_>, needs: &Needs) -> Result<Vec<(&'static str, Told)>, Unasked> {
    let Question { facts, role_name, role, requester_id, requester, zone, .. } = question;
    let mut told = Vec::new();
    let mut tell = |name, value: &dyn Fn() -> Told| {
        if needs.has(name) {
            told.push((name, value()));
        }
    };
    tell("now", &|| Told::Literal(Literal::Time(facts.now)));
    if needs.has("weekday") || needs.has("minute") {
        let local = Timestamp::from_second(facts.now.secs().try_into()?)
            .map_err(|error| error.to_string())?
            .to_zoned((*zone).clone())
            .datetime();
        let minute = i64::from(local.hour()) * 60 + i64::from(local.minute());
        tell("weekday", &|| Told::Number(local.weekday().to_monday_one_offset().into()));
        tell("minute", &|| Told::Number(minute));
    }
    tell("source_address", &|| Told::Literal(Literal::Address(facts.address.to_canonical())));
    tell("mfa", &|| Told::Flag(facts.mfa_at.is_some()));
    if let Some(at) = facts.mfa_at {
        tell("mfa_age", &|| Told::Literal(Literal::Duration(facts.now.since(at))));
    }
    let texts = |texts: &BTreeSet<Text>| Told::Texts(texts.iter().map(Text::to_string).collect());
    if let Some(acr) = &facts.means.acr {
        tell("acr", &|| Told::Text(acr.to_string()));
    }
    tell("amr", &|| texts(&facts.means.amr));
    if role_name.is_some() {
        tell("hosts", &|| match &facts.hosts {
            None | Some(Hosts::All) => {
                let hosts = role.iter().flat_map(|role| role.hosts());
                Told::Texts(hosts.map(ToString::to_string).collect())
            }
            Some(Hosts::Named(hosts)) => {
                Told::Texts(hosts.iter().map(ToString::to_string).collect())
            }
        });
        let usual = role.map_or(Span::from_secs(0), |role| role.default);
        let duration = facts.duration.unwrap_or(usual);
        tell("duration", &|| Told::Literal(Literal::Duration(duration)));
        let text = |text: Option<&Text>| Told::Text(text.map_or("", Text::as_str).to_owned());
        tell("reason", &|| text(facts.reason.as_ref()));
        if facts.ticket.is_some() {
            tell("ticket", &|| text(facts.ticket.as_ref()));
        }
    }
    if facts.action == Action::EnrolHost {
        tell("hosts", &|| match &facts.hosts {
            Some(Hosts::Named(hosts)) => {
                Told::Texts(hosts.iter().map(ToString::to_string).collect())
            }
            None | Some(Hosts::All) => Told::Texts(Vec::new()),
        });
    }
    if concerns_anothers(facts.action) {
        tell("requester", &|| Told::Person((*requester_id).clone()));
        let kind = requester.map(|requester| requester.kind);
        tell("requester_is_workload", &|| Told::Flag(kind == Some(SubjectKind::Workload)));
    }
    Ok(told)
}

#[cfg(test)]
mod tests;
