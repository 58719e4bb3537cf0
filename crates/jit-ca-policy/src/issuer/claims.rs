//! What a token says, as conditions look at it.

use std::collections::BTreeSet;

use jit_ca_core::UnixTime;
use serde_json::{Map, Value};

use crate::fault::Page;
use crate::section::Leaf;

/// What a token says of its subject: the claims of a JWT (RFC 7519 4) that was verified.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a>(pub &'a Map<String, Value>);

impl<'a> Claims<'a> {
    /// A claim that is a string.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str()
    }

    /// A claim that is a list of strings, or one string.
    pub fn texts(&self, name: &str) -> BTreeSet<&'a str> {
        self.0.get(name).map(texts).unwrap_or_default()
    }

    /// A claim that is a NumericDate (RFC 7519 2), in whole seconds.
    pub fn time(&self, name: &str) -> Option<UnixTime> {
        self.0.get(name)?.as_u64().map(UnixTime::from_secs)
    }

    fn at(&self, path: &[String]) -> Option<&'a Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.0.get(first)?, |value, name| value.get(name))
    }
}

fn texts(value: &Value) -> BTreeSet<&str> {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().into_iter().collect(),
    }
}

/// That a claim is one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    path: Vec<String>,
    any_of: Vec<String>,
}

impl Condition {
    /// Of a line such as `ref = "refs/heads/main"`, or `ref = ["refs/heads/main", "refs/tags/v*"]`.
    pub(crate) fn read(page: Page<'_>, leaf: Leaf) -> Option<Self> {
        let Leaf { path, at, values } = leaf;
        let name = path.join(".");
        if values.is_empty() {
            page.fault(at, format!("`{name}` can be nothing"), "name what it has to be");
        }
        for value in &values {
            let stars = value.value.matches('*').count();
            let ends = value.value.ends_with('*');
            if value.value.is_empty() || value.value == "*" || stars > usize::from(ends) {
                let message = format!("`{name}` can't be compared with {:?}", value.value);
                let hint = "write all of it, or its beginning and one '*'";
                page.fault(value.at, message, hint);
            }
        }
        let any_of = values.into_iter().map(|value| value.value).collect();
        Some(Self { path, any_of })
    }

    /// Whether the claims fulfil it. What is not there, or of another type, does not.
    pub(crate) fn holds(&self, claims: &Claims<'_>) -> bool {
        let Some(said) = claims.at(&self.path) else { return false };
        let said: BTreeSet<String> = match said {
            Value::Bool(flag) => [flag.to_string()].into(),
            Value::Number(number) => [number.to_string()].into(),
            said => texts(said).into_iter().map(ToOwned::to_owned).collect(),
        };
        self.any_of.iter().any(|wanted| match wanted.strip_suffix('*') {
            Some(beginning) => said.iter().any(|said| said.starts_with(beginning)),
            None => said.contains(wanted),
        })
    }
}
