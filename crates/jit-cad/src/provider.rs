//! An identity provider, or another issuer of signed tokens, seen from a relying party: OpenID Connect Core 1.0 with the
//! code flow and PKCE for people, and JWTs that workloads bring.
//!
//! ```text
//! Provider   one issuer: metadata, redeem, refresh, verify
//! device     a login that goes on in a browser elsewhere: begun, and asked about (RFC 8628)
//! call       HTTP, bounded; metadata (what it says of itself) and key (its JWK set) are kept in a cache
//! token      a JWS in compact form ── key set ──> what was signed ── claims ──> Claims
//! ```
//!
//! It knows no service, no policy and no store: what a subject may do is not its question. It blocks, for five seconds a
//! call at most. Nothing of a token is believed before its signature is verified by a key that its issuer publishes, and
//! nothing of a token says where keys are.

mod cache;
mod call;
mod claims;
mod client;
mod device;
mod endpoint;
mod fault;
mod json;
mod key;
mod metadata;
#[cfg(test)]
mod tests;
mod token;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use axum::http::Uri;
use jit_ca_core::UnixTime;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use self::cache::Cache;
use self::call::Calls;
use self::endpoint::endpoint;
use self::key::KeySet;
use self::token::Token;
use crate::failure::Failure;

pub use self::claims::{Claims, Expected, LEEWAY, Of};
pub use self::client::Client;
pub use self::device::{DeviceAuthorization, DeviceCode, DeviceRequest, Redeemed};
pub use self::fault::{Doing, ProviderFault, TokenFault};
pub use self::json::NotAnObject;
pub use self::metadata::{Discovered, Metadata};

/// What is known of an issuer beforehand.
#[derive(Debug)]
pub struct Settings {
    /// The issuer, exactly as its tokens name it. A URL, unless keys come from elsewhere and nobody logs in by it.
    pub issuer: String,
    /// Who we are to it, where people log in; none for an issuer of workloads' tokens.
    pub client: Option<Client>,
    /// Where its keys are.
    pub keys: KeysFrom,
    /// The roots, in PEM, by which its servers are trusted over TLS; no others are.
    pub ca_file: PathBuf,
}

/// Where an issuer's keys are.
#[derive(Debug)]
pub enum KeysFrom {
    /// Where its description says (OpenID Connect Discovery).
    Discovery,
    /// At an address.
    Url(String),
    /// Here: the JWK set itself, of an issuer that nobody can ask.
    Inline(String),
}

/// One issuer.
#[derive(Debug)]
pub struct Provider {
    issuer: String,
    client: Option<Client>,
    place: Place,
    calls: Option<Calls>,
    discovered: Cache<Discovered>,
    keys: Cache<KeySet>,
}

/// Where keys are, checked.
#[derive(Debug)]
enum Place {
    Discovery,
    Url(Uri),
    Inline(Arc<KeySet>),
}

/// What a login came back with (RFC 6749, section 4.1.3; RFC 7636, section 4.5).
#[derive(Clone, Copy)]
pub struct Code<'a> {
    /// The code.
    pub code: &'a str,
    /// What the code's challenge was made of.
    pub verifier: &'a str,
    /// Where the code came to, exactly as the login named it.
    pub redirect_uri: &'a str,
}

/// What a code is worth. The access token is left where it is: nothing is asked with it.
#[derive(Clone)]
pub struct Tokens {
    /// The ID token, not verified.
    pub id_token: String,
    /// By which the provider can be asked later whether the person still is one of its own.
    pub refresh_token: Option<Zeroizing<String>>,
}

/// What a refresh token is worth.
pub struct Refreshed {
    /// A new ID token, not verified. Providers need not give one (OpenID Connect Core, section 12.2).
    pub id_token: Option<String>,
    /// Another refresh token, which replaces the one that was used.
    pub refresh_token: Option<Zeroizing<String>>,
}

impl Provider {
    /// An issuer. Nothing is asked of it yet.
    ///
    /// # Errors
    /// If its address is none that may be asked, its keys stand here and are none, or the roots can't be read.
    pub fn new(settings: Settings) -> Result<Self, Failure> {
        let Settings { issuer, client, keys, ca_file } = settings;
        let fault = |what: String| {
            let hint = "the issuer's file says where it is and how it is asked";
            Failure::usage(format!("the issuer {issuer:?}: {what}"), hint)
        };
        if issuer.is_empty() {
            return Err(fault("it has no name, and so no token of its own".to_owned()));
        }
        let address =
            |text: &str, what| endpoint(text, what, false).map_err(|it| fault(it.to_string()));
        let place = match &keys {
            KeysFrom::Discovery => Place::Discovery,
            KeysFrom::Url(url) => Place::Url(address(url, "its keys' address")?),
            KeysFrom::Inline(text) => {
                Place::Inline(Arc::new(KeySet::parse(text.as_bytes()).map_err(fault)?))
            }
        };
        let is_asked = matches!(place, Place::Discovery) || client.is_some();
        let asked = match &place {
            _ if is_asked => Some(address(&issuer, "its name")?),
            Place::Url(url) => Some(url.clone()),
            Place::Discovery | Place::Inline(_) => None,
        };
        let calls = asked.map(|url| Calls::new(&url, &ca_file)).transpose()?;
        Ok(Self { issuer, client, place, calls, discovered: Cache::new(), keys: Cache::new() })
    }

