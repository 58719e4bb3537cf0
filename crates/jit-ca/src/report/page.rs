//! The report as headings, sentences and tables: all its words, and nothing of how they are drawn.
//!
//! ```text
//! Report ──page──> [Block] ──markdown──> text      html ──> one file
//! ```

mod access;
mod basis;
mod exceptions;
mod policy;

use jit_ca_core::{Span, UnixTime};

use super::model::{Period, Report};

/// A piece of the report.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// A section begins: its number and title.
    Section(u8, &'static str),
    /// A part of a section begins.
    Part(String),
    /// A sentence or two.
    Text(String),
    /// What must not be overlooked.
    Note(String),
    /// Figures, each with what it counts.
    Figures(Vec<(String, &'static str)>),
    /// Names and what they stand for.
    Fields(Vec<(&'static str, Cell)>),
    /// Rows under a heading.
    Table(Table),
    /// Text that is kept line by line.
    Lines(String),
}

/// Rows under a heading.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) heading: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Cell>>,
}

/// What stands in one place of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// Words, some of them somebody else's.
    Text(String),
    /// An id, a hash, a key.
    Code(String),
    /// A number.
    Count(u64),
    /// A time.
    Time(UnixTime),
    /// Several, one below the other.
    List(Vec<Cell>),
}

impl Cell {
    /// Words.
    #[expect(clippy::needless_pass_by_value, reason = "callers give what they have")]
    fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers give what they have")]
    fn code(text: impl ToString) -> Self {
        Self::Code(text.to_string())
    }

    fn optional<T: ToString>(text: Option<T>) -> Self {
        Self::Text(text.map(|text| text.to_string()).unwrap_or_default())
    }

    fn texts<T: ToString>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    fn codes<T: ToString>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(Self::code).collect())
    }
}

/// The report's title.
pub(super) const TITLE: &str = "Access report";

/// What the report is about, in one line.
pub(super) fn subtitle(report: &Report) -> String {
    let Period { from, to } = report.period;
    format!("{}, from {} until {} (UTC)", report.log.origin, moment(from), moment(to))
}

/// The whole report.
pub(super) fn blocks(report: &Report) -> Vec<Block> {
    let mut page = Page(Vec::new());
    basis::write(&mut page, report);
    basis::figures(&mut page, report);
    policy::write(&mut page, report);
    access::requests(&mut page, report);
    access::certificates(&mut page, report);
    exceptions::write(&mut page, report);
    access::people(&mut page, report);
    basis::controls(&mut page, report);
    page.0
}

/// Takes what is said, in order.
struct Page(Vec<Block>);

impl Page {
    fn section(&mut self, number: u8, title: &'static str) {
        self.0.push(Block::Section(number, title));
    }

    fn part(&mut self, title: impl Into<String>) {
        self.0.push(Block::Part(title.into()));
    }

    fn text(&mut self, text: impl Into<String>) {
        self.0.push(Block::Text(text.into()));
    }

    fn note(&mut self, text: impl Into<String>) {
        self.0.push(Block::Note(text.into()));
    }

    /// A table, or a sentence where it has no rows.
    fn table<const N: usize>(
        &mut self,
        heading: [&'static str; N],
        rows: impl IntoIterator<Item = [Cell; N]>,
        none: &str,
    ) {
        let rows: Vec<Vec<Cell>> = rows.into_iter().map(Vec::from).collect();
        match rows.is_empty() {
            true => self.text(none),
            false => self.0.push(Block::Table(Table { heading: heading.to_vec(), rows })),
        }
    }
}

/// A time as people read it: all are UTC, which the report says once.
pub(super) fn moment(time: UnixTime) -> String {
    time.to_string().replace('T', " ").replace('Z', "")
}

/// A window, with how long it is.
fn window(start: UnixTime, end: UnixTime) -> String {
    format!("{} to {} ({})", moment(start), moment(end), end.since(start))
}

fn span(span: Option<Span>) -> String {
    span.map_or_else(|| "none".to_owned(), |span| span.to_string())
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{count} times"),
    }
}
