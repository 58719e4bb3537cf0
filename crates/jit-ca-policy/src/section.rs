//! Reading TOML by hand, a key at a time, so that all faults of a file are found and each has its line.
//!
//! Deriving `Deserialize` would stop at the first one.

use std::collections::BTreeSet;
use std::str::FromStr;

use jit_ca_core::ValueError;
use serde::de::DeserializeOwned;
use serde::de::value::{Error as NotAVariant, StrDeserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::Page;

/// A value and the byte where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) at: usize,
}

/// Texts, below a key of the author's own choice.
pub(crate) struct Leaf {
    /// The keys that lead to it.
    pub(crate) path: Vec<String>,
    pub(crate) at: usize,
    /// One text, or those of a list.
    pub(crate) values: Vec<At<String>>,
}

/// A TOML table that is being read. What is left of it when it is finished is unknown keys.
pub(crate) struct Section<'a> {
    page: Page<'a>,
    /// Where the table begins, for what is missing in it.
    pub(crate) at: usize,
    table: DeTable<'a>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The whole file; `None`, and faults, if it is not TOML.
    pub(crate) fn parse(page: Page<'a>) -> Option<Self> {
        let (table, errors) = DeTable::parse_recoverable(page.text());
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            page.fault(at, error.message(), "write TOML, as https://toml.io describes it");
        }
        errors.is_empty().then(|| Self::new(page, 0, table.into_inner()))
    }

    fn new(page: Page<'a>, at: usize, table: DeTable<'a>) -> Self {
        Self { page, at, table, known: Vec::new() }
    }

    /// A fault for each key that nobody asked for.
    pub(crate) fn finish(self) {
        for key in self.table.keys() {
            let message = format!("unknown key `{}`", key.get_ref());
            let hint = format!("known here: {}", self.known.join(", "));
            self.page.fault(key.span().start, message, hint);
        }
    }

    /// Whether the key stands there, be its value right or wrong.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether the key stands there with a string.
    pub(crate) fn holds_string(&self, key: &str) -> bool {
        let value = self.table.get(key);
        value.is_some_and(|value| value.get_ref().is_str())
    }

    /// A fault of a value that was read.
    pub(crate) fn fault(&self, at: usize, message: impl Into<String>, hint: &str) {
        self.page.fault(at, message, hint);
    }

    /// A fault for a key that has to be there. `example` is a line that would do.
    pub(crate) fn missing(&self, key: &str, example: &str) {
        let message = format!("`{key}` is missing");
        self.page.fault(self.at, message, format!("add {example}"));
    }

    /// A value that has to be there.
    pub(crate) fn require<T>(&mut self, key: &'static str, example: &str) -> Option<At<T>>
    where
        T: FromStr<Err = ValueError>,
    {
        if !self.has(key) {
            self.missing(key, example);
        }
        self.value(key)
    }

    /// A value that may be there; `None` also if it is wrong, which is a fault then.
    pub(crate) fn value<T: FromStr<Err = ValueError>>(
        &mut self,
        key: &'static str,
    ) -> Option<At<T>> {
        let text = self.string(key)?;
        parse(self.page, &text)
    }

    /// A value out of the few that `T` names in its serialised form.
    pub(crate) fn variant<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<At<T>> {
        let text = self.string(key)?;
        let value = T::deserialize(StrDeserializer::<NotAVariant>::new(&text.value));
        match value {
            Ok(value) => Some(At { value, at: text.at }),
            Err(error) => {
                let message = format!("`{key}` can't be {:?}", text.value);
                self.page.fault(text.at, message, error.to_string());
                None
            }
        }
    }

    /// A list of values, none of them twice.
    pub(crate) fn items<T>(&mut self, key: &'static str) -> Option<At<Vec<At<T>>>>
    where
        T: FromStr<Err = ValueError> + PartialEq,
    {
        let (at, value) = self.take(key)?;
        let DeValue::Array(array) = value else {
            self.wrong_type(key, at, &value, "a list of strings");
            return None;
        };
        let mut items: Vec<At<T>> = Vec::new();
        for item in array {
            let (at, item) = (item.span().start, item.into_inner());
            let DeValue::String(text) = item else {
                self.wrong_type(key, at, &item, "a list of strings");
                continue;
            };
            let value = text.into_owned();
            let Some(item) = parse::<T>(self.page, &At { value, at }) else {
                continue;
            };
            if items.iter().any(|other| other.value == item.value) {
                let message = format!("`{key}` names the same thing twice");
                self.page.fault(at, message, "remove one of the two");
            }
            items.push(item);
        }
        Some(At { value: items, at })
    }

    /// A list of values in which at least one has to stand.
    pub(crate) fn set<T>(&mut self, key: &'static str) -> Option<At<BTreeSet<T>>>
    where
        T: FromStr<Err = ValueError> + Ord,
    {
        let faults = self.page.report.count();
        let At { value, at } = self.items(key)?;
        if value.is_empty() && self.page.report.count() == faults {
            let message = format!("`{key}` is empty");
            self.page.fault(at, message, "name at least one");
        }
        let set: BTreeSet<T> = value.into_iter().map(|item| item.value).collect();
        (!set.is_empty()).then_some(At { value: set, at })
    }

    /// A string, whatever it says.
    pub(crate) fn string(&mut self, key: &'static str) -> Option<At<String>> {
        match self.take(key)? {
            (at, DeValue::String(text)) => Some(At { value: text.into_owned(), at }),
            (at, other) => {
                self.wrong_type(key, at, &other, "a string");
                None
            }
        }
    }

    /// A list of strings, whatever they say; none if it is not there.
    pub(crate) fn strings(&mut self, key: &'static str) -> Vec<String> {
        let Some((at, value)) = self.take(key) else { return Vec::new() };
        let mut texts = Vec::new();
        self.texts(key, at, value, &mut texts);
        texts.into_iter().map(|text| text.value).collect()
    }

    /// All texts that are left, in a table whose keys are its author's.
    pub(crate) fn leaves(mut self) -> Vec<Leaf> {
        let table = std::mem::take(&mut self.table);
        let mut leaves = Vec::new();
        self.add_leaves(&mut Vec::new(), table, &mut leaves);
        leaves
    }

    fn add_leaves(&self, path: &mut Vec<String>, table: DeTable<'_>, leaves: &mut Vec<Leaf>) {
        for (key, value) in table {
            path.push(key.into_inner().into_owned());
            let (at, value) = (value.span().start, value.into_inner());
            match value {
                DeValue::Table(below) => self.add_leaves(path, below, leaves),
                value => {
                    let mut values = Vec::new();
                    self.texts(&path.join("."), at, value, &mut values);
                    leaves.push(Leaf { path: path.clone(), at, values });
                }
            }
            path.pop();
        }
    }

    fn texts(&self, key: &str, at: usize, value: DeValue<'_>, texts: &mut Vec<At<String>>) {
        match value {
            DeValue::String(text) => texts.push(At { value: text.into_owned(), at }),
            DeValue::Array(array) => {
                for item in array {
                    let (at, item) = (item.span().start, item.into_inner());
                    match item {
                        DeValue::String(text) => texts.push(At { value: text.into_owned(), at }),
                        other => self.wrong_type(key, at, &other, "a list of strings"),
                    }
                }
            }
            other => self.wrong_type(key, at, &other, "a string, or a list of strings"),
        }
    }

    /// True or false; false if it is not there.
    pub(crate) fn flag(&mut self, key: &'static str) -> bool {
        match self.take(key) {
            Some((_, DeValue::Boolean(flag))) => flag,
            Some((at, other)) => {
                self.wrong_type(key, at, &other, "true or false");
                false
            }
            None => false,
        }
    }

    /// A number from 1 to 255.
    pub(crate) fn count(&mut self, key: &'static str) -> Option<At<u8>> {
        let (at, value) = self.take(key)?;
        let number = value
            .as_integer()
            .and_then(|number| u8::from_str_radix(number.as_str(), number.radix()).ok())
            .filter(|&number| number > 0);
        if number.is_none() {
            let message = format!("`{key}` is not a number from 1 to 255");
            self.page.fault(at, message, format!("write {key} = 1"));
        }
        number.map(|value| At { value, at })
    }

    /// `[key]`.
    pub(crate) fn section(&mut self, key: &'static str) -> Option<Section<'a>> {
        match self.take(key)? {
            (at, DeValue::Table(table)) => Some(Self::new(self.page, at, table)),
            (at, other) => {
                self.wrong_type(key, at, &other, "a table");
                None
            }
        }
    }

    /// Each `[[key]]`.
    pub(crate) fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let Some((at, value)) = self.take(key) else {
            return Vec::new();
        };
        let DeValue::Array(array) = value else {
            self.wrong_type(key, at, &value, "a list of tables");
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in array {
            let (at, item) = (item.span().start, item.into_inner());
            match item {
                DeValue::Table(table) => sections.push(Self::new(self.page, at, table)),
                other => self.wrong_type(key, at, &other, "a list of tables"),
            }
        }
        sections
    }

    fn take(&mut self, key: &'static str) -> Option<(usize, DeValue<'a>)> {
        self.known.push(key);
        let value: Spanned<DeValue<'a>> = self.table.remove(key)?;
        Some((value.span().start, value.into_inner()))
    }

    fn wrong_type(&self, key: &str, at: usize, found: &DeValue<'_>, wanted: &str) {
        let message = format!("`{key}` holds a value of type {}", found.type_str());
        self.page.fault(at, message, format!("write {wanted}"));
    }
}

fn parse<T: FromStr<Err = ValueError>>(page: Page<'_>, text: &At<String>) -> Option<At<T>> {
    match text.value.parse() {
        Ok(value) => Some(At { value, at: text.at }),
        Err(error) => {
            page.value_fault(text.at, &error);
            None
        }
    }
}
