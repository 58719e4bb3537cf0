//! `ssh`: everything between wanting to be on a host and being there.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{GrantView, Request, RequestFilter, RequestStatus};
use jit_ca_core::{Span, SshRow, Text};

use crate::certify;
use crate::cli::{SshCommand, WishArgs};
use crate::command::shown::given_for;
use crate::command::{Context, access};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::grant;
use crate::held::Held;
use crate::known_hosts;
use crate::login::Ca;
use crate::places::Places;
use crate::printer::Printer;
use crate::target::Wanted;
use crate::wait;

pub(super) fn run(context: &Context, arguments: &SshCommand) -> Result<Exit> {
    let Context { places, printer, now } = context;
    let ca = Ca::open_or_login(places, printer, &arguments.login, *now)?;
    let wanted = Wanted {
        target: &arguments.target,
        role: arguments.role.as_ref(),
        row: arguments.row.as_ref(),
    };
    let usable = grant::usable(&ca)?;
    let asked;
    let under = match wanted.usable(&usable, &ca.login.me.subject) {
        Some(under) => {
            let (request, grant, _) = under;
            if let Some(other) = differences(request, given_for(grant), &arguments.wish) {
                let id = grant.id;
                printer.note(&format!("{id} is not as you say now ({other}), and leads there"));
                printer.note(&format!("to ask anew, give it back first: jit-ca end {id}"));
            }
            under
        }
        None => {
            asked = ask(context, &ca, arguments, &wanted)?;
            granted(&asked, &wanted)?
        }
    };
    known_hosts::renew(places, &ca)?;
    let held = certify::held_or_fresh(places, &ca, under, arguments.no_agent, crate::clock::now())?;
    // Only if ssh can't be run at all does this come back.
    let error = Command::new("ssh").args(ssh_arguments(arguments, &held, places)).exec();
    Err(Error::Program {
        program: "ssh",
        what: format!("be run: {error}"),
        hint: "install OpenSSH's client".to_owned(),
    })
}

/// Asks for the role that leads there, or waits for a request that already does.
fn ask(context: &Context, ca: &Ca, arguments: &SshCommand, wanted: &Wanted<'_>) -> Result<Request> {
    let filter = RequestFilter {
        status: Some(RequestStatus::Pending),
        mine: true,
        ..RequestFilter::default()
    };
    let pending = ca.client.requests(&filter)?.requests;
    let request = match wanted.pending(&pending, &ca.login.me.subject) {
        Some(request) => {
            tell_of(&context.printer, request, &arguments.wish);
            request.clone()
        }
        None => {
            let roles = ca.client.roles()?;
            let role = wanted.role_to_ask_for(&roles)?;
            let hosts = vec![arguments.target.host.clone()];
            let wish = access::wish(role.name.clone(), hosts, &arguments.wish)?;
            ca.client.request(&wish, &IdempotencyKey::random()?)?
        }
    };
    wait::until_granted(&context.printer, &ca.client, request)
}

/// Nobody waits for what they asked for before without being told what that was.
fn tell_of(printer: &Printer, request: &Request, wish: &WishArgs) {
    let Request { id, role, hosts, duration, made, reason, .. } = request;
    printer.note(&format!(
        "you asked before, at {made}: {role} on {hosts} for {duration}: {reason}\nwaiting for that: {id}"
    ));
    if let Some(other) = differences(request, *duration, wish) {
        printer.note(&format!(
            "it is not as you say now ({other}); to ask anew, take it back first: jit-ca cancel {id}"
        ));
    }
}

/// What is wished for now of which a request, or its grant for so long, says something else.
fn differences(request: &Request, duration: Span, wish: &WishArgs) -> Option<String> {
    let of = |name: &str, now: Option<String>, then: Option<String>| match now {
        Some(now) if Some(&now) != then.as_ref() => Some(match then {
            Some(then) => format!("{name}: {now}, not {then}"),
            None => format!("{name}: {now}"),
        }),
        _ => None,
    };
    let text = |text: &Text| text.to_string();
    let all = [
        of("--for", wish.duration.map(|it| it.to_string()), Some(duration.to_string())),
        of("--reason", wish.reason.as_ref().map(text), Some(request.reason.to_string())),
        of("--ticket", wish.ticket.as_ref().map(text), request.ticket.as_ref().map(text)),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn granted<'r>(
    request: &'r Request,
    wanted: &Wanted<'_>,
) -> Result<(&'r Request, &'r GrantView, &'r SshRow)> {
    let grant = request.grant.as_ref();
    let found = grant.and_then(|grant| {
        let row = wanted.row_of(&request.role, &grant.rows, &grant.hosts)?;
        Some((request, grant, row))
    });
    found.ok_or_else(|| Error::Denied {
        what: format!("{} was approved, but not for {}", request.id, wanted.target),
        hint: Some(format!("see what it gives: jit-ca requests {}", request.id)),
    })
}

/// ssh takes the first value of each option that it sees, so that the person's own come first.
fn ssh_arguments(arguments: &SshCommand, held: &Held, places: &Places) -> Vec<OsString> {
    let mut line: Vec<OsString> = Vec::new();
    if let Some(config) = &arguments.config {
        line.extend(["-F".into(), config.into()]);
    }
    if let Some(port) = arguments.port {
        line.extend(["-p".into(), port.to_string().into()]);
    }
    for option in &arguments.options {
        line.extend(["-o".into(), option.into()]);
    }
    line.extend(["-o".into(), known_hosts::ssh_option(places).into()]);
    // ssh finds the certificate beside a key file; where the agent holds the key, the certificate
    // names it. (CertificateFile= would make ssh look for a private key in the certificate.)
    let identity = held.key_file().unwrap_or(held.certificate_file());
    line.extend(["-o".into(), "IdentitiesOnly=yes".into(), "-i".into(), identity.into()]);
    line.extend(["--".into(), arguments.target.to_string().into()]);
    line.extend(arguments.command.iter().map(OsString::from));
    line
}
