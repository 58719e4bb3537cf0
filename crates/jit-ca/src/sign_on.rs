//! Logging in with what an issuer says: a person signs on with a browser, here or elsewhere, a workload brings a token.
//!
//! ```text
//! sign-on statement ──SHA-256──> nonce ──browser──> issuer ──code──> loopback ──> the CA, which redeems it
//! ```
//!
//! So the token that the issuer makes is good for this login key and no other, and never comes here: authorization code
//! with PKCE (RFC 7636), by loopback redirect (RFC 8252 7.3), with what RFC 9700 adds.

mod callback;
mod device;
mod token;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_api::client::{Client, IdempotencyKey};
use jit_ca_api::{Credential, IssuerLoginCall, LoginReply, SignOnView};
use jit_ca_core::IssuerName;
use jit_ca_core::statement::SignOn;
use jit_ca_log::hash::sha256;
use ring::rand::SecureRandom as _;

use self::callback::Callback;
use crate::cli::LoginArgs;
use crate::error::{Error, Result};
use crate::printer::Printer;
use crate::profile::{KnownCa, Profile};
use crate::request_key::RequestKey;

/// With what somebody logs in whom the CA's user file does not know.
#[derive(Clone, Debug)]
pub(crate) enum Means {
    /// By signing on at this issuer.
    Browser(IssuerName),
    /// The same in a browser on another machine.
    Device(IssuerName),
    /// With the token in this file, of this issuer or of the one that the token names.
    Token(PathBuf, Option<IssuerName>),
}

/// How long the page of an issuer is waited for: as long as the CA takes the answer.
const PATIENCE: Duration = Duration::from_secs(590);
/// How long ago the issuer may have seen the person, in seconds: as long as the longest login.
const SEEN_WITHIN: u64 = 12 * 60 * 60;

impl Means {
    /// What the arguments say, or what was used last; none where it is the SSH key.
    pub(crate) fn of(arguments: &LoginArgs, remembered: Option<&Profile>) -> Result<Option<Self>> {
        let LoginArgs { issuer, workload, token_file, device, .. } = arguments;
        if let Some(file) = token_file {
            return Ok(Some(Self::Token(file.clone(), issuer.clone())));
        }
        if *workload {
            let hint = "name the file that the platform puts it in: --token-file FILE";
            return Err(Error::usage("a workload logs in with a token", hint));
        }
        if let Some(issuer) = issuer {
            return Ok(Some(Self::at(issuer.clone(), *device)));
        }
        if *device {
            let last = remembered.and_then(|last| last.issuer.clone());
            let hint = "name the issuer: --issuer NAME";
            let issuer =
                last.ok_or_else(|| Error::usage("it is not clear where to sign on", hint))?;
            return Ok(Some(Self::Device(issuer)));
        }
        // Who names a key or a name means the user file.
        let means_file = arguments.key.is_some() || arguments.name.is_some();
        let Some(last) = remembered.filter(|_| !means_file) else { return Ok(None) };
        if last.issuer.is_none() && last.name.issuer().is_some() {
            let hint = "bring a new one: jit-ca login --workload --token-file FILE";
            return Err(Error::usage("the login with a token is over", hint));
        }
        Ok(last.issuer.clone().map(|issuer| Self::at(issuer, last.device)))
    }

    /// By signing on at this issuer, with a browser here or elsewhere.
    pub(crate) fn at(issuer: IssuerName, device: bool) -> Self {
        if device { Self::Device(issuer) } else { Self::Browser(issuer) }
    }

    /// Logs the key in. With `afresh` the issuer is to see a second factor now.
    pub(crate) fn log_in(
        &self,
        printer: &Printer,
        client: &Client,
        known: &KnownCa,
        login_key: &RequestKey,
        afresh: bool,
    ) -> Result<(LoginReply, IssuerName)> {
        let max_age = if afresh { 0 } else { SEEN_WITHIN };
        let (issuer, credential) = match self {
            Self::Device(issuer) => {
                let reply = device::log_in(printer, client, (issuer, login_key), max_age)?;
                return Ok((reply, issuer.clone()));
            }
            Self::Browser(issuer) => {
                let credential = sign_on(printer, client, known, (issuer, login_key), max_age)?;
                (issuer.clone(), credential)
            }
            Self::Token(file, issuer) => {
                let token = token::read(file)?;
                let issuer = match issuer {
                    Some(issuer) => issuer.clone(),
                    None => token::issuer_of(&token, &client.issuers()?)?,
                };
                (issuer, Credential::Token(token.to_string()))
            }
        };
        let call =
            IssuerLoginCall { issuer: issuer.clone(), csr: login_key.request()?, credential };
        Ok((client.login_by_issuer(&call, &IdempotencyKey::random()?)?, issuer))
    }
}

