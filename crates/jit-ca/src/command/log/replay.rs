//! `log replay`: every decision in a log, made again.

use std::fs::File;
use std::io::BufReader;

use jit_ca_core::Outcome;
use jit_ca_log::Archive;
use jit_ca_log::archive::ArchiveError;
use serde::Serialize;

use super::verify;
use crate::cli::LogReplayCommand;
use crate::command::{Context, policy};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::files;
use crate::printer::fields;
use crate::replay::{Answer, Difference, Replay, Replayed};

#[derive(Serialize)]
struct View {
    /// How many entries were read.
    entries: u64,
    #[serde(flatten)]
    replayed: Replayed,
}

pub(super) fn replay(context: &Context, arguments: &LogReplayCommand) -> Result<Exit> {
    let other = arguments.policy.as_deref().map(|dir| policy::read(context, dir)).transpose()?;
    let is_other = other.is_some();
    // 1. Is it the log that it says?
    let (file, verdict) = verify::verdict(context, &arguments.log)?;
    if let Some(finding) = verdict.finding {
        return Err(Error::unverified(format!("the log is broken: {finding}")));
    }
    // 2. Each decision again.
    let replayed = replayed(&file, Replay::new(other));
    let replayed = replayed.map_err(|error| match error {
        ArchiveError::Io(source) => {
            files::fault(std::path::Path::new("the export"), "read", source)
        }
        error => Error::unverified(error.to_string()),
    })?;
    let view = View { entries: verdict.size.unwrap_or_default(), replayed };
    context.printer.data(&view, text);
    Ok(match (view.replayed.differences.is_empty(), is_other) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Failed,
        (false, false) => Exit::Unverified,
    })
}

fn replayed(file: &File, mut replay: Replay) -> std::result::Result<Replayed, ArchiveError> {
    let mut archive = Archive::open(BufReader::new(file))?;
    for entry in archive.entries()? {
        replay.take(&entry?);
    }
    Ok(replay.finish())
}

fn text(view: &View) -> String {
    let Replayed { decisions, issuances, erased, in_part, without_policy, differences } =
        &view.replayed;
    let some = |count: u64| if count > 0 { count.to_string() } else { String::new() };
    let mut text = fields(&[
        ("entries", view.entries.to_string()),
        ("decisions", format!("{decisions} made again, {issuances} of them of certificates")),
        ("of policies with people erased", some(*in_part)),
        ("erased", some(*erased)),
        ("policy unknown", some(*without_policy)),
        ("otherwise", differences.len().to_string()),
    ]);
    for difference in differences {
        let Difference { entry, entry_type, action, subject, role, was, is } = difference;
        let role = role.as_ref().map(|role| format!(" {role}")).unwrap_or_default();
        text.push_str(&format!(
            "\nentry {entry} {entry_type}: {action}{role} by {subject}\n  was {}\n  is  {}",
            answer(was),
            answer(is)
        ));
    }
    text
}

fn answer(answer: &Answer) -> String {
    let Answer { outcome, rules, reasons } = answer;
    let word = match outcome {
        Outcome::Allow => "allow",
        Outcome::Deny => "deny",
    };
    let reasons = reasons.iter().map(ToString::to_string);
    let why: Vec<String> = reasons.chain(rules.iter().map(|rule| format!("rule {rule}"))).collect();
    if why.is_empty() { word.to_owned() } else { format!("{word}: {}", why.join(", ")) }
}
