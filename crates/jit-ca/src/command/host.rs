//! `host`: tokens, the list and revocation here; everything else by jit-ca-host, on the host itself.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{Host, HostRevokeCall, HostToken, HostTokenCall};

use crate::cli::HostCommand;
use crate::command::Context;
use crate::error::{Error, Result};
use crate::printer::{fields, table};

/// Where a server has the programs of a host.
const INSTALLED: &str = "/usr/lib/jit-ca";

pub(super) fn run(context: &Context, arguments: HostCommand) -> Result<()> {
    match arguments {
        HostCommand::Token { name, aliases, duration } => {
            let call = HostTokenCall {
                host: name,
                aliases: aliases.into_iter().collect(),
                duration: Some(duration),
            };
            let made = context.ca()?.client.host_token(&call, &IdempotencyKey::random()?)?;
            context.printer.data(&made, token_fields);
            context
                .printer
                .note("on that host: jit-ca-host enroll, and the token on its standard input");
            Ok(())
        }
        HostCommand::List => {
            let hosts = context.ca()?.client.hosts()?;
            context.printer.data(&hosts, |hosts| hosts_table(hosts));
            Ok(())
        }
        HostCommand::Revoke { name, reason } => {
            let (call, key) = (HostRevokeCall { reason }, IdempotencyKey::random()?);
            let hosts = context.ca()?.client.revoke_host(&name, &call, &key)?;
            context.printer.data(&hosts, |hosts| hosts_table(hosts));
            Ok(())
        }
        HostCommand::Here(arguments) => Err(here(&arguments)),
    }
}

/// Goes on as jit-ca-host; only if that can't be run does this come back.
fn here(arguments: &[OsString]) -> Error {
    // Beside this program, as it was built or unpacked; else where packages put it.
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.to_owned()));
    let folders = beside.into_iter().chain([PathBuf::from(INSTALLED)]);
    let found = folders.map(|folder| folder.join("jit-ca-host")).find(|program| program.exists());
    let Some(program) = found else {
        let what = arguments.first().map(|it| it.to_string_lossy().into_owned());
        return Error::usage(
            format!(
                "`{}` is done by jit-ca-host, which is not installed here",
                what.unwrap_or_default()
            ),
            "on a server, install it into /usr/lib/jit-ca; anywhere: jit-ca host token, list, revoke",
        );
    };
    let error = Command::new(program).args(arguments).exec();
    Error::Program {
        program: "jit-ca-host",
        what: format!("be run: {error}"),
        hint: format!("see who may run what is in {INSTALLED}"),
    }
}

fn token_fields(made: &HostToken) -> String {
    let aliases: Vec<String> = made.aliases.iter().map(ToString::to_string).collect();
    let mut lines = vec![("token", made.token.clone()), ("host", made.host.to_string())];
    if !aliases.is_empty() {
        lines.push(("aliases", aliases.join(", ")));
    }
    lines.push(("until", made.expires.to_string()));
    fields(&lines)
}

fn hosts_table(hosts: &[Host]) -> String {
    let row = |host: &Host| {
        let aliases: Vec<String> = host.aliases.iter().map(ToString::to_string).collect();
        let revoked = host.revoked.map_or_else(|| "-".to_owned(), |at| at.to_string());
        [
            host.host.to_string(),
            aliases.join(", "),
            host.key.to_string(),
            host.enrolled.to_string(),
            revoked,
        ]
    };
    let rows: Vec<[String; 5]> = hosts.iter().map(row).collect();
    match rows.is_empty() {
        true => "no host has enrolled".to_owned(),
        false => table(["host", "aliases", "key", "enrolled", "revoked"], &rows),
    }
}
