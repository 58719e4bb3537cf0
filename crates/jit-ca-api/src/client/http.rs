//! Calls over HTTP: bounded in time and size, repeated when the way there fails.

use std::sync::Arc;
use std::time::Duration;

use jit_ca_core::Digest;
use ring::rand::SecureRandom as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::http::{Response, Uri, header};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector as _, TcpConnector};

use crate::client::tls::{self, LoginIdentity, PinVerifier, RootCertificate, WrongPin};
use crate::client::transport::TlsConnector;
use crate::client::{Error, IdempotencyKey};
use crate::{IDEMPOTENCY_KEY, PROBLEM_JSON, Problem};

/// The longest that a call takes, beyond what the CA was asked to wait. The CA answers sooner, if only that it has no
/// time.
const CALL_TIME: Duration = Duration::from_secs(30);
/// The longest that a connection takes to be set up.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// The largest answer: a thousand entries of the log, with payloads of the largest call.
const LARGEST_ANSWER: u64 = 128 * 1024 * 1024;
/// The pauses before a call is repeated: long enough for a daemon to start again.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(1_000)];

/// How often a call is made again because the CA has no time for it now, as it asks (RFC 9110, section 10.2.3), and
/// the longest that it may ask to wait.
const MOST_WAITS: usize = 3;
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The code of a problem by which other calls of this login are in the way.
const TOO_MANY_CALLS: &str = "too-many-calls";

#[derive(Clone)]
pub(super) struct Http {
    agent: Agent,
    /// `https://host:port`, without a slash at its end.
    base: String,
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

impl Http {
    pub(super) fn new(
        url: &str,
        pin: Digest,
        root: Option<&RootCertificate>,
        login: Option<&LoginIdentity>,
    ) -> Result<(Self, Arc<PinVerifier>), Error> {
        let base = base(url)?;
        let (tls, verifier) = tls::config(pin, root, login)?;
        let config = Agent::config_builder()
            .https_only(true)
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIME))
            .timeout_global(Some(CALL_TIME))
            .user_agent(concat!("jit-ca/", env!("CARGO_PKG_VERSION")))
            .build();
        let connector = ().chain(TcpConnector::default()).chain(TlsConnector(tls));
        let agent = Agent::with_parts(config, connector, DefaultResolver::default());
        Ok((Self { agent, base }, verifier))
    }

    pub(super) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
    ) -> Result<T, Error> {
        self.get_waiting(path, query, Duration::ZERO)
    }

    pub(super) fn get_waiting<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
        wait: Duration,
    ) -> Result<T, Error> {
        let url = self.url(path);
        let pairs = pairs(query)?;
        let answer = self.repeated(&url, || {
            self.agent
                .get(&url)
                .query_pairs(pairs.iter().map(|(name, value)| (name, value)))
                .config()
                .timeout_global(Some(CALL_TIME + wait))
                .build()
                .call()
        })?;
        read(&url, &answer)
    }

    pub(super) fn get_bytes(&self, path: &str) -> Result<Vec<u8>, Error> {
        let url = self.url(path);
        Ok(self.repeated(&url, || self.agent.get(&url).call())?.body)
    }

    pub(super) fn get_text(&self, path: &str) -> Result<String, Error> {
        let (url, status) = (self.url(path), 200);
        String::from_utf8(self.get_bytes(path)?).map_err(|error| Error::Protocol {
            url,
            status,
            source: error.into(),
        })
    }

    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        call: &impl Serialize,
        key: &IdempotencyKey,
    ) -> Result<T, Error> {
        let url = self.url(path);
        read(&url, &self.send(&url, call, key)?)
    }

    pub(super) fn post_unanswered(
        &self,
        path: &str,
        call: &impl Serialize,
        key: &IdempotencyKey,
    ) -> Result<(), Error> {
        self.send(&self.url(path), call, key).map(drop)
    }

    /// A call that asks the CA to wait so long.
    pub(super) fn post_waiting<T: DeserializeOwned>(
        &self,
        path: &str,
        call: &impl Serialize,
        key: &IdempotencyKey,
        wait: Duration,
    ) -> Result<T, Error> {
        let url = self.url(path);
        read(&url, &self.send_waiting(&url, call, key, wait)?)
    }

    /// Sends bytes where the CA takes the same ones any number of times, so that they need no idempotency key.
    pub(super) fn post_bytes(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let url = self.url(path);
        let kind = "application/octet-stream";
        self.repeated(&url, || self.agent.post(&url).header(header::CONTENT_TYPE, kind).send(bytes))
            .map(drop)
    }

    fn send(
        &self,
        url: &str,
        call: &impl Serialize,
        key: &IdempotencyKey,
    ) -> Result<Answer, Error> {
        self.send_waiting(url, call, key, Duration::ZERO)
    }

    fn send_waiting(
        &self,
        url: &str,
        call: &impl Serialize,
        key: &IdempotencyKey,
        wait: Duration,
    ) -> Result<Answer, Error> {
        // `()` stands for a call that says nothing beyond its path: it has no body.
        let body = match serde_json::to_value(call).map_err(Error::Call)? {
            serde_json::Value::Null => None,
            value => Some(value.to_string()),
        };
        self.repeated(url, || {
            let post = self.agent.post(url).header(IDEMPOTENCY_KEY, key.as_str());
            let post = post.config().timeout_global(Some(CALL_TIME + wait)).build();
            match &body {
                None => post.send_empty(),
                Some(body) => {
                    post.header(header::CONTENT_TYPE, "application/json").send(body.as_bytes())
                }
            }
        })
    }

    /// Calls until there is an answer, or until the way there has failed thrice, or the CA has been too
    /// busy four times. That is safe for every call: a GET changes nothing, and a POST has its
    /// idempotency key.
    fn repeated(
        &self,
        url: &str,
        call: impl Fn() -> Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer, Error> {
        let mut pauses = PAUSES.iter();
        let mut waits = 0..MOST_WAITS;
        loop {
            let failure = match call().and_then(Answer::receive) {
                Ok(answer) => match answer.wait.filter(|_| waits.next().is_some()) {
                    Some(wait) => {
                        std::thread::sleep(spread(wait)?);
                        continue;
                    }
                    None => return answer.or_problem(url),
                },
                Err(failure) => failure,
            };
            let again = matches!(failure, ureq::Error::Io(_) | ureq::Error::ConnectionFailed);
            match (self.explain(failure), pauses.next()) {
                (Error::Transport { .. }, Some(pause)) if again => std::thread::sleep(*pause),
                (error, _) => return Err(error),
            }
        }
    }

    fn explain(&self, failure: ureq::Error) -> Error {
        let url = self.base.clone();
        let tls = match &failure {
            ureq::Error::Io(error) => error.get_ref(),
            _ => None,
        };
        match tls.and_then(|error| error.downcast_ref::<rustls::Error>()) {
            Some(error) if tls::is_login_refused(error) => {
                Error::LoginCertificate { url, source: failure.into() }
            }
            Some(error) => match WrongPin::within(error) {
                Some(WrongPin { expected, presented }) => Error::Pin { url, expected, presented },
                None => Error::Transport { url, source: Box::new(error.clone()) },
            },
            None => Error::Transport { url, source: failure.into() },
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("base", &self.base).finish()
    }
}

struct Answer {
    status: u16,
    /// How long to wait before the call is made again, if that is all that is wrong with it.
    wait: Option<Duration>,
    is_problem: bool,
    body: Vec<u8>,
}

impl Answer {
    fn receive(mut response: Response<ureq::Body>) -> Result<Self, ureq::Error> {
        let is_problem = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(PROBLEM_JSON.as_bytes()));
        let status = response.status().as_u16();
        let wait = response.headers().get(header::RETRY_AFTER);
        let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let wait = wait.filter(|wait| *wait <= LONGEST_WAIT);
        let body = response.body_mut().with_config().limit(LARGEST_ANSWER);
        let mut answer = Self { status, wait: None, is_problem, body: body.read_to_vec()? };
        answer.wait = wait.filter(|_| answer.is_for_lack_of_time());
        Ok(answer)
    }

    /// Whether nothing is wrong with the call. Who has guessed too often is told to wait as well: that is for a person
    /// to hear.
    fn is_for_lack_of_time(&self) -> bool {
        let code = || self.is_problem.then(|| serde_json::from_slice::<Problem>(&self.body).ok());
        match self.status {
            503 => true,
            429 => code().flatten().is_some_and(|problem| problem.code == TOO_MANY_CALLS),
            _ => false,
        }
    }

    fn or_problem(self, url: &str) -> Result<Self, Error> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        if self.is_problem {
            return Err(Error::Problem(Box::new(read::<Problem>(url, &self)?)));
        }
        Err(Error::Protocol {
            url: url.to_owned(),
            status: self.status,
            source: "it is neither an answer nor a problem".into(),
        })
    }
}

