//! `requests`: what was asked for, and what waits for whom.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jit_ca_api::client;
use jit_ca_api::{Request, RequestFilter, RequestStatus};
use jit_ca_core::RequestId;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::cli::RequestsCommand;
use crate::clock;
use crate::command::Context;
use crate::command::access::requests_table;
use crate::error::Result;
use crate::interrupt;
use crate::login::Ca;
use crate::printer::join;

pub(super) fn requests(context: &Context, arguments: RequestsCommand) -> Result<()> {
    let ca = context.ca()?;
    if arguments.watch {
        return watch(context, &ca, filter(arguments));
    }
    let requests = ca.client.requests(&filter(arguments))?;
    context.printer.data(&requests, |requests| requests_table(requests));
    Ok(())
}

fn filter(arguments: RequestsCommand) -> RequestFilter {
    RequestFilter {
        status: arguments.status,
        mine: arguments.mine,
        subject: arguments.subject,
        role: arguments.role,
        approver: arguments.approver,
        from: arguments.from,
        to: arguments.to,
        text: arguments.text,
        ..RequestFilter::default()
    }
}

/// Shows what is pending as it comes and as it goes, a line each, until it is interrupted.
fn watch(context: &Context, ca: &Ca, filter: RequestFilter) -> Result<()> {
    let interrupted = interrupt::flag_of(&[SIGINT, SIGTERM])?;
    let filter = RequestFilter { status: Some(RequestStatus::Pending), ..filter };
    let mut shown: BTreeSet<RequestId> = BTreeSet::new();
    while !interrupted.load(Ordering::Relaxed) {
        match ca.client.requests(&filter) {
            Ok(pending) => {
                let is_new = |request: &&Request| {
                    let is_for_me = filter.mine || request.subject != ca.login.me.subject;
                    is_for_me && !shown.contains(&request.id)
                };
                let mut new: Vec<&Request> = pending.iter().filter(is_new).collect();
                new.sort_by_key(|request| request.id);
                new.iter().for_each(|request| context.printer.data(*request, arrived));
                shown.extend(new.iter().map(|request| request.id));
                let gone = |id: &RequestId| pending.iter().all(|request| request.id != *id);
                for id in shown.iter().copied().filter(gone).collect::<Vec<_>>() {
                    let request = ca.client.request_by_id(&id, &Default::default())?;
                    context.printer.data(&request, decided);
                    shown.remove(&id);
                }
            }
            Err(error @ client::Error::Transport { .. }) => {
                context.printer.note(&format!("{error}; still watching"));
            }
            Err(error) => return Err(error.into()),
        }
        pause(&interrupted);
    }
    Ok(())
}

/// How often it is asked what is pending.
const PAUSE: Duration = Duration::from_secs(2);

fn pause(interrupted: &std::sync::atomic::AtomicBool) {
    let step = Duration::from_millis(100);
    let mut left = PAUSE;
    while !left.is_zero() && !interrupted.load(Ordering::Relaxed) {
        std::thread::sleep(step);
        left = left.saturating_sub(step);
    }
}

fn arrived(request: &Request) -> String {
    let Request { id, name, role, hosts, duration, reason, .. } = request;
    let left = request.lapses.since(clock::now());
    format!(
        "{id}  {name} asks for {role} on {hosts} for {duration}: {reason}\n  \
         lapses in {left}; jit-ca approve {id}"
    )
}

fn decided(request: &Request) -> String {
    let by = match (&request.denied, request.status) {
        (Some(denial), _) => format!(" by {}", denial.name),
        (None, RequestStatus::Approved) => {
            let by = request.approvals.iter().map(|given| crate::wait::approver(&given.by));
            format!(" by {}", join(by))
        }
        _ => String::new(),
    };
    format!("{}  {}{by}", request.id, request.status)
}
