//! `ssh`: everything between wanting to be on a host and being there.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::cli::SshCommand;
use crate::command::Context;
use crate::command::ssh_ready::GOES_TO;
use crate::command::way::Way;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::held::Held;
use crate::known_hosts;
use crate::login::Ca;
use crate::places::Places;
use crate::target::Wanted;

pub(super) fn run(context: &Context, arguments: &SshCommand) -> Result<Exit> {
    let Context { places, printer, now } = context;
    let ca = Ca::open_or_login(places, printer, &arguments.login, *now)?;
    let wanted = Wanted {
        target: &arguments.target,
        role: arguments.role.as_ref(),
        row: arguments.row.as_ref(),
    };
    let way = Way { wanted, wish: &arguments.wish, no_agent: arguments.no_agent };
    let held = way.certificate(context, &ca)?;
    // Only if ssh can't be run at all does this come back.
    let error = Command::new("ssh")
        .env(GOES_TO, arguments.target.to_string())
        .args(ssh_arguments(arguments, &held, places))
        .exec();
    Err(Error::Program {
        program: "ssh",
        what: format!("be run: {error}"),
        hint: "install OpenSSH's client".to_owned(),
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
