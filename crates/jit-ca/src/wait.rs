//! Waiting for a request to be decided, in sight of whoever asked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use jit_ca_api::client::{self, Client};
use jit_ca_api::{ApprovalView, LONGEST_WAIT, Request, RequestStatus, WaitQuery};
use jit_ca_core::workflow::Approver;
use jit_ca_core::{Row, UnixTime};
use signal_hook::consts::SIGINT;

use crate::clock;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::printer::{Printer, join};

/// Waits until the request is granted.
///
/// # Errors
/// If it is denied, cancelled or lapses, or if the person no longer wants to wait.
pub(crate) fn until_granted(
    printer: &Printer,
    client: &Client,
    request: Request,
) -> Result<Request> {
    let interrupted = interrupt::flag_of(&[SIGINT])?;
    let decided = until_decided(printer, client, request, &interrupted);
    // From here on an interrupt ends the program, as it does elsewhere.
    interrupted.store(true, Ordering::Relaxed);
    granted(decided?)
}

/// The request, if it was granted.
pub(crate) fn granted(request: Request) -> Result<Request> {
    let what = match request.status {
        RequestStatus::Approved if request.grant.is_some() => return Ok(request),
        RequestStatus::Approved => "was approved, and the CA shows no grant of it".to_owned(),
        RequestStatus::Pending => return Err(Error::Pending { id: request.id }),
        RequestStatus::Denied => match &request.denied {
            None => "was denied".to_owned(),
            Some(denial) => {
                let reason = denial.reason.as_ref().map(|text| format!(": {text}"));
                format!("was denied by {}{}", denial.name, reason.unwrap_or_default())
            }
        },
        RequestStatus::Cancelled => "was cancelled".to_owned(),
        RequestStatus::Lapsed => "has lapsed: nobody decided it in time".to_owned(),
    };
    let hint = format!("see all of it: jit-ca requests {}", request.id);
    Err(Error::Denied { what: format!("{} {what}", request.id), hint: Some(hint) })
}

/// Who approved or denied, for a person.
pub(crate) fn approver(by: &Approver) -> String {
    match by {
        Approver::Rules(rules) => format!("rule {}", join(rules)),
        Approver::Person { name, .. } => name.to_string(),
    }
}

/// Who can approve it, in names.
pub(crate) fn can_approve(request: &Request) -> String {
    match request.approvers.as_slice() {
        [] => "nobody".to_owned(),
        names => join(names),
    }
}

/// What an approval left of what was asked for, and why.
pub(crate) fn approval(request: &Request, given: &ApprovalView) -> String {
    let mut parts = vec![approver(&given.by)];
    if given.duration < request.duration {
        parts.push(format!("for {} of {}", given.duration, request.duration));
    }
    let dropped = request.rows.iter().filter(|row| !given.rows.contains(row));
    let dropped: Vec<_> = dropped.map(Row::name).collect();
    if !dropped.is_empty() {
        parts.push(format!("without {}", join(&dropped)));
    }
    if given.hosts != request.hosts {
        parts.push(format!("on {} alone", given.hosts));
    }
    let text = join(parts);
    match &given.comment {
        Some(comment) => format!("{text}: {comment}"),
        None => text,
    }
}

fn until_decided(
    printer: &Printer,
    client: &Client,
    mut request: Request,
    interrupted: &AtomicBool,
) -> Result<Request> {
    if request.status == RequestStatus::Pending && !printer.is_watched() {
        printer.note(&line(&request, clock::now()));
    }
    let mut news = poll(client, &request, Duration::ZERO);
    while request.status == RequestStatus::Pending {
        printer.live(&line(&request, clock::now()));
        match news.recv_timeout(TICK) {
            Ok(Ok(answer)) => {
                let is_news = answer.approvals.len() > request.approvals.len();
                if is_news && answer.status == RequestStatus::Pending && !printer.is_watched() {
                    printer.note(&line(&answer, clock::now()));
                }
                request = answer;
                news = poll(client, &request, Duration::ZERO);
            }
            // A daemon that is started anew still knows the request.
            Ok(Err(error @ client::Error::Transport { .. })) if clock::now() < request.lapses => {
                printer.note(&format!("{error}; still waiting"));
                news = poll(client, &request, PAUSE);
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => news = poll(client, &request, PAUSE),
        }
        if interrupted.load(Ordering::Relaxed) {
            return Err(Error::Pending { id: request.id });
        }
    }
    Ok(request)
}

/// Asks the CA once, on a thread of its own: it answers when something has changed, or late.
fn poll(
    client: &Client,
    request: &Request,
    pause: Duration,
) -> Receiver<Result<Request, client::Error>> {
    let (sender, receiver) = channel();
    if request.status != RequestStatus::Pending {
        return receiver;
    }
    let (client, id) = (client.clone(), request.id);
    let query = WaitQuery { wait: LONGEST_WAIT, approvals: request.approvals.len() };
    std::thread::spawn(move || {
        std::thread::sleep(pause);
        // Whoever no longer waits does not want to know.
        let _ = sender.send(client.request_by_id(&id, &query));
    });
    receiver
}

fn line(request: &Request, now: UnixTime) -> String {
    let who = can_approve(request);
    format!(
        "{}  {} of {} approvals  can approve: {who}  lapses in {}",
        request.id,
        request.approvals.len(),
        request.approvals.len() + request.still_needed,
        request.lapses.since(now),
    )
}

/// How often the time left is shown anew, and an interrupt is seen.
const TICK: Duration = Duration::from_millis(500);
/// How long to let a CA be that can't be reached.
const PAUSE: Duration = Duration::from_secs(5);
