//! A passkey that is used on the CA's page for a command here.
//!
//! ```text
//! statement's values ──browser──> the page, which shows them and makes the statement ──passkey──> loopback, here
//! ```
//!
//! The answer comes to the machine that asked, and to no other: whoever sends somebody else such a link gets nothing.

use std::time::{Duration, Instant};

use jit_ca_core::event::Assertion;
use jit_ca_core::statement::{Login, StepUp};
use serde_json::{Map, Value};

use crate::browser::{self, Callback, Said};
use crate::error::{Error, Result};
use crate::printer::Printer;
use crate::profile::KnownCa;

/// How long it is waited for: as long as the CA takes the answer.
const PATIENCE: Duration = Duration::from_secs(590);

/// What the passkey signs.
pub(crate) enum Asked<'a> {
    /// A login.
    Login(&'a Login<'a>),
    /// A second factor of a login that is open.
    StepUp(&'a StepUp<'a>),
}

/// Sends the person to the CA's page, and waits for what the passkey signed.
pub(crate) fn sign(printer: &Printer, known: &KnownCa, asked: &Asked<'_>) -> Result<Assertion> {
    let page = known.trust.page.as_deref().ok_or_else(|| {
        let hint = "log in with a code of your authenticator, or ask its administrators for [web]";
        Error::usage("this CA serves no page on which a passkey could be used", hint)
    })?;
    if !page.starts_with("https://") {
        return Err(Error::unverified("the CA's page is not at an https:// address"));
    }
    let (callback, state) = (Callback::listen()?, browser::random()?);
    let address = format!("{page}/#{}", query(asked, callback.port(), &state));
    printer.note(&format!("use your passkey in your browser: {address}"));
    browser::open(&address);
    callback.wait(&state, Instant::now() + PATIENCE, answered)
}

/// What the page is told: what the statement says but for what the page knows itself, and where it answers.
fn query(asked: &Asked<'_>, port: u16, state: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    match asked {
        Asked::Login(login) => query
            .append_pair("sign", "login")
            .append_pair("subject", login.subject.as_str())
            .append_pair("challenge", login.challenge)
            .append_pair("login-key", &login.login_key.to_string()),
        Asked::StepUp(step_up) => query
            .append_pair("sign", "step-up")
            .append_pair("subject", &step_up.subject.to_string())
            .append_pair("login", step_up.login)
            .append_pair("challenge", step_up.challenge),
    };
    query.append_pair("port", &port.to_string()).append_pair("state", state).finish()
}

/// The assertion in what the page answers. The CA checks it.
fn answered(said: &Said<'_>) -> Result<Assertion> {
    let names = ["passkey", "client_data", "authenticator_data", "signature"];
    let values = names.map(|name| {
        let value = said.get(name).map(|value| Value::from(value.as_ref()));
        (name.to_owned(), value.unwrap_or_default())
    });
    serde_json::from_value(Value::Object(Map::from_iter(values)))
        .map_err(|_| Error::unverified("the page's answer holds nothing that a passkey has signed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_s_answer_is_an_assertion_or_none() {
        let said =
            |query: &str| answered(&form_urlencoded::parse(query.as_bytes()).collect::<Said<'_>>());
        let good = "state=s&passkey=AQ&client_data=e30&authenticator_data=AAE&signature=%2F%2F8";
        let found = said(good).unwrap();
        assert_eq!(
            (found.passkey.as_slice(), found.signature.as_slice()),
            (&[1][..], &[255, 255][..])
        );
        for bad in
            ["", "passkey=AQ", &good.replace("e30", "%25%25"), &good.replace("signature", "sig")]
        {
            assert!(said(bad).is_err(), "{bad}");
        }
    }
}
