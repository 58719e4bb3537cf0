//! `break-glass`, `reviews` and `review`.

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{BreakGlassCall, Request, RequestFilter, ReviewCall};

use crate::cli::{BreakGlassCommand, ReviewCommand};
use crate::command::Context;
use crate::command::access::reason;
use crate::command::shown::request_fields;
use crate::error::Result;
use crate::named;
use crate::printer::{join, table};
use crate::wait;

pub(super) fn break_glass(context: &Context, arguments: &BreakGlassCommand) -> Result<()> {
    let ca = context.ca()?;
    let wish = &arguments.wish;
    let call = BreakGlassCall {
        role: arguments.role.clone(),
        hosts: arguments.hosts.clone(),
        duration: wish.duration,
        reason: reason(&format!("the emergency with {}", arguments.role), wish)?,
        ticket: wish.ticket.clone(),
    };
    let request = ca.client.break_glass(&call, &IdempotencyKey::random()?)?;
    let request = wait::granted(request)?;
    // Whether messages go out is the CA's own affair; in their status all of them have it.
    let told = join(request.emergency.iter().flat_map(|it| &it.told));
    let note = "it stands in their jit-ca status until somebody else has reviewed it";
    context.printer.note(&format!("shown to all of {told}: {note}"));
    context.printer.data(&request, request_fields);
    Ok(())
}

pub(super) fn reviews(context: &Context) -> Result<()> {
    let ca = context.ca()?;
    let filter = RequestFilter { to_review: true, ..RequestFilter::default() };
    let open = ca.client.requests(&filter)?.requests;
    context.printer.data(&open, |open| match open.is_empty() {
        true => "there is nothing to review".to_owned(),
        false => reviews_table(open),
    });
    Ok(())
}

pub(super) fn review(context: &Context, arguments: &ReviewCommand) -> Result<()> {
    let ca = context.ca()?;
    let request = named::request(&ca, &arguments.id)?;
    let call = ReviewCall { comment: arguments.comment.clone() };
    let request = ca.client.review(&request.id, &call, &IdempotencyKey::random()?)?;
    context.printer.data(&request, request_fields);
    Ok(())
}

pub(super) fn reviews_table(open: &[Request]) -> String {
    let rows: Vec<[String; 6]> = open
        .iter()
        .map(|request| {
            [
                request.id.to_string(),
                request.made.to_string(),
                request.name.to_string(),
                request.role.to_string(),
                request.hosts.to_string(),
                request.reason.to_string(),
            ]
        })
        .collect();
    table(["to review", "when", "who", "role", "hosts", "reason"], &rows)
}
