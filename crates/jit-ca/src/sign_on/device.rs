//! Signing on in a browser on another machine (RFC 8628): the CA's page is shown here, and opened there.

use std::thread;
use std::time::Duration;

use jit_ca_api::client::{Client, Error as CallError, IdempotencyKey};
use jit_ca_api::{Credential, DeviceBegun, DeviceCall, IssuerLoginCall, LoginReply, NOT_YET};
use jit_ca_core::IssuerName;

use crate::clock;
use crate::error::{Error, Result};
use crate::printer::Printer;
use crate::request_key::RequestKey;

/// The bounds of how many seconds lie between two calls, whatever the CA says.
const INTERVAL: (u64, u64) = (1, 60);

/// Logs the key in once somebody has signed on, at an issuer that may have seen them so many seconds ago.
pub(super) fn log_in(
    printer: &Printer,
    client: &Client,
    (issuer, login_key): (&IssuerName, &RequestKey),
    max_age: u64,
) -> Result<LoginReply> {
    let csr = login_key.request()?;
    let begun = client.begin_device(issuer, &DeviceCall { csr: csr.clone(), max_age })?;
    must_be_shown(&begun)?;
    printer.note(&format!("sign on at {issuer} with a browser on any machine: {}", begun.url));
    printer.note(&format!(
        "the page has to show the code {} and the login key {}; say yes to no other",
        begun.user_code,
        login_key.digest().short()
    ));
    let credential = Credential::Device { challenge: begun.challenge };
    let call = IssuerLoginCall { issuer: issuer.clone(), csr, credential };
    let key = IdempotencyKey::random()?;
    let interval = Duration::from_secs(begun.interval.clamp(INTERVAL.0, INTERVAL.1));
    loop {
        thread::sleep(interval);
        match client.login_by_issuer(&call, &key) {
            Err(CallError::Problem(problem)) if problem.code == NOT_YET => {}
            Err(error) if is_passing(&error) && clock::now() < begun.expires => {
                printer.note(&format!("{error}; still waiting"));
            }
            answer => return Ok(answer?),
        }
    }
}

/// Whether the CA can't be reached, or has no time now: the login waits there all the same.
fn is_passing(error: &CallError) -> bool {
    match error {
        CallError::Transport { .. } => true,
        CallError::Problem(problem) => matches!(problem.status, 429 | 503),
        _ => false,
    }
}

/// What a CA sends to a terminal is one line of text.
fn must_be_shown(begun: &DeviceBegun) -> Result<()> {
    let is_text = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_page = begun.url.starts_with("https://") && is_text(&begun.url);
    match is_page && is_text(&begun.user_code) {
        true => Ok(()),
        false => Err(Error::unverified("the CA's page is not at an https:// address")),
    }
}
