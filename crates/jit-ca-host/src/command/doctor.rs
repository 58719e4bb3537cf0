//! `doctor`.

use std::process::ExitCode;

use crate::config::Config;
use crate::doctor::{self, Finding, Level};
use crate::printer;

/// How it is said.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// As one JSON document
    #[arg(long)]
    json: bool,
}

/// Says what is wrong. It fails if anything is that keeps somebody out, or lets somebody stay.
pub(super) fn run(config: &Config, arguments: &Arguments, now: u64) -> ExitCode {
    let findings = doctor::look(config, now);
    let text = match arguments.json {
        // Our own type: it has a JSON form.
        true => serde_json::to_string(&findings).unwrap_or_default(),
        false => findings.iter().map(line).collect::<Vec<_>>().join("\n"),
    };
    printer::data(&text);
    match findings.iter().any(|finding| finding.level == Level::Fault) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn line(finding: &Finding) -> String {
    let level = match finding.level {
        Level::Fine => "fine   ",
        Level::Warning => "WARNING",
        Level::Fault => "FAULT  ",
    };
    let hint = match finding.hint.as_str() {
        "" => String::new(),
        hint => format!("\n         {hint}"),
    };
    format!("{level}  {}{hint}", finding.what)
}
