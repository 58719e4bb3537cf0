//! What a provider says of itself (OpenID Connect Discovery, sections 3 and 4).

use std::time::Duration;

use axum::http::{HeaderMap, Uri, header};
use serde_json::{Map, Value};

use super::endpoint::endpoint;
use super::fault::ProviderFault;
use super::json;

/// The longest description, in bytes.
pub(super) const LONGEST: u64 = 64 * 1024;
/// How long a description is fresh. Little of it ever changes, and an endpoint that moved shows at once.
pub(super) const FRESH_FOR: Duration = Duration::from_secs(60 * 60);
/// How long keys are fresh of which the provider does not say so, and the bounds of what it may say.
const KEYS_FRESH_FOR: Duration = Duration::from_secs(60 * 60);
const LEAST_FRESH: u64 = 60;
const MOST_FRESH: u64 = 24 * 60 * 60;

/// What people's logins need of a provider.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// Where the person's browser goes. It may have a query.
    pub authorization_endpoint: Uri,
    /// Where a code becomes tokens.
    pub token_endpoint: Uri,
    /// Where a login is begun that goes on in a browser elsewhere (RFC 8628, section 4), if there is one that may be asked.
    pub device_authorization_endpoint: Option<Uri>,
    /// Whether each answer at the redirect names the issuer, as `iss` (RFC 9207): then it has to, and to be this one.
    pub authorization_response_iss_parameter_supported: bool,
    /// The scopes that may be asked for; none where the provider does not say.
    pub scopes_supported: Vec<String>,
    /// The classes of authentication that may be asked for; none where the provider does not say.
    pub acr_values_supported: Vec<String>,
    /// Whether the client's secret is sent in the form: the provider says how, and not in the header.
    pub(super) secret_in_form: bool,
}

/// A provider's description, as far as it is used.
#[derive(Debug)]
pub struct Discovered {
    /// Where its keys are.
    pub jwks_uri: Uri,
    /// For people. Issuers of workloads' tokens have no endpoints.
    pub metadata: Option<Metadata>,
}

impl Discovered {
    /// The description of `issuer`, with endpoints where people are to log in.
    ///
    /// # Errors
    /// If it is another issuer's, or says nothing that can be used.
    pub fn parse(bytes: &[u8], issuer: &str, for_people: bool) -> Result<Self, ProviderFault> {
        let fault = |what: String| ProviderFault::Answer(format!("its description: {what}"));
        let object = json::object(bytes).map_err(|error| fault(error.to_string()))?;
        let read = Read(&object);
        // Exactly: another issuer's description would have its keys sign for this one.
        if object.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(fault(format!("it is not of the issuer {issuer}, letter by letter")));
        }
        let jwks_uri = read.endpoint("jwks_uri").map_err(fault)?;
        let metadata = match for_people {
            true => Some(Metadata::read(&read).map_err(fault)?),
            false => None,
        };
        Ok(Self { jwks_uri, metadata })
    }
}

impl Metadata {
    fn read(read: &Read<'_>) -> Result<Self, String> {
        let says_no = |name: &'static str, ours: &str| {
            read.0.contains_key(name) && !read.texts(name).iter().any(|it| it == ours)
        };
        if says_no("response_types_supported", "code") {
            return Err("it has no authorization code flow (response_types_supported)".to_owned());
        }
        // Some that can do it don't say so.
        if says_no("code_challenge_methods_supported", "S256") {
            return Err("it has no PKCE with S256 (code_challenge_methods_supported)".to_owned());
        }
        let methods = read.texts("token_endpoint_auth_methods_supported");
        let knows = |method: &str| methods.iter().any(|known| known == method);
        Ok(Self {
            authorization_endpoint: read.endpoint("authorization_endpoint")?,
            token_endpoint: read.endpoint("token_endpoint")?,
            device_authorization_endpoint: read.endpoint("device_authorization_endpoint").ok(),
            authorization_response_iss_parameter_supported: read
                .0
                .get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
            scopes_supported: read.texts("scopes_supported"),
            acr_values_supported: read.texts("acr_values_supported"),
            secret_in_form: knows("client_secret_post") && !knows("client_secret_basic"),
        })
    }
}

struct Read<'a>(&'a Map<String, Value>);

