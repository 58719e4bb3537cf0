//! `log export`: the log, or entries of it, as a file.

use jit_ca_core::{Digest, Origin};
use serde::Serialize;

use crate::cli::{ExportFormat, LogExportCommand, LogFilterArgs};
use crate::command::Context;
use crate::error::{Error, Result};
use crate::export::{self, rows::Rows};
use crate::output::{Output, is_stdout};
use crate::printer::fields;
use crate::progress::Progress;

#[derive(Serialize)]
struct ExportView {
    file: String,
    format: &'static str,
    origin: Origin,
    /// How many entries are in it.
    entries: u64,
    /// The size and the root of the checkpoint that they are held against.
    size: u64,
    root: Digest,
}

pub(super) fn export(context: &Context, arguments: LogExportCommand) -> Result<()> {
    let format = format(&arguments)?;
    let is_whole = arguments.filter == LogFilterArgs::default();
    if format == ExportFormat::Tar && !is_whole {
        return Err(Error::usage(
            "an archive is of the whole log",
            "leave the filter out, or write .jsonl or .csv",
        ));
    }
    let ca = context.ca()?;
    let note = export::newest(&ca)?;
    let checkpoint = export::opened(&ca, &note)?;
    let mut out = Output::create(&arguments.file)?;
    if format == ExportFormat::Tar && out.is_watched() {
        return Err(Error::usage("an archive is nothing for a terminal", "name a file"));
    }
    let progress = match out.is_watched() {
        true => Progress::hidden(),
        false => Progress::new("entries"),
    };
    let rows = |rows: Rows<&mut Output>| match is_whole {
        true => rows.all(&ca.client, &checkpoint, &progress).map(|()| checkpoint.size),
        false => rows.some(&ca, super::query(&ca, arguments.filter)?, &checkpoint, &progress),
    };
    let entries = match format {
        ExportFormat::Tar => export::to_file(&ca, &note, &mut out, &progress)?.size,
        ExportFormat::Jsonl => rows(Rows::jsonl(&mut out))?,
        ExportFormat::Csv => rows(Rows::csv(&mut out)?)?,
    };
    out.finish()?;
    drop(progress);

    let view = ExportView {
        file: arguments.file.display().to_string(),
        format: name(format),
        origin: checkpoint.origin,
        entries,
        size: checkpoint.size,
        root: checkpoint.root,
    };
    match is_stdout(&arguments.file) {
        true => context.printer.note(&text(&view)),
        false => context.printer.data(&view, text),
    }
    Ok(())
}

fn text(view: &ExportView) -> String {
    fields(&[
        ("file", view.file.clone()),
        ("log", view.origin.to_string()),
        ("entries", view.entries.to_string()),
        ("checkpoint", format!("{} entries, root {}", view.size, view.root)),
    ])
}

/// The format that is said, or that the file's name ends in.
fn format(arguments: &LogExportCommand) -> Result<ExportFormat> {
    use ExportFormat::{Csv, Jsonl, Tar};
    if let Some(format) = arguments.format {
        return Ok(format);
    }
    let ending = arguments.file.extension().unwrap_or_default();
    [Tar, Jsonl, Csv].into_iter().find(|format| ending == name(*format)).ok_or_else(|| {
        Error::usage(
            "it is not clear in which format",
            "end the file's name in .tar, .jsonl or .csv, or say --format",
        )
    })
}

fn name(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Tar => "tar",
        ExportFormat::Jsonl => "jsonl",
        ExportFormat::Csv => "csv",
    }
}