/// Sends the person to the issuer with a browser, and waits for the code that it sends back.
fn sign_on(
    printer: &Printer,
    client: &Client,
    known: &KnownCa,
    (issuer, login_key): (&IssuerName, &RequestKey),
    max_age: u64,
) -> Result<Credential> {
    let page = client.sign_on(issuer)?;
    let challenge = client.challenge()?.challenge;
    // INVARIANT (statements are one line a value).
    if !challenge.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::unverified("the CA's challenge is not printable"));
    }
    let statement = SignOn {
        origin: &known.trust.origin,
        pin: known.pin(),
        issuer,
        challenge: &challenge,
        login_key: &login_key.digest(),
    };
    let (state, verifier) = (random()?, random()?);
    let callback = Callback::listen()?;
    let redirect_uri = callback.address();
    let nonce = hashed(&statement.text());
    let query = query(&page, &state, &redirect_uri, (&nonce, &hashed(&verifier)), max_age);
    // An endpoint may have a query of its own (RFC 6749 3.1).
    let joint = if page.authorization_endpoint.contains('?') { '&' } else { '?' };
    let address = format!("{}{joint}{query}", page.authorization_endpoint);
    if !address.starts_with("https://") {
        return Err(Error::unverified("the issuer's page is not at an https:// address"));
    }
    printer.note(&format!("sign on at {issuer} in your browser: {address}"));
    if !open_browser(&address) {
        printer.note("no browser is found on this machine; if it has none, and the CA allows it: jit-ca login --device");
    }
    let code = callback.code(&page, &state, Instant::now() + PATIENCE)?;
    Ok(Credential::Code { challenge, code, verifier, redirect_uri })
}

/// What the issuer is asked (OpenID Connect Core 3.1.2.1).
fn query(
    page: &SignOnView,
    state: &str,
    redirect_uri: &str,
    (nonce, code_challenge): (&str, &str),
    max_age: u64,
) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &page.client)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("scope", &page.scopes.join(" "))
        .append_pair("state", state)
        .append_pair("nonce", nonce)
        .append_pair("code_challenge", code_challenge)
        .append_pair("code_challenge_method", "S256")
        // So that it says when it saw the person.
        .append_pair("max_age", &max_age.to_string());
    if !page.acr_values.is_empty() {
        query.append_pair("acr_values", &page.acr_values.join(" "));
    }
    query.finish()
}

/// Whether there is a browser that a person may look at.
pub(crate) fn can_open_browser() -> bool {
    use std::io::IsTerminal as _;
    std::env::var_os("BROWSER").is_some() || std::io::stderr().is_terminal()
}

/// Opens the page, and says whether that was begun. Where it was not, the address has been shown, and somebody opens it by
/// hand.
fn open_browser(address: &str) -> bool {
    let named = std::env::var_os("BROWSER");
    let usual = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let program = named.as_deref().map_or(Path::new(usual), Path::new);
    let started = Command::new(program)
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    // It ends by itself; what becomes of it, the callback shows.
    started.is_ok()
}

/// 32 random bytes in base64url: what nobody guesses, and a verifier's form (RFC 7636 4.1).
fn random() -> Result<String> {
    let mut bytes = [0; 32];
    let drawn = ring::rand::SystemRandom::new().fill(&mut bytes);
    drawn.map_err(|_| Error::Call(jit_ca_api::client::Error::Randomness))?;
    Ok(Base64UrlUnpadded::encode_string(&bytes))
}

fn hashed(text: &str) -> String {
    Base64UrlUnpadded::encode_string(sha256(text.as_bytes()).as_bytes())
}
