//! What rules look at: attributes of the context, groups, people, and the constants that they compare with.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cedar_policy::Policy;
use jit_ca_core::{GroupName, Span, SubjectId, Text, UnixTime};
use serde_json::Value;

use crate::engine::{Needs, Unasked};

/// What some rules can tell two questions apart by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looks {
    pub(crate) needs: Needs,
    pub(crate) groups: BTreeSet<GroupName>,
    pub(crate) people: BTreeSet<SubjectId>,
    pub(crate) constants: Constants,
}

/// The constants in the rules' conditions, by their type: whichever attribute they are compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Constants {
    pub(crate) spans: BTreeSet<Span>,
    pub(crate) numbers: BTreeSet<i64>,
    pub(crate) times: BTreeSet<UnixTime>,
    /// The first and the last address of each network.
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// Texts, and texts that fit a pattern.
    pub(crate) texts: BTreeSet<Text>,
}

impl Looks {
    /// What a rule looks at.
    ///
    /// # Errors
    /// If it can't be written in Cedar's JSON policy format, in which it is looked for.
    pub(crate) fn of(rule: &Policy) -> Result<Self, Unasked> {
        let mut looks = Self { needs: Needs::of(rule)?, ..Self::default() };
        for entity in rule.entity_literals() {
            let id = entity.id().unescaped();
            match entity.type_name().to_string().as_str() {
                "Group" => looks.groups.extend(id.parse().ok()),
                "Person" | "Workload" => looks.people.extend(id.parse().ok()),
                _ => {}
            }
        }
        // Scopes hold entities alone.
        if rule.has_non_scope_constraint() {
            let json = rule.to_json()?;
            looks.constants.add(json.get("conditions").unwrap_or(&Value::Null));
        }
        Ok(looks)
    }

    /// Whether they tell requesters apart.
    pub(crate) fn at_requesters(&self) -> bool {
        self.needs.has("requester") || self.needs.has("requester_is_workload")
    }

    /// Adds what other rules look at.
    pub(crate) fn join(&mut self, other: &Self) {
        self.needs.join(&other.needs);
        self.groups.extend(other.groups.iter().cloned());
        self.people.extend(other.people.iter().cloned());
        let Constants { spans, numbers, times, addresses, texts } = &other.constants;
        self.constants.spans.extend(spans);
        self.constants.numbers.extend(numbers);
        self.constants.times.extend(times);
        self.constants.addresses.extend(addresses);
        self.constants.texts.extend(texts.iter().cloned());
    }
}

impl Constants {
    fn add(&mut self, expression: &Value) {
        if let Some(number) = number(expression) {
            self.numbers.insert(number);
            return;
        }
        match expression {
            Value::Object(fields) => {
                for (operator, operands) in fields {
                    self.add_operation(operator, operands);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.add(value)),
            _ => {}
        }
    }

    fn add_operation(&mut self, operator: &str, operands: &Value) {
        let argument = operands.get(0).and_then(|value| value.get("Value")?.as_str());
        match (operator, argument) {
            ("duration", Some(text)) => self.spans.extend(text.parse::<Span>().ok()),
            ("datetime", Some(text)) => self.times.extend(time(text)),
            ("ip", Some(text)) => self.addresses.extend(ends(text).into_iter().flatten()),
            ("like", _) => {
                self.texts.extend(operands.get("pattern").and_then(fitting));
                self.add(operands);
            }
            ("Value", _) => self.texts.extend(operands.as_str().and_then(|text| text.parse().ok())),
            // `attr`, `kind` and the like are strings outside a `Value`, and none of the constants.
            _ => self.add(operands),
        }
    }
}

/// A number, also one that is worked out: `9 * 60`.
fn number(expression: &Value) -> Option<i64> {
    if let Some(value) = expression.get("Value") {
        return value.as_i64();
    }
    let (operator, operands) = expression.as_object()?.iter().next()?;
    let side = |name| number(operands.get(name)?);
    match operator.as_str() {
        "*" => side("left")?.checked_mul(side("right")?),
        "+" => side("left")?.checked_add(side("right")?),
        "-" => side("left")?.checked_sub(side("right")?),
        "neg" => side("arg")?.checked_neg(),
        _ => None,
    }
}

/// A day is its first second.
fn time(text: &str) -> Option<UnixTime> {
    let whole = || format!("{text}T00:00:00Z").parse().ok();
    text.parse().ok().or_else(whole)
}

/// The first and the last address of a network, or a single one.
fn ends(text: &str) -> Option<[IpAddr; 2]> {
    let Some((address, prefix)) = text.split_once('/') else {
        let address: IpAddr = text.parse().ok()?;
        return Some([address, address]);
    };
    let prefix: u32 = prefix.parse().ok()?;
    Some(match address.parse().ok()? {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(prefix).unwrap_or(0);
            [address.to_bits() & !host, address.to_bits() | host]
                .map(|bits| IpAddr::V4(bits.into()))
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(prefix).unwrap_or(0);
            [address.to_bits() & !host, address.to_bits() | host]
                .map(|bits| IpAddr::V6(bits.into()))
        }
    })
}

