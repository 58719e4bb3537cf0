//! `log who`: from a key id in sshd's log to a person, a reason, and by whose leave.

use jit_ca_api::{Entry, LogQuery};
use jit_ca_core::event::{Event, GrantMade, Ids, RequestMade};
use jit_ca_core::{
    GrantId, Hosts, IssuanceId, KeyId, PersonName, RequestId, RoleName, Row, RowName, SubjectId,
    Text, UnixTime, Window,
};
use serde::Serialize;

use crate::command::{Context, log};
use crate::error::{Error, Result};
use crate::printer::{fields, join};
use crate::wait;

/// Who got a certificate, why, and by whose leave.
#[derive(Serialize)]
struct Who {
    issuance: IssuanceId,
    /// The log entry that recorded the certificate before it was signed.
    entry: u64,
    issued: UnixTime,
    row: Option<RowName>,
    grant: GrantId,
    rows: Vec<Row>,
    hosts: Hosts,
    /// None if it was not used yet.
    window: Option<Window>,
    request: RequestId,
    subject: SubjectId,
    /// None once the request's payload is erased, as are reason and ticket.
    name: Option<PersonName>,
    role: RoleName,
    reason: Option<Text>,
    ticket: Option<Text>,
    approved_by: Vec<String>,
}

pub(super) fn who(context: &Context, key_id: &str) -> Result<()> {
    let id = KeyId::parse(key_id).ok_or_else(|| {
        Error::usage(
            format!("{key_id:?} is not a key id of a CA"),
            "copy it from sshd's log: jit-ca:<grant>:<issuance>:<name>",
        )
    })?;
    let ca = context.ca()?;
    let under = LogQuery { grant: Some(id.grant), ..LogQuery::default() };
    let entries = log::entries(&ca, under, None)?;
    let intent = entries
        .iter()
        .find(|entry| entry.entry_type == "issue.intent" && entry.issuance == Some(id.issuance));
    // Either the key id is made up, or the CA's key signed what the log does not hold.
    let unknown =
        || Error::unverified(format!("the log holds no certificate with the key id {key_id}"));
    let intent = intent.ok_or_else(unknown)?;
    let row = match event(intent)? {
        Some(Event::CertificateIntended(intended)) => intended.under.map(|under| under.row),
        _ => None,
    };
    let grant = the_grant(&entries)?;
    let window = the_window(&entries, &grant)?;
    let (made, approved_by) = the_request(&entries)?;
    // Certificates call people by their name or by their pseudonym; an erased name can't be compared.
    let is_theirs =
        |made: &RequestMade| id.name == made.name.as_str() || id.name == intent.actor.to_string();
    if !made.as_ref().is_none_or(is_theirs) {
        return Err(unknown());
    }
    let who = Who {
        issuance: id.issuance,
        entry: intent.index,
        issued: intent.time,
        row,
        grant: grant.grant,
        rows: grant.rows,
        hosts: grant.hosts,
        window,
        request: grant.request,
        subject: grant.subject,
        role: grant.role,
        name: made.as_ref().map(|made| made.name.clone()),
        reason: made.as_ref().map(|made| made.reason.clone()),
        ticket: made.and_then(|made| made.ticket),
        approved_by,
    };
    context.printer.data(&who, who_fields);
    Ok(())
}

fn the_grant(entries: &[Entry]) -> Result<GrantMade> {
    for entry in entries {
        if let Some(Event::GrantMade(made)) = event(entry)? {
            return Ok(*made);
        }
    }
    Err(Error::usage(
        "the log holds the certificate, and what it said of it has been erased",
        "see what is left: jit-ca log list --grant GRANT",
    ))
}

/// The grant's window: its own, or that which its start said.
fn the_window(entries: &[Entry], grant: &GrantMade) -> Result<Option<Window>> {
    for entry in entries {
        if let Some(Event::GrantStarted(started)) = event(entry)? {
            return Ok(Some(started.window));
        }
    }
    Ok(grant.term.window())
}

/// The request and who approved it: a grant's entries are its request's as well.
fn the_request(entries: &[Entry]) -> Result<(Option<RequestMade>, Vec<String>)> {
    let (mut made, mut approved_by) = (None, Vec::new());
    for entry in entries {
        match event(entry)? {
            Some(Event::RequestMade(request)) => made = Some(*request),
            Some(Event::ApprovalGiven(approval)) => approved_by.push(wait::approver(&approval.by)),
            _ => {}
        }
    }
    Ok((made, approved_by))
}

fn event(entry: &Entry) -> Result<Option<Event>> {
    let Some(payload) = &entry.payload else {
        return Ok(None);
    };
    let Entry { request, grant, issuance, .. } = *entry;
    Event::read(&entry.entry_type, &Ids { request, grant, issuance }, payload).map_err(|error| {
        Error::unverified(format!("entry {} is not a {}: {error}", entry.index, entry.entry_type))
    })
}

fn who_fields(who: &Who) -> String {
    fn text<T: ToString>(value: Option<&T>) -> String {
        value.map(ToString::to_string).unwrap_or_default()
    }
    let mut lines = vec![
        ("subject", who.subject.to_string()),
        ("name", text(who.name.as_ref())),
        ("reason", text(who.reason.as_ref())),
        ("ticket", text(who.ticket.as_ref())),
        ("approved by", join(&who.approved_by)),
        ("role", who.role.to_string()),
    ];
    lines.extend(who.rows.iter().map(|row| ("row", row.to_string())));
    lines.extend([
        ("hosts", who.hosts.to_string()),
        ("window", text(who.window.as_ref())),
        ("request", who.request.to_string()),
        ("grant", who.grant.to_string()),
        ("certificate", format!("{} of row {}", who.issuance, text(who.row.as_ref()))),
        ("issued", who.issued.to_string()),
        ("log entry", who.entry.to_string()),
    ]);
    fields(&lines)
}
