//! Entries for other programs: a line of JSON each, or a row of CSV.

use std::io::Write;

use jit_ca_api::{Entry, LogQuery};
use jit_ca_log::Checkpoint;

use crate::chain::{Chain, leaf_bytes};
use crate::error::{Error, Result};
use crate::files::fault;
use crate::login::Ca;
use crate::payloads;
use crate::progress::Progress;
use crate::source::Source;

/// A file of entries.
#[derive(Debug)]
pub(crate) enum Rows<W: Write> {
    /// A line of JSON for each, as the API has it.
    Jsonl(W),
    /// A row for each, below a heading (RFC 4180).
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Rows<W> {
    /// Lines of JSON.
    pub(crate) fn jsonl(out: W) -> Self {
        Self::Jsonl(out)
    }

    /// CSV, of which the heading is written.
    pub(crate) fn csv(out: W) -> Result<Self> {
        let mut builder = csv::WriterBuilder::new();
        let mut writer = builder.terminator(csv::Terminator::CRLF).from_writer(out);
        writer.write_record(COLUMNS).map_err(unwritten)?;
        Ok(Self::Csv(Box::new(writer)))
    }

    /// Writes all entries that the checkpoint covers, and checks that they are those, with their payloads.
    pub(crate) fn all(
        mut self,
        source: &impl Source,
        upto: &Checkpoint,
        progress: &Progress,
    ) -> Result<()> {
        progress.begin(upto.size);
        let mut chain = Chain::default();
        while chain.next() < upto.size {
            let page = payloads::from(source, chain.next(), upto.size - chain.next(), 0)?;
            if page.is_empty() {
                return Err(Error::unverified(format!(
                    "the CA gives {} entries of the {} that its checkpoint covers",
                    chain.next(),
                    upto.size
                )));
            }
            for entry in &page {
                chain.take(entry)?;
                self.write(entry)?;
            }
            progress.at(chain.next());
        }
        chain.check(upto)?;
        self.finish().map(drop)
    }

    /// Writes the entries that the query means, of those that the checkpoint covers; and says how many.
    pub(crate) fn some(
        mut self,
        ca: &Ca,
        mut query: LogQuery,
        upto: &Checkpoint,
        progress: &Progress,
    ) -> Result<u64> {
        progress.begin(upto.size);
        let mut count = 0;
        query.limit = Some(LARGEST_PAGE);
        loop {
            let page = ca.client.entries(&query)?;
            for entry in page.iter().take_while(|entry| entry.index < upto.size) {
                if entry.index < query.start {
                    return Err(Error::unverified("the CA gives entries in another order"));
                }
                leaf_bytes(entry)?;
                self.write(entry)?;
                query.start = entry.index.saturating_add(1);
                count += 1;
            }
            match page.last() {
                Some(last) if last.index < upto.size => progress.at(query.start),
                _ => return self.finish().map(|_| count),
            }
        }
    }

    fn write(&mut self, entry: &Entry) -> Result<()> {
        match self {
            Self::Jsonl(out) => {
                serde_json::to_writer(&mut *out, entry).map_err(unwritten)?;
                out.write_all(b"\n").map_err(unwritten)
            }
            Self::Csv(out) => out.write_record(cells(entry)).map_err(unwritten),
        }
    }

    fn finish(self) -> Result<W> {
        match self {
            Self::Jsonl(out) => Ok(out),
            Self::Csv(out) => out.into_inner().map_err(|error| unwritten(error.into_error())),
        }
    }
}

/// The cells of an entry's row.
fn cells(entry: &Entry) -> [String; 13] {
    fn text<T: ToString>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    [
        entry.index.to_string(),
        entry.time.to_string(),
        entry.entry_type.clone(),
        entry.actor.to_string(),
        text(entry.name.as_ref()),
        text(entry.request),
        text(entry.grant),
        text(entry.issuance),
        text(entry.role.as_ref()),
        text(entry.bundle),
        text(entry.tbs),
        entry.leaf.clone(),
        text(entry.payload.as_ref()),
    ]
    .map(harmless)
}

/// A cell that no spreadsheet takes for a formula (OWASP, "CSV Injection").
fn harmless(cell: String) -> String {
    match cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{cell}"),
        false => cell,
    }
}

fn unwritten(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    fault(std::path::Path::new("the export"), "written", source)
}

const COLUMNS: [&str; 13] = [
    "index", "time", "type", "actor", "name", "request", "grant", "issuance", "role", "bundle",
    "tbs", "leaf", "payload",
];
/// The most entries that the CA gives at once.
const LARGEST_PAGE: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::tests::entry;
    use crate::exit::Exit;
    use crate::payloads::tests::Teller;

    fn csv_of(entry: &Entry) -> Vec<u8> {
        let mut rows = Rows::csv(Vec::new()).unwrap();
        rows.write(entry).unwrap();
        rows.finish().unwrap()
    }

    #[test]
    fn a_row_is_rfc_4180_and_holds_what_the_entry_does() {
        let entry = entry(3);
        let text = String::from_utf8(csv_of(&entry)).unwrap();
        let (heading, row) = text.split_once("\r\n").unwrap();
        assert_eq!(heading, COLUMNS.join(","));
        assert!(row.starts_with("3,2026-11-22T"), "{row}");
        // Quotes are doubled in a cell that is quoted.
        let payload = entry.payload.as_ref().unwrap().to_string();
        assert!(row.ends_with(&format!(",\"{}\"\r\n", payload.replace('"', "\"\""))), "{row}");

        let mut erased = entry;
        erased.payload = None;
        let text = String::from_utf8(csv_of(&erased)).unwrap();
        assert!(text.ends_with(&format!("{},\r\n", erased.leaf)), "{text}");
    }

    #[test]
    fn all_rows_say_what_the_log_does() {
        let rows = |teller: &Teller| {
            let mut out = Vec::new();
            let written =
                Rows::jsonl(&mut out).all(teller, &teller.checkpoint(), &Progress::hidden());
            written.map(|()| String::from_utf8(out).unwrap())
        };
        assert_eq!(rows(&Teller::of(300)).unwrap().lines().count(), 300);
        assert_eq!(rows(&Teller::of(300).lie(280)).unwrap_err().exit(), Exit::Unverified);
    }

    #[test]
    fn no_cell_is_a_formula() {
        for begin in ["=", "+", "-", "@", "\t", "\r"] {
            let cell = format!("{begin}HYPERLINK(1)");
            assert_eq!(harmless(cell.clone()), format!("'{cell}"));
        }
        for honest in ["", "alice", "{\"a\":\"=1\"}", "SHA256:+"] {
            assert_eq!(harmless(honest.to_owned()), honest);
        }
        let mut hostile = entry(0);
        hostile.name = Some("=cmd|' /C calc'!A0".to_owned());
        let text = String::from_utf8(csv_of(&hostile)).unwrap();
        assert!(text.contains(",'=cmd|' /C calc'!A0,"), "{text}");
    }

    #[test]
    fn a_line_of_json_is_the_entry() {
        let mut rows = Rows::jsonl(Vec::new());
        rows.write(&entry(0)).unwrap();
        rows.write(&entry(1)).unwrap();
        let text = String::from_utf8(rows.finish().unwrap()).unwrap();
        let read: Vec<Entry> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, [entry(0), entry(1)]);
    }
}
