//! The parts of a rule: its scope and what its conditions join by `&&`, each asked about alone.
//!
//! So that somebody is told which of them stands in the way, and not the whole rule.

use cedar_policy::{Policy, PolicyId};
use serde_json::{Value, json};

use super::{Needs, Unasked};

/// Something that has to hold for a rule to hold.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// As a rule could have it: `context.duration <= duration("1h")`.
    pub(crate) text: String,
    /// A permit that holds if the part does.
    pub(super) rule: Policy,
    pub(crate) needs: Needs,
    /// Whether it looks at the role alone, so that no other facts make it hold.
    pub(crate) is_of_role: bool,
}

impl Part {
    /// The parts of a rule, whose action and role are known to be the question's.
    ///
    /// # Errors
    /// If the rule has no JSON form, which every rule of a bundle has.
    pub(crate) fn all(rule: &Policy) -> Result<Vec<Self>, Unasked> {
        let rule = rule.to_json()?;
        let mut parts = Vec::new();
        let scope = rule.get("principal").cloned().unwrap_or(json!({ "op": "All" }));
        if scope.get("op").and_then(Value::as_str) != Some("All") {
            parts.push(Self::new(&scope, &[])?);
        }
        let conditions = rule.get("conditions").and_then(Value::as_array);
        for condition in conditions.into_iter().flatten() {
            let kind = condition.get("kind").and_then(Value::as_str).unwrap_or_default();
            // That neither of two holds is that each of them does not.
            let joined_by = if kind == "unless" { "||" } else { "&&" };
            let mut bodies = Vec::new();
            split(condition.get("body").unwrap_or(&Value::Null), joined_by, &mut bodies);
            for body in bodies {
                parts.push(Self::new(&json!({ "op": "All" }), &[(kind, body)])?);
            }
        }
        Ok(parts)
    }

    fn new(scope: &Value, conditions: &[(&str, &Value)]) -> Result<Self, Unasked> {
        let conditions =
            conditions.iter().map(|(kind, body)| json!({ "kind": kind, "body": body }));
        let conditions: Vec<Value> = conditions.collect();
        let rule = json!({
            "effect": "permit",
            "principal": scope,
            "action": { "op": "All" },
            "resource": { "op": "All" },
            "conditions": conditions,
        });
        let is_of_role = !conditions.is_empty() && !conditions.iter().any(looks_at_facts);
        let rule = Policy::from_json(Some(PolicyId::new("part")), rule)?;
        Ok(Self { text: text(&rule.to_string()), needs: Needs::of(&rule)?, rule, is_of_role })
    }
}

/// What of the text of a rule with one part is that part.
fn text(rule: &str) -> String {
    let between = |begin, end| Some(rule.split_once(begin)?.1.rsplit_once(end)?.0);
    if let Some(condition) = between(" when { ", " };") {
        return condition.to_owned();
    }
    if let Some(condition) = between(" unless { ", " };") {
        return format!("not ({condition})");
    }
    between("permit(", ", action").unwrap_or(rule).to_owned()
}

fn looks_at_facts(expression: &Value) -> bool {
    match expression {
        Value::Object(fields) => fields.iter().any(|(operator, operands)| {
            let is_fact = operator == "Var" && operands.as_str() != Some("resource");
            is_fact || looks_at_facts(operands)
        }),
        Value::Array(values) => values.iter().any(looks_at_facts),
        _ => false,
    }
}

fn split<'v>(body: &'v Value, joined_by: &str, parts: &mut Vec<&'v Value>) {
    let sides = body.get(joined_by).and_then(|sides| sides.get("left").zip(sides.get("right")));
    match sides {
        Some((left, right)) => {
            split(left, joined_by, parts);
            split(right, joined_by, parts);
        }
        None => parts.push(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_those_that_have_to_hold() {
        let parts = |rule: &str| {
            let parts = Part::all(&rule.parse().unwrap()).unwrap();
            parts.into_iter().map(|part| part.text).collect::<Vec<_>>()
        };
        let of_role = "permit (principal, action, resource) when { context.mfa && resource.name like \"web-*\" };";
        let of_role = Part::all(&of_role.parse().unwrap()).unwrap();
        assert_eq!(of_role.iter().map(|part| part.is_of_role).collect::<Vec<_>>(), [false, true]);
        assert!(parts("permit (principal, action, resource);").is_empty());
        assert_eq!(
            parts(
                "permit (principal in Group::\"dev\", action, resource) \
                 when { context.mfa && (context.weekday < 6 || context.minute > 9 * 60) } \
                 when { context has ticket && context.ticket like \"INC-*\" } \
                 unless { context.reason == \"\" || context.requester in Group::\"sre\" };"
            ),
            [
                "principal in Group::\"dev\"",
                "context.mfa",
                "(context.weekday < 6) || (context.minute > (9 * 60))",
                "context has ticket",
                "context.ticket like \"INC-*\"",
                "not (context.reason == \"\")",
                "not (context.requester in Group::\"sre\")",
            ]
        );
    }
}