impl Read<'_> {
    fn endpoint(&self, name: &'static str) -> Result<Uri, String> {
        let text = self.0.get(name).and_then(Value::as_str).unwrap_or_default();
        endpoint(text, name, true).map_err(|error| error.to_string())
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let values = self.0.get(name).and_then(Value::as_array).into_iter().flatten();
        values.filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// How long keys are fresh that came with these headers (RFC 9111, section 5.2.2.1).
pub(super) fn keys_fresh_for(headers: &HeaderMap) -> Duration {
    let directives = headers.get_all(header::CACHE_CONTROL).into_iter();
    let mut directives = directives.filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(','));
    let age =
        directives.find_map(|directive| match directive.trim().to_ascii_lowercase().as_str() {
            "no-cache" | "no-store" => Some(0),
            other => other.strip_prefix("max-age=")?.trim_matches('"').parse().ok(),
        });
    age.map_or(KEYS_FRESH_FOR, |secs: u64| Duration::from_secs(secs.clamp(LEAST_FRESH, MOST_FRESH)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://login.example/tenant";

    fn described(
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<Discovered, ProviderFault> {
        let mut text = serde_json::json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://login.example/auth?tenant=a",
            "token_endpoint": "https://login.example/token",
            "device_authorization_endpoint": "https://login.example/device",
            "jwks_uri": "https://keys.example/jwks",
            "response_types_supported": ["code", "id_token"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "acr_values_supported": ["1", "mfa"],
        });
        change(text.as_object_mut().unwrap());
        Discovered::parse(text.to_string().as_bytes(), ISSUER, true)
    }

    #[test]
    fn a_description_is_of_its_issuer_letter_by_letter() {
        let metadata = described(|_| {}).unwrap().metadata.unwrap();
        assert!(metadata.authorization_response_iss_parameter_supported);
        assert_eq!(metadata.acr_values_supported, ["1", "mfa"]);
        for other in [
            "https://login.example/tenant/",
            "https://LOGIN.example/tenant",
            "https://evil.example",
            "",
        ] {
            let fault = described(|it| drop(it.insert("issuer".to_owned(), other.into())));
            assert!(matches!(fault, Err(ProviderFault::Answer(_))), "{other}");
        }
    }

    #[test]
    fn endpoints_are_there_and_are_tls() {
        for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
            for unfit in [
                "http://login.example/x",
                "https://u@login.example/x",
                "https://login.example/#x",
                "",
            ] {
                let fault = described(|it| drop(it.insert(name.to_owned(), unfit.into())));
                assert!(fault.unwrap_err().to_string().contains(name), "{name} {unfit}");
            }
            assert!(described(|it| drop(it.remove(name))).is_err(), "{name}");
        }
        // An issuer of workloads' tokens publishes its keys, and no more.
        let text = format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"https://keys.example/jwks"}}"#);
        assert!(Discovered::parse(text.as_bytes(), ISSUER, false).unwrap().metadata.is_none());
        assert!(Discovered::parse(text.as_bytes(), ISSUER, true).is_err());
    }

    #[test]
    fn a_provider_without_a_fit_device_endpoint_has_none_and_serves_browsers_all_the_same() {
        let name = "device_authorization_endpoint";
        let of = |described: Result<Discovered, _>| {
            described.unwrap().metadata.unwrap().device_authorization_endpoint
        };
        assert_eq!(of(described(|_| {})).unwrap(), "https://login.example/device");
        assert_eq!(of(described(|it| drop(it.remove(name)))), None);
        let unfit = "http://login.example/device".into();
        assert_eq!(of(described(|it| drop(it.insert(name.to_owned(), unfit)))), None);
    }

    #[test]
    fn a_provider_that_says_that_it_has_no_pkce_is_not_used() {
        let plain = serde_json::json!(["plain"]);
        let name = "code_challenge_methods_supported";
        assert!(described(|it| drop(it.insert(name.to_owned(), plain))).is_err());
        assert!(described(|it| drop(it.remove(name))).is_ok());
    }

    #[test]
    fn keys_are_fresh_for_as_long_as_their_server_says_within_bounds() {
        let fresh = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CACHE_CONTROL, text.parse().unwrap());
            keys_fresh_for(&headers).as_secs()
        };
        assert_eq!(fresh("public, max-age=600, must-revalidate"), 600);
        assert_eq!((fresh("max-age=0"), fresh("max-age=31536000")), (60, 86_400));
        assert_eq!(
            (fresh("no-store"), fresh("MAX-AGE=\"120\""), fresh("public")),
            (60, 120, 3_600)
        );
        assert_eq!(keys_fresh_for(&HeaderMap::new()), KEYS_FRESH_FOR);
    }
}
