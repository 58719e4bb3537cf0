//! `passkey add`, `passkey list` and `passkey remove`.

use std::process::{Command, Stdio};

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{Passkey, PasskeyCall};
use jit_ca_core::Text;

use crate::cli::PasskeyCommand;
use crate::command::Context;
use crate::error::{Error, Result};
use crate::printer::{join, table};

/// The program that opens an address in the person's browser.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

pub(super) fn run(context: &Context, command: &PasskeyCommand) -> Result<()> {
    match command {
        PasskeyCommand::Add { name, no_browser } => add(context, name, *no_browser),
        PasskeyCommand::List => list(context),
        PasskeyCommand::Remove { passkey } => remove(context, passkey),
    }
}

fn add(context: &Context, label: &Text, no_browser: bool) -> Result<()> {
    let call = PasskeyCall { label: label.clone() };
    let link = context.ca()?.client.passkey_link(&call, &IdempotencyKey::random()?)?;
    context.printer.data(&link, |link| link.url.clone());
    context.printer.note(&format!(
        "open this in a browser on the device with the passkey; it works once, until {}",
        link.expires
    ));
    if !no_browser && context.printer.is_watched() {
        // Where there is no browser, the link is on the screen.
        let mut opener = Command::new(OPENER);
        let opener = opener.arg(&link.url).stdin(Stdio::null()).stdout(Stdio::null());
        let _ = opener.stderr(Stdio::null()).spawn();
    }
    Ok(())
}

fn list(context: &Context) -> Result<()> {
    let passkeys = context.ca()?.client.passkeys()?;
    context.printer.data(&passkeys, |passkeys| shown(passkeys));
    Ok(())
}

fn remove(context: &Context, named: &str) -> Result<()> {
    let ca = context.ca()?;
    let passkeys = ca.client.passkeys()?;
    let found = find(&passkeys, named)?;
    let left = ca.client.remove_passkey(&found.id, &IdempotencyKey::random()?)?;
    context.printer.data(&left, |left| shown(left));
    context.printer.note("remove it from the device as well, or it is offered there still");
    Ok(())
}

/// The passkey that is called so, or whose id ends so.
fn find<'a>(passkeys: &'a [Passkey], named: &str) -> Result<&'a Passkey> {
    let is_it = |passkey: &&Passkey| {
        passkey.label.as_str() == named || (named.len() >= 4 && passkey.id.ends_with(named))
    };
    let found: Vec<&Passkey> = passkeys.iter().filter(is_it).collect();
    match found.as_slice() {
        [only] => Ok(only),
        [] => Err(Error::usage(
            format!("you have no passkey {named:?}"),
            "see which there are: jit-ca passkey list",
        )),
        several => {
            let ids = join(several.iter().map(|passkey| &passkey.id));
            Err(Error::usage(format!("{named:?} is the name of several"), format!("one of: {ids}")))
        }
    }
}

fn shown(passkeys: &[Passkey]) -> String {
    let row = |passkey: &Passkey| {
        let backup = if passkey.can_be_backed_up { "yes" } else { "no" };
        let Passkey { id, label, host, added, .. } = passkey;
        [label.to_string(), host.clone(), added.to_string(), backup.to_owned(), id.clone()]
    };
    let rows: Vec<_> = passkeys.iter().map(row).collect();
    match rows.is_empty() {
        true => "you have no passkey".to_owned(),
        false => table(["name", "host", "added", "can be backed up", "id"], &rows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passkey_goes_by_its_name_or_the_end_of_its_id() {
        let passkey = |label: &str, id: &str| Passkey {
            id: id.into(),
            label: label.parse().unwrap(),
            host: "ca.example.org".into(),
            added: jit_ca_core::UnixTime::from_secs(0),
            can_be_backed_up: false,
        };
        let all = [
            passkey("laptop", "AAAA1111"),
            passkey("phone", "BBBB2222"),
            passkey("phone", "CCCC2222"),
        ];
        let id = |named: &str| find(&all, named).ok().map(|found| found.id.as_str());
        assert_eq!(id("laptop"), Some("AAAA1111"));
        assert_eq!(id("B2222"), Some("BBBB2222"));
        for none in ["phone", "2222", "111", "lapto", ""] {
            assert_eq!(id(none), None, "{none}");
        }
    }
}
