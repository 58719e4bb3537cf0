//! What goes wrong with a provider: what is said of it, what to do, and whose doing it was.

use super::json::NotAnObject;

/// How much of what a provider says itself is shown.
const LONGEST_SAYING: usize = 200;

/// A call to a provider, or a token, that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderFault {
    /// It is down, or too slow: nothing is known of what was asked.
    #[error("the identity provider is not reached: {0}")]
    Unreachable(String),
    /// It answers something that makes no sense, or that it may not answer.
    #[error("the identity provider's answer can't be used: {0}")]
    Answer(String),
    /// It says no (RFC 6749, section 5.2).
    #[error("the identity provider refuses: {error}{}", description.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused {
        /// The protocol's word for why, such as `invalid_grant`.
        error: String,
        /// What the provider says of it to people, cleaned and shortened.
        description: Option<String>,
    },
    /// The token does not show what it has to.
    #[error("the token is refused: {0}")]
    Token(#[from] TokenFault),
}

/// Whose doing a fault was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// The provider's, or of whoever set it up here: a person can't mend it by logging in once more.
    Provider,
    /// The caller's: another login, or another token, may be taken.
    Caller,
}

/// The errors of RFC 6749 (sections 4.1.2.1 and 5.2), RFC 8628 (section 3.5), OpenID Connect Core (section 3.1.2.6) and its Core Error Code
/// `unmet_authentication_requirements` that a new login may mend.
const MENDED_BY_A_LOGIN: [&str; 8] = [
    "access_denied",
    "account_selection_required",
    "consent_required",
    "expired_token",
    "interaction_required",
    "invalid_grant",
    "login_required",
    "unmet_authentication_requirements",
];

impl ProviderFault {
    /// What the provider answered as an error, in its own words as far as they are fit to be shown.
    pub(super) fn refused(error: &str, description: Option<&str>) -> Self {
        Self::Refused { error: saying(error), description: description.map(saying) }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => {
                "try again soon; logins, grants and certificates that exist go on working"
            }
            Self::Answer(_) => {
                "ask whoever runs the CA: its issuer's settings and the provider don't fit"
            }
            Self::Refused { .. } if self.doing() == Doing::Caller => "log in again",
            Self::Refused { .. } => {
                "ask whoever runs the CA: the provider does not take the client that it is set up with"
            }
            Self::Token(fault) => fault.advice(),
        }
    }

    /// Whose doing it was.
    pub fn doing(&self) -> Doing {
        match self {
            Self::Unreachable(_) | Self::Answer(_) => Doing::Provider,
            Self::Refused { error, .. } if !MENDED_BY_A_LOGIN.contains(&error.as_str()) => {
                Doing::Provider
            }
            Self::Refused { .. } | Self::Token(_) => Doing::Caller,
        }
    }
}

/// What is wrong with a token. No text of the token's own is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// More bytes than any provider has to say.
    #[error("it is longer than {} KiB", super::token::LONGEST / 1024)]
    Long,
    /// Not three parts in base64url.
    #[error("it is not a signed token (JWS in compact form)")]
    Form,
    /// Header or claims.
    #[error("{0}")]
    Json(#[from] NotAnObject),
    /// None, a shared secret's, or one that nobody knows.
    #[error(
        "its algorithm is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA"
    )]
    Algorithm,
    /// `crit` (RFC 7515, section 4.1.11).
    #[error("it has a header that has to be understood, and is not")]
    Critical,
    /// `typ`: an access token, a logout token, a request (RFC 8725, section 3.11).
    #[error("it is a token of another type")]
    Type,
    /// The issuer's set has no such key.
    #[error("it is signed by no key that its issuer publishes")]
    NoKey,
    /// The issuer's set has several.
    #[error("its issuer publishes several keys that it could be signed by")]
    ManyKeys,
    /// The key is of another kind, or published for another algorithm.
    #[error("its algorithm is not that of its issuer's key")]
    KeyAlgorithm,
    /// Of other bytes, or by another key.
    #[error("its signature is wrong")]
    Signature,
    /// A claim is missing, or of another shape than it has to be.
    #[error("its claim {0} is missing or malformed")]
    Claim(&'static str),
    /// `iss`.
    #[error("it is another issuer's")]
    Issuer,
    /// `aud` and `azp`.
    #[error("it is not meant for this CA, or not for this CA alone")]
    Audience,
    /// `exp`.
    #[error("it has expired")]
    Expired,
    /// `nbf`, `iat` or `auth_time`.
    #[error("it is from the future")]
    Future,
    /// `iat`.
    #[error("it was issued too long ago")]
    Old,
    /// `exp`, again.
    #[error("it is valid for more than a day")]
    Lasting,
    /// `nonce`.
    #[error("it was issued for another login")]
    Nonce,
}

impl TokenFault {
    fn advice(self) -> &'static str {
        match self {
            Self::NoKey => {
                "if the issuer has just changed its keys, try again in half a minute with a new token"
            }
            Self::Expired | Self::Old => {
                "try again with a new token; if it was new, compare the clocks"
            }
            Self::Future => "compare the issuer's clock and the CA's",
            Self::Audience => {
                "have the issuer make a token whose only audience is the one in the issuer's settings"
            }
            Self::Issuer => {
                "the issuer's settings name the issuer exactly as the claim iss does: compare them"
            }
            Self::Lasting => "have the issuer make a token for minutes",
            _ => "log in again, or bring another token; if it stays so, ask whoever runs the CA",
        }
    }
}

/// What somebody else says, in one line and as nothing but text: no control characters, and none that turn what
/// stands around them.
fn saying(text: &str) -> String {
    let is_shown = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    let shown = text.chars().map(|c| if is_shown(c) { c } else { ' ' }).take(LONGEST_SAYING);
    shown.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_says_is_one_line_of_text() {
        let fault = ProviderFault::refused(
            "invalid_grant",
            Some("grant\x1b[2J\r\nis\u{202e} over\u{200b}\u{7f} Gültig bis früher"),
        );
        assert_eq!(
            fault.to_string(),
            "the identity provider refuses: invalid_grant: grant [2J is over Gültig bis früher"
        );
        let long = ProviderFault::refused(&"ü".repeat(5_000), None);
        assert_eq!(long.to_string().matches('ü').count(), LONGEST_SAYING);
    }

    #[test]
    fn a_login_mends_what_is_the_persons() {
        let doing = |error| ProviderFault::refused(error, None).doing();
        assert_eq!(
            (doing("invalid_grant"), doing("access_denied")),
            (Doing::Caller, Doing::Caller)
        );
        assert_eq!(doing("expired_token"), Doing::Caller);
        assert_eq!((doing("invalid_client"), doing("what")), (Doing::Provider, Doing::Provider));
        assert_eq!(ProviderFault::Token(TokenFault::Nonce).doing(), Doing::Caller);
        assert_eq!(ProviderFault::Unreachable(String::new()).doing(), Doing::Provider);
    }
}
