//! Asking Cedar: facts become its entities and context, and only the rules that could apply are looked at.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Context, Effect, Entities, Entity, EntityId,
    EntityTypeName, EntityUid, PolicySet, Request, ResourceConstraint, RestrictedExpression,
    Schema,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use jit_ca_core::{Action, Facts, Hosts, RoleName};

use crate::rule::Rule;
use crate::{Person, Role};

/// The words that rules are written in, as a Cedar schema.
pub const SCHEMA: &str = include_str!("schema.cedarschema");

/// Every action, for slicing.
const ACTIONS: [Action; 6] = [
    Action::Request,
    Action::SkipApproval,
    Action::Approve,
    Action::Issue,
    Action::ReadLog,
    Action::Erase,
];

/// Whether the action is about a role; the others are about the CA.
pub(crate) fn concerns_a_role(action: Action) -> bool {
    match action {
        Action::Request | Action::SkipApproval | Action::Approve | Action::Issue => true,
        Action::ReadLog | Action::Erase => false,
    }
}

/// The rules, sliced by action and role: Cedar's time is linear in the rules that it looks at.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    vocabulary: Vocabulary,
    slices: HashMap<(Action, Option<RoleName>), PolicySet>,
    descriptions: BTreeMap<String, String>,
}

/// What is asked, with the names of the facts looked up.
pub(crate) struct Question<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) subject: &'a Person,
    /// There if and only if the action concerns a role.
    pub(crate) role: Option<&'a Role>,
    pub(crate) requester: &'a Person,
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
        let mut slices = HashMap::new();
        let roles: Vec<&RoleName> = roles.collect();
        for action in ACTIONS {
            let keys: Vec<Option<&RoleName>> = if concerns_a_role(action) {
                roles.iter().copied().map(Some).collect()
            } else {
                vec![None]
            };
            for role in keys {
                let slice = vocabulary.slice(rules, action, role)?;
                slices.insert((action, role.cloned()), slice);
            }
        }
        let descriptions = rules.iter().filter_map(|(id, rule)| {
            let description = rule.policy.annotation("description")?;
            Some((id.clone(), description.to_owned()))
        });
        Ok(Self { vocabulary, slices, descriptions: descriptions.collect() })
    }

    /// The rules that a decision on the action and the role looks at.
    pub(crate) fn slice(&self, action: Action, role: Option<&RoleName>) -> Option<&PolicySet> {
        self.slices.get(&(action, role.cloned()))
    }

    /// What a rule is for, in its author's words.
    pub(crate) fn description(&self, rule: &str) -> Option<&str> {
        self.descriptions.get(rule).map(String::as_str)
    }

    /// # Errors
    /// If the facts don't fit the schema, which no facts of a [`Question`] do.
    pub(crate) fn ask(&self, question: &Question<'_>) -> Result<Answer, Unasked> {
        let role = question.role.map(|role| &role.name);
        let slice = self.slice(question.facts.action, role);
        let slice = slice.ok_or("there are no rules for this action and role")?;
        self.vocabulary.ask(question, slice)
    }
}

/// The schema and the names of its types.
#[derive(Clone, Debug)]
pub(crate) struct Vocabulary {
    schema: Schema,
    person: EntityTypeName,
    group: EntityTypeName,
    role: EntityTypeName,
    ca: EntityTypeName,
    action: EntityTypeName,
}

impl Vocabulary {
    pub(crate) fn new() -> Result<Self, Unasked> {
        let (schema, _warnings) = Schema::from_cedarschema_str(SCHEMA)?;
        Ok(Self {
            schema,
            person: "Person".parse()?,
            group: "Group".parse()?,
            role: "Role".parse()?,
            ca: "Ca".parse()?,
            action: "Action".parse()?,
        })
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The rules whose scope admits the action and the resource.
    ///
    /// The others could not apply: Cedar looks at a rule's conditions only within its scope, so
    /// that leaving them out changes neither the outcome nor the errors.
    fn slice(
        &self,
        rules: &BTreeMap<String, Rule>,
        action: Action,
        role: Option<&RoleName>,
    ) -> Result<PolicySet, Unasked> {
        let (action, resource) = (self.action(action), self.resource(role));
        let within = |rule: &&Rule| {
            let action_within = match rule.policy.action_constraint() {
                ActionConstraint::Any => true,
                ActionConstraint::In(actions) => actions.contains(&action),
                ActionConstraint::Eq(own) => own == action,
            };
            // Roles are in no other entity, so that `in` is `==`.
            let resource_within = match rule.policy.resource_constraint() {
                ResourceConstraint::Any => true,
                ResourceConstraint::Is(kind) => kind == *resource.type_name(),
                ResourceConstraint::In(own)
                | ResourceConstraint::Eq(own)
                | ResourceConstraint::IsIn(_, own) => own == resource,
            };
            action_within && resource_within
        };
        let mut slice = PolicySet::new();
        for rule in rules.values().filter(within) {
            slice.add(rule.policy.clone())?;
        }
        Ok(slice)
    }

    fn ask(&self, question: &Question<'_>, rules: &PolicySet) -> Result<Answer, Unasked> {
        let resource = self.resource(question.role.map(|role| &role.name));
        let request = Request::new(
            self.person(question.subject),
            self.action(question.facts.action),
            resource.clone(),
            Context::from_pairs(self.context(question)?)?,
            Some(&self.schema),
        )?;
        let response = Authorizer::new().is_authorized(&request, rules, &self.entities(question)?);

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
            match rules.policy(id).map(cedar_policy::Policy::effect) {
                Some(Effect::Permit) => answer.permits.insert(name.to_owned()),
                _ => answer.forbids.insert(name.to_owned()),
            };
        }
        Ok(answer)
    }

