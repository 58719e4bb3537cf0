//! Others' signatures, and a matrix of what tokens may not be: each row is one way of having somebody else's token, or
//! none, taken for a good one.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_core::{Span, UnixTime};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
    KeyPair as _,
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

#[test]
fn a_token_whose_signature_is_written_otherwise_is_the_same_token() {
    let signer = Signer::new();
    let provider = provider(&[signer.jwk("k1")]);
    let claims = claims();
    let text = Value::Object(claims).to_string();
    let (one, other) = (signer.sign(&header(), &text), signer.sign(&header(), &text));
    assert_ne!(one, other);
    let digest = |token: &str| provider.verify(token, &PERSON, NOW).unwrap().digest;
    assert_eq!(digest(&one), digest(&other));
    assert_ne!(
        digest(&one),
        digest(&signer.token(|it| drop(it.insert("jti".to_owned(), "2".into()))))
    );
}

#[test]
fn the_header_does_not_choose_how_it_is_verified() {
    let signer = Signer::new();
    let jwk = signer.jwk("k1");
    let provider = provider(std::slice::from_ref(&jwk));
    let text = Value::Object(claims()).to_string();
    let with = |name: &str, value: Value| {
        let mut header = header();
        header[name] = value;
        signer.sign(&header, &text)
    };
    let none = |alg: &str| {
        let header = json!({"alg": alg, "kid": "k1"}).to_string();
        format!("{}.{}.", b64(header.as_bytes()), b64(text.as_bytes()))
    };
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        assert_eq!(why(&provider, &none(alg), &PERSON), TokenFault::Algorithm, "{alg}");
    }
    // The public key as a shared secret, in the forms that it is had in.
    let point = signer.0.public_key().as_ref().to_vec();
    for secret in [point, jwk.to_string().into_bytes(), set(&[jwk]).into_bytes(), Vec::new()] {
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": "k1"}).to_string();
        let signed = format!("{}.{}", b64(header.as_bytes()), b64(text.as_bytes()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
        let token = format!("{signed}.{}", b64(tag.as_ref()));
        assert_eq!(why(&provider, &token, &PERSON), TokenFault::Algorithm);
    }
    // Of another kind of key, and of another curve's.
    for alg in ["RS256", "PS256", "ES384", "EdDSA"] {
        assert_eq!(why(&provider, &with("alg", alg.into()), &PERSON), TokenFault::KeyAlgorithm);
    }
    for alg in ["ES512", "ES256K", "RS1", "HS512", "A128KW", "es256"] {
        assert_eq!(why(&provider, &with("alg", alg.into()), &PERSON), TokenFault::Algorithm);
    }
    assert_eq!(why(&provider, &with("alg", json!(["ES256"])), &PERSON), TokenFault::Form);

    // Where a token says where its key is, nobody looks.
    let other = Signer::new();
    for (name, value) in [
        ("jwk", other.jwk("k1")),
        ("jku", "https://evil.example/jwks".into()),
        ("x5u", "https://evil.example/x5u".into()),
        ("x5c", json!(["MIIB"])),
    ] {
        let mut header = header();
        header[name] = value.clone();
        assert_eq!(why(&provider, &other.sign(&header, &text), &PERSON), TokenFault::Signature);
        assert!(provider.verify(&with(name, value), &PERSON, NOW).is_ok(), "{name}");
    }
    for crit in [json!(["b64"]), json!([]), json!(null)] {
        assert_eq!(why(&provider, &with("crit", crit), &PERSON), TokenFault::Critical);
    }
    for other_type in ["at+jwt", "application/at+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt"] {
        assert_eq!(why(&provider, &with("typ", other_type.into()), &PERSON), TokenFault::Type);
    }
    for same_type in ["jwt", "JOSE"] {
        assert!(provider.verify(&with("typ", same_type.into()), &PERSON, NOW).is_ok());
    }
}

#[test]
fn a_kid_is_a_name_and_nothing_else() {
    let (signer, other) = (Signer::new(), Signer::new());
    let text = Value::Object(claims()).to_string();
    let with = |kid: Value| signer.sign(&json!({"alg": "ES256", "kid": kid}), &text);
    let one = provider(&[signer.jwk("k1"), json!({"kty": "oct", "kid": "hs", "k": "AAAA"})]);
    let tricks = [
        "../../../../dev/null",
        "/dev/null",
        "k1' OR '1'='1",
        "k1\u{0}",
        "K1",
        "k1 ",
        "",
        "hs",
        "https://evil.example/key",
        "$(id)",
    ];
    for kid in tricks {
        assert_eq!(why(&one, &with(kid.into()), &PERSON), TokenFault::NoKey, "{kid}");
    }
    for kid in [json!(1), json!(null), json!(["k1"]), json!({"k1": 1})] {
        assert_eq!(why(&one, &with(kid), &PERSON), TokenFault::Form);
    }
    // Without a name it is the only key that fits.
    let unnamed = signer.sign(&json!({"alg": "ES256"}), &text);
    assert!(one.verify(&unnamed, &PERSON, NOW).is_ok());
    let two = provider(&[signer.jwk("k1"), other.jwk("k2")]);
    assert_eq!(why(&two, &unnamed, &PERSON), TokenFault::ManyKeys);
    assert!(two.verify(&with("k1".into()), &PERSON, NOW).is_ok());
    assert_eq!(why(&two, &with("k2".into()), &PERSON), TokenFault::Signature);
    // A name that two keys have is none.
    let twins = provider(&[signer.jwk("k1"), other.jwk("k1")]);
    assert_eq!(why(&twins, &with("k1".into()), &PERSON), TokenFault::ManyKeys);
}

#[test]
fn keys_that_are_weak_private_or_for_something_else_verify_nothing() {
    let signer = Signer::new();
    let token = signer.token(|_| {});
    let good = Signer::new().jwk("other");
    let with = |name: &str, value: Value| {
        let mut jwk = signer.jwk("k1");
        jwk[name] = value;
        provider(&[jwk, good.clone()])
    };
    for (name, value) in [
        ("use", json!("enc")),
        ("use", json!(null)),
        ("key_ops", json!(["encrypt"])),
        ("key_ops", json!("verify")),
        ("d", json!("AA")),
        ("kid", json!(1)),
        ("alg", json!("ES384X")),
        ("alg", json!("HS256")),
        ("kty", json!("RSA")),
        ("crv", json!("P-521")),
        ("x", json!("AA")),
        ("y", json!(null)),
    ] {
        let fault = why(&with(name, value.clone()), &token, &PERSON);
        assert_eq!(fault, TokenFault::NoKey, "{name} {value}");
    }
    assert!(with("key_ops", json!(["verify"])).verify(&token, &PERSON, NOW).is_ok());
    assert!(with("alg", json!("ES256")).verify(&token, &PERSON, NOW).is_ok());
    // Not on the curve.
    assert_eq!(why(&with("x", b64(&[1; 32]).into()), &token, &PERSON), TokenFault::Signature);

    let rsa = |bytes: usize, first: u8| {
        let n = [vec![first], vec![0xff; bytes - 1]].concat();
        KeySet::parse(set(&[json!({"kty": "RSA", "n": b64(&n), "e": "AQAB"})]).as_bytes())
    };
    assert!(rsa(256, 0x80).is_ok());
    assert!(rsa(256, 0x7f).is_err(), "2047 bits");
    assert!(rsa(128, 0xff).is_err() && rsa(1025, 1).is_err());
    for none in [
        "",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[]}"#,
        r#"{"keys":[1]}"#,
        r#"{"keys":[],"keys":[]}"#,
    ] {
        assert!(KeySet::parse(none.as_bytes()).is_err(), "{none}");
    }
    let many: Vec<Value> = (0..101).map(|_| good.clone()).collect();
    assert!(KeySet::parse(set(&many).as_bytes()).is_err());
    assert!(KeySet::parse(set(&many[1..]).as_bytes()).is_ok());
}

