//! `approve` and `deny`.
//!
//! INVARIANT (what is shown is what is signed): the statement that is signed names the request by a
//! hash; we make that hash ourselves, from the values that we show and from what we kept of the CA
//! at first contact.

use std::collections::BTreeSet;

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{ApproveCall, DenyCall, Request};
use jit_ca_core::statement::{self, Kind};
use jit_ca_core::{Digest, HostName, Hosts, Origin, Row, RowName, Span, Text};
use jit_ca_log::hash::sha256;

use crate::cli::ApproveCommand;
use crate::command::Context;
use crate::command::shown::request_fields;
use crate::error::{Error, Result};
use crate::named;
use crate::printer::{fields, join};
use crate::signing::SigningKey;
use crate::terminal;

pub(super) fn approve(context: &Context, arguments: &ApproveCommand) -> Result<()> {
    let ca = context.ca()?;
    let request = named::request(&ca, &arguments.id)?;
    let origin = &ca.profile.ca.trust.origin;
    let hash = checked_hash(origin, &request)?;
    let duration = duration(&request, arguments.duration)?;
    let rows = rows(&request, &arguments.rows)?;
    let hosts = hosts(&request, &arguments.hosts)?;
    let comment = arguments.comment.clone();
    let is_less = duration < request.duration || rows != request.rows || hosts != request.hosts;
    if is_less && comment.is_none() {
        let hint = "say why: --comment \"one host will do\"";
        return Err(Error::usage("an approval for less than was asked for says why", hint));
    }
    context.printer.note(&shown(&request, hash, duration, &rows, &hosts));
    let question = if arguments.unsigned { "approve this?" } else { "sign this approval?" };
    if !arguments.yes && !terminal::confirm(question)? {
        return Err(Error::Denied { what: "nothing was approved".to_owned(), hint: None });
    }

    let statement =
        statement::Approval { origin, request: &hash, duration, rows: &rows, hosts: &hosts };
    let signature = match arguments.unsigned {
        true => None,
        false => {
            let key = SigningKey::choose(&context.places, ca.profile.key.as_deref())?;
            Some(key.sign(&context.places, Kind::Approval, &statement.text())?)
        }
    };
    let call = ApproveCall { hash, duration, rows, hosts, comment, signature };
    let request = ca.client.approve(&request.id, &call, &IdempotencyKey::random()?)?;
    context.printer.data(&request, request_fields);
    Ok(())
}

pub(super) fn deny(context: &Context, id: &str, reason: Option<Text>) -> Result<()> {
    let ca = context.ca()?;
    let request = named::request(&ca, id)?;
    let call = DenyCall { reason };
    let request = ca.client.deny(&request.id, &call, &IdempotencyKey::random()?)?;
    context.printer.data(&request, request_fields);
    Ok(())
}

/// The request's hash, made from what we were sent.
///
/// # Errors
/// If the CA says another one.
fn checked_hash(origin: &Origin, request: &Request) -> Result<Digest> {
    let statement = statement::Request {
        origin,
        id: &request.id,
        subject: &request.subject,
        role: &request.role,
        rows: &request.rows,
        hosts: &request.hosts,
        duration: request.duration,
        start: &request.start,
        extends: request.extends.as_ref(),
        reason: &request.reason,
        ticket: request.ticket.as_ref(),
        bundle: &request.bundle,
    };
    let hash = sha256(statement.text().as_bytes());
    if hash == request.hash {
        Ok(hash)
    } else {
        Err(Error::unverified(format!(
            "the request shown has the hash {hash}, and the CA says {}",
            request.hash
        )))
    }
}

fn duration(request: &Request, wanted: Option<Span>) -> Result<Span> {
    match wanted {
        Some(wanted) if wanted > request.duration || wanted.is_zero() => Err(Error::usage(
            format!("{wanted} is not within the {} asked for", request.duration),
            "an approval can shorten, never lengthen",
        )),
        Some(wanted) => Ok(wanted),
        None => Ok(request.duration),
    }
}

fn rows(request: &Request, wanted: &[RowName]) -> Result<Vec<Row>> {
    let names: Vec<RowName> = request.rows.iter().map(Row::name).collect();
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        return Err(Error::usage(
            format!("the request has no row {unknown}"),
            format!("it has {}", join(&names)),
        ));
    }
    let rows = request.rows.iter();
    let kept = rows.filter(|row| wanted.is_empty() || wanted.contains(&row.name()));
    Ok(kept.cloned().collect())
}

fn hosts(request: &Request, wanted: &[HostName]) -> Result<Hosts> {
    if wanted.is_empty() {
        return Ok(request.hosts.clone());
    }
    let hosts = Hosts::Named(wanted.iter().cloned().collect());
    match hosts.is_within(&request.hosts, &request.rows) {
        true => Ok(hosts),
        false => Err(Error::usage(
            format!("{hosts} is not within the hosts asked for"),
            format!("the request is for {}", hosts_asked_for(request)),
        )),
    }
}

/// The hosts that an approval can name: of a request for all, those of its rows.
fn hosts_asked_for(request: &Request) -> String {
    let given = request.rows.iter().filter_map(|row| match row {
        Row::Ssh(row) => Some(&row.hosts),
        Row::X509(_) => None,
    });
    let given: BTreeSet<&HostName> = given.flatten().collect();
    match &request.hosts {
        Hosts::Named(_) => request.hosts.to_string(),
        Hosts::All if given.is_empty() => "no host in particular".to_owned(),
        Hosts::All => join(given),
    }
}

