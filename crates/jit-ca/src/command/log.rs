//! `log`: the entries, and who got a certificate.

mod export;
mod follow;
mod replay;
mod verify;

use jit_ca_api::{Entry, LogQuery};
use serde::Serialize;

use crate::chain::leaf_bytes;
use crate::cli::{LogCommand, LogFilterArgs, LogListCommand};
use crate::command::{Context, who};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::login::Ca;
use crate::named;
use crate::payloads;
use crate::printer::{fields, table};
use crate::profile::KnownCa;
use crate::witness::Witness;

pub(super) fn run(context: &Context, command: LogCommand) -> Result<Exit> {
    match command {
        LogCommand::List(arguments) => list(context, arguments)?,
        LogCommand::Show { index } => {
            let ca = context.ca()?;
            let newest = || crate::export::opened(&ca, &crate::export::newest(&ca)?);
            let entry = payloads::one(&ca.client, index, newest)?;
            context.printer.data(&entry, entry_fields);
        }
        LogCommand::Who { key_id } => who::who(context, &key_id)?,
        LogCommand::Checkpoint { contact } => {
            checkpoint(context, &KnownCa::find(&context.places, &contact)?)?;
        }
        LogCommand::Export(arguments) => export::export(context, arguments)?,
        LogCommand::Verify(arguments) => return verify::verify(context, &arguments),
        LogCommand::Replay(arguments) => return replay::replay(context, &arguments),
        LogCommand::Follow(arguments) => follow::follow(context, &arguments)?,
    }
    Ok(Exit::Done)
}

fn list(context: &Context, arguments: LogListCommand) -> Result<()> {
    let ca = context.ca()?;
    let query = query(&ca, arguments.filter)?;
    let entries = entries(&ca, query, arguments.limit)?;
    context.printer.data(&entries, |entries| entries_table(entries));
    Ok(())
}

/// What is asked of the CA for these entries.
fn query(ca: &Ca, filter: LogFilterArgs) -> Result<LogQuery> {
    Ok(LogQuery {
        grant: filter.grant.map(|text| named::grant(ca, &text)).transpose()?,
        subject: filter.subject,
        role: filter.role,
        from: filter.from,
        to: filter.to,
        ..LogQuery::default()
    })
}

/// The entries that the query means, page by page; at most `limit`.
pub(super) fn entries(ca: &Ca, mut query: LogQuery, limit: Option<usize>) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    let limit = limit.unwrap_or(usize::MAX);
    while entries.len() < limit {
        query.limit = Some(LARGEST_PAGE.min(limit.saturating_sub(entries.len())));
        let page = ca.client.entries(&query)?;
        let Some(last) = page.last() else {
            break;
        };
        query.start = last.index.saturating_add(1);
        // That an entry's leaf is in the log, and that no entry is left out, is the CA's word here.
        page.iter().try_for_each(|entry| leaf_bytes(entry).map(drop))?;
        entries.extend(page);
    }
    Ok(entries)
}

/// The most entries that the CA gives at once.
const LARGEST_PAGE: usize = 1_000;

#[derive(Serialize)]
struct CheckpointView {
    origin: String,
    size: u64,
    root: String,
    /// The signed note (C2SP signed-note).
    note: String,
}

fn checkpoint(context: &Context, ca: &KnownCa) -> Result<()> {
    let key = ca.log_key()?;
    // The one that was shown to go on from what is kept, and is kept now: a second one could be another.
    let note = Witness::new(&context.places, key.clone()).meet(&ca.stranger()?)?;
    let opened = note
        .open(&key)
        .map_err(|error| Error::unverified(format!("the checkpoint is not the log's: {error}")))?;
    let view = CheckpointView {
        origin: opened.origin.to_string(),
        size: opened.size,
        root: opened.root.to_string(),
        note: note.to_string(),
    };
    context.printer.data(&view, |view| view.note.clone());
    Ok(())
}

fn entries_table(entries: &[Entry]) -> String {
    let rows: Vec<[String; 6]> = entries
        .iter()
        .map(|entry| {
            let name = entry.name.clone().unwrap_or_else(|| entry.actor.to_string());
            let role = entry.role.as_ref().map(ToString::to_string);
            let request = entry.request.map(|id| id.to_string());
            let grant = entry.grant.map(|id| id.to_string());
            [
                entry.index.to_string(),
                entry.time.to_string(),
                entry.entry_type.clone(),
                name,
                role.unwrap_or_default(),
                grant.or(request).unwrap_or_default(),
            ]
        })
        .collect();
    match rows.is_empty() {
        true => "there are no such entries".to_owned(),
        false => table(["entry", "time", "type", "who", "role", "grant or request"], &rows),
    }
}

fn entry_fields(entry: &Entry) -> String {
    fn text<T: ToString>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let payload = match &entry.payload {
        Some(payload) => serde_json::to_string_pretty(payload).unwrap_or_default(),
        None => "erased".to_owned(),
    };
    let head = fields(&[
        ("entry", entry.index.to_string()),
        ("time", entry.time.to_string()),
        ("type", entry.entry_type.clone()),
        ("actor", entry.actor.to_string()),
        ("name", text(entry.name.as_ref())),
        ("request", text(entry.request)),
        ("grant", text(entry.grant)),
        ("issuance", text(entry.issuance)),
        ("role", text(entry.role.as_ref())),
        ("bundle", text(entry.bundle)),
        ("to be signed", text(entry.tbs)),
        ("leaf", entry.leaf.clone()),
    ]);
    format!("{head}\npayload\n{payload}")
}
