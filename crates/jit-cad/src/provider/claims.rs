//! What a token claims (RFC 7519, section 4; OpenID Connect Core, sections 2 and 3.1.3.7), and whether it is for us, for
//! now and for this login.

use std::time::Duration;

use jit_ca_core::{Digest, Span, UnixTime};
use serde_json::{Map, Value};

use super::fault::TokenFault;
use super::token::Signed;

/// How far the issuer's clock and ours may be apart.
pub const LEEWAY: Span = Span::from_secs(60);
/// How old a person's ID token may be: it was made for the login that it comes with.
const OLDEST: Span = Span::from_secs(60 * 60);
/// How much longer a workload's token may be valid, so that those that were used need not be remembered for ever.
const LONGEST_LASTING: Span = Span::from_secs(24 * 60 * 60);
/// The longest subject (OpenID Connect Core, section 2).
const LONGEST_SUBJECT: usize = 255;

/// What a token has to be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Its one audience: of a person's ID token our client id, of a workload's token what its settings say.
    pub audience: &'a str,
    /// Whose it is.
    pub of: Of<'a>,
}

/// Whose token it is, and so what it is good for.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    /// A person's ID token, that the provider has just given us for a login.
    Login {
        /// What the login was begun with.
        nonce: &'a str,
    },
    /// The same where the login goes on in a browser elsewhere (RFC 8628). That flow knows no nonce: a token may leave it out,
    /// and has no other one. That it came for this login's device code is what binds it.
    Device {
        /// What the login was begun with.
        nonce: &'a str,
    },
    /// A person's ID token from a refresh, which may leave the nonce out (OpenID Connect Core, section 12.2). That
    /// subject and `auth_time` are those of the login is the caller's to compare.
    Refresh,
    /// A workload's, which it brought itself.
    Workload,
}

/// What a verified token claims. Names are the claims' own.
#[derive(Clone, Debug)]
pub struct Claims {
    /// The issuer, exactly as it was expected.
    pub iss: String,
    /// The subject: 1 to 255 printable ASCII characters, unique with the issuer, never given to another.
    pub sub: String,
    /// Until when the token is valid; it was taken up to a minute longer.
    pub exp: UnixTime,
    /// When it was made. Only a workload's token may leave it out.
    pub iat: Option<UnixTime>,
    /// Its id, if it has one. To use a token once, remember [`Claims::digest`].
    pub jti: Option<String>,
    /// What the login was begun with.
    pub nonce: Option<String>,
    /// How the person was authenticated, as a class that the provider defines.
    pub acr: Option<String>,
    /// By which means (RFC 8176); none if the provider does not say.
    pub amr: Vec<String>,
    /// When the person was authenticated.
    pub auth_time: Option<UnixTime>,
    /// To be shown, and never to be known by.
    pub email: Option<String>,
    /// Whether the provider says that the person reads the mail sent there.
    pub email_verified: bool,
    /// The hash of header and payload: the same for the same token, however its signature is written.
    pub digest: Digest,
    /// All claims, those above too.
    pub all: Map<String, Value>,
}