fn shown(request: &Request, hash: Digest, duration: Span, rows: &[Row], hosts: &Hosts) -> String {
    let shorter = match duration == request.duration {
        true => String::new(),
        false => format!(" (asked for: {})", request.duration),
    };
    let fewer = match *hosts == request.hosts {
        true => String::new(),
        false => format!(" (asked for: {})", request.hosts),
    };
    let ticket = request.ticket.as_ref().map(ToString::to_string);
    let mut lines = vec![
        ("request", request.id.to_string()),
        // The name is the CA's word for the subject; what is hashed is the subject.
        ("subject", format!("{} (called {})", request.subject, request.name)),
        ("role", request.role.to_string()),
    ];
    for row in &request.rows {
        let dropped = if rows.contains(row) { "" } else { " (dropped)" };
        lines.push(("row", format!("{row}{dropped}")));
    }
    lines.extend([
        ("hosts", format!("{hosts}{fewer}")),
        ("duration", format!("{duration}{shorter}")),
        ("start", request.start.to_string()),
        ("extends", request.extends.map(|grant| grant.to_string()).unwrap_or_default()),
        ("reason", request.reason.to_string()),
        ("ticket", ticket.unwrap_or_default()),
        ("bundle", request.bundle.to_string()),
        ("hash", hash.to_string()),
    ]);
    fields(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jit_ca_core::UnixTime;
    use jit_ca_core::workflow::Start;

    fn request() -> Request {
        let rows = ["ssh web-shell login=deploy hosts=web1,web2", "x509 orders-api"];
        let mut request = Request {
            id: "r-01m3250v000w3ge1r70w3ge1r7".parse().unwrap(),
            subject: "local/u-1001".parse().unwrap(),
            name: "alice".parse().unwrap(),
            role: "web-shell".parse().unwrap(),
            rows: rows.iter().map(|row| row.parse().unwrap()).collect(),
            hosts: "web1".parse().unwrap(),
            duration: Span::from_secs(3600),
            start: Start::AtApproval,
            extends: None,
            reason: "INC-42".parse().unwrap(),
            ticket: None,
            bundle: Digest::from_bytes([1; 32]),
            hash: Digest::from_bytes([0; 32]),
            made: UnixTime::from_secs(1),
            lapses: UnixTime::from_secs(2),
            status: jit_ca_api::RequestStatus::Pending,
            quorums: Vec::new(),
            still_needed: 1,
            approvals: Vec::new(),
            approvers: Vec::new(),
            denied: None,
            grant: None,
            emergency: None,
        };
        let Err(error) = checked_hash(&origin(), &request) else {
            panic!("a wrong hash is accepted")
        };
        let text = error.to_string();
        let right = text.split(' ').find(|word| word.starts_with("SHA256:")).unwrap();
        request.hash = right.trim_end_matches(',').parse().unwrap();
        request
    }

    fn origin() -> Origin {
        "ca.example.org/jit-ca".parse().unwrap()
    }

    #[test]
    fn nothing_that_is_shown_can_differ_from_what_is_hashed() {
        let right = request();
        checked_hash(&origin(), &right).unwrap();
        let refused = |change: &dyn Fn(&mut Request)| {
            let mut changed = right.clone();
            change(&mut changed);
            let error = checked_hash(&origin(), &changed).unwrap_err();
            assert_eq!(error.exit(), crate::exit::Exit::Unverified);
        };
        refused(&|r| r.subject = "local/u-1002".parse().unwrap());
        refused(&|r| r.role = "web-deploy".parse().unwrap());
        refused(&|r| r.rows.truncate(1));
        refused(&|r| r.hosts = "*".parse().unwrap());
        refused(&|r| r.duration = Span::from_secs(3601));
        refused(&|r| r.reason = "INC-43".parse().unwrap());
        refused(&|r| r.start = Start::FirstUse);
        refused(&|r| r.extends = Some("g-01m3250v000w3ge1r70w3ge1r7".parse().unwrap()));
        refused(&|r| r.ticket = Some("OPS-1".parse().unwrap()));
        refused(&|r| r.bundle = Digest::from_bytes([2; 32]));
        refused(&|r| r.id = "r-01m3250v000w3ge1r70w3ge1r8".parse().unwrap());
        assert!(checked_hash(&"other.example.org/x".parse().unwrap(), &right).is_err());
    }

    #[test]
    fn an_approval_narrows() {
        let request = request();
        let minute = Span::from_secs(60);
        assert_eq!(duration(&request, Some(minute)).unwrap(), minute);
        assert_eq!(duration(&request, None).unwrap(), request.duration);
        assert!(duration(&request, Some(Span::from_secs(3601))).is_err());
        assert!(duration(&request, Some(Span::from_secs(0))).is_err());
        let name = |text: &str| text.parse::<RowName>().unwrap();
        assert_eq!(rows(&request, &[name("orders-api")]).unwrap(), request.rows[1..]);
        assert_eq!(rows(&request, &[]).unwrap(), request.rows);
        assert!(rows(&request, &[name("web-logs")]).is_err());
        let host = |text: &str| text.parse::<HostName>().unwrap();
        assert_eq!(hosts(&request, &[]).unwrap(), request.hosts);
        assert_eq!(hosts(&request, &[host("web1")]).unwrap(), request.hosts);
        assert!(hosts(&request, &[host("web2")]).is_err(), "a row gives it, and nobody asked");
    }
}
