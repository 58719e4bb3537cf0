//! One that is notified: how a message gets there.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, Uri, header};
use base32ct::{Base32Unpadded, Encoding as _};
use jit_ca_core::{Origin, RoleName, Span, UnixTime};
use jit_ca_log::hash::sha256_of;
use ring::hmac;
use tokio::sync::Notify;
use ureq::Agent;
use ureq::unversioned::resolver::DefaultResolver;

use super::address::{FitAddresses, Unfit};
use super::message::Message;
use super::{slack, standard};
use crate::config::{NotifyPlace, NotifyTarget, SecretSource};
use crate::failure::{Failure, with_causes};
use crate::outgoing;
use crate::store::Letter;

/// How long a target may take to answer, from the look-up of its name to the end of its answer's head.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest that a target may ask for to be left alone, in seconds.
const LONGEST_REST: u64 = 60 * 60;

/// One that is notified.
pub struct Target {
    /// What it is called.
    pub name: String,
    /// How long before its end a grant is said to end soon.
    pub ending_soon: Span,
    /// How long a message is tried.
    pub give_up: Span,
    /// Told when messages are to be tried at once that were not due.
    pub(super) hurry: Notify,
    roles: Option<BTreeSet<RoleName>>,
    form: Form,
    /// It may be a secret, and is shown nowhere.
    url: Uri,
    agent: Agent,
}

/// What messages look like.
enum Form {
    Standard(hmac::Key),
    Slack,
}

/// Why a message was not taken. It says nothing that the target said, nor where it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    /// It answers something else.
    #[error("it answers with the status {}", status.as_u16())]
    Status {
        /// What.
        status: StatusCode,
        /// For how long it wants to be left alone.
        rest: Option<Duration>,
    },
    /// It does not answer in time.
    #[error("it has not answered within {} seconds", PATIENCE.as_secs())]
    Silent,
    /// Its name leads where messages may not go.
    #[error(transparent)]
    Unfit(Unfit),
    /// It is not reached.
    #[error("it is not reached: {0}")]
    Unreached(String),
}

impl NotTaken {
    /// Whether it is this message that is not wanted, and others may be.
    pub(super) fn is_of_the_message(&self) -> bool {
        let Self::Status { status, .. } = self else { return false };
        let are_of_the_target =
            [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
        status.is_client_error() && !are_of_the_target.contains(status)
    }

    /// For how long the target wants to be left alone.
    pub(super) fn rest(&self) -> Option<Duration> {
        match self {
            Self::Status { rest, .. } => *rest,
            _ => None,
        }
    }
}

impl Target {
    /// A target of the configuration.
    ///
    /// # Errors
    /// If its secret can't be had or is none, its address may not be used, or the roots that it is trusted by can't be
    /// read.
    pub fn open(config: &NotifyTarget) -> Result<Self, Failure> {
        let name = &config.name;
        let secret = |source: &SecretSource| {
            source.read().map_err(|error| {
                let message = format!(
                    "the secret of the target {name} can't be had: {}",
                    with_causes(&error)
                );
                Failure::usage(message, "[[notify]] says in jit-cad.toml where it comes from")
            })
        };
        let (url, form) = match &config.place {
            NotifyPlace::Webhook { url, secret: source } => {
                let key = standard::key(&secret(source)?).map_err(|error| {
                    let message = format!("the secret of the target {name} is none: {error}");
                    Failure::usage(message, "make one: echo whsec_$(openssl rand -base64 32)")
                })?;
                (url.clone(), Form::Standard(key))
            }
            NotifyPlace::Slack(source) => {
                // What it is instead is not shown: it may be the secret but for a mistyped letter.
                let url: Option<Uri> = secret(source)?.trim().parse().ok();
                let fault = |why: &str| {
                    let message =
                        format!("what the target {name} has as slack can't be used: {why}");
                    let hint = "it is the webhook's address as Slack shows it: https://hooks.slack.com/services/…";
                    Failure::usage(message, hint)
                };
                let url = url.ok_or_else(|| fault("it is no address"))?;
                if let Some(why) = config.is_unfit(&url) {
                    return Err(fault(why));
                }
                (url, Form::Slack)
            }
        };
        let addresses = FitAddresses {
            allowed: config.allow_private.clone(),
            system: DefaultResolver::default(),
        };
        let agent = outgoing::client(&url, &config.ca_file, PATIENCE, addresses)?;
        Ok(Self {
            name: name.clone(),
            ending_soon: config.ending_soon,
            give_up: config.give_up,
            hurry: Notify::new(),
            roles: config.roles.clone(),
            form,
            url,
            agent,
        })
    }

    /// Whether it is told of what is about this role; what is about none is told to all.
    pub(super) fn is_told_of(&self, role: Option<&RoleName>) -> bool {
        match (&self.roles, role) {
            (Some(roles), Some(role)) => roles.contains(role),
            _ => true,
        }
    }

    /// Sends a message, and waits for the answer's head; the rest of the answer is not read.
    pub(super) fn send(&self, id: &str, message: &Message, now: UnixTime) -> Result<(), NotTaken> {
        let post = self.agent.post(&self.url).header(header::CONTENT_TYPE, "application/json");
        let sent = match &self.form {
            Form::Standard(key) => {
                let body = standard::body(message);
                let signature = standard::signature(key, id, now, &body);
                post.header("webhook-id", id)
                    .header("webhook-timestamp", now.secs().to_string())
                    .header("webhook-signature", signature)
                    .send(body)
            }
            Form::Slack => post.send(slack::body(message)),
        };
        let answer = sent.map_err(not_sent)?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(NotTaken::Status { status, rest: rest(answer.headers()) }),
        }
    }
}

/// What went wrong, without anything that could say where the target is.
fn not_sent(error: ureq::Error) -> NotTaken {
    let text = match error {
        ureq::Error::Timeout(_) => return NotTaken::Silent,
        ureq::Error::Other(error) => match error.downcast::<Unfit>() {
            Ok(unfit) => return NotTaken::Unfit(*unfit),
            Err(_) => "it can't be asked".to_owned(),
        },
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Rustls(error) => error.to_string(),
        ureq::Error::HostNotFound => "its name leads nowhere".to_owned(),
        ureq::Error::Protocol(_) => "it does not speak HTTP".to_owned(),
        _ => "it can't be asked".to_owned(),
    };
    NotTaken::Unreached(text)
}

/// `Retry-After`, where it is a number of seconds.
fn rest(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(LONGEST_REST)))
}

/// The id of a message: the same whenever it is sent, and another for each target and event of any log.
pub(super) fn id(origin: &Origin, letter: &Letter) -> String {
    let Letter { target, entry, kind } = letter;
    let text = format!("jit-ca/notify/v1\n{origin}\n{target}\n{entry}\n{kind}");
    let hash = sha256_of(&[text.as_bytes()]);
    let half = hash.as_bytes().get(..16).unwrap_or_default();
    format!("msg_{}", Base32Unpadded::encode_string(half))
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.name).finish()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
