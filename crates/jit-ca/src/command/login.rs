//! `login`, `whoami`.

use jit_ca_api::Me;
use jit_ca_api::client::IdempotencyKey;
use jit_ca_core::Row;
use jit_ca_core::workflow::GrantState;
use serde::Serialize;

use crate::certify;
use crate::cli::LoginCommand;
use crate::command::{Context, access};
use crate::error::{Error, Result};
use crate::grant;
use crate::held::Held;
use crate::login::{self, Ca};
use crate::printer::{fields, join};
use crate::profile::KnownCa;
use crate::wait;

/// Who is logged in, where, and with which certificates.
#[derive(Serialize)]
struct LoggedIn<'a> {
    ca: &'a str,
    #[serde(flatten)]
    me: &'a Me,
    /// The files of the SSH certificates that are held.
    certificates: Vec<std::path::PathBuf>,
}

pub(super) fn login(context: &Context, arguments: &LoginCommand) -> Result<()> {
    let Context { places, printer, now } = context;
    let again = || {
        let known = KnownCa::find(places, &arguments.login.contact)?;
        login::log_in(places, printer, known, &arguments.login, None)
    };
    // Whoever brings a code wants to log in with it.
    let ca = match arguments.again || arguments.login.code_file.is_some() {
        true => again()?,
        false => match Ca::open_or_login(places, printer, &arguments.login, *now)? {
            ca if ca.login.is_for_enrolment => again()?,
            ca => ca,
        },
    };
    if let Some(role) = &arguments.role {
        let wish = access::wish(role.clone(), Vec::new(), &arguments.wish)?;
        let request = ca.client.request(&wish, &IdempotencyKey::random()?)?;
        wait::until_granted(printer, &ca.client, request)?;
    }
    let certificates = take_all(context, &ca, arguments.no_agent)?;
    let logged_in = LoggedIn {
        ca: &ca.profile.ca.url,
        me: &ca.login.me,
        certificates: certificates.iter().map(Held::certificate_file).collect(),
    };
    printer.data(&logged_in, |logged_in| {
        let mut lines = me_lines(logged_in.ca, logged_in.me);
        lines.extend(certificates.iter().map(|held| {
            let principals = join(held.certificate.valid_principals());
            ("certificate", format!("{principals} until {}", held.expires()))
        }));
        fields(&lines)
    });
    Ok(())
}

/// The SSH certificates of all active grants. One that is refused does not keep the others back.
///
/// To log in is not to use: what begins with its first use is left for that, and named.
fn take_all(context: &Context, ca: &Ca, no_agent: bool) -> Result<Vec<Held>> {
    let mut all = Vec::new();
    let usable = grant::usable(ca)?;
    let (active, waiting): (Vec<_>, Vec<_>) = usable.iter().partition(|request| {
        request.grant.as_ref().is_some_and(|grant| grant.state == GrantState::Active)
    });
    for grant in waiting.iter().filter_map(|request| request.grant.as_ref()) {
        let first = grant::first_use(grant);
        context.printer.note(&format!("{} waits for its first use: {first}", grant.id));
    }
    for request in active {
        let rows =
            request.grant.iter().flat_map(|grant| grant.rows.iter().map(move |row| (grant, row)));
        for (grant, row) in rows {
            let Row::Ssh(ssh) = row else { continue };
            // Of the hosts that were granted, none may be this row's.
            if ssh.principals(&grant.hosts).is_none() {
                continue;
            }
            let under = (request, grant, ssh);
            match certify::held_or_fresh(&context.places, ca, under, no_agent, context.now) {
                Ok(held) => all.push(held),
                Err(Error::Call(error)) => {
                    context.printer.note(&format!("no certificate for {row}: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(all)
}

pub(super) fn whoami(context: &Context) -> Result<()> {
    let ca = context.ca()?;
    let me = ca.client.me()?;
    let url = &ca.profile.ca.url;
    context.printer.data(&me, |me| fields(&me_lines(url, me)));
    Ok(())
}

/// Who is logged in, for a person.
pub(super) fn me_lines(url: &str, me: &Me) -> Vec<(&'static str, String)> {
    let login = &me.login;
    let mfa = match login.mfa_at {
        Some(time) => time.to_string(),
        None if me.subject.is_local() => "none: this login can only enrol one".to_owned(),
        None => "none".to_owned(),
    };
    vec![
        ("name", me.name.to_string()),
        ("subject", me.subject.to_string()),
        ("groups", join(&me.groups)),
        ("ca", url.to_owned()),
        ("login ends", format!("{} ({} if not used)", login.expires, login.idle_ends)),
        ("second factor", mfa),
    ]
}
