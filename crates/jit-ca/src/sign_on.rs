//! Logging in with what an issuer says: a person signs on with a browser, here or elsewhere, a workload brings a token.
//!
//! ```text
//! sign-on statement ──SHA-256──> nonce ──browser──> issuer ──code──> loopback ──> the CA, which redeems it
//! ```
//!
//! So the token that the issuer makes is good for this login key and no other, and never comes here: authorization code
//! with PKCE (RFC 7636), by loopback redirect (RFC 8252 7.3), with what RFC 9700 adds.

mod device;
mod token;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_api::client::{Client, IdempotencyKey, LoginIdentity};
use jit_ca_api::{CertificateLoginCall, Credential, IssuerLoginCall, LoginReply, SignOnView};
use jit_ca_core::IssuerName;
use jit_ca_core::statement::SignOn;
use jit_ca_log::hash::sha256;

use crate::browser::{self, Callback, Said};
use crate::cli::LoginArgs;
use crate::error::{Error, Result};
use crate::files;
use crate::login;
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
    /// With the X.509 certificate and its key in this folder, which stand in for a token.
    Certificate(PathBuf),
}

/// How long the page of an issuer is waited for: as long as the CA takes the answer.
const PATIENCE: Duration = Duration::from_secs(590);
/// How long ago the issuer may have seen the person, in seconds: as long as the longest login.
const SEEN_WITHIN: u64 = 12 * 60 * 60;

impl Means {
    /// What the arguments say, or what was used last; none where it is the SSH key.
    pub(crate) fn of(arguments: &LoginArgs, remembered: Option<&Profile>) -> Result<Option<Self>> {
        let LoginArgs { issuer, workload, token_file, certificate, device, .. } = arguments;
        if let Some(folder) = certificate {
            return Ok(Some(Self::Certificate(folder.clone())));
        }
        if let Some(file) = token_file {
            return Ok(Some(Self::Token(file.clone(), issuer.clone())));
        }
        if *workload {
            let hint = "name the file that the platform puts it in: --token-file FILE; or --certificate DIR";
            return Err(Error::usage("a workload logs in with a token, or a certificate", hint));
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
    ) -> Result<(LoginReply, Option<IssuerName>)> {
        let max_age = if afresh { 0 } else { SEEN_WITHIN };
        let (issuer, credential) = match self {
            Self::Device(issuer) => {
                let reply = device::log_in(printer, client, (issuer, login_key), max_age)?;
                return Ok((reply, Some(issuer.clone())));
            }
            Self::Certificate(folder) => {
                return Ok((by_certificate(known, folder, login_key)?, None));
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
        let reply = client.login_by_issuer(&call, &IdempotencyKey::random()?)?;
        // Whoever signs on in a browser does so the next time as well.
        Ok((reply, matches!(self, Self::Browser(_)).then_some(issuer)))
    }
}

/// Logs a workload in over TLS with a certificate that it got before.
fn by_certificate(known: &KnownCa, folder: &Path, login_key: &RequestKey) -> Result<LoginReply> {
    let read = |name: &str| {
        let hint = "name the folder that jit-ca cert x509 --out DIR has written to";
        let missing = || Error::usage(format!("there is no {name} in {}", folder.display()), hint);
        files::read(&folder.join(name))?.ok_or_else(missing)
    };
    let identity = LoginIdentity::from_pem(&read("cert.pem")?, &read("key.pem")?)?;
    let client = Client::new(&known.url, &known.root()?, Some(&identity))?;
    let call = CertificateLoginCall { csr: login_key.request()? };
    Ok(client.login_by_certificate(&call, &IdempotencyKey::random()?)?)
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
    let challenge = login::challenge(client)?;
    let statement = SignOn {
        origin: &known.trust.origin,
        pin: known.pin(),
        issuer,
        challenge: &challenge,
        login_key: &login_key.digest(),
    };
    let (state, verifier) = (browser::random()?, browser::random()?);
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
    if !browser::open(&address) {
        printer.note("no browser is found on this machine; if it has none, and the CA allows it: jit-ca login --device");
    }
    let until = Instant::now() + PATIENCE;
    let code = callback.wait(&state, until, |said| code_of(said, &page))?;
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

/// The code in what an issuer answers.
fn code_of(said: &Said<'_>, page: &SignOnView) -> Result<String> {
    // RFC 9207 2.4: an answer of another issuer, which was mixed up with this one.
    match said.get("iss") {
        Some(issuer) if *issuer != page.issuer => {
            let what =
                format!("the answer is of the issuer {}, not of {}", shown(issuer), page.issuer);
            return Err(Error::unverified(what));
        }
        None if page.names_itself => {
            return Err(Error::unverified("the answer does not say which issuer it is of"));
        }
        _ => {}
    }
    if let Some(error) = said.get("error") {
        let more = said.get("error_description").map(|text| format!(": {}", shown(text)));
        return Err(Error::Denied {
            what: format!("the issuer refuses: {}{}", shown(error), more.unwrap_or_default()),
            hint: Some("log in again, or ask whoever runs the issuer".to_owned()),
        });
    }
    let code = said.get("code").filter(|code| !code.is_empty());
    code.map(|code| code.clone().into_owned())
        .ok_or_else(|| Error::unverified("the issuer's answer holds no code"))
}

/// Somebody else's words, on one line of a terminal.
fn shown(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(200).collect()
}

fn hashed(text: &str) -> String {
    Base64UrlUnpadded::encode_string(sha256(text.as_bytes()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(names_itself: bool) -> SignOnView {
        SignOnView {
            issuer: "https://op.example".to_owned(),
            names_itself,
            authorization_endpoint: "https://op.example/auth".to_owned(),
            client: "jit-ca".to_owned(),
            scopes: vec!["openid".to_owned()],
            acr_values: Vec::new(),
        }
    }

    #[test]
    fn an_answer_of_another_issuer_is_none() {
        let code = |query: &str, names_itself| {
            code_of(&form_urlencoded::parse(query.as_bytes()).collect(), &page(names_itself))
        };
        for (query, names_itself, expected) in [
            ("code=c&iss=https%3A%2F%2Fevil.example", false, "of the issuer https://evil.example"),
            ("code=c", true, "does not say which issuer"),
            ("error=access_denied&error_description=no%0A%1b%5B2J", false, "access_denied: no[2J"),
            ("", false, "holds no code"),
        ] {
            let said = code(query, names_itself).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        }
        assert_eq!(code("code=a%2Bb&iss=https%3A%2F%2Fop.example", true).unwrap(), "a+b");
    }
}
