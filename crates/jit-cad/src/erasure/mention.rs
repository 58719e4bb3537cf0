//! Whether something that was written names a subject.

use std::collections::BTreeSet;

use jit_ca_core::event::Event;
use serde_json::Value;

/// What a subject is called: its id, and every name that it had.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    own: BTreeSet<String>,
    /// What others are called, of which an own name may be a part: `ann` of `ann-marie`.
    others: BTreeSet<String>,
}

impl Names {
    pub(super) fn add(&mut self, name: &str) {
        self.own.insert(name.to_owned());
    }

    /// Somebody else's name, or id. One that changed hands says nothing of the subject any more.
    pub(super) fn add_of_another(&mut self, name: &str) {
        self.own.remove(name);
        self.others.insert(name.to_owned());
    }

    /// Whether the bytes of a payload may name the subject at all: most don't, and need not be decoded.
    pub(super) fn may_be_in(&self, payload: &[u8]) -> bool {
        let payload = payload.to_ascii_lowercase();
        self.own.iter().any(|name| {
            // What an issuer calls somebody may have capitals.
            let name = name.to_ascii_lowercase();
            payload.windows(name.len()).any(|at| at == name.as_bytes())
        })
    }

    /// Whether an event names the subject: as a value of its own, or within what somebody wrote.
    pub(super) fn are_in_event(&self, event: &Event) -> bool {
        // What can't be shown can't be searched: it counts as naming everybody.
        serde_json::to_value(event).map_or(true, |value| self.are_in_value("", &value))
    }

    fn are_in_value(&self, key: &str, value: &Value) -> bool {
        match value {
            Value::String(text) if WRITTEN.contains(&key) => self.are_in_text(text),
            Value::String(text) if SAYING_WHO.contains(&key) => self.own.contains(text),
            Value::String(_) => false,
            Value::Array(values) => values.iter().any(|value| self.are_in_value(key, value)),
            Value::Object(fields) => {
                fields.iter().any(|(key, value)| self.are_in_value(key, value))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// Whether a text has one of the names as a word, in whatever case. A word may go on behind a dash, a dot or an
    /// underscore (`ann-laptop`, `ann_backup.tar`), unless it is somebody else's name then.
    pub(super) fn are_in_text(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let is_named = |name: &String| {
            let name = name.to_lowercase();
            text.match_indices(name.as_str()).any(|(at, _)| {
                let (before, after) = (text.get(..at), text.get(at + name.len()..));
                let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
                let is_word = !before.ends_with(char::is_alphanumeric)
                    && !after.starts_with(char::is_alphanumeric);
                is_word && !self.is_anothers(before, &name, after)
            })
        };
        self.own.iter().any(is_named)
    }

    /// Whether what stands around a name makes it another one that is known.
    fn is_anothers(&self, before: &str, name: &str, after: &str) -> bool {
        let of_name = |c: char| c.is_alphanumeric() || "._-/".contains(c);
        let start = before.trim_end_matches(of_name).len();
        let whole = after.len() - after.trim_start_matches(of_name).len();
        let word = [before.get(start..), Some(name), after.get(..whole)];
        let word: String = word.into_iter().flatten().collect();
        // A sentence's full stop is not the name's.
        self.others.contains(word.trim_matches(|c: char| !c.is_alphanumeric()))
    }
}

/// The fields that say who. A role or a group may be called as somebody is.
const SAYING_WHO: [&str; 4] = ["subject", "name", "requester", "by"];

/// The fields that hold what people or programs wrote, and not one value. The last three hold paths.
const WRITTEN: [&str; 16] = [
    "reason", "ticket", "comment", "detail", "error", "text", "reasons", "label", "refusal",
    "account", "key_id", "command", "path", "added", "changed", "removed",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_a_word_and_not_within_one() {
        let mut names = Names::default();
        names.add("ann");
        names.add("local/u-7");
        for name in ["ann-marie", "ann.b", "local/u-7-2", "local/u-77"] {
            names.add_of_another(name);
        }
        for text in [
            "ann",
            "for Ann.",
            "INC-4 (ANN)",
            "ann's laptop",
            "ask ann, then go",
            "local/u-7",
            "_ann_",
            "...ann",
            "-ann",
            "ann_backup.tar",
            "ann-laptop",
            "policy-tests/ann.toml",
            "not ann-marie but ann",
        ] {
            assert!(names.are_in_text(text), "{text}");
        }
        for text in
            ["", "annual", "joann", "ann-marie", "ask Ann.B.", "local/u-77", "local/u-7-2", "u-7"]
        {
            assert!(!names.are_in_text(text), "{text}");
        }
        let listed = |name: &str, group: &str| {
            let (subject, ssh_keys) = ("local/u-8".parse().unwrap(), Vec::new());
            let (name, groups) = (name.parse().unwrap(), [group.parse().unwrap()].into());
            jit_ca_core::event::PersonListed { subject, name, groups, ssh_keys }.into()
        };
        assert!(names.are_in_event(&listed("ann", "dev")));
        assert!(!names.are_in_event(&listed("bob", "ann")));
        assert!(names.may_be_in(b"..ANN..") && !names.may_be_in(b"bob"));
    }
}
