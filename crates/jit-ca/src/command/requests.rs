//! `requests`: what was asked for, and what waits for whom.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jit_ca_api::{Request, RequestFilter, RequestList, RequestStatus};
use jit_ca_core::RequestId;
use jit_ca_core::workflow::Start;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::cli::{RequestsCommand, Status};
use crate::clock;
use crate::command::Context;
use crate::command::shown::{request_fields, requests_table};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::login::Ca;
use crate::named;
use crate::printer::join;
use crate::wait;

pub(super) fn requests(context: &Context, arguments: RequestsCommand) -> Result<()> {
    let ca = context.ca()?;
    if let Some(id) = &arguments.id {
        context.printer.data(&named::request(&ca, id)?, request_fields);
        return Ok(());
    }
    if arguments.watch {
        return watch(context, &ca, filter(arguments));
    }
    let list = ca.client.requests(&filter(arguments))?;
    context.printer.data(&list.requests, |requests| requests_table(requests));
    tell_what_is_left_out(context, &list);
    Ok(())
}

/// A list that lacks something says so.
pub(super) fn tell_what_is_left_out(context: &Context, list: &RequestList) {
    for unknown in &list.unknown {
        context.printer.note(&format!("no {unknown} is known, to the policy or to the log"));
    }
    if list.more {
        context.printer.note(&format!(
            "these are {}, and there may be more; narrow it by --status, --subject, --role, --text, --from or --to",
            list.requests.len()
        ));
    }
}

fn filter(arguments: RequestsCommand) -> RequestFilter {
    let (status, state) = arguments.status.map(Status::parts).unwrap_or_default();
    RequestFilter {
        status,
        state,
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

/// Shows what is pending as it comes and as it goes, until it is interrupted.
fn watch(context: &Context, ca: &Ca, filter: RequestFilter) -> Result<()> {
    let interrupted = interrupt::flag_of(&[SIGINT, SIGTERM])?;
    let filter = RequestFilter { status: Some(RequestStatus::Pending), ..filter };
    let mut watch = Watch { context, ca, filter, shown: BTreeSet::new(), begun: false };
    let mut fault = None;
    while !interrupted.load(Ordering::Relaxed) {
        match watch.look() {
            Ok(()) => fault = None,
            Err(error) if error.is_passing() => {
                let text = error.to_string();
                if fault.as_ref() != Some(&text) {
                    context.printer.note(&format!("{text}; still watching"));
                }
                fault = Some(text);
            }
            Err(error) => return Err(error),
        }
        pause(&interrupted);
    }
    Ok(())
}

/// What was seen of what is pending.
struct Watch<'a> {
    context: &'a Context,
    ca: &'a Ca,
    filter: RequestFilter,
    /// The requests that were shown, and of which it was not yet said what became of them.
    shown: BTreeSet<RequestId>,
    begun: bool,
}

impl Watch<'_> {
    /// Shows what has come and what has gone since it looked last, a line each.
    fn look(&mut self) -> Result<()> {
        let list = self.ca.client.requests(&self.filter)?;
        let mut new: Vec<&Request> =
            list.requests.iter().filter(|request| self.is_new(request)).collect();
        if !self.begun {
            self.begun = true;
            let waits = match new.len() {
                0 => "nothing waits now".to_owned(),
                1 => "1 request waits now".to_owned(),
                several => format!("{several} requests wait now"),
            };
            self.context.printer.note(&format!("watching; {waits}"));
            tell_what_is_left_out(self.context, &list);
        }
        new.sort_by_key(|request| request.id);
        new.iter().for_each(|request| self.context.printer.data(*request, arrived));
        self.shown.extend(new.iter().map(|request| request.id));
        let listed: BTreeSet<RequestId> = list.requests.iter().map(|request| request.id).collect();
        let missing: Vec<RequestId> = self.shown.difference(&listed).copied().collect();
        missing.into_iter().try_for_each(|id| self.gone(id))
    }

    fn is_new(&self, request: &Request) -> bool {
        let is_meant = self.filter.mine || self.filter.subject.is_some();
        let is_for_me = is_meant || request.subject != self.ca.login.me.subject;
        is_for_me && !self.shown.contains(&request.id)
    }

    /// Says what became of a request that is not in the list any more. A list holds so many, so that it may still wait.
    fn gone(&mut self, id: RequestId) -> Result<()> {
        match self.ca.client.request_by_id(&id, &Default::default()).map_err(Error::from) {
            Ok(request) if request.status == RequestStatus::Pending => return Ok(()),
            Ok(request) => self.context.printer.data(&request, decided),
            Err(error) if error.is_not_found() => {
                self.context.printer.note(&format!("{id}  is no longer for you to see"));
            }
            Err(error) => return Err(error),
        }
        self.shown.remove(&id);
        Ok(())
    }
}

/// How often it is asked what is pending.
const PAUSE: Duration = Duration::from_secs(2);

fn pause(interrupted: &AtomicBool) {
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
    let can_approve = wait::can_approve(request);
    let from = match request.start {
        Start::At(time) => format!(", from {time}"),
        Start::AtApproval | Start::FirstUse => String::new(),
    };
    format!(
        "{id}  {name} asks for {role} on {hosts} for {duration}{from}: {reason}\n  \
         lapses in {left}; can approve: {can_approve}; jit-ca approve {id}"
    )
}

fn decided(request: &Request) -> String {
    let Request { id, status, .. } = request;
    match &request.denied {
        Some(denial) => {
            let why = denial.reason.as_ref().map(|reason| format!(": {reason}"));
            format!("{id}  {status} by {}{}", denial.name, why.unwrap_or_default())
        }
        None if *status == RequestStatus::Approved => {
            let by = request.approvals.iter().map(|given| wait::approver(&given.by));
            format!("{id}  {status} by {}", join(by))
        }
        None => format!("{id}  {status}"),
    }
}
