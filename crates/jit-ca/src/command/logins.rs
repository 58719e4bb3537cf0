//! `logins`, `logout`.

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{LoginsFilter, LogoutCall, OpenLogin, Which};
use jit_ca_core::PersonName;

use crate::cli::LogoutCommand;
use crate::command::Context;
use crate::error::{Error, Result};
use crate::files;
use crate::held::Held;
use crate::login::Ca;
use crate::printer::table;

/// How much of a serial is shown: its end is random.
const SHOWN: usize = 12;
/// The shortest ending that names a login.
const SHORTEST: usize = 4;

pub(super) fn logins(context: &Context, subject: Option<PersonName>) -> Result<()> {
    let logins = context.ca()?.client.logins(&LoginsFilter { subject })?;
    context.printer.data(&logins, |logins| logins_table(logins));
    Ok(())
}

pub(super) fn logout(context: &Context, arguments: &LogoutCommand) -> Result<()> {
    let which = match &arguments.login {
        Some(ending) => {
            let ca = context.ca()?;
            let login = named(&ca.client.logins(&LoginsFilter::default())?, ending)?;
            if !login.is_this {
                let call = LogoutCall { which: Which::One(login.serial) };
                ca.client.logout(&call, &IdempotencyKey::random()?)?;
                context.printer.note("that login has ended");
                return Ok(());
            }
            Which::This
        }
        None if arguments.all => Which::All,
        None => Which::This,
    };
    here(context, which, arguments.forget)
}

/// Ends this login, and maybe others, and removes what is kept of it.
fn here(context: &Context, which: Which, forget: bool) -> Result<()> {
    let places = &context.places;
    let all = which == Which::All;
    for held in Held::list(places, context.now)? {
        held.remove(places)?;
    }
    files::remove(&places.certificates())?;
    let ended = match Ca::open(places, context.now) {
        Ok(ca) => {
            ca.client.logout(&LogoutCall { which }, &IdempotencyKey::random()?).map_err(Error::from)
        }
        Err(error) => Err(error),
    };
    let said = match &ended {
        Ok(()) if all => Some("logged out everywhere"),
        Ok(()) => Some("logged out"),
        Err(error) if error.is_login_over() || matches!(error, Error::NoProfile) => {
            Some("you were not logged in")
        }
        Err(_) => None,
    };
    // By its key alone can the login be ended: while the CA has not done so, it is kept, unless the CA is done with.
    if said.is_some() || forget {
        files::remove(&places.login())?;
    }
    if forget {
        files::remove(&places.profile())?;
    }
    match said {
        Some(said) => context.printer.note(said),
        None if forget => context.printer.note("the login goes on at the CA until it ends by itself"),
        None => context.printer.note(
            "you are still logged in: run it again, or remove the login's key all the same with jit-ca logout --forget",
        ),
    }
    match said {
        Some(_) => Ok(()),
        None => ended,
    }
}

fn named(logins: &[OpenLogin], ending: &str) -> Result<OpenLogin> {
    if ending.chars().count() < SHORTEST {
        let fault = format!("{ending:?} is too short to name a login");
        return Err(Error::usage(fault, format!("give the last {SHORTEST} characters or more")));
    }
    let mut found = logins.iter().filter(|login| login.serial.ends_with(ending));
    match (found.next(), found.next()) {
        (Some(login), None) => Ok(login.clone()),
        (None, _) => {
            let fault = format!("no open login of yours ends in {ending:?}");
            Err(Error::usage(fault, "see them: jit-ca logins"))
        }
        (Some(_), Some(_)) => {
            let fault = format!("several logins end in {ending:?}");
            Err(Error::usage(fault, "give more of its last characters"))
        }
    }
}

fn logins_table(logins: &[OpenLogin]) -> String {
    let row = |login: &OpenLogin| {
        let start = login.serial.len().saturating_sub(SHOWN);
        let this = if login.is_this { " (this one)" } else { "" };
        [
            format!("{}{this}", login.serial.get(start..).unwrap_or(&login.serial)),
            login.since.to_string(),
            login.address.to_string(),
            format!("{} ({} if not used)", login.expires, login.idle_ends),
            login.mfa_at.map_or_else(|| "none".to_owned(), |at| at.to_string()),
            login.key.map_or_else(|| "by its issuer".to_owned(), |key| key.to_string()),
        ]
    };
    let rows: Vec<[String; 6]> = logins.iter().map(row).collect();
    match rows.is_empty() {
        true => "no login is open".to_owned(),
        false => table(["login", "since", "from", "ends", "second factor", "ssh key"], &rows),
    }
}
