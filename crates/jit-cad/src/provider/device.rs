//! A login that begins on a machine without a browser, and goes on in one elsewhere (RFC 8628).

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, TryLockError};

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::endpoint::endpoint;
use super::fault::ProviderFault;
use super::{Provider, Tokens, text};

/// How long to wait between two questions where the provider does not say (section 3.2), in seconds.
const USUAL_INTERVAL: u64 = 5;
/// The longest wait that is taken for one, in seconds: as long as a login can be finished.
const LONGEST_INTERVAL: u64 = 600;
/// The longest code that is shown to a person, in bytes.
const LONGEST_CODE: usize = 64;

/// What is asked of the provider (section 3.1, and OpenID Connect Core, section 3.1.2.1).
#[derive(Clone, Copy, Debug)]
pub struct DeviceRequest<'a> {
    /// What is asked for beside `openid`.
    pub scopes: &'a [String],
    /// What the token has to bear, where the provider gives it a nonce at all.
    pub nonce: &'a str,
    /// The classes of authentication that are wanted; none if there is no wish.
    pub acr_values: &'a [String],
    /// How long ago the provider may have seen the person, in seconds.
    pub max_age: u64,
}

/// What the provider answers (section 3.2).
#[derive(Clone)]
pub struct DeviceAuthorization {
    /// By which it is asked how far the login has come.
    pub device_code: Arc<DeviceCode>,
    /// By which the person names the login there.
    pub user_code: String,
    /// Where the browser goes, with the code where the provider takes one.
    pub verification_uri: String,
    /// For how long both codes are good, in seconds.
    pub expires_in: u64,
    /// How long to wait between two questions, in seconds.
    pub interval: u64,
}

/// A device code, and the tokens that it was worth. The provider gives them once: what comes after them may fail and be
/// tried again, so they are kept here. Both are secrets of ours.
pub struct DeviceCode {
    code: Zeroizing<String>,
    tokens: OnceLock<Tokens>,
    /// Held while the provider is asked: of two who ask at once, one would be told that the code is spent.
    asking: Mutex<()>,
}

/// What a device code is worth now (section 3.5).
pub enum Redeemed {
    /// The person has signed on.
    Tokens(Tokens),
    /// Not yet; with `slower`, it is asked too often.
    NotYet {
        /// Whether to wait for longer from here on.
        slower: bool,
    },
}

impl Provider {
    /// Begins a login that goes on in a browser elsewhere (section 3.1).
    ///
    /// # Errors
    /// As the provider answers, or does not; or if it has no such logins.
    pub fn begin_device(
        &self,
        request: &DeviceRequest<'_>,
    ) -> Result<DeviceAuthorization, ProviderFault> {
        let metadata = self.metadata()?;
        let Some(endpoint) = &metadata.device_authorization_endpoint else {
            let what = "its description: it has no login by device code (device_authorization_endpoint, RFC 8628)";
            return Err(ProviderFault::Answer(what.to_owned()));
        };
        let scope = [&["openid".to_owned()], request.scopes].concat().join(" ");
        let (acr_values, max_age) = (request.acr_values.join(" "), request.max_age.to_string());
        let mut form =
            vec![("scope", scope.as_str()), ("nonce", request.nonce), ("max_age", &max_age)];
        if !acr_values.is_empty() {
            form.push(("acr_values", &acr_values));
        }
        DeviceAuthorization::read(self.send(endpoint, &metadata, &form)?)
    }

    /// Asks how far such a login has come (section 3.4), until there are tokens: from then on it gives those.
    ///
    /// # Errors
    /// As the provider answers, or does not: `access_denied` and `expired_token` are its last word.
    pub fn redeem_device(&self, device_code: &DeviceCode) -> Result<Redeemed, ProviderFault> {
        let _alone = match device_code.asking.try_lock() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(alone)) => alone.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(Redeemed::NotYet { slower: false }),
        };
        if let Some(tokens) = device_code.tokens.get() {
            return Ok(Redeemed::Tokens(tokens.clone()));
        }
        let answer = self.tokens(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", &device_code.code),
        ]);
        match answer {
            Ok(answer) => {
                let tokens = Tokens::read(answer)?;
                Ok(Redeemed::Tokens(device_code.tokens.get_or_init(|| tokens).clone()))
            }
            Err(ProviderFault::Refused { error, description }) => match error.as_str() {
                "authorization_pending" => Ok(Redeemed::NotYet { slower: false }),
                "slow_down" => Ok(Redeemed::NotYet { slower: true }),
                _ => Err(ProviderFault::Refused { error, description }),
            },
            Err(fault) => Err(fault),
        }
    }
}

