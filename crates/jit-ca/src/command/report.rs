//! `report`: who could, who asked, who agreed, what was issued, for an auditor.
//!
//! ```text
//! the CA's log, or an export ──verify──> survey: the entries before TO ──> the CA's checkpoint of these ──> Report
//! ```
//!
//! The newest log is fetched, and not the one that ended with the period: only that one says which payloads have
//! been erased since, and by whose order.

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::Path;

use jit_ca_core::{Span, UnixTime};
use jit_ca_log::archive::{Archive, ArchiveError};
use jit_ca_log::verify::{Options, verify};
use jit_ca_log::{LogKey, SignedCheckpoint};
use serde::Serialize;

use crate::cli::ReportCommand;
use crate::command::Context;
use crate::error::{Error, Result};
use crate::export;
use crate::files::fault;
use crate::login::Ca;
use crate::output::{Output, is_stdout};
use crate::printer::fields;
use crate::profile::Profile;
use crate::progress::Progress;
use crate::report::{Format, Period, Report, Survey, Verified};

#[derive(Serialize)]
struct ReportView {
    file: String,
    format: &'static str,
    #[serde(flatten)]
    period: Period,
    /// How many entries it rests on, and the root over them.
    size: u64,
    root: jit_ca_core::Digest,
}

pub(super) fn report(context: &Context, arguments: &ReportCommand, json: bool) -> Result<()> {
    let period = period(arguments, context.now)?;
    let format = format(arguments, json)?;
    let report = match &arguments.export {
        Some(file) => of_export(context, file, arguments, period)?,
        None => of_log(context, period)?,
    };
    let mut out = Output::create(&arguments.out)?;
    let written = out.write_all(report.text(format).as_bytes());
    written.map_err(|source| out.fault(source))?;
    out.finish()?;
    if !is_stdout(&arguments.out) {
        let view = ReportView {
            file: arguments.out.display().to_string(),
            format: name(format),
            period,
            size: report.log.size,
            root: report.log.root,
        };
        context.printer.data(&view, text);
    }
    Ok(())
}

/// From the CA's log as it is now.
fn of_log(context: &Context, period: Period) -> Result<Report> {
    let ca = context.ca()?;
    let progress = Progress::new("entries");
    let file = export::of_now(&ca, &progress)?;
    let log_key = ca.profile.ca.log_key()?;
    let (mut archive, survey) = verified(file, &log_key, period, &progress)?;
    let is_settled = survey.is_complete || period.to.plus(SETTLED) <= context.now;
    if !is_settled {
        return Err(Error::usage(
            format!("the log may still get entries of before {}", period.to),
            "try again in a minute, or name an earlier end: the CA's clock may be behind yours",
        ));
    }
    let note = checkpoint_at(&ca, &survey)?;
    let checkpoint = export::opened(&ca, &note)?;
    made(&mut archive, period, &Verified { log_key, note, checkpoint }, &survey)
}

/// The CA's checkpoint of the entries that the report rests on, which has to be of their root.
fn checkpoint_at(ca: &Ca, survey: &Survey) -> Result<SignedCheckpoint> {
    let note = ca.client.checkpoint_at(survey.size)?;
    let note: SignedCheckpoint = note.parse().map_err(not_the_logs)?;
    let checkpoint = export::opened(ca, &note)?;
    if checkpoint.size == survey.size && checkpoint.root == survey.root {
        return Ok(note);
    }
    Err(Error::unverified(format!(
        "the CA's checkpoint of {} entries has the root {}, and its log gives {} for {} entries",
        checkpoint.size, checkpoint.root, survey.root, survey.size
    )))
}

/// From an export, without the CA.
fn of_export(
    context: &Context,
    path: &Path,
    arguments: &ReportCommand,
    period: Period,
) -> Result<Report> {
    let open = || File::open(path).map_err(|source| fault(path, "read", source));
    let mut archive = Archive::open(BufReader::new(open()?)).map_err(no_export)?;
    let note = archive.checkpoint().map_err(no_export)?;
    let own_key = archive.log_key().map_err(no_export)?;
    let log_key = match &arguments.key {
        Some(key) => key.clone(),
        None => known_key(context, own_key)?,
    };
    let progress = Progress::new("entries");
    let (mut archive, survey) = verified(open()?, &log_key, period, &progress)?;
    if !survey.is_complete {
        let last = survey.last.map_or_else(|| "nothing".to_owned(), |last| last.to_string());
        return Err(Error::usage(
            format!("the export does not reach to {}: its last entry is of {last}", period.to),
            "export the log again, or name an earlier end",
        ));
    }
    let checkpoint = note.open(&log_key).map_err(not_the_logs)?;
    made(&mut archive, period, &Verified { log_key, note, checkpoint }, &survey)
}