#[test]
fn ed25519_by_either_of_its_names() {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let x = b64(pair.public_key().as_ref());
    let provider = provider(&[json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x})]);
    for alg in ["EdDSA", "Ed25519"] {
        let header = json!({"alg": alg, "kid": "k1"}).to_string();
        let claims = Value::Object(claims()).to_string();
        let signed = format!("{}.{}", b64(header.as_bytes()), b64(claims.as_bytes()));
        let token = format!("{signed}.{}", b64(pair.sign(signed.as_bytes()).as_ref()));
        assert!(provider.verify(&token, &PERSON, NOW).is_ok(), "{alg}");
    }
}

#[test]
fn what_is_no_token_is_none() {
    let signer = Signer::new();
    let provider = provider(&[signer.jwk("k1")]);
    let token = signer.token(|_| {});
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (head, payload) = signed.split_once('.').unwrap();
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c.d",
        head,
        signed,
        &format!("{token}."),
        &format!(".{token}"),
        &format!("{token}="),
        &format!(" {token}"),
        &format!("{token}\n"),
        &format!("{head}.{payload}"),
        &format!("{head}.{payload}.{signature}.{signature}"),
        "{\"payload\":\"\",\"signatures\":[]}",
        "é.é.é",
    ] {
        assert!(
            matches!(provider.verify(text, &PERSON, NOW), Err(ProviderFault::Token(_))),
            "{text}"
        );
    }
    // Another last letter for the same bytes (RFC 4648, section 3.5).
    let last = signature.chars().last().unwrap();
    let index = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = index.find(last).unwrap();
    let other = index.chars().nth(place ^ 1).unwrap();
    let text = format!("{}{other}", token.strip_suffix(last).unwrap());
    assert_eq!(why(&provider, &text, &PERSON), TokenFault::Form);

    let with_length = |length: usize| {
        signer.token(|it| drop(it.insert("long".to_owned(), "x".repeat(length).into())))
    };
    assert!(provider.verify(&with_length(11_000), &PERSON, NOW).is_ok());
    assert_eq!(why(&provider, &with_length(12_300), &PERSON), TokenFault::Long);
    assert_eq!(why(&provider, &"a".repeat(100_000_000), &PERSON), TokenFault::Long);
}

