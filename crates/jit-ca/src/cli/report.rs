//! `jit-ca report`.

use std::path::PathBuf;

use clap::Args;
use jit_ca_core::UnixTime;
use jit_ca_log::LogKey;

use crate::report::Format;

/// Make a report for an auditor: who could, who asked, who agreed, what was issued.
///
/// It is on the time from FROM on and before TO, and rests on all entries of the log that were written before TO. The
/// log is fetched and verified first: one that does not hold has no report (exit code 4). The same period gives the
/// same bytes, whenever the report is made, unless what it tells is erased from the log.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ReportCommand {
    /// The first moment: a day as 2026-11-01, which is its midnight in UTC, or a time as 2026-11-01T09:00:00Z
    #[arg(value_parser = moment)]
    pub(crate) from: UnixTime,
    /// The first moment behind it, which must be over
    #[arg(value_parser = moment)]
    pub(crate) to: UnixTime,
    /// The form; what the ending of --out says, or Markdown, if left out
    #[arg(long)]
    pub(crate) format: Option<Format>,
    /// The file, or - for stdout. It is for its owner alone: names are in it
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) out: PathBuf,
    /// Make it from this archive of jit-ca log export, without the CA
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// The log's key, such as ca.example.org/jit-ca+987a061c+AYqI…. That of the CA remembered if left out, where it is
    /// this log's, or else the archive's own
    #[arg(long, value_name = "KEY", requires = "export")]
    pub(crate) key: Option<LogKey>,
}

/// A time, or a day's midnight.
fn moment(text: &str) -> Result<UnixTime, String> {
    let time = text.parse().or_else(|_| format!("{text}T00:00:00Z").parse());
    time.map_err(|_| {
        "write a day such as 2026-11-01, or a time such as 2026-11-01T09:00:00Z".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_utc() {
        let at = |text: &str| moment(text).map(|time| time.to_string());
        assert_eq!(at("2026-11-01").unwrap(), "2026-11-01T00:00:00Z");
        assert_eq!(at("2026-11-01T10:00:00+01:00").unwrap(), "2026-11-01T09:00:00Z");
        for wrong in
            ["", "2026-11", "2026-11-31", "yesterday", "2026-11-01T09:00", "2026-11-01T09:00:00.5Z"]
        {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }
}
