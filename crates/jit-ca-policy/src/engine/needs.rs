//! What rules look at of the context.
//!
//! To tell Cedar a fact that no rule asks for takes as long as to evaluate a rule. A rule names the attributes that it
//! looks at, as Cedar has no other way to reach one; so what none names can be left out, and nothing is told apart by it.

use std::collections::BTreeSet;

use cedar_policy::Policy;
use serde_json::Value;

use super::Unasked;

/// The attributes of the context that some rules name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    names: BTreeSet<String>,
    /// Some rule looks at the context as a whole.
    all: bool,
}

impl Needs {
    /// What a rule needs.
    ///
    /// # Errors
    /// If it can't be written in Cedar's JSON policy format, in which it is looked for.
    pub(crate) fn of(rule: &Policy) -> Result<Self, Unasked> {
        let mut needs = Self::default();
        // Scopes know no context.
        if rule.has_non_scope_constraint() {
            needs.add(&rule.to_json()?);
        }
        Ok(needs)
    }

    /// Adds what other rules need.
    pub(crate) fn join(&mut self, other: &Self) {
        self.names.extend(other.names.iter().cloned());
        self.all |= other.all;
    }

    fn add(&mut self, rule: &Value) {
        match rule {
            _ if is_context(rule) => self.all = true,
            Value::Object(fields) => {
                for (operator, operands) in fields {
                    match attribute(operator, operands) {
                        Some(name) => _ = self.names.insert(name.to_owned()),
                        None => self.add(operands),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.add(value)),
            _ => {}
        }
    }

    /// Whatever there is.
    #[cfg(test)]
    pub(crate) fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// Whether a rule may look at the attribute of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all || self.names.contains(name)
    }
}

/// The attribute of the context that `context.name` or `context has name` looks at.
fn attribute<'r>(operator: &str, operands: &'r Value) -> Option<&'r str> {
    let is_access = matches!(operator, "." | "has") && is_context(operands.get("left")?);
    operands.get("attr")?.as_str().filter(|_| is_access)
}

fn is_context(expression: &Value) -> bool {
    expression.get("Var").and_then(Value::as_str) == Some("context")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a rule with this condition needs; `*` for all.
    fn needs(condition: &str) -> String {
        let rule = format!("permit (principal, action, resource) {condition};");
        let mut needs = Needs::default();
        needs.join(&Needs::of(&rule.parse().unwrap()).unwrap());
        let all = needs.all.then_some("*");
        let names = needs.names.iter().map(String::as_str);
        names.chain(all).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn are_the_attributes_that_a_rule_names() {
        for (condition, expected) in [
            ("", ""),
            ("when { principal in Group::\"dev\" && resource.name like \"context*\" }", ""),
            ("when { context.mfa }", "mfa"),
            ("unless { context[\"mfa\"] }", "mfa"),
            ("when { context has mfa_age && context.mfa_age < duration(\"1h\") }", "mfa_age"),
            (
                "when { context has ticket } unless { context.hosts.contains(\"a\") }",
                "hosts ticket",
            ),
            ("when { if context.weekday > 5 then context.minute < 9 else true }", "minute weekday"),
            (
                "when { [context.now, context.now.offset(context.duration)].isEmpty() }",
                "duration now",
            ),
            ("when { {\"mfa\": context.reason}.mfa == \"\" }", "reason"),
            ("when { !(context.source_address.isIpv4()) }", "source_address"),
            // Not as one of an attribute: it may be any of them.
            ("when { context == {} }", "*"),
            ("when { {\"has\": context}[\"has\"].mfa }", "*"),
            ("when { (if true then context else context).mfa }", "*"),
            ("when { context has a.b }", "*"),
        ] {
            assert_eq!(needs(condition), expected, "{condition}");
        }
    }
}
