//! Headers and forms that tokens come in.

use ring::hmac;
use serde_json::{Value, json};

use super::*;

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
