//! `mfa reset` and `mfa resets`.

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{Reset, ResetCall, ResetDone, ResetStatus, ResetTurn};
use jit_ca_core::PersonName;

use crate::cli::ResetCommand;
use crate::command::Context;
use crate::error::{Error, Result};
use crate::login::Ca;
use crate::printer::{fields, table};

pub(super) fn reset(context: &Context, arguments: &ResetCommand) -> Result<()> {
    let ResetCommand { name, reason, confirm, withdraw: _ } = arguments;
    let ca = context.ca()?;
    match reason {
        Some(reason) => {
            let call = ResetCall { name: name.clone(), reason: reason.clone() };
            let resets = ca.client.ask_for_reset(&call, &IdempotencyKey::random()?)?;
            context.printer.data(&resets, |resets| resets_table(resets));
            context.printer.note(&format!(
                "another administrator confirms it: jit-ca mfa reset {name} --confirm"
            ));
        }
        None if *confirm => confirmed(context, &ca, name)?,
        None => {
            let turn = waiting(&ca, name)?;
            let left = ca.client.withdraw_reset(&turn, &IdempotencyKey::random()?)?;
            context.printer.data(&left, |left| resets_table(left));
        }
    }
    Ok(())
}

pub(super) fn resets(context: &Context) -> Result<()> {
    let resets = context.ca()?.client.resets()?;
    context.printer.data(&resets, |resets| resets_table(resets));
    Ok(())
}

fn confirmed(context: &Context, ca: &Ca, name: &PersonName) -> Result<()> {
    let turn = waiting(ca, name)?;
    let done = ca.client.confirm_reset(&turn, &IdempotencyKey::random()?)?;
    context.printer.data(&done, shown);
    let printer = &context.printer;
    if done.code.is_some() {
        printer.note(
            "the code is not shown again: hand it to the person, whom you know to be that person",
        );
        printer.note(&format!("it is used with: jit-ca mfa enroll --name {name} --code CODE"));
    }
    if done.has_security_keys {
        printer
            .note("security keys (sk-…) are as they were: a lost one is taken out of users.toml");
    }
    if !done.can_log_in {
        printer.note("the person has no SSH key in users.toml, and can't log in without");
    }
    Ok(())
}

/// What waits for that person, as the caller is about to answer it.
fn waiting(ca: &Ca, name: &PersonName) -> Result<ResetTurn> {
    let is_it =
        |reset: &&Reset| reset.status == ResetStatus::Asked && reset.name.as_ref() == Some(name);
    let resets = ca.client.resets()?;
    let found = resets.iter().find(is_it).ok_or_else(|| {
        Error::usage(
            format!("nobody has asked for a reset of {name}"),
            format!("ask for it: jit-ca mfa reset {name} --reason TEXT; `jit-ca mfa resets` lists what waits"),
        )
    })?;
    Ok(ResetTurn { name: name.clone(), entry: found.entry })
}

fn shown(done: &ResetDone) -> String {
    match (&done.code, done.expires) {
        (Some(code), Some(expires)) => {
            fields(&[("code", code.clone()), ("expires", expires.to_string())])
        }
        _ => format!("{} has no passkey any more, and no login", done.name),
    }
}

fn resets_table(resets: &[Reset]) -> String {
    let row = |reset: &Reset| {
        let asked_by = match (&reset.asked_by, &reset.confirmed_by) {
            (Some(by), _) => by.to_string(),
            (None, None) => "the CA's machine".to_owned(),
            // Whose entry is erased.
            (None, Some(_)) => String::new(),
        };
        let state = match (reset.status, &reset.confirmed_by) {
            (ResetStatus::Asked, _) => "asked".to_owned(),
            (ResetStatus::Confirmed, Some(by)) => format!("confirmed by {by}"),
            (ResetStatus::Confirmed, None) => "done".to_owned(),
        };
        [
            reset.name.as_ref().map_or_else(|| reset.subject.to_string(), ToString::to_string),
            state,
            asked_by,
            reset.until.to_string(),
            reset.reason.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]
    };
    let rows: Vec<[String; 5]> = resets.iter().map(row).collect();
    match rows.is_empty() {
        true => "nothing waits".to_owned(),
        false => table(["person", "state", "asked by", "until", "reason"], &rows),
    }
}