/// As long, and up to half as long again: so that those who were sent away together don't come back together.
fn spread(wait: Duration) -> Result<Duration, Error> {
    let mut byte = [0];
    ring::rand::SystemRandom::new().fill(&mut byte).map_err(|_| Error::Randomness)?;
    Ok(wait + wait * u32::from(byte[0]) / 512)
}

fn read<T: DeserializeOwned>(url: &str, answer: &Answer) -> Result<T, Error> {
    serde_json::from_slice(&answer.body).map_err(|error| Error::Protocol {
        url: url.to_owned(),
        status: answer.status,
        source: AnyError::from(error),
    })
}

fn base(url: &str) -> Result<String, Error> {
    let fault = || Error::Url(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| fault())?;
    let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    match (uri.scheme_str(), uri.authority()) {
        (Some("https"), Some(authority)) if is_bare && !authority.as_str().contains('@') => {
            Ok(format!("https://{authority}"))
        }
        _ => Err(fault()),
    }
}

/// The fields of a query as text, in which a value that is left out has no place.
fn pairs(query: &impl Serialize) -> Result<Vec<(String, String)>, Error> {
    let value = serde_json::to_value(query).map_err(Error::Call)?;
    let serde_json::Value::Object(fields) = value else {
        return Ok(Vec::new());
    };
    let text = |value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(fields.into_iter().map(|(name, value)| (name, text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogQuery;

    #[test]
    fn an_address_is_https_and_nothing_else() {
        assert_eq!(base("https://[::1]:8443/").unwrap(), "https://[::1]:8443");
        assert_eq!(base("https://ca.example.org").unwrap(), "https://ca.example.org");
        for wrong in [
            "",
            "ca.example.org",
            "http://ca.example.org",
            "https://ca.example.org/v1",
            "https://alice@ca.example.org",
            "https://ca.example.org?x=y",
        ] {
            assert!(base(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn queries_name_what_is_asked_for_alone() {
        let query = LogQuery {
            role: Some("web-shell".parse().unwrap()),
            limit: Some(5),
            ..LogQuery::default()
        };
        let mut pairs = pairs(&query).unwrap();
        pairs.sort();
        let expected = [("limit", "5"), ("role", "web-shell"), ("start", "0"), ("wait", "0")];
        assert!(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).eq(expected));
    }

    #[test]
    fn a_ca_that_does_not_run_is_said_to_be_so() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = crate::client::discover(&url, &Digest::from_bytes([0; 32])).unwrap_err();
        assert!(matches!(error, Error::Transport { .. }), "{error:?}");
    }
}
