//! The report for an auditor: who could, who asked, who agreed, what was issued, and what was out of the ordinary.
//!
//! ```text
//! export ──verify──> it holds ──survey──> size, root, names ──fold──> Report ─┬─> JSON
//!                                                                     └─ page ─┬─> Markdown
//!                                                                              └─> HTML
//! ```
//!
//! It is a function of the log's entries up to the period's last one and of nothing else: no clock, no locale, no
//! order of a hash table, so that the same period gives the same bytes.

mod controls;
mod fold;
mod html;
mod markdown;
mod model;
mod names;
mod page;
mod survey;
#[cfg(test)]
mod testing;
mod text;

use std::io::{Read, Seek};

use jit_ca_log::archive::{Archive, ArchiveError};

pub(crate) use fold::Verified;
pub(crate) use model::{Period, Report};
pub(crate) use survey::Survey;

/// The report's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Markdown, with tables
    Md,
    /// One HTML file, to read in a browser or to print
    Html,
    /// One JSON document, for programs
    Json,
}

impl Report {
    /// The report on a period, from an export that the verifier has found to hold.
    ///
    /// # Errors
    /// If the export can't be read.
    pub(crate) fn of<R: Read + Seek>(
        export: &mut Archive<R>,
        period: Period,
        verified: &Verified,
        survey: &Survey,
    ) -> Result<Self, ArchiveError> {
        survey::read(export, |entries| {
            let before = entries.take(usize::try_from(survey.size).unwrap_or(usize::MAX));
            fold::report(period, verified, survey, before)
        })
    }

    /// The report's text, which ends with a line's end.
    pub(crate) fn text(&self, format: Format) -> String {
        let render = match format {
            // Our own types: each has a JSON form.
            Format::Json => return serde_json::to_string_pretty(self).unwrap_or_default() + "\n",
            Format::Md => markdown::render,
            Format::Html => html::render,
        };
        render(page::TITLE, &page::subtitle(self), &page::blocks(self))
    }
}

#[cfg(test)]
mod tests;
