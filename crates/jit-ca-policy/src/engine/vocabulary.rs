//! Names of the schema: what people, groups, roles and actions are called in Cedar.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{
    ActionConstraint, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet,
    PrincipalConstraint, ResourceConstraint, RestrictedExpression, Schema,
};
use jit_ca_core::{Action, GroupName, RoleName, SubjectId, SubjectKind};

use super::{Needs, SCHEMA, Slice, Unasked};
use crate::Person;
use crate::rule::Rule;

/// The schema and the names of its types.
#[derive(Clone, Debug)]
pub(crate) struct Vocabulary {
    pub(super) schema: Schema,
    person: EntityTypeName,
    workload: EntityTypeName,
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
            workload: "Workload".parse()?,
            group: "Group".parse()?,
            role: "Role".parse()?,
            ca: "Ca".parse()?,
            action: "Action".parse()?,
        })
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The actions and roles as rules see them, checked against the schema.
    pub(super) fn entities(&self, roles: &[&RoleName]) -> Result<Entities, Unasked> {
        let entities = roles.iter().map(|role| self.role_entity(role));
        let entities: Vec<Entity> = entities.collect::<Result<_, Unasked>>()?;
        Ok(Entities::from_entities(entities, Some(&self.schema))?)
    }

    pub(super) fn role_entity(&self, role: &RoleName) -> Result<Entity, Unasked> {
        let name = RestrictedExpression::new_string(role.to_string());
        let attributes = HashMap::from([("name".to_owned(), name)]);
        Ok(Entity::new(self.role(role), attributes, HashSet::new())?)
    }

    /// The rules whose scope admits the action and the resource.
    ///
    /// The others could not apply: Cedar looks at a rule's conditions only within its scope, so
    /// that leaving them out changes neither the outcome nor the errors.
    pub(super) fn slice(
        &self,
        rules: &[(&Rule, Needs)],
        known: &Entities,
        action: Action,
        resource: EntityUid,
    ) -> Result<Slice, Unasked> {
        let action = self.action(action);
        let within = |rule: &Rule| {
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
        let (mut slice, mut needs) = (PolicySet::new(), Needs::default());
        for (rule, own) in rules.iter().filter(|(rule, _)| within(rule)) {
            slice.add(rule.policy.clone())?;
            needs.join(own);
        }
        let entities = [known.get(&action), known.get(&resource)].into_iter().flatten();
        let entities = entities.cloned().collect();
        Ok(Slice { action, resource, entities, rules: slice, needs })
    }

    pub(super) fn entity(
        &self,
        kind: SubjectKind,
        id: &SubjectId,
        groups: &BTreeSet<GroupName>,
    ) -> Entity {
        let groups = groups.iter().map(|group| uid(&self.group, group.as_str()));
        Entity::new_no_attrs(self.subject(kind, id), groups.collect())
    }

    /// Whether a rule's scope admits the person or workload.
    pub(super) fn admits(&self, scope: &PrincipalConstraint, person: &Person) -> bool {
        let own = self.subject(person.kind, &person.id);
        let is_in = |of: &EntityUid| {
            let mut groups = person.groups.iter();
            *of == own || groups.any(|group| *of == uid(&self.group, group.as_str()))
        };
        match scope {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Is(kind) => kind == own.type_name(),
            PrincipalConstraint::Eq(one) => *one == own,
            PrincipalConstraint::In(of) => is_in(of),
            PrincipalConstraint::IsIn(kind, of) => kind == own.type_name() && is_in(of),
        }
    }

    pub(super) fn subject(&self, kind: SubjectKind, id: &SubjectId) -> EntityUid {
        let kind = match kind {
            SubjectKind::Person => &self.person,
            SubjectKind::Workload => &self.workload,
        };
        uid(kind, &id.to_string())
    }

    pub(super) fn action(&self, action: Action) -> EntityUid {
        uid(&self.action, &action.to_string())
    }

    pub(super) fn role(&self, role: &RoleName) -> EntityUid {
        uid(&self.role, role.as_str())
    }

    /// No role's name is empty, so that no rule names it.
    pub(super) fn unknown_role(&self) -> EntityUid {
        uid(&self.role, "")
    }

    pub(super) fn ca(&self) -> EntityUid {
        uid(&self.ca, "this")
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}