    /// The issuer, exactly as its tokens name it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What logins need to know of it, kept for an hour.
    ///
    /// # Errors
    /// If it can't be asked, what it says of itself can't be used, or nobody logs in by it.
    pub fn metadata(&self) -> Result<Metadata, ProviderFault> {
        let discovered = self.discovered()?;
        discovered.metadata.clone().ok_or_else(|| ProviderFault::Answer(NO_CLIENT.to_owned()))
    }

    /// Makes a code into tokens (RFC 6749, section 4.1.3). A code is good once: where this fails after it was sent, the
    /// login begins anew.
    ///
    /// # Errors
    /// As the provider answers, or does not.
    pub fn redeem(&self, code: &Code<'_>) -> Result<Tokens, ProviderFault> {
        let answer = self.tokens(&[
            ("grant_type", "authorization_code"),
            ("code", code.code),
            ("redirect_uri", code.redirect_uri),
            ("code_verifier", code.verifier),
        ])?;
        Tokens::read(answer)
    }

    /// Asks whether a person still is one of the provider's own (RFC 6749, section 6). `Refused` with `invalid_grant`
    /// says no.
    ///
    /// # Errors
    /// As the provider answers, or does not.
    pub fn refresh(&self, refresh_token: &str) -> Result<Refreshed, ProviderFault> {
        let mut answer =
            self.tokens(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])?;
        let refresh_token = text(&mut answer, "refresh_token").map(Zeroizing::new);
        Ok(Refreshed { id_token: text(&mut answer, "id_token"), refresh_token })
    }

    /// What a token claims that this issuer signed for us, and that is good now.
    ///
    /// # Errors
    /// If it is not, or the issuer's keys can't be had.
    pub fn verify(
        &self,
        token: &str,
        expected: &Expected<'_>,
        now: UnixTime,
    ) -> Result<Claims, ProviderFault> {
        let token = Token::read(token)?;
        let keys = self.keys()?;
        let signed = match token.verify(&keys) {
            Err(TokenFault::NoKey) => match self.keys_anew(&keys)? {
                Some(keys) => token.verify(&keys)?,
                None => return Err(TokenFault::NoKey.into()),
            },
            verified => verified?,
        };
        Ok(Claims::check(signed, &self.issuer, expected, now)?)
    }

    fn tokens(&self, form: &[(&str, &str)]) -> Result<Map<String, Value>, ProviderFault> {
        let metadata = self.metadata()?;
        self.send(&metadata.token_endpoint, &metadata, form)
    }

    /// Sends a form to an endpoint, as our client.
    fn send(
        &self,
        endpoint: &Uri,
        metadata: &Metadata,
        form: &[(&str, &str)],
    ) -> Result<Map<String, Value>, ProviderFault> {
        let Some(client) = &self.client else {
            return Err(ProviderFault::Answer(NO_CLIENT.to_owned()));
        };
        let auth = client.auth(metadata.secret_in_form);
        self.calls()?.send(endpoint, &client.id, &auth, form)
    }

    fn discovered(&self) -> Result<Arc<Discovered>, ProviderFault> {
        self.discovered.get(Instant::now(), || {
            let url =
                format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
            let url = url
                .parse()
                .map_err(|_| ProviderFault::Answer("its name is no address".to_owned()))?;
            let answer = self.calls()?.get(&url, metadata::LONGEST)?;
            let discovered = Discovered::parse(&answer.body, &self.issuer, self.client.is_some())?;
            Ok((discovered, metadata::FRESH_FOR))
        })
    }

    fn keys(&self) -> Result<Arc<KeySet>, ProviderFault> {
        match &self.place {
            Place::Inline(keys) => Ok(Arc::clone(keys)),
            _ => self.keys.get(Instant::now(), || self.fetch_keys()),
        }
    }

    /// Newer ones than these; `None` where there are none to be had now.
    fn keys_anew(&self, seen: &Arc<KeySet>) -> Result<Option<Arc<KeySet>>, ProviderFault> {
        match &self.place {
            Place::Inline(_) => Ok(None),
            _ => self.keys.anew(seen, Instant::now(), || self.fetch_keys()),
        }
    }

    fn fetch_keys(&self) -> cache::Fetched<KeySet> {
        let url = match &self.place {
            Place::Url(url) => url.clone(),
            Place::Discovery | Place::Inline(_) => self.discovered()?.jwks_uri.clone(),
        };
        let answer = self.calls()?.get(&url, key::LONGEST_SET)?;
        let keys = KeySet::parse(&answer.body).map_err(ProviderFault::Answer)?;
        Ok((keys, metadata::keys_fresh_for(&answer.headers)))
    }

    fn calls(&self) -> Result<&Calls, ProviderFault> {
        self.calls.as_ref().ok_or_else(|| ProviderFault::Answer(NO_CLIENT.to_owned()))
    }
}

impl Tokens {
    fn read(mut answer: Map<String, Value>) -> Result<Self, ProviderFault> {
        let id_token = text(&mut answer, "id_token").ok_or_else(|| {
            ProviderFault::Answer(
                "there is no ID token in it; the scope openid asks for one".to_owned(),
            )
        })?;
        let refresh_token = text(&mut answer, "refresh_token").map(Zeroizing::new);
        Ok(Self { id_token, refresh_token })
    }
}

const NO_CLIENT: &str = "this issuer is set up for workloads alone, and nobody logs in by it";

/// Takes a text out of an answer.
fn text(answer: &mut Map<String, Value>, name: &str) -> Option<String> {
    match answer.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}