#[test]
fn members_that_stand_there_twice_are_refused() {
    let signer = Signer::new();
    let provider = provider(&[signer.jwk("k1")]);
    let text = Value::Object(claims()).to_string();
    let twice = text.replacen('{', r#"{"sub":"bob","#, 1);
    let fault = why(&provider, &signer.sign(&header(), &twice), &PERSON);
    assert_eq!(fault, TokenFault::Json(NotAnObject));
    let head = b64(br#"{"alg":"none","alg":"ES256","kid":"k1"}"#);
    let token = signer.sign(&header(), &text);
    let token = format!("{head}.{}", token.split_once('.').unwrap().1);
    assert_eq!(why(&provider, &token, &PERSON), TokenFault::Json(NotAnObject));
    for payload in ["", "[]", "null", "\"alice\"", "{"] {
        let fault = why(&provider, &signer.sign(&header(), payload), &PERSON);
        assert_eq!(fault, TokenFault::Json(NotAnObject), "{payload}");
    }
}

#[test]
fn claims_are_for_us_for_now_and_for_this_login() {
    let signer = Signer::new();
    let provider = provider(&[signer.jwk("k1")]);
    let now = NOW.secs();
    let (person, workload) = (Some(PERSON), Some(WORKLOAD));
    // A claim, what it says, whose token it is, and why it is refused; `None` for both people and workloads.
    let rows = [
        ("iss", json!("https://login.example/"), None, TokenFault::Issuer),
        ("iss", json!("https://evil.example"), None, TokenFault::Issuer),
        ("iss", json!(["https://login.example"]), None, TokenFault::Claim("iss")),
        ("iss", json!(null), None, TokenFault::Claim("iss")),
        ("aud", json!("other"), None, TokenFault::Audience),
        ("aud", json!("jit-ca "), None, TokenFault::Audience),
        ("aud", json!(["jit-ca", "other"]), None, TokenFault::Audience),
        ("aud", json!(["other", "jit-ca"]), None, TokenFault::Audience),
        ("aud", json!([]), None, TokenFault::Audience),
        ("aud", json!([["jit-ca"]]), None, TokenFault::Audience),
        ("aud", json!(null), None, TokenFault::Claim("aud")),
        ("aud", json!({"jit-ca": 1}), None, TokenFault::Claim("aud")),
        ("azp", json!("other"), person, TokenFault::Audience),
        ("exp", json!(now - 60), None, TokenFault::Expired),
        ("exp", json!(0), None, TokenFault::Expired),
        ("exp", json!(-1), None, TokenFault::Claim("exp")),
        ("exp", json!("1900000000"), None, TokenFault::Claim("exp")),
        ("exp", json!(null), None, TokenFault::Claim("exp")),
        ("exp", json!(now + 24 * 3600 + 61), workload, TokenFault::Lasting),
        ("exp", json!(u64::MAX), workload, TokenFault::Lasting),
        ("nbf", json!(now + 61), None, TokenFault::Future),
        ("nbf", json!("soon"), None, TokenFault::Claim("nbf")),
        ("iat", json!(now + 61), None, TokenFault::Future),
        ("iat", json!(now - 3601), person, TokenFault::Old),
        ("iat", json!(null), person, TokenFault::Claim("iat")),
        ("iat", json!(true), None, TokenFault::Claim("iat")),
        ("auth_time", json!(now + 61), None, TokenFault::Future),
        ("nonce", json!("n-2"), person, TokenFault::Nonce),
        ("nonce", json!(""), person, TokenFault::Nonce),
        ("nonce", json!(null), person, TokenFault::Nonce),
        ("nonce", json!(["n-1"]), None, TokenFault::Claim("nonce")),
        ("sub", json!(""), None, TokenFault::Claim("sub")),
        ("sub", json!("a".repeat(256)), None, TokenFault::Claim("sub")),
        ("sub", json!("älice"), None, TokenFault::Claim("sub")),
        ("sub", json!("alice\n"), None, TokenFault::Claim("sub")),
        ("sub", json!(7), None, TokenFault::Claim("sub")),
        ("sub", json!(null), None, TokenFault::Claim("sub")),
        ("amr", json!("mfa"), None, TokenFault::Claim("amr")),
        ("amr", json!(["pwd", 1]), None, TokenFault::Claim("amr")),
        ("acr", json!(2), None, TokenFault::Claim("acr")),
    ];
    for (claim, value, whose, fault) in rows {
        let token = signer.token(|it| drop(it.insert(claim.to_owned(), value.clone())));
        let expected = whose.map_or(vec![PERSON, WORKLOAD], |expected| vec![expected]);
        for expected in &expected {
            assert_eq!(why(&provider, &token, expected), fault, "{claim} {value} {expected:?}");
        }
    }
    for (claim, value, expected) in [
        ("aud", json!(["jit-ca"]), PERSON),
        ("azp", json!("jit-ca"), PERSON),
        ("azp", json!("1093"), WORKLOAD),
        ("exp", json!(now - 59), PERSON),
        ("exp", json!(now as f64 + 0.5), PERSON),
        ("exp", json!(now + 24 * 3600), WORKLOAD),
        ("nbf", json!(now + 60), PERSON),
        ("iat", json!(now + 60), PERSON),
        ("iat", json!(now - 3600), PERSON),
        ("iat", json!(now - 7200), WORKLOAD),
        ("iat", json!(null), WORKLOAD),
        ("nonce", json!(null), WORKLOAD),
        ("sub", json!("a".repeat(255)), PERSON),
        ("sub", json!("repo:acme/app:ref:refs/heads/main"), WORKLOAD),
        ("amr", json!(null), PERSON),
        ("auth_time", json!(null), PERSON),
    ] {
        let token = signer.token(|it| drop(it.insert(claim.to_owned(), value.clone())));
        assert!(provider.verify(&token, &expected, NOW).is_ok(), "{claim} {value}");
    }
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
    let failure = with(ISSUER, KeysFrom::Inline("{}".to_owned())).unwrap_err().to_string();
    assert!(failure.contains("JWK set"), "{failure}");
}

#[test]
fn a_clients_secret_is_sent_as_the_standard_has_it_and_shown_nowhere() {
    let secret = Some(Zeroizing::new("p:ä +%".to_owned()));
    let client = Client { id: "jit ca".to_owned(), secret };
    let basic = client.basic().unwrap();
    let decoded = Base64::decode_vec(basic.strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(decoded, b"jit%20ca:p%3A%C3%A4%20%2B%25");
    assert_eq!(format!("{client:?}"), r#"Client("jit ca")"#);
}
