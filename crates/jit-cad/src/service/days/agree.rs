//! Whether the store says what the model says.

use std::collections::BTreeSet;

use jit_ca_core::event::{EndCause, Locked};
use jit_ca_core::workflow::{Access, Approver, Over, RequestState, Term};
use jit_ca_core::{Hosts, UnixTime};

use super::act::{Day, hosts};
use super::model::{self, Model, State};
use super::step::What;
use super::world::{ROLES, row_name};

/// All requests and grants with what was counted, all locks, and all that is to be reviewed.
pub(super) fn compare(day: &Day<'_>, model: &Model) -> Result<(), String> {
    let snapshot = day.lab.app.store.read().unwrap();
    for (nth, (id, expected)) in day.requests.iter().zip(&model.requests).enumerate() {
        let record = snapshot.access(*id).unwrap().unwrap();
        let issued = record.access.grant().map(|it| snapshot.certificates_of(it.id).unwrap());
        let (found, expected) = (seen(&record.access, issued), told(day, expected));
        same(&format!("request {nth}"), &found, &expected)?;
    }
    let locks: BTreeSet<String> =
        snapshot.locks().unwrap().iter().map(|record| record.lock.to_string()).collect();
    same("locks", &locks, &model.locks.iter().map(|what| lock(day, *what)).collect())?;
    let to_review: BTreeSet<_> =
        snapshot.to_review().unwrap().iter().map(|record| record.access.request.id).collect();
    let unseen = model.requests.iter().map(|it| matches!(it.emergency, Some((_, false))));
    let expected = day.requests.iter().zip(unseen).filter(|(_, unseen)| *unseen);
    same("reviews", &to_review, &expected.map(|(id, _)| *id).collect())?;
    same("the clock", &crate::clock::now(), &UnixTime::from_secs(model.now))?;
    let is_told = snapshot.clock_fault().unwrap().is_some();
    if is_told && !model.is_faulted {
        return Err("the log tells of a fault of the clock that there is not".to_owned());
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found:?}, where {expected:?} is expected")),
    }
}

fn lock(day: &Day<'_>, what: What) -> String {
    let lock = match what {
        What::All | What::Held => Locked::All,
        What::Person(who) => Locked::Subject(day.lab.people[who].id.clone()),
        What::Role(role) => Locked::Role(ROLES[role].parse().unwrap()),
    };
    lock.to_string()
}

/// A request as the store has it.
fn seen(access: &Access, issued: Option<u32>) -> String {
    let request = &access.request;
    let approvals: Vec<String> = access
        .approvals
        .iter()
        .map(|given| -> String {
            let by = match &given.by {
                Approver::Person { subject, .. } => subject.to_string(),
                Approver::Rules(_) => "a rule".to_owned(),
            };
            format!("{by} for {}", given.duration.secs())
        })
        .collect();
    let state = match &access.state {
        RequestState::Pending => "pending".to_owned(),
        RequestState::Denied { .. } => "denied".to_owned(),
        RequestState::Cancelled => "cancelled".to_owned(),
        RequestState::Lapsed => "lapsed".to_owned(),
        RequestState::Approved(grant) => {
            let term = match grant.term {
                Term::Open(window) => {
                    format!("open {} to {}", window.start().secs(), window.end().secs())
                }
                Term::Scheduled(window) => {
                    format!("scheduled {} to {}", window.start().secs(), window.end().secs())
                }
                Term::FirstUse { duration, by } => {
                    format!("{} from a use by {}", duration.secs(), by.secs())
                }
            };
            let over = match &grant.over {
                None => "goes on",
                Some(Over::Revoked { .. }) => "revoked",
                Some(Over::TakenBack) => "taken back",
                Some(Over::Ended { cause, .. }) => match cause {
                    EndCause::Over => "over",
                    EndCause::Unused => "unused",
                    EndCause::Policy => "policy",
                    EndCause::GivenBack => "given-back",
                },
            };
            let rows: Vec<String> = grant.rows.iter().map(|row| row.name().to_string()).collect();
            granted(&term, over, &rows, &grant.hosts, issued.unwrap_or(0))
        }
    };
    format!("{} of {}: {approvals:?}, {state}", request.role, request.subject)
}

fn granted(term: &str, over: &str, rows: &[String], hosts: &Hosts, issued: u32) -> String {
    format!("{term}, {over}, {rows:?} on {hosts}, {issued} certificates")
}

/// The same as the model has it.
fn told(day: &Day<'_>, request: &model::Request) -> String {
    let role = ROLES[request.role];
    let approvals: Vec<String> = request
        .approvals
        .iter()
        .map(|given| {
            let by = given.by.map(|by| day.lab.people[by].id.to_string());
            format!("{} for {}", by.unwrap_or_else(|| "a rule".to_owned()), given.duration)
        })
        .collect();
    let state = match &request.state {
        State::Pending => "pending".to_owned(),
        State::Denied => "denied".to_owned(),
        State::Cancelled => "cancelled".to_owned(),
        State::Lapsed => "lapsed".to_owned(),
        State::Granted(grant) => {
            let term = match grant.term {
                model::Term::Open(start, end) => format!("open {start} to {end}"),
                model::Term::Scheduled(start, end) => format!("scheduled {start} to {end}"),
                model::Term::FirstUse { duration, by } => {
                    format!("{duration} from a use by {by}")
                }
            };
            let over = match grant.over {
                None => "goes on",
                Some(model::Over::Revoked) => "revoked",
                Some(model::Over::TakenBack) => "taken back",
                Some(model::Over::Ended(cause)) => cause,
            };
            let rows: Vec<String> = grant.rows.iter().map(|row| row_name(role, *row)).collect();
            granted(&term, over, &rows, &hosts(grant.hosts), grant.issued)
        }
    };
    format!("{role} of {}: {approvals:?}, {state}", day.lab.people[request.by].id)
}
