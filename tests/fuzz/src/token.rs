//! Tokens and their issuers' keys. Strangers can't sign, so what lies behind a signature is signed here.

use std::path::PathBuf;
use std::sync::OnceLock;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_core::UnixTime;
use jit_cad::provider::{Claims, Expected, KeysFrom, Of, Provider, ProviderFault, Settings};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

const ISSUER: &str = "https://login.example";
const NOW: u64 = 1_800_000_000;

/// The issuer's key, which no fuzzer finds a signature of.
fn pair() -> &'static Ed25519KeyPair {
    static PAIR: OnceLock<Ed25519KeyPair> = OnceLock::new();
    PAIR.get_or_init(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed of 32 bytes"))
}

fn b64(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

fn provider(keys: &str) -> Option<Provider> {
    let settings = Settings {
        issuer: ISSUER.to_owned(),
        client: None,
        keys: KeysFrom::Inline(keys.to_owned()),
        ca_file: PathBuf::new(),
    };
    Provider::new(settings).ok()
}

fn own() -> &'static Provider {
    static OWN: OnceLock<Provider> = OnceLock::new();
    OWN.get_or_init(|| {
        let x = b64(pair().public_key().as_ref());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x}]});
        provider(&keys.to_string()).expect("a good set")
    })
}

fn signed(header: &[u8], payload: &[u8]) -> String {
    let signed = format!("{}.{}", b64(header), b64(payload));
    let signature = pair().sign(signed.as_bytes());
    format!("{signed}.{}", b64(signature.as_ref()))
}

fn verify(provider: &Provider, token: &str, of: Of<'_>) -> Result<Claims, ProviderFault> {
    let expected = Expected { audience: "jit-ca", of };
    provider.verify(token, &expected, UnixTime::from_secs(NOW))
}

/// A whole token as it comes. Nobody can sign it, so none is good.
pub(crate) fn jws(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    assert!(verify(own(), text, Of::Workload).is_err(), "a token that nobody signed");
}

/// The header of a token whose signature is right.
pub(crate) fn header(bytes: &[u8]) {
    if !accepts_header(bytes) {
        return;
    }
    // As another reader has it.
    let header: Value = serde_json::from_slice(bytes).expect("JSON");
    assert!(matches!(header["alg"].as_str(), Some("EdDSA" | "Ed25519")));
    assert!(header.get("crit").is_none());
    assert!(header.get("kid").is_none_or(|kid| kid == "k1"));
}

pub(crate) fn accepts_header(bytes: &[u8]) -> bool {
    let payload = json!({"iss": ISSUER, "sub": "a", "aud": "jit-ca", "exp": NOW + 60});
    let token = signed(bytes, payload.to_string().as_bytes());
    verify(own(), &token, Of::Workload).is_ok()
}

/// The claims of a token whose signature is right.
pub(crate) fn claims(bytes: &[u8]) {
    let token = signed(br#"{"alg":"EdDSA","kid":"k1"}"#, bytes);
    let provider = own();
    for of in [Of::Login { nonce: "n-1" }, Of::Refresh, Of::Workload] {
        let Ok(claims) = verify(provider, &token, of) else { continue };
        // As another reader has them.
        let read: Value = serde_json::from_slice(bytes).expect("JSON");
        assert_eq!(Value::Object(claims.all), read);
        assert_eq!((read["iss"].as_str(), claims.iss.as_str()), (Some(ISSUER), ISSUER));
        assert_eq!(read["sub"].as_str(), Some(claims.sub.as_str()));
        assert!(read["aud"] == "jit-ca" || read["aud"] == json!(["jit-ca"]));
        assert!((1..=255).contains(&claims.sub.len()) && claims.sub.is_ascii());
        assert!(!claims.sub.contains(|c: char| c.is_ascii_control()));
        assert!(claims.exp.secs() + 60 > NOW);
        assert!(claims.iat.is_none_or(|iat| iat.secs() <= NOW + 60));
        assert!(!matches!(of, Of::Login { .. }) || read["nonce"] == "n-1");
    }
}

#[cfg(test)]
pub(crate) fn accepts_claims(bytes: &[u8]) -> bool {
    let token = signed(br#"{"alg":"EdDSA","kid":"k1"}"#, bytes);
    verify(own(), &token, Of::Login { nonce: "n-1" }).is_ok()
}

/// An issuer's set of keys. Where our token is good by it, our key is in it.
pub(crate) fn jwks(bytes: &[u8]) {
    if accepts_jwks(bytes) {
        let set: Value = serde_json::from_slice(bytes).expect("JSON");
        let x = b64(pair().public_key().as_ref());
        let keys = set["keys"].as_array().expect("keys");
        assert!(keys.iter().any(|key| key["x"] == x.as_str() && key.get("d").is_none()));
    }
}

pub(crate) fn accepts_jwks(bytes: &[u8]) -> bool {
    let Some(provider) = std::str::from_utf8(bytes).ok().and_then(provider) else { return false };
    let payload = json!({"iss": ISSUER, "sub": "a", "aud": "jit-ca", "exp": NOW + 60}).to_string();
    let by = |header: &[u8]| signed(header, payload.as_bytes());
    let named = verify(&provider, &by(br#"{"alg":"EdDSA","kid":"k1"}"#), Of::Workload);
    // By each of the others a signature of ours is somebody else's.
    for alg in ["RS256", "PS512", "ES256", "ES384"] {
        let header = json!({"alg": alg, "kid": "k1"}).to_string();
        assert!(verify(&provider, &by(header.as_bytes()), Of::Workload).is_err());
    }
    named.or_else(|_| verify(&provider, &by(br#"{"alg":"EdDSA"}"#), Of::Workload)).is_ok()
}
