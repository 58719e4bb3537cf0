//! Rules, by their ids and texts.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{Bundle, Rule};

/// A rule that was added, removed or written otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleChange {
    /// Its `@id`.
    pub id: String,
    /// As it was.
    pub was: Option<RuleText>,
    /// As it is.
    pub now: Option<RuleText>,
}

/// A rule as its file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleText {
    /// The file.
    pub path: String,
    /// The line that it begins in.
    pub line: usize,
    /// The rule.
    pub text: String,
}

pub(super) fn changes(old: &Bundle, new: &Bundle) -> Vec<RuleChange> {
    let ids: BTreeSet<&str> = old.rules().chain(new.rules()).map(Rule::id).collect();
    let changes = ids.into_iter().filter_map(|id| {
        let (was, now) = (old.rule(id), new.rule(id));
        // A rule that has moved says what it said.
        let differ = was.map(Rule::text) != now.map(Rule::text);
        let (was, now) = (was.map(text), now.map(text));
        differ.then(|| RuleChange { id: id.to_owned(), was, now })
    });
    changes.collect()
}

fn text(rule: &Rule) -> RuleText {
    RuleText { path: rule.path().to_owned(), line: rule.line(), text: rule.text() }
}
