//! What a token claims whose signature is right.

use serde_json::{Value, json};

use super::*;

/// The standard of device codes knows no nonce: one that is there is this login's all the same.
#[test]
fn a_token_for_a_device_code_has_this_logins_nonce_or_none() {
    let signer = Signer::new();
    let provider = provider(&[signer.jwk("k1")]);
    let device = Expected { audience: "jit-ca", of: Of::Device { nonce: "n-1" } };
    let with = |nonce: Value| signer.token(|it| drop(it.insert("nonce".to_owned(), nonce)));
    for good in [json!("n-1"), json!(null)] {
        assert!(provider.verify(&with(good.clone()), &device, NOW).is_ok(), "{good}");
    }
    for bad in ["n-2", ""] {
        assert_eq!(why(&provider, &with(bad.into()), &device), TokenFault::Nonce, "{bad}");
    }
    // Whatever else holds for people holds here.
    let old = signer.token(|it| drop(it.insert("iat".to_owned(), json!(NOW.secs() - 3601))));
    assert_eq!(why(&provider, &old, &device), TokenFault::Old);
    let other = signer.token(|it| drop(it.insert("azp".to_owned(), json!("other"))));
    assert_eq!(why(&provider, &other, &device), TokenFault::Audience);
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
