//! Bytes on disk for each certificate of a series of loads. The server is stopped before, so that nothing is half
//! written, and nothing that was allocated ahead is still held.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::load::{append, float};
use crate::sys::bytes_under;
use crate::{Result, say};

#[derive(Args, Debug)]
pub(crate) struct DiskArgs {
    /// What the result line calls it
    #[arg(long)]
    name: String,
    /// A file or a folder; may be given again
    #[arg(long, required = true)]
    path: Vec<PathBuf>,
    /// How many bytes there were before the series, as this command said
    #[arg(long)]
    before: Option<u64>,
    /// The series: the tag of its result lines, in `out`
    #[arg(long)]
    series: Option<String>,
    /// Where the result lines are, and the new one goes
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(crate) fn main(args: &DiskArgs) -> Result<()> {
    let bytes: u64 = args.path.iter().map(|path| bytes_under(path).0).sum();
    let (Some(before), Some(series), Some(out)) = (args.before, &args.series, &args.out) else {
        say(&bytes.to_string());
        return Ok(());
    };
    let mut certificates = 0;
    let mut target = Value::Null;
    for line in fs::read_to_string(out)?.lines() {
        let line: Value = serde_json::from_str(line)?;
        if line["series"] == series.as_str() {
            certificates += line["issued_in_all"].as_u64().unwrap_or_default();
            target = line["target"].clone();
        }
    }
    let grown = float(usize::try_from(bytes.saturating_sub(before))?);
    let each = grown / float(usize::try_from(certificates)?);
    let line = json!({
        "kind": "disk", "name": args.name, "target": target, "certificates": certificates,
        "bytes": each,
    });
    say(&line.to_string());
    append(Some(out), &line)
}
