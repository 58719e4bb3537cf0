//! Faults: everything that is wrong with a bundle, at once, each with its place and what to do.

use std::cell::RefCell;
use std::fmt;

use jit_ca_core::ValueError;

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path inside the configuration's folder, such as `roles/web-shell.toml`.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// One thing that is wrong with a bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file, as in [`SourceFile::path`].
    pub path: String,
    /// The line, from 1; `None` where the whole file is meant.
    pub line: Option<usize>,
    /// The rule that is meant, by its `@id`; `None` where it is none, or one that has no name.
    pub rule: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        self.line.iter().try_for_each(|line| write!(f, ":{line}"))?;
        self.rule.iter().try_for_each(|rule| write!(f, ": rule {rule}"))?;
        write!(f, ": {}\n  hint: {}", self.message, self.hint)
    }
}

/// Everything that is wrong with a bundle, by file and line; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The faults, by file and line.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

    /// The engine could not take a bundle in which no fault was found: the fault is this crate's.
    pub(crate) fn of_engine(error: &dyn std::error::Error) -> Self {
        Self(vec![Fault {
            path: "policies".to_owned(),
            line: None,
            rule: None,
            message: format!("the rules can't be loaded: {error}"),
            hint: "this is a fault of jit-ca; please report it with the rules".to_owned(),
        }])
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn lines(faults: &[Fault]) -> String {
    let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

/// What has been found wrong so far. Reading goes on after a fault, so that all are told at once.
#[derive(Default)]
pub(crate) struct Report(RefCell<Vec<Fault>>);

impl Report {
    pub(crate) fn fault(
        &self,
        path: &str,
        line: Option<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let (path, message, hint) = (path.to_owned(), message.into(), hint.into());
        self.add(Fault { path, line, rule: None, message, hint });
    }

    pub(crate) fn add(&self, fault: Fault) {
        self.0.borrow_mut().push(fault);
    }

    /// How many faults there are so far.
    pub(crate) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// # Errors
    /// If there is any fault.
    pub(crate) fn into_result(self) -> Result<(), Faults> {
        let mut faults = self.0.into_inner();
        faults.sort();
        faults.dedup();
        if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
    }
}

/// A file that is being read, and where to tell what is wrong with it.
#[derive(Clone, Copy)]
pub(crate) struct Page<'a> {
    pub(crate) file: &'a SourceFile,
    pub(crate) report: &'a Report,
}

impl<'a> Page<'a> {
    /// A fault at a byte of the file.
    pub(crate) fn fault(&self, at: usize, message: impl Into<String>, hint: impl Into<String>) {
        self.report.fault(&self.file.path, Some(self.line(at)), message, hint);
    }

    /// A fault of a rule, at a byte of the file; `None` where the rule has no name.
    pub(crate) fn rule_fault(
        &self,
        rule: Option<&str>,
        at: usize,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let (path, line, rule) =
            (self.file.path.clone(), Some(self.line(at)), rule.map(Into::into));
        let (message, hint) = (message.into(), hint.into());
        self.report.add(Fault { path, line, rule, message, hint });
    }

    /// A fault of a value that is not of its type.
    pub(crate) fn value_fault(&self, at: usize, error: &ValueError) {
        let message = format!("{:?} is no {}", error.given, error.kind);
        self.fault(at, message, error.expected);
    }

    /// The line, from 1, that a byte of the file lies in.
    pub(crate) fn line(&self, at: usize) -> usize {
        let before = self.file.text.bytes().take(at);
        1 + before.filter(|&byte| byte == b'\n').count()
    }

    pub(crate) fn text(&self) -> &'a str {
        &self.file.text
    }
}
