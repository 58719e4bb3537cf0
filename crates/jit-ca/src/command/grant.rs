//! `extend`, `end`, `revoke` and `grant show`.

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{CertificateView, ExtendCall, GrantFile, RequestStatus, RevokeCall};
use jit_ca_core::{GrantId, RequestId, UnixTime};

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
    tell_what_goes_on(context, &ca, &file, Ending::GivenBack)?;
    forget(context, grant)?;
    context.printer.data(&file, |file| text(file, context.now));
    Ok(())
}

pub(super) fn revoke(context: &Context, arguments: &RevokeCommand) -> Result<()> {
    let ca = context.ca()?;
    let grant = named::grant(&ca, &arguments.grant)?;
    let call = RevokeCall { reason: arguments.reason.clone() };
    let file = ca.client.revoke(&grant, &call, &IdempotencyKey::random()?)?;
    tell_what_goes_on(context, &ca, &file, Ending::Revoked)?;
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

/// How a grant came to its end.
#[derive(Clone, Copy)]
enum Ending {
    GivenBack,
    Revoked,
}

/// Certificates are valid until they end: nothing takes them back. And what was asked for beyond the end goes on.
/// Whoever ends a grant has to know of both.
fn tell_what_goes_on(context: &Context, ca: &Ca, file: &GrantFile, ending: Ending) -> Result<()> {
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
    for extension in file.extensions.iter().filter(|extension| extension.goes_on) {
        context.printer.note(&match extension.grant {
            Some(grant) => granted_after(ca, extension.request, grant, ending)?,
            None => asked_after(extension.request, ending),
        });
    }
    Ok(())
}

fn granted_after(ca: &Ca, request: RequestId, grant: GrantId, ending: Ending) -> Result<String> {
    let found = ca.client.request_by_id(&request, &Default::default()).map_err(Error::from);
    let until = match found {
        Ok(found) => found.grant.as_ref().map(until),
        // It is another's, and not for the caller to see.
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error),
    };
    let until = until.map(|until| format!(", {until}")).unwrap_or_default();
    let verb = match ending {
        Ending::GivenBack => "end",
        Ending::Revoked => "revoke",
    };
    Ok(format!("more time was granted: {grant}{until}; jit-ca {verb} {grant} ends that too"))
}

fn asked_after(request: RequestId, ending: Ending) -> String {
    match ending {
        Ending::GivenBack => {
            format!("more time was asked for, and may still be granted; jit-ca cancel {request}")
        }
        Ending::Revoked => {
            format!("more time was asked for by {request}, and nobody can approve that now")
        }
    }
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
        let requests = file.extensions.iter().map(|extension| &extension.request);
        parts.push(format!("extended by  {}", join(requests)));
    }
    parts.join("\n\n")
}
