//! `lock`, `unlock` and `locks`.

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{Lock, LockCall};

use crate::cli::LockCommand;
use crate::command::Context;
use crate::error::Result;
use crate::printer::table;

pub(super) fn lock(context: &Context, arguments: &LockCommand) -> Result<()> {
    let ca = context.ca()?;
    let locks = ca.client.lock(&call(arguments), &IdempotencyKey::random()?)?;
    context.printer.data(&locks, |locks| locks_table(locks));
    Ok(())
}

pub(super) fn unlock(context: &Context, arguments: &LockCommand) -> Result<()> {
    let ca = context.ca()?;
    let locks = ca.client.unlock(&call(arguments), &IdempotencyKey::random()?)?;
    context.printer.data(&locks, |locks| locks_table(locks));
    Ok(())
}

pub(super) fn locks(context: &Context) -> Result<()> {
    let locks = context.ca()?.client.locks()?;
    context.printer.data(&locks, |locks| locks_table(locks));
    Ok(())
}

fn call(arguments: &LockCommand) -> LockCall {
    LockCall { what: arguments.what.clone(), reason: arguments.reason.clone() }
}

pub(super) fn locks_table(locks: &[Lock]) -> String {
    let rows: Vec<[String; 4]> = locks
        .iter()
        .map(|lock| {
            [
                lock.shown(),
                lock.since.to_string(),
                lock.by.as_ref().map_or("the CA's machine".to_owned(), ToString::to_string),
                lock.reason.to_string(),
            ]
        })
        .collect();
    match rows.is_empty() {
        true => "nothing is locked".to_owned(),
        false => table(["locked", "since", "by", "reason"], &rows),
    }
}
