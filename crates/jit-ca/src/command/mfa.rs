//! `mfa enroll`, `mfa reset` and `mfa resets`.

mod reset;

use jit_ca_api::MfaConfirm;
use jit_ca_api::client::IdempotencyKey;

use crate::cli::{EnrollCommand, MfaCommand};
use crate::command::Context;
use crate::error::Result;
use crate::login::{self, Ca, SecondFactor};
use crate::printer::fields;
use crate::profile::KnownCa;
use crate::qr;

pub(super) fn run(context: &Context, command: &MfaCommand) -> Result<()> {
    match command {
        MfaCommand::Enroll(arguments) => enroll(context, arguments),
        MfaCommand::Reset(arguments) => reset::reset(context, arguments),
        MfaCommand::Resets => reset::resets(context),
    }
}

fn enroll(context: &Context, arguments: &EnrollCommand) -> Result<()> {
    let Context { places, printer, now } = context;
    let mut ca = match &arguments.code {
        Some(code) => {
            let known = KnownCa::find(places, &arguments.login.contact)?;
            let second = SecondFactor::EnrolmentCode(code.trim().to_owned());
            login::log_in(places, printer, known, &arguments.login, Some(second))?
        }
        None => Ca::open(places, *now)?,
    };
    let secret = ca.client.begin_mfa(&IdempotencyKey::random()?)?;
    // Before the code is asked for: it is made from this.
    printer.data(&secret, |secret| {
        fields(&[("secret", secret.secret.clone()), ("uri", secret.uri.clone())])
    });
    printer.drawing(|columns| qr::at_terminal(&secret.uri, columns));
    printer.note("add the secret to your authenticator; it is not shown again");
    let code = login::read_code(
        arguments.totp_code_file.as_deref(),
        "code that your authenticator shows now: ",
        "give it in a file, or on stdin: --totp-code-file -",
    )?;
    let me = ca.client.confirm_mfa(&MfaConfirm { code }, &IdempotencyKey::random()?)?;
    ca.login.me = me;
    ca.login.save(places)?;
    printer
        .note("your authenticator is enrolled; from now on log in with a code of it: jit-ca login");
    Ok(())
}