impl DeviceCode {
    /// One that nobody has asked about yet.
    pub fn new(code: String) -> Self {
        Self { code: Zeroizing::new(code), tokens: OnceLock::new(), asking: Mutex::new(()) }
    }

    /// Whether the provider has given its tokens.
    pub fn has_tokens(&self) -> bool {
        self.tokens.get().is_some()
    }
}

/// Without what opens anything.
impl fmt::Debug for DeviceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_tokens = self.has_tokens();
        f.debug_struct("DeviceCode").field("has_tokens", &has_tokens).finish_non_exhaustive()
    }
}

impl DeviceAuthorization {
    fn read(mut answer: Map<String, Value>) -> Result<Self, ProviderFault> {
        let fault =
            |what: &str| ProviderFault::Answer(format!("to a login by device code: {what}"));
        let is_shown = |code: &String| {
            code.len() <= LONGEST_CODE && code.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        };
        let is_fit = |uri: &String| endpoint(uri, "verification_uri", true).is_ok();
        let number = |name: &str| answer.get(name).and_then(Value::as_u64);
        let expires_in = number("expires_in").ok_or_else(|| fault("it has no expires_in"))?;
        let interval = number("interval").unwrap_or(USUAL_INTERVAL).clamp(1, LONGEST_INTERVAL);
        let device_code =
            text(&mut answer, "device_code").map(|code| Arc::new(DeviceCode::new(code)));
        let user_code = text(&mut answer, "user_code").filter(is_shown);
        // The one with the code in it need not be there (section 3.3.1).
        let whole = text(&mut answer, "verification_uri_complete").filter(is_fit);
        let plain = text(&mut answer, "verification_uri").filter(is_fit);
        Ok(Self {
            device_code: device_code.ok_or_else(|| fault("it has no device_code"))?,
            user_code: user_code.ok_or_else(|| fault("it has no user_code that can be shown"))?,
            verification_uri: whole
                .or(plain)
                .ok_or_else(|| fault("it has no verification_uri that is https://"))?,
            expires_in,
            interval,
        })
    }
}

/// Without what opens anything.
impl fmt::Debug for DeviceAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceAuthorization")
            .field("expires_in", &self.expires_in)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The example of section 3.2, with these fields in place of its own.
    fn answered(change: &Value) -> Result<DeviceAuthorization, ProviderFault> {
        let mut answer = json!({
            "device_code": "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS",
            "user_code": "WDJB-MJHT",
            "verification_uri": "https://example.com/device",
            "verification_uri_complete": "https://example.com/device?user_code=WDJB-MJHT",
            "expires_in": 1800,
            "interval": 7,
        });
        let answer = answer.as_object_mut().unwrap();
        answer.extend(change.as_object().unwrap().clone());
        DeviceAuthorization::read(answer.clone())
    }

    #[test]
    fn an_answer_is_read_as_the_standard_has_it() {
        let whole = answered(&json!({})).unwrap();
        assert_eq!(whole.verification_uri, "https://example.com/device?user_code=WDJB-MJHT");
        assert_eq!((whole.expires_in, whole.interval), (1800, 7));
        let least = json!({"verification_uri_complete": null, "interval": null});
        let least = answered(&least).unwrap();
        assert_eq!(least.verification_uri, "https://example.com/device");
        assert_eq!(least.interval, 5);
        assert!(!format!("{least:?} {:?}", least.device_code).contains("GmRhm"));
        for (said, taken) in [(0, 1), (600, 600), (601, 600), (u64::MAX, 600)] {
            assert_eq!(answered(&json!({"interval": said})).unwrap().interval, taken);
        }
    }

    #[test]
    fn no_browser_is_sent_where_it_may_not_go() {
        for unfit in ["javascript:alert(1)", "http://example.com/device", "//example.com", ""] {
            let change = json!({"verification_uri": unfit, "verification_uri_complete": unfit});
            assert!(answered(&change).is_err(), "{unfit}");
            let change = json!({"verification_uri_complete": unfit});
            let fallen_back = answered(&change).unwrap().verification_uri;
            assert_eq!(fallen_back, "https://example.com/device", "{unfit}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for name in ["device_code", "user_code", "expires_in"] {
            let fault = answered(&json!({name: null})).unwrap_err().to_string();
            assert!(fault.contains(name), "{fault}");
        }
        assert!(answered(&json!({"user_code": "AB\u{1b}[2J"})).is_err());
        assert!(answered(&json!({"user_code": "A".repeat(65)})).is_err());
    }
}
