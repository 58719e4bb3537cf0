//! `ssh`: everything between wanting to be on a host and being there.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{GrantView, Request};
use jit_ca_core::SshRow;

use crate::certify;
use crate::cli::SshCommand;
use crate::command::{Context, access};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::grant;
use crate::held::Held;
use crate::login::Ca;
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
    let active = grant::active(&ca)?;
    let asked;
    let under = match wanted.active(&active, &ca.login.me.subject) {
        Some(under) => under,
        None => {
            asked = ask(context, &ca, arguments, &wanted)?;
            granted(&asked, &wanted)?
        }
    };
    let held = certify::held_or_fresh(places, &ca, under, arguments.no_agent, crate::clock::now())?;
    // Only if ssh can't be run at all does this come back.
    let error = Command::new("ssh").args(ssh_arguments(arguments, &held)).exec();
    Err(Error::Program {
        program: "ssh",
        what: format!("be run: {error}"),
        hint: "install OpenSSH's client".to_owned(),
    })
}

/// Asks for the role that leads there, or waits for a request that already does.
fn ask(context: &Context, ca: &Ca, arguments: &SshCommand, wanted: &Wanted<'_>) -> Result<Request> {
    let pending = ca.client.requests(&Default::default())?;
    let request = match wanted.pending(&pending, &ca.login.me.subject) {
        Some(request) => request.clone(),
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
    })
}

/// ssh takes the first value of each option that it sees, so that the person's own come first.
fn ssh_arguments(arguments: &SshCommand, held: &Held) -> Vec<OsString> {
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
    // ssh finds the certificate beside a key file; where the agent holds the key, the certificate
    // names it. (CertificateFile= would make ssh look for a private key in the certificate.)
    let identity = held.key_file().unwrap_or(held.certificate_file());
    line.extend(["-o".into(), "IdentitiesOnly=yes".into(), "-i".into(), identity.into()]);
    line.extend(["--".into(), arguments.target.to_string().into()]);
    line.extend(arguments.command.iter().map(OsString::from));
    line
}
