//! `extend`, `end`, `revoke` and `grant show`.

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{CertificateView, ExtendCall, GrantFile, RequestStatus, RevokeCall};
use jit_ca_core::{GrantId, UnixTime};

use crate::cli::{ExtendCommand, RevokeCommand};
use crate::command::Context;
use crate::command::access::reason;
use crate::command::shown::{request_fields, until};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::login::Ca;
use crate::named;
use crate::printer::{join, table};
use crate::wait;

pub(super) fn extend(context: &Context, arguments: &ExtendCommand) -> Result<Exit> {
    let ca = context.ca()?;
    let grant = named::grant(&ca, &arguments.grant)?;
    let wish = &arguments.wish;
    let call = ExtendCall {
        duration: wish.duration,
        reason: reason(&format!("more time after {grant}"), wish)?,
        ticket: wish.ticket.clone(),
    };
    let request = ca.client.extend(&grant, &call, &IdempotencyKey::random()?)?;
    if arguments.no_wait && request.status == RequestStatus::Pending {
        context.printer.data(&request, request_fields);
        return Ok(Exit::Pending);
    }
    let request = wait::until_granted(&context.printer, &ca.client, request)?;
    context.printer.data(&request, request_fields);
    Ok(Exit::Done)
}

pub(super) fn end(context: &Context, grant: &str) -> Result<()> {
    let ca = context.ca()?;
    let grant = named::grant(&ca, grant)?;
    let file = ca.client.end(&grant, &IdempotencyKey::random()?)?;
    tell_what_goes_on(context, &ca, &file, &Verbs { end: "end", stop: "cancel" })?;
    forget(context, grant)?;
    context.printer.data(&file, |file| text(file, context.now));
    Ok(())
}

pub(super) fn revoke(context: &Context, arguments: &RevokeCommand) -> Result<()> {
    let ca = context.ca()?;
    let grant = named::grant(&ca, &arguments.grant)?;
    let call = RevokeCall { reason: arguments.reason.clone() };
    let file = ca.client.revoke(&grant, &call, &IdempotencyKey::random()?)?;
    tell_what_goes_on(context, &ca, &file, &Verbs { end: "revoke", stop: "deny" })?;
    context.printer.data(&file, |file| text(file, context.now));
    Ok(())
}

pub(super) fn show(context: &Context, grant: &str) -> Result<()> {
    let ca = context.ca()?;
    let grant = named::grant(&ca, grant)?;
    let file = ca.client.grant(&grant)?;
    context.printer.data(&file, |file| text(file, context.now));
    Ok(())
}

/// How somebody ends a grant, and a request.
struct Verbs {
    end: &'static str,
    stop: &'static str,
}

/// Certificates are valid until they end: nothing takes them back. And what was asked for beyond the end goes on.
/// Whoever ends a grant has to know of both.
fn tell_what_goes_on(context: &Context, ca: &Ca, file: &GrantFile, verbs: &Verbs) -> Result<()> {
    let valid: Vec<&CertificateView> =
        file.certificates.iter().filter(|it| !it.failed && context.now < it.until).collect();
    if let Some(last) = valid.iter().map(|it| it.until).max() {
        context.printer.note(&format!(
            "no further certificate is issued; {} that {} issued {} valid, the last one until {last}",
            valid.len(),
            if valid.len() == 1 { "was" } else { "were" },
            if valid.len() == 1 { "stays" } else { "stay" },
        ));
    }
    for id in &file.extensions {
        let extension = ca.client.request_by_id(id, &Default::default()).map_err(Error::from);
        let extension = match extension {
            Err(error) if error.is_not_found() => continue,
            other => other?,
        };
        let goes_on = match (&extension.grant, extension.status) {
            (Some(grant), _) if !grant.is_over() => {
                let (grant, until, end) = (grant.id, until(grant), verbs.end);
                format!(
                    "more time was granted: {grant}, {until}; jit-ca {end} {grant} ends that too"
                )
            }
            (None, RequestStatus::Pending) => {
                let stop = verbs.stop;
                format!("more time was asked for, and may still be granted; jit-ca {stop} {id}")
            }
            _ => continue,
        };
        context.printer.note(&goes_on);
    }
    Ok(())
}

/// The certificates that we hold of it are of no use any more.
fn forget(context: &Context, grant: GrantId) -> Result<()> {
    let held = crate::held::Held::list(&context.places, context.now)?;
    held.iter().filter(|held| held.grant == grant).try_for_each(|held| held.remove(&context.places))
}

fn text(file: &GrantFile, now: UnixTime) -> String {
    let mut parts = vec![request_fields(&file.request)];
    let decisions: Vec<[String; 5]> = file
        .decisions
        .iter()
        .map(|it| {
            [
                it.entry.to_string(),
                it.at.to_string(),
                it.action.to_string(),
                it.subject.to_string(),
                join(&it.rules),
            ]
        })
        .collect();
    if !decisions.is_empty() {
        let heading = ["entry", "when", "decision", "of", "by the rules"];
        parts.push(table(heading, &decisions));
    }
    let certificates: Vec<[String; 5]> = file
        .certificates
        .iter()
        .map(|it| {
            let stands = match (it.failed, now < it.until) {
                (true, _) => "failed",
                (false, true) => "valid",
                (false, false) => "over",
            };
            let until = it.until.to_string();
            [
                it.entry.to_string(),
                it.issuance.to_string(),
                it.row.to_string(),
                until,
                stands.into(),
            ]
        })
        .collect();
    if !certificates.is_empty() {
        let heading = ["entry", "certificate", "row", "until", ""];
        parts.push(table(heading, &certificates));
    }
    if !file.extensions.is_empty() {
        parts.push(format!("extended by  {}", join(&file.extensions)));
    }
    parts.join("\n\n")
}
