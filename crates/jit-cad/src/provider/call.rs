//! Calls to a provider: bounded in time and size, and what became of them told apart.

use std::path::Path;
use std::time::Duration;

use axum::http::{HeaderMap, Response, Uri, header};
use serde_json::{Map, Value};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::{Agent, Body};

use super::client::ClientAuth;
use super::fault::ProviderFault;
use super::json;
use crate::failure::Failure;
use crate::outgoing;

/// How long a provider may take for an answer, from the look-up of its name to the answer's end.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer to a form, in bytes.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Who asks a provider.
#[derive(Debug)]
pub(super) struct Calls(Agent);

/// An answer as it came.
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    pub(super) headers: HeaderMap,
}

impl Calls {
    /// Calls to the provider at `url`; see [`outgoing::client`].
    pub(super) fn new(url: &Uri, ca_file: &Path) -> Result<Self, Failure> {
        outgoing::client(url, ca_file, PATIENCE, DefaultResolver::default()).map(Self)
    }

    /// What stands at an address, of whatever type: Kubernetes has its keys as `application/jwk-set+json` alone.
    pub(super) fn get(&self, url: &Uri, limit: u64) -> Result<Answer, ProviderFault> {
        let answer = self.0.get(url).call().map_err(not_answered)?;
        match answer.status().as_u16() {
            200 => read(answer, limit),
            status => Err(refused_by_status(status)),
        }
    }

    /// Sends a form as our client: for tokens (RFC 6749, sections 4.1.3 and 6), or to begin a login that goes on elsewhere
    /// (RFC 8628, section 3.1). Gives what the answer is an object of.
    pub(super) fn send(
        &self,
        url: &Uri,
        client_id: &str,
        auth: &ClientAuth<'_>,
        form: &[(&str, &str)],
    ) -> Result<Map<String, Value>, ProviderFault> {
        let mut post = self.0.post(url).header(header::ACCEPT, "application/json");
        let mut form = form.to_vec();
        match auth {
            ClientAuth::Public => form.push(("client_id", client_id)),
            ClientAuth::Post(secret) => {
                form.extend([("client_id", client_id), ("client_secret", secret)]);
            }
            ClientAuth::Basic(credentials) => {
                post = post.header(header::AUTHORIZATION, credentials.as_str());
            }
        }
        let answer = post.send_form(form).map_err(not_answered)?;
        let status = answer.status().as_u16();
        if !matches!(status, 200 | 400 | 401 | 403) {
            return Err(refused_by_status(status));
        }
        let body = read(answer, LONGEST_ANSWER)?.body;
        let object = json::object(&body).map_err(|error| {
            ProviderFault::Answer(format!("its answer with the status {status}: {error}"))
        })?;
        if status == 200 {
            return Ok(object);
        }
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        match text("error") {
            Some(error) => Err(ProviderFault::refused(error, text("error_description"))),
            None => Err(refused_by_status(status)),
        }
    }
}

fn read(mut answer: Response<Body>, limit: u64) -> Result<Answer, ProviderFault> {
    let body = answer.body_mut().with_config().limit(limit).read_to_vec().map_err(not_answered)?;
    Ok(Answer { body, headers: answer.headers().clone() })
}

/// A server that has no time says so by its status (RFC 9110, section 15.6): that is as if it were down.
fn refused_by_status(status: u16) -> ProviderFault {
    match status {
        408 | 429 | 500..=599 => {
            ProviderFault::Unreachable(format!("it answers with the status {status}"))
        }
        300..=399 => ProviderFault::Answer(format!(
            "it answers with the status {status}, and redirects are not followed"
        )),
        _ => ProviderFault::Answer(format!("it answers with the status {status}")),
    }
}

fn not_answered(error: ureq::Error) -> ProviderFault {
    use ProviderFault::{Answer, Unreachable};
    match error {
        ureq::Error::Timeout(_) => {
            Unreachable(format!("it has not answered within {} seconds", PATIENCE.as_secs()))
        }
        ureq::Error::HostNotFound => Unreachable("its name leads nowhere".to_owned()),
        ureq::Error::Io(error) if is_of_tls(&error) => not_trusted(&error),
        ureq::Error::Io(error) => Unreachable(error.to_string()),
        ureq::Error::ConnectionFailed => Unreachable("it takes no connection".to_owned()),
        ureq::Error::Rustls(error) => not_trusted(&error),
        ureq::Error::BodyExceedsLimit(limit) => Answer(format!("it is longer than {limit} bytes")),
        ureq::Error::Protocol(_) => Answer("it is no HTTP".to_owned()),
        error => Answer(error.to_string()),
    }
}

fn is_of_tls(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.downcast_ref::<rustls::Error>().is_some())
}

/// A server whose certificate does not fit may be somebody else's, and is not the provider that is down.
fn not_trusted(error: &dyn std::error::Error) -> ProviderFault {
    ProviderFault::Answer(format!("TLS: {error}"))
}