/// The key of the CA remembered, if the export is of its log; else the export's own.
fn known_key(context: &Context, own: LogKey) -> Result<LogKey> {
    let known = Profile::load(&context.places)?;
    let known = known.map(|profile| profile.ca.log_key()).transpose()?;
    if let Some(known) = known.filter(|known| known.origin() == own.origin()) {
        return Ok(known);
    }
    let text = "the log key is the export's own: compare it with the one that the CA's operators publish, or give --key";
    context.printer.note(text);
    Ok(own)
}

/// The export, once the verifier has found that it holds, and what a first look at it shows.
fn verified(
    mut file: File,
    log_key: &LogKey,
    period: Period,
    progress: &Progress,
) -> Result<(Archive<BufReader<File>>, Survey)> {
    let options = Options { key: Some(log_key.clone()), ..Options::default() };
    let mut begun = false;
    let verdict = verify(BufReader::new(&mut file), &options, &mut |done, total| {
        if !std::mem::replace(&mut begun, true) {
            progress.begin(total);
        }
        progress.at(done);
    });
    let verdict = verdict.map_err(|source| fault(Path::new("the export"), "read", source))?;
    if let Some(finding) = verdict.finding {
        return Err(Error::unverified(format!("the log does not hold: {finding}")));
    }
    let mut archive = Archive::open(BufReader::new(file)).map_err(no_export)?;
    let survey = Survey::of(&mut archive, period).map_err(no_export)?;
    match survey.size {
        0 => Err(Error::usage(
            format!("the log has no entry of before {}", period.to),
            "name a later end: the report rests on what was written before it",
        )),
        _ => Ok((archive, survey)),
    }
}

fn made(
    archive: &mut Archive<BufReader<File>>,
    period: Period,
    verified: &Verified,
    survey: &Survey,
) -> Result<Report> {
    Report::of(archive, period, verified, survey).map_err(no_export)
}

fn period(arguments: &ReportCommand, now: UnixTime) -> Result<Period> {
    let period = Period { from: arguments.from, to: arguments.to };
    if period.to <= period.from {
        let what = format!("there is no time from {} until before {}", period.from, period.to);
        return Err(Error::usage(what, "name an end that is after the beginning"));
    }
    if period.to > now {
        let what = format!("{} is yet to come", period.to);
        let hint =
            "a report is on time that is over, so that it never changes: name an earlier end";
        return Err(Error::usage(what, hint));
    }
    Ok(period)
}

/// The format that is said, or that the file's name ends in, or Markdown.
fn format(arguments: &ReportCommand, json: bool) -> Result<Format> {
    let all = [Format::Md, Format::Html, Format::Json];
    let ending = arguments.out.extension().unwrap_or_default();
    let by_ending = all.into_iter().find(|format| ending == name(*format));
    match (arguments.format.or(by_ending), json && is_stdout(&arguments.out)) {
        (None | Some(Format::Json), true) => Ok(Format::Json),
        (Some(_), true) => Err(Error::usage(
            "--json and another format are said",
            "leave one of them out, or write the report to a file: --out",
        )),
        (format, false) => Ok(format.unwrap_or(Format::Md)),
    }
}

fn name(format: Format) -> &'static str {
    match format {
        Format::Md => "md",
        Format::Html => "html",
        Format::Json => "json",
    }
}

fn text(view: &ReportView) -> String {
    fields(&[
        ("file", view.file.clone()),
        ("period", format!("from {} and before {}", view.period.from, view.period.to)),
        ("rests on", format!("{} entries, root {}", view.size, view.root)),
    ])
}

fn no_export(error: ArchiveError) -> Error {
    match error {
        ArchiveError::Io(source) => fault(Path::new("the export"), "read", source),
        error => Error::unverified(error.to_string()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_the_logs(error: jit_ca_log::Error) -> Error {
    Error::unverified(format!("the checkpoint is not the log's: {error}"))
}

/// After so long no entry of before is written any more: clocks differ by less.
const SETTLED: Span = Span::from_secs(60);