    /// The few entities that the question is about, and not the whole company.
    fn entities(&self, question: &Question<'_>) -> Result<Entities, Unasked> {
        let mut entities = vec![self.person_entity(question.subject)];
        if question.requester.id != question.subject.id {
            entities.push(self.person_entity(question.requester));
        }
        if let Some(role) = question.role {
            let name = RestrictedExpression::new_string(role.name.to_string());
            let attributes = HashMap::from([("name".to_owned(), name)]);
            let uid = self.resource(Some(&role.name));
            entities.push(Entity::new(uid, attributes, HashSet::new())?);
        }
        Ok(Entities::from_entities(entities, Some(&self.schema))?)
    }

    fn person_entity(&self, person: &Person) -> Entity {
        let groups = person.groups.iter();
        let groups = groups.map(|group| uid(&self.group, group.as_str()));
        Entity::new_no_attrs(self.person(person), groups.collect())
    }

    fn context(
        &self,
        question: &Question<'_>,
    ) -> Result<Vec<(String, RestrictedExpression)>, Unasked> {
        let facts = question.facts;
        let local = Timestamp::from_second(facts.now.secs().try_into()?)
            .map_err(|error| error.to_string())?
            .to_zoned(question.zone.clone())
            .datetime();
        let minute = i64::from(local.hour()) * 60 + i64::from(local.minute());
        let weekday = local.weekday().to_monday_one_offset().into();
        let address = facts.address.to_canonical().to_string();
        let mut context = vec![
            ("now", RestrictedExpression::new_datetime(facts.now.to_string())),
            ("weekday", RestrictedExpression::new_long(weekday)),
            ("minute", RestrictedExpression::new_long(minute)),
            ("source_address", RestrictedExpression::new_ip(address)),
            ("mfa", RestrictedExpression::new_bool(facts.mfa_at.is_some())),
        ];
        if let Some(at) = facts.mfa_at {
            context.push(("mfa_age", seconds(facts.now.since(at))));
        }
        if let Some(role) = question.role {
            let hosts: Vec<String> = match &facts.hosts {
                None | Some(Hosts::All) => role.hosts().iter().map(ToString::to_string).collect(),
                Some(Hosts::Named(hosts)) => hosts.iter().map(ToString::to_string).collect(),
            };
            let hosts = hosts.into_iter().map(RestrictedExpression::new_string);
            let reason = facts.reason.as_ref().map_or("", |reason| reason.as_str());
            let reason = RestrictedExpression::new_string(reason.to_owned());
            context.push(("hosts", RestrictedExpression::new_set(hosts)));
            context.push(("duration", seconds(facts.duration.unwrap_or(role.default))));
            context.push(("reason", reason));
            if let Some(ticket) = &facts.ticket {
                let ticket = RestrictedExpression::new_string(ticket.to_string());
                context.push(("ticket", ticket));
            }
        }
        if facts.action == Action::Approve {
            let requester = self.person(question.requester);
            context.push(("requester", RestrictedExpression::new_entity_uid(requester)));
        }
        let named = context.into_iter();
        Ok(named.map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn person(&self, person: &Person) -> EntityUid {
        uid(&self.person, &person.id.to_string())
    }

    fn action(&self, action: Action) -> EntityUid {
        uid(&self.action, &action.to_string())
    }

    fn resource(&self, role: Option<&RoleName>) -> EntityUid {
        match role {
            Some(role) => uid(&self.role, role.as_str()),
            None => uid(&self.ca, "this"),
        }
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn seconds(span: jit_ca_core::Span) -> RestrictedExpression {
    RestrictedExpression::new_duration(format!("{}s", span.secs()))
}
