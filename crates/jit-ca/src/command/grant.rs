//! `extend`, `end`, `revoke` and `grant show`.

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{
    CertificateView, ExtendCall, ExtensionView, GrantFile, RequestStatus, RevokeCall,
};
use jit_ca_core::{GrantId, UnixTime};

use crate::cli::{ExtendCommand, RevokeCommand};
use crate::command::access::{reason, request_fields};
use crate::command::{Context, grant_named};
use crate::error::Result;
use crate::exit::Exit;
use crate::printer::{join, table};
use crate::wait;

pub(super) fn extend(context: &Context, arguments: &ExtendCommand) -> Result<Exit> {
    let ca = context.ca()?;
    let grant = grant_named(&ca, &arguments.grant)?;
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
    let grant = grant_named(&ca, grant)?;
    let file = ca.client.end(&grant, &IdempotencyKey::random()?)?;
    tell_what_goes_on(context, &file);
    let following = following(&file);
    if !following.is_empty() {
        context.printer.note(&format!(
            "more time after it was asked for, which goes on: {}",
            join(following.iter().map(|it| it.request))
        ));
    }
    forget(context, grant)?;
    context.printer.data(&file, |file| text(file, context.now));
    Ok(())
}

pub(super) fn revoke(context: &Context, arguments: &RevokeCommand) -> Result<()> {
    let ca = context.ca()?;
    let grant = grant_named(&ca, &arguments.grant)?;
    let call = RevokeCall { reason: arguments.reason.clone() };
    let file = ca.client.revoke(&grant, &call, &IdempotencyKey::random()?)?;
    tell_what_goes_on(context, &file);
    for extension in following(&file) {
        context.printer.note(&match extension.grant {
            Some(grant) => format!("{grant} follows on it and goes on: jit-ca revoke {grant}"),
            None => format!(
                "{} asks for more time after it; nobody can approve that now",
                extension.request
            ),
        });
    }
    context.printer.data(&file, |file| text(file, context.now));
    Ok(())
}

pub(super) fn show(context: &Context, grant: &str) -> Result<()> {
    let ca = context.ca()?;
    let grant = grant_named(&ca, grant)?;
    let file = ca.client.grant(&grant)?;
    context.printer.data(&file, |file| text(file, context.now));
    Ok(())
}

/// Certificates are valid until they end: nothing takes them back. Whoever ends a grant has to know which there are.
fn tell_what_goes_on(context: &Context, file: &GrantFile) {
    let valid: Vec<&CertificateView> =
        file.certificates.iter().filter(|it| !it.failed && context.now < it.until).collect();
    let Some(last) = valid.iter().map(|it| it.until).max() else { return };
    context.printer.note(&format!(
        "no further certificate is issued; {} that {} issued {} valid, the last one until {last}",
        valid.len(),
        if valid.len() == 1 { "was" } else { "were" },
        if valid.len() == 1 { "stays" } else { "stay" },
    ));
}

/// What follows on a grant and goes on without it.
fn following(file: &GrantFile) -> Vec<&ExtensionView> {
    file.extensions.iter().filter(|extension| extension.goes_on).collect()
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
