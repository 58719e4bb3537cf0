//! What each command does.

mod access;
mod activation;
mod approve;
mod cert;
mod completions;
mod emergency;
mod grant;
mod host;
mod locks;
mod log;
mod login;
mod logins;
mod mfa;
mod passkey;
mod policy;
mod report;
mod requests;
mod session;
mod shown;
mod ssh;
mod ssh_config;
mod ssh_ready;
mod status;
mod trust;
mod way;
mod who;

use jit_ca_core::UnixTime;

use crate::cli::{Cli, Command, GrantCommand};
use crate::error::Result;
use crate::exit::Exit;
use crate::held::Held;
use crate::login::Ca;
use crate::places::Places;
use crate::printer::Printer;

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) places: Places,
    pub(crate) printer: Printer,
    pub(crate) now: UnixTime,
}

impl Context {
    /// The CA, as the login that is kept.
    fn ca(&self) -> Result<Ca> {
        Ca::open(&self.places, self.now)
    }
}

/// Does what the command line says.
pub(crate) fn run(context: &Context, cli: Cli) -> Result<Exit> {
    // Keys of certificates that are over are not left lying about; but each ssh waits for its own, and for nothing else.
    if !matches!(cli.command, Command::SshReady(_)) {
        Held::list(&context.places, context.now)?;
    }
    match cli.command {
        Command::Login(arguments) => login::login(context, &arguments)?,
        Command::Logout(arguments) => logins::logout(context, &arguments)?,
        Command::Logins { subject } => logins::logins(context, subject)?,
        Command::Whoami => login::whoami(context)?,
        Command::Mfa(arguments) => mfa::run(context, &arguments)?,
        Command::Passkey(arguments) => passkey::run(context, &arguments)?,
        Command::Roles => access::roles(context)?,
        Command::Request(arguments) => return access::request(context, arguments),
        Command::Requests(arguments) => requests::requests(context, arguments)?,
        Command::Approve(arguments) => approve::approve(context, &arguments)?,
        Command::Deny { id, reason } => approve::deny(context, &id, reason)?,
        Command::Cancel { id } => access::cancel(context, &id)?,
        Command::Extend(arguments) => return grant::extend(context, &arguments),
        Command::End { grant } => grant::end(context, &grant)?,
        Command::Revoke(arguments) => grant::revoke(context, &arguments)?,
        Command::Grant(GrantCommand::Show { id }) => grant::show(context, &id)?,
        Command::BreakGlass(arguments) => emergency::break_glass(context, &arguments)?,
        Command::Reviews => emergency::reviews(context)?,
        Command::Review(arguments) => emergency::review(context, &arguments)?,
        Command::Lock(arguments) => locks::lock(context, &arguments)?,
        Command::Unlock(arguments) => locks::unlock(context, &arguments)?,
        Command::Locks => locks::locks(context)?,
        Command::Sessions(arguments) => session::sessions(context, arguments)?,
        Command::Session(arguments) => session::run(context, arguments)?,
        Command::Host(arguments) => host::run(context, arguments)?,
        Command::Cert(arguments) => cert::run(context, &arguments)?,
        Command::Ssh(arguments) => return ssh::run(context, &arguments),
        Command::SshConfig(arguments) => ssh_config::run(context, &arguments)?,
        Command::SshReady(arguments) => return ssh_ready::run(context, &arguments),
        Command::Status => status::status(context)?,
        Command::Log(arguments) => return log::run(context, arguments),
        Command::Report(arguments) => report::report(context, &arguments, cli.json)?,
        Command::Policy(arguments) => return policy::run(context, arguments),
        Command::Trust(arguments) => trust::trust(context, &arguments)?,
        Command::Completions { shell } => completions::completions(context, shell),
    }
    Ok(Exit::Done)
}