impl Claims {
    /// Checks what a token claims.
    pub(super) fn check(
        token: Signed,
        issuer: &str,
        expected: &Expected<'_>,
        now: UnixTime,
    ) -> Result<Self, TokenFault> {
        let Signed { claims: all, digest } = token;
        let of_us = Read(&all);
        if of_us.required("iss")? != issuer {
            return Err(TokenFault::Issuer);
        }
        of_us.is_for(expected)?;

        let exp = of_us.time("exp")?.ok_or(TokenFault::Claim("exp"))?;
        if now >= exp.plus(LEEWAY) {
            return Err(TokenFault::Expired);
        }
        let (iat, auth_time) = (of_us.time("iat")?, of_us.time("auth_time")?);
        let times = [of_us.time("nbf")?, iat, auth_time];
        if times.into_iter().flatten().any(|time| time > now.plus(LEEWAY)) {
            return Err(TokenFault::Future);
        }
        let nonce = of_us.text("nonce")?;
        match expected.of {
            Of::Workload if exp > now.plus(LONGEST_LASTING).plus(LEEWAY) => {
                return Err(TokenFault::Lasting);
            }
            Of::Workload => {}
            Of::Login { .. } | Of::Device { .. } | Of::Refresh => {
                let iat = iat.ok_or(TokenFault::Claim("iat"))?;
                if now.since(iat) > OLDEST {
                    return Err(TokenFault::Old);
                }
            }
        }
        let is_of_this_login = match expected.of {
            Of::Login { nonce: ours } => nonce == Some(ours),
            Of::Device { nonce: ours } => nonce.is_none_or(|theirs| theirs == ours),
            Of::Refresh | Of::Workload => true,
        };
        if !is_of_this_login {
            return Err(TokenFault::Nonce);
        }

        Ok(Self {
            iss: issuer.to_owned(),
            sub: of_us.subject()?.to_owned(),
            exp,
            iat,
            jti: of_us.text("jti")?.map(str::to_owned),
            nonce: nonce.map(str::to_owned),
            acr: of_us.text("acr")?.map(str::to_owned),
            amr: of_us.texts("amr")?,
            auth_time,
            email: of_us.text("email")?.map(str::to_owned),
            email_verified: all.get("email_verified") == Some(&Value::Bool(true)),
            digest,
            all,
        })
    }
}

/// Claims, read by their types. A claim that is null is not there (OpenID Connect Core, section 5.3.2).
struct Read<'a>(&'a Map<String, Value>);

impl<'a> Read<'a> {
    fn value(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &'static str) -> Result<Option<&'a str>, TokenFault> {
        let text = |value: &'a Value| value.as_str().ok_or(TokenFault::Claim(name));
        self.value(name).map(text).transpose()
    }

    fn required(&self, name: &'static str) -> Result<&'a str, TokenFault> {
        self.text(name)?.ok_or(TokenFault::Claim(name))
    }

    fn texts(&self, name: &'static str) -> Result<Vec<String>, TokenFault> {
        let Some(value) = self.value(name) else { return Ok(Vec::new()) };
        let texts = value.as_array().ok_or(TokenFault::Claim(name))?.iter();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        texts.map(|value| text(value).ok_or(TokenFault::Claim(name))).collect()
    }

    /// Seconds since 1970, a fraction of which is cut off (RFC 7519, section 2: NumericDate).
    fn time(&self, name: &'static str) -> Result<Option<UnixTime>, TokenFault> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let secs = value.as_u64().or_else(|| {
            Duration::try_from_secs_f64(value.as_f64()?).ok().map(|since| since.as_secs())
        });
        secs.map(|secs| Some(UnixTime::from_secs(secs))).ok_or(TokenFault::Claim(name))
    }

    fn subject(&self) -> Result<&'a str, TokenFault> {
        let subject = self.required("sub")?;
        let is_fit = (1..=LONGEST_SUBJECT).contains(&subject.len())
            && subject.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if is_fit { Ok(subject) } else { Err(TokenFault::Claim("sub")) }
    }

    /// One audience, and it is ours. Whoever else a token was meant for could bring it here.
    ///
    /// `azp` of a person's token is the client that asked for it, which has to be us (OpenID Connect Core, section
    /// 3.1.3.7, 4 and 5). Of a workload's, some issuers say by it who the workload is.
    fn is_for(&self, expected: &Expected<'_>) -> Result<(), TokenFault> {
        let audience = match self.value("aud") {
            Some(Value::String(one)) => one.as_str(),
            Some(Value::Array(many)) => match many.as_slice() {
                [Value::String(one)] => one.as_str(),
                _ => return Err(TokenFault::Audience),
            },
            _ => return Err(TokenFault::Claim("aud")),
        };
        let is_asked_for_by_us = matches!(expected.of, Of::Workload)
            || self.text("azp")?.is_none_or(|party| party == expected.audience);
        match audience == expected.audience && is_asked_for_by_us {
            true => Ok(()),
            false => Err(TokenFault::Audience),
        }
    }
}
