//! When: the situations in which something is allowed, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use jit_ca_core::{SubjectId, Text};
use serde::Serialize;

use super::situations::{ADDRESS, MONDAY, OTHER, Week};
use super::{Fact, Groups, Survey, Verdict};

/// In which of the situations that were asked about something is allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum When {
    /// In none.
    Never,
    /// In all.
    Always,
    /// In those that this says.
    If {
        /// Such as `for at most 1h, on Monday to Friday`.
        condition: String,
    },
    /// In some, for which there are no short words: the rules' own text says which.
    Sometimes {
        /// How many.
        allowed: usize,
        /// Of how many.
        asked: usize,
    },
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Always => f.write_str("always"),
            Self::If { condition } => f.write_str(condition),
            Self::Sometimes { allowed, asked } => {
                write!(f, "in {allowed} of {asked} situations asked about")
            }
        }
    }
}

impl When {
    /// In which situations the verdict is yes. People are named by the groups of a side.
    pub(crate) fn of(survey: &Survey, verdict: &Verdict, groups: &Groups<'_>) -> Self {
        let Survey { situations, requesters, .. } = survey;
        let asked = situations.chosen.iter().zip(&verdict.allowed);
        let asked: Vec<(&Vec<usize>, bool)> =
            asked.filter_map(|(chosen, allowed)| Some((chosen, (*allowed)?))).collect();
        let allowed = asked.iter().filter(|(_, allowed)| *allowed).count();
        if allowed == 0 {
            return Self::Never;
        }
        if allowed == asked.len() {
            return Self::Always;
        }
        // The values of each dimension with which it is allowed at all. If these are independent, they say all.
        let values = |dimension: usize, among: bool| -> BTreeSet<usize> {
            let asked = asked.iter().filter(|(_, allowed)| *allowed || among);
            asked.filter_map(|(chosen, _)| chosen.get(dimension).copied()).collect()
        };
        let count = situations.dimensions.len();
        let with: Vec<BTreeSet<usize>> = (0..count).map(|at| values(at, false)).collect();
        let is_product = asked.iter().all(|(chosen, allowed)| {
            let within = chosen.iter().zip(&with).all(|(which, with)| with.contains(which));
            within == *allowed
        });
        if !is_product {
            return Self::Sometimes { allowed, asked: asked.len() };
        }
        let mut parts = Vec::new();
        for (at, (facts, with)) in situations.dimensions.iter().zip(&with).enumerate() {
            let all = values(at, true);
            if *with != all {
                let (yes, no): (Vec<_>, Vec<_>) =
                    all.iter().partition(|which| with.contains(which));
                let facts = |which: Vec<&usize>| -> Vec<&Fact> {
                    which.into_iter().filter_map(|which| facts.get(*which)).collect()
                };
                parts.push(words(&facts(yes), &facts(no), requesters, groups));
            }
        }
        Self::If { condition: parts.join(", ") }
    }
}

/// What of one kind of fact is allowed, and what is not.
fn words(
    yes: &[&Fact],
    no: &[&Fact],
    requesters: &[Vec<SubjectId>],
    groups: &Groups<'_>,
) -> String {
    if let Some(Fact::Requester(_)) = yes.first() {
        // Each stands for all who are like them to the rules.
        let is_meant = |kind: &&Vec<SubjectId>| {
            let is_first =
                |fact: &&Fact| matches!(fact, Fact::Requester(id) if kind.first() == Some(id));
            yes.iter().any(is_first)
        };
        let people = requesters.iter().filter(is_meant).flatten();
        return format!("for requests of {}", groups.name(people));
    }
    let range = range(yes, no).or_else(|| Some(format!("not {}", self::range(no, yes)?)));
    if let Some(range) = range {
        return range;
    }
    let list = |facts: &[&Fact]| {
        let texts: Vec<String> = facts.iter().map(|fact| text(fact)).collect();
        texts.join(" or ")
    };
    // What rules do not mention is allowed: then they say what is not.
    match yes.iter().any(|fact| is_other(fact)) {
        true => format!("not {}", list(no)),
        false => list(yes),
    }
}

/// Whether it stands for all that rules do not mention.
fn is_other(fact: &Fact) -> bool {
    match fact {
        Fact::Address(address) => *address == ADDRESS,
        Fact::Acr(text) | Fact::Reason(text) | Fact::Ticket(text) => {
            text.as_ref().is_some_and(|text| text.as_str() == OTHER)
        }
        Fact::Amr(methods) => methods.is_empty(),
        Fact::Hosts(host) => host.is_none(),
        Fact::Week(week) => *week == Week::Of(MONDAY),
        Fact::Weekday(_)
        | Fact::Minute(_)
        | Fact::MfaAge(_)
        | Fact::Duration(_)
        | Fact::Requester(_) => false,
    }
}

