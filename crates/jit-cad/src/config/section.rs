//! Tables of a TOML file, read key by key, with every fault noted where it stands.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use jit_ca_cert::ServerName;
use jit_ca_core::{Span, ValueError};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::anchor::{AnchorPlace, ONE_OF};
use super::secret::SecretSource;

/// No login lasts longer, whatever the configuration says.
const LONGEST_LOGIN: Span = Span::from_secs(12 * 60 * 60);

/// Payloads are kept for no less, whatever the configuration says: long enough for somebody to read them.
const SHORTEST_KEPT: Span = Span::from_secs(30 * 24 * 60 * 60);

pub(super) const SEE_COMMENTS: &str =
    "see the comments in the jit-cad.toml that `jit-cad init` writes";

/// A table of the file, from which keys are taken until none is left.
pub(super) struct Section<'r, 'a> {
    pub(super) report: &'r mut Report<'a>,
    name: String,
    span: Range<usize>,
    table: DeTable<'a>,
}

impl<'r, 'a> Section<'r, 'a> {
    pub(super) fn of(report: &'r mut Report<'a>, name: &str, table: Spanned<DeTable<'a>>) -> Self {
        Self { report, name: name.to_owned(), span: table.span(), table: table.into_inner() }
    }

    /// Whether it stands there: for keys that may be left out.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where the table stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Spanned<DeValue<'a>>> {
        let value = self.table.remove(key);
        if value.is_none() {
            let message = format!("{} has no `{key}`", self.name);
            self.report.add(Some(self.span.clone()), &message, SEE_COMMENTS);
        }
        value
    }

    /// The table of this name; an empty one, with a fault noted, if there is none.
    pub(super) fn section(&mut self, key: &str) -> Section<'_, 'a> {
        let value = self.take(key);
        let (span, table) = match value.map(|value| (value.span(), value.into_inner())) {
            Some((span, DeValue::Table(table))) => (span, Some(table)),
            Some((span, _)) => {
                self.report.add(
                    Some(span.clone()),
                    &format!("`{key}` is not a table"),
                    SEE_COMMENTS,
                );
                (span, None)
            }
            None => (self.span.clone(), None),
        };
        let quiet = table.is_none();
        let report = &mut *self.report;
        let section =
            Section { report, name: format!("[{key}]"), span, table: table.unwrap_or_default() };
        section.report.quiet = quiet;
        section
    }

    pub(super) fn text(&mut self, key: &str) -> Option<Spanned<String>> {
        let value = self.take(key)?;
        let span = value.span();
        match value.into_inner() {
            DeValue::String(text) => Some(Spanned::new(span, text.into_owned())),
            _ => {
                self.report.add(
                    Some(span),
                    &format!("`{key}` is not a text"),
                    "write it in quotes",
                );
                None
            }
        }
    }

    /// A number from 1 to 100,000.
    pub(super) fn count(&mut self, key: &str) -> Option<u32> {
        let value = self.take(key)?;
        let span = value.span();
        let number = value
            .into_inner()
            .as_integer()
            .and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok())
            .filter(|number| (1..=100_000).contains(number));
        if number.is_none() {
            let message = format!("`{key}` is not a number from 1 to 100000");
            self.report.add(Some(span), &message, &format!("write {key} = 20"));
        }
        number
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.take(key)?;
        let span = value.span();
        match value.into_inner() {
            DeValue::Boolean(flag) => Some(flag),
            _ => {
                let message = format!("`{key}` is neither true nor false");
                self.report.add(Some(span), &message, "write true or false, without quotes");
                None
            }
        }
    }

    pub(super) fn texts(&mut self, key: &str) -> Option<Spanned<Vec<String>>> {
        let value = self.take(key)?;
        let span = value.span();
        let texts = match value.into_inner() {
            DeValue::Array(values) => values
                .into_iter()
                .map(|value| match value.into_inner() {
                    DeValue::String(text) => Some(text.into_owned()),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        if texts.is_none() {
            self.report.add(
                Some(span.clone()),
                &format!("`{key}` is not a list of texts"),
                "write [\"one\", \"two\"]",
            );
        }
        texts.map(|texts| Spanned::new(span, texts))
    }

    /// Where a secret comes from.
    pub(super) fn secret(&mut self, key: &str) -> Option<SecretSource> {
        let value = self.take(key)?;
        let span = value.span();
        let source = match value.into_inner() {
            DeValue::Table(table) if table.len() == 1 => table.into_iter().next(),
            _ => None,
        };
        let source =
            source.and_then(|(key, value)| match (key.get_ref().as_ref(), value.into_inner()) {
                ("env", DeValue::String(name)) => Some(SecretSource::Env(name.into_owned())),
                ("file", DeValue::String(path)) => {
                    Some(SecretSource::File(path.into_owned().into()))
                }
                ("credential", DeValue::String(name)) => {
                    Some(SecretSource::Credential(name.into_owned()))
                }
                _ => None,
            });
        if source.is_none() {
            let message = format!("`{key}` does not say where it comes from");
            let hint =
                "write one of { env = \"NAME\" }, { file = \"PATH\" }, { credential = \"NAME\" }";
            self.report.add(Some(span), &message, hint);
        }
        source
    }

    /// The list of anchors; each that is none, or stands there before, is a fault of its own.
    pub(super) fn anchors(&mut self) -> Option<Vec<AnchorPlace>> {
        let value = self.take("anchors")?;
        let span = value.span();
        let DeValue::Array(values) = value.into_inner() else {
            self.report.add(
                Some(span),
                "`anchors` is not a list",
                "write [] or [{ file = \"PATH\" }]",
            );
            return None;
        };
        let (mut anchors, mut all) = (Vec::new(), true);
        for value in values {
            let span = value.span();
            let fault = match AnchorPlace::read(value.into_inner()) {
                Ok(anchor) if anchors.contains(&anchor) => {
                    format!("the anchor {anchor} stands here twice")
                }
                Ok(anchor) => {
                    anchors.push(anchor);
                    continue;
                }
                Err(fault) => fault,
            };
            self.report.add(Some(span), &fault, ONE_OF);
            all = false;
        }
        all.then_some(anchors)
    }

    /// What is left is unknown, and a fault: a key that is mistyped must not be a key that is ignored.
    pub(super) fn end(self) {
        for (key, _) in self.table {
            let message = format!("{} knows no `{}`", self.name, key.get_ref());
            self.report.add(Some(key.span()), &message, SEE_COMMENTS);
        }
        self.report.quiet = false;
    }
}

pub(super) struct Report<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    pub(super) faults: Vec<String>,
    /// Whether a whole table is missing, which was said once.
    pub(super) quiet: bool,
}

impl Report<'_> {
    pub(super) fn add(&mut self, span: Option<Range<usize>>, message: &str, hint: &str) {
        if self.quiet {
            return;
        }
        let before = span.and_then(|span| self.text.get(..span.start));
        let line =
            before.map_or(String::new(), |before| format!(":{}", before.matches('\n').count() + 1));
        let message = message.trim_end().replace('\n', " ");
        self.faults.push(format!("{}{line}: {message}\n  hint: {hint}", self.path.display()));
    }

    /// A value of the domain, which says itself what is wrong with it.
    pub(super) fn value<T: FromStr<Err = ValueError>>(
        &mut self,
        text: &Spanned<String>,
    ) -> Option<T> {
        match text.get_ref().parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let message = format!("{:?} is not a {}", error.given, error.kind);
                self.add(Some(text.span()), &message, error.expected);
                None
            }
        }
    }

    pub(super) fn address(&mut self, text: &Spanned<String>) -> Option<SocketAddr> {
        let address = text.get_ref().parse();
        if address.is_err() {
            let message = format!("{:?} is not an address and a port", text.get_ref());
            self.add(Some(text.span()), &message, "write both, such as 127.0.0.1:8440");
        }
        address.ok()
    }

    pub(super) fn names(&mut self, names: &Spanned<Vec<String>>) -> Option<Vec<ServerName>> {
        if names.get_ref().is_empty() {
            self.add(
                Some(names.span()),
                "there is no name",
                "list the host names and addresses that clients use",
            );
            return None;
        }
        let mut parsed = Vec::new();
        for name in names.get_ref() {
            parsed.push(self.value(&Spanned::new(names.span(), name.clone())));
        }
        parsed.into_iter().collect()
    }

    pub(super) fn kept_span(&mut self, text: &Spanned<String>) -> Option<Span> {
        let span: Span = self.value(text)?;
        if span < SHORTEST_KEPT {
            let hint = format!("write {SHORTEST_KEPT} or more, such as 400d");
            self.add(Some(text.span()), &format!("{span} is too short"), &hint);
            return None;
        }
        Some(span)
    }

    pub(super) fn login_span(&mut self, text: &Spanned<String>) -> Option<Span> {
        let span: Span = self.value(text)?;
        if span.is_zero() || span > LONGEST_LOGIN {
            self.add(
                Some(text.span()),
                &format!("{span} is no length for a login"),
                "write up to 12h, such as 8h or 30m",
            );
            return None;
        }
        Some(span)
    }
}
