//! Others' signatures, and a matrix of what tokens may not be: each row is one way of having somebody else's token, or
//! none, taken for a good one.

mod claims;
mod header;
mod keys;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_core::{Span, UnixTime};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _,
};
use serde_json::{Value, json};

use super::key::KeySet;
use super::token::Token;
use super::*;

const ISSUER: &str = "https://login.example";
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const PERSON: Expected<'_> = Expected { audience: "jit-ca", of: Of::Login { nonce: "n-1" } };
const WORKLOAD: Expected<'_> = Expected { audience: "jit-ca", of: Of::Workload };
const CURVE: &EcdsaSigningAlgorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;

/// A key of an issuer's, on P-256.
struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(CURVE, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(CURVE, pkcs8.as_ref(), &SystemRandom::new());
        Self(pair.unwrap())
    }

    fn jwk(&self, kid: &str) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": b64(x), "y": b64(y)})
    }

    fn sign(&self, header: &Value, payload: &str) -> String {
        let signed = format!("{}.{}", b64(header.to_string().as_bytes()), b64(payload.as_bytes()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", b64(signature.as_ref()))
    }

    /// A good token but for this.
    fn token(&self, change: impl FnOnce(&mut Map<String, Value>)) -> String {
        let mut claims = claims();
        change(&mut claims);
        self.sign(&header(), &Value::Object(claims).to_string())
    }
}

fn b64(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

fn header() -> Value {
    json!({"alg": "ES256", "typ": "JWT", "kid": "k1"})
}

fn claims() -> Map<String, Value> {
    let now = NOW.secs();
    let claims = json!({
        "iss": ISSUER, "sub": "alice", "aud": "jit-ca", "exp": now + 300, "iat": now - 5, "nonce": "n-1",
        "acr": "mfa", "amr": ["pwd", "otp"], "auth_time": now - 60, "email": "a@example.org",
        "email_verified": true, "groups": ["dev"],
    });
    claims.as_object().unwrap().clone()
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn provider(keys: &[Value]) -> Provider {
    let settings = Settings {
        issuer: ISSUER.to_owned(),
        client: None,
        keys: KeysFrom::Inline(set(keys)),
        ca_file: PathBuf::new(),
    };
    Provider::new(settings).unwrap()
}

/// Why a token is refused.
fn why(provider: &Provider, token: &str, expected: &Expected<'_>) -> TokenFault {
    match provider.verify(token, expected, NOW) {
        Err(ProviderFault::Token(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn signatures_that_rfcs_show_are_good_and_any_other_bit_makes_them_bad() {
    let examples: Vec<Value> = serde_json::from_str(include_str!("tests/rfc.json")).unwrap();
    assert_eq!(examples.len(), 5);
    for example in &examples {
        let where_ = &example["where"];
        let keys = KeySet::parse(set(&[example["key"].clone()]).as_bytes()).unwrap();
        let text = example["token"].as_str().unwrap();
        let verified = Token::read(text).unwrap().verify(&keys);
        // Payloads of two are a sentence: past the signature there are no claims.
        let is_good = matches!(verified, Ok(_) | Err(TokenFault::Json(_)));
        assert!(is_good, "{where_} {verified:?}");

        let (signed, signature) = text.rsplit_once('.').unwrap();
        let mut bytes = Base64UrlUnpadded::decode_vec(signature).unwrap();
        bytes[7] ^= 1;
        let text = format!("{signed}.{}", b64(&bytes));
        let verified = Token::read(&text).unwrap().verify(&keys);
        assert_eq!(verified.unwrap_err(), TokenFault::Signature, "{where_}");
    }
}

#[test]
fn a_good_token_says_who_and_how() {
    let signer = Signer::new();
    let provider = provider(&[signer.jwk("k1")]);
    let token = signer.token(|_| {});
    let claims = provider.verify(&token, &PERSON, NOW).unwrap();
    assert_eq!((claims.iss.as_str(), claims.sub.as_str()), (ISSUER, "alice"));
    assert_eq!((claims.acr.as_deref(), claims.amr.join(" ").as_str()), (Some("mfa"), "pwd otp"));
    assert_eq!(claims.auth_time, Some(NOW.minus(Span::from_secs(60))));
    assert_eq!((claims.email.as_deref(), claims.email_verified), (Some("a@example.org"), true));
    assert_eq!(claims.all["groups"], json!(["dev"]));
    for of in [Of::Refresh, Of::Workload] {
        assert!(provider.verify(&token, &Expected { audience: "jit-ca", of }, NOW).is_ok());
    }
    // Only what the provider calls true is.
    let claimed = signer.token(|it| drop(it.insert("email_verified".to_owned(), "true".into())));
    assert!(!provider.verify(&claimed, &PERSON, NOW).unwrap().email_verified);
}

/// The same `sub` with two issuers is two subjects, and neither's key signs for the other.
#[test]
fn an_issuer_signs_for_itself_alone() {
    let (ours, theirs) = (Signer::new(), Signer::new());
    let provider = provider(&[ours.jwk("k1")]);
    let as_theirs = |it: &mut Map<String, Value>| {
        it.insert("iss".to_owned(), "https://other.example".into());
    };
    assert_eq!(why(&provider, &theirs.token(|_| {}), &PERSON), TokenFault::Signature);
    assert_eq!(why(&provider, &theirs.token(as_theirs), &PERSON), TokenFault::Signature);
    assert_eq!(why(&provider, &ours.token(as_theirs), &PERSON), TokenFault::Issuer);
}

#[test]
fn an_issuer_that_can_not_be_asked_is_not_set_up() {
    let with = |issuer: &str, keys| {
        let client = Some(Client { id: "jit-ca".to_owned(), secret: None });
        let ca_file = PathBuf::from("/nonexistent");
        Provider::new(Settings { issuer: issuer.to_owned(), client, keys, ca_file })
    };
    for issuer in [
        "login.example",
        "http://login.example",
        "https://login.example/#a",
        "https://login.example?a",
    ] {
        let failure = with(issuer, KeysFrom::Discovery).unwrap_err().to_string();
        assert!(failure.contains(issuer) && failure.contains("https://"), "{failure}");
    }
    let failure = with(ISSUER, KeysFrom::Discovery).unwrap_err().to_string();
    assert!(failure.contains("/nonexistent"), "{failure}");
    let failure = with("", KeysFrom::Inline("{}".to_owned())).unwrap_err().to_string();
    assert!(failure.contains("no name"), "{failure}");
    let failure = with(ISSUER, KeysFrom::Inline("{}".to_owned())).unwrap_err().to_string();
    assert!(failure.contains("JWK set"), "{failure}");
}