/// A text that fits a pattern: each `*` of it becomes a `1`.
fn fitting(pattern: &Value) -> Option<Text> {
    let parts = pattern.as_array()?.iter();
    let parts = parts.map(|part| part.get("Literal").and_then(Value::as_str).unwrap_or("1"));
    parts.collect::<String>().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The constants of a rule with this condition, in the order of their types.
    fn constants(condition: &str) -> String {
        let rule = format!("permit (principal, action, resource) when {{ {condition} }};");
        let Constants { spans, numbers, times, addresses, texts } =
            Looks::of(&rule.parse().unwrap()).unwrap().constants;
        let mut all: Vec<String> = spans.iter().map(ToString::to_string).collect();
        all.extend(numbers.iter().map(ToString::to_string));
        all.extend(times.iter().map(ToString::to_string));
        all.extend(addresses.iter().map(ToString::to_string));
        all.extend(texts.iter().map(ToString::to_string));
        all.join(" ")
    }

    #[test]
    fn are_found_wherever_a_rule_mentions_them() {
        for (condition, expected) in [
            ("context.mfa", ""),
            ("context.duration <= duration(\"1h\")", "1h"),
            ("context.minute >= 9 * 60 && 18 * 60 - 1 > context.minute", "540 1079"),
            ("[6, -7].contains(context.weekday)", "-7 6"),
            ("context.now < datetime(\"2026-12-24\")", "2026-12-24T00:00:00Z"),
            ("context.now < datetime(\"2026-12-24T18:00:00Z\")", "2026-12-24T18:00:00Z"),
            ("context.source_address.isInRange(ip(\"10.1.0.0/16\"))", "10.1.0.0 10.1.255.255"),
            ("context.source_address == ip(\"::1\")", "::1"),
            ("context.source_address.isInRange(ip(\"0.0.0.0/0\"))", "0.0.0.0 255.255.255.255"),
            ("context has ticket && context.ticket like \"INC-*\"", "INC-1"),
            ("context.hosts.containsAny([\"db1\", \"db2\"])", "db1 db2"),
            ("if context.reason == \"drill\" then true else context.weekday < 6", "6 drill"),
        ] {
            assert_eq!(constants(condition), expected, "{condition}");
        }
    }

    #[test]
    fn groups_and_people_are_those_that_are_named() {
        let rule = "forbid (principal in Group::\"dev\", action, resource) unless \
                    { context.requester in [Group::\"sre\"] || principal == Person::\"local/u-1\" };";
        let looks = Looks::of(&rule.parse().unwrap()).unwrap();
        let groups: Vec<&str> = looks.groups.iter().map(GroupName::as_str).collect();
        assert_eq!(groups, ["dev", "sre"]);
        assert_eq!(looks.people.iter().map(ToString::to_string).collect::<Vec<_>>(), ["local/u-1"]);
        assert!(looks.needs.has("requester") && !looks.needs.has("mfa"));
    }
}