/// Values that follow on one another, of facts that have an order.
fn range(yes: &[&Fact], no: &[&Fact]) -> Option<String> {
    let measured = |facts: &[&Fact]| -> BTreeMap<u128, String> {
        facts.iter().filter_map(|fact| Some((measure(fact)?, value(fact)))).collect()
    };
    let (yes_by_size, no) = (measured(yes), measured(no));
    let ((least, from), (most, to)) =
        (yes_by_size.first_key_value()?, yes_by_size.last_key_value()?);
    if no.range(least..=most).next().is_some() {
        return None;
    }
    let below = no.range(..least).next().is_some();
    let above = no.range(most..).next().is_some();
    let bounded = |word: &str| match (below, above) {
        _ if least == most => format!("{word} {from}"),
        (false, _) => format!("{word} at most {to}"),
        (true, false) => format!("{word} at least {from}"),
        (true, true) => format!("{word} {from} to {to}"),
    };
    match yes.first()? {
        Fact::Duration(_) => Some(bounded("for")),
        Fact::MfaAge(_) => Some(bounded("with a second factor of")),
        Fact::Address(_) if least == most => Some(format!("from {from}")),
        Fact::Address(_) => Some(format!("from {from} to {to}")),
        Fact::Minute(_) if !below => Some(format!("until {to}")),
        Fact::Minute(_) if !above => Some(format!("from {from}")),
        _ if least == most => Some(from.clone()),
        _ => Some(format!("{from} to {to}")),
    }
}

/// What orders facts of a kind.
fn measure(fact: &Fact) -> Option<u128> {
    match fact {
        Fact::Weekday(day) => u128::try_from(*day).ok(),
        Fact::Minute(minute) => u128::try_from(*minute).ok(),
        Fact::Duration(span) => span.map(|span| span.secs().into()),
        Fact::MfaAge(span) => Some(span.secs().into()),
        Fact::Address(IpAddr::V4(address)) => Some(address.to_ipv6_mapped().to_bits()),
        Fact::Address(IpAddr::V6(address)) => Some(address.to_bits()),
        Fact::Week(_)
        | Fact::Acr(_)
        | Fact::Amr(_)
        | Fact::Hosts(_)
        | Fact::Reason(_)
        | Fact::Ticket(_)
        | Fact::Requester(_) => None,
    }
}

/// A fact as one says it alone.
fn text(fact: &Fact) -> String {
    match fact {
        Fact::Week(Week::Of(_)) => format!("in the week of {}", value(fact)),
        Fact::Week(Week::At(_)) => format!("at {}", value(fact)),
        Fact::Address(_) => format!("from {}", value(fact)),
        Fact::Weekday(_)
        | Fact::Minute(_)
        | Fact::MfaAge(_)
        | Fact::Acr(_)
        | Fact::Amr(_)
        | Fact::Duration(_)
        | Fact::Hosts(_)
        | Fact::Reason(_)
        | Fact::Ticket(_)
        | Fact::Requester(_) => value(fact),
    }
}

fn value(fact: &Fact) -> String {
    const DAYS: [&str; 7] =
        ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let said = |what: &str, text: &Option<Text>| match text {
        None => format!("without a {what}"),
        Some(text) if text.as_str() == OTHER => format!("with another {what}"),
        Some(text) => format!("with a {what} such as {text}"),
    };
    match fact {
        Fact::Week(Week::Of(monday)) => monday.to_string(),
        Fact::Week(Week::At(moment)) => moment.to_string(),
        Fact::Weekday(day) => {
            let day = usize::try_from(*day).ok().and_then(|day| DAYS.get(day.checked_sub(1)?));
            day.map_or_else(String::new, |day| (*day).to_owned())
        }
        Fact::Minute(minute) => format!("{:02}:{:02}", minute / 60, minute % 60),
        Fact::Address(address) => address.to_string(),
        Fact::MfaAge(span) => span.to_string(),
        Fact::Acr(None) => "without acr".to_owned(),
        Fact::Acr(Some(acr)) if acr.as_str() == OTHER => "with another acr".to_owned(),
        Fact::Acr(Some(acr)) => format!("with acr {acr}"),
        Fact::Amr(methods) if methods.is_empty() => "without amr".to_owned(),
        Fact::Amr(methods) => {
            let methods: Vec<&str> = methods.iter().map(Text::as_str).collect();
            format!("with amr {}", methods.join(" and "))
        }
        Fact::Duration(span) => span.map_or_else(String::new, |span| span.to_string()),
        Fact::Hosts(None) => "on all hosts".to_owned(),
        Fact::Hosts(Some(host)) => format!("on {host} alone"),
        Fact::Reason(text) => said("reason", text),
        Fact::Ticket(text) => said("ticket", text),
        Fact::Requester(id) => id.to_string(),
    }
}
