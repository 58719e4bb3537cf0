//! Which key it is, and which are none.

use ring::signature::Ed25519KeyPair;
use serde_json::{Value, json};

use super::*;

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
