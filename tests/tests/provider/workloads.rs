//! Tokens of workloads: by whom and how they are signed, and what their issuers publish.

use jit_ca_core::UnixTime;
use jit_ca_tests::{Lab, TokenIssuer, now, workloads};
use jit_cad::provider::{
    Claims, Doing, Expected, KeysFrom, Of, Provider, ProviderFault, Settings, TokenFault,
};
use serde_json::{Value, json};

use super::settings;

const WORKLOAD: Expected<'_> = Expected { audience: "jit-ca", of: Of::Workload };

fn of_workloads(issuer: &TokenIssuer) -> Provider {
    Provider::new(settings(issuer, None)).unwrap()
}

fn verified(provider: &Provider, token: &str) -> Result<Claims, ProviderFault> {
    provider.verify(token, &WORKLOAD, UnixTime::from_secs(now()))
}

#[test]
fn tokens_that_jose_signs_are_good_by_every_algorithm_and_in_every_known_issuers_shape() {
    let lab = Lab::new();
    let issuer = TokenIssuer::start(&lab);
    let provider = of_workloads(&issuer);
    for alg in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"] {
        let token = issuer.token(alg, &json!({"sub": alg}));
        assert_eq!(verified(&provider, &token).unwrap().sub, alg);
        // The last letter may hold bits that are no part of the signature; the one before it holds none.
        let (head, last) = token.split_at(token.len() - 2);
        let changed = if last.starts_with('A') { "B" } else { "A" };
        let wrong = format!("{head}{changed}{}", last.chars().last().unwrap());
        let fault = verified(&provider, &wrong).unwrap_err();
        assert_eq!(fault, ProviderFault::Token(TokenFault::Signature), "{alg}");
    }
    let no_type = json!({"typ": null});
    for (alg, header, claims) in [
        ("RS256", json!({"x5t": "eBZ_cn3sXYAd0ch4THBKHIgOwOE"}), workloads::github_actions()),
        ("RS256", json!({}), workloads::gitlab()),
        ("RS256", no_type, workloads::kubernetes()),
        ("ES256", json!({"typ": "JOSE"}), workloads::spiffe()),
    ] {
        let token = issuer.token_with(alg, &header, &claims);
        let verified = verified(&provider, &token).unwrap();
        assert_eq!(verified.sub, claims["sub"].as_str().unwrap());
        for (name, value) in claims.as_object().unwrap().iter().filter(|(_, it)| !it.is_null()) {
            assert_eq!(&verified.all[name], value, "{name}");
        }
    }
    // The keys were asked for once for all of these.
    assert_eq!(issuer.asked("/jwks"), 1);
}

/// What an issuer publishes that makes no sense, or would have somebody else's keys be its own.
#[test]
fn an_issuer_that_answers_nonsense_is_believed_nothing() {
    let lab = Lab::new();
    let issuer = TokenIssuer::start(&lab);
    let token = issuer.token("ES256", &json!({"sub": "deployer"}));
    let description = "/.well-known/openid-configuration";
    let fault = |path: &str, document: Value| {
        issuer.publish(path, &document);
        let fault = verified(&of_workloads(&issuer), &token).unwrap_err();
        issuer.publish(path, &json!({}));
        assert_eq!(fault.doing(), Doing::Provider, "{fault}");
        fault.to_string()
    };
    let described = |issuer: &str, keys: &str| json!({"body": json!({"issuer": issuer, "jwks_uri": keys}).to_string()});
    let keys = format!("{}/jwks", issuer.issuer());
    let says = |text: String, what: &str| assert!(text.contains(what), "{text}");
    says(fault(description, described("https://127.0.0.1", &keys)), "letter by letter");
    says(
        fault(description, described(&format!("{}/", issuer.issuer()), &keys)),
        "letter by letter",
    );
    let plain = keys.replace("https:", "http:").replace("127.0.0.1", "localhost");
    says(fault(description, described(&issuer.issuer(), &plain)), "jwks_uri");
    let moved = json!({"status": 302, "headers": {"location": keys}});
    says(fault(description, moved.clone()), "redirects are not followed");
    says(fault(description, json!({"body": " ".repeat(70_000)})), "longer than 65536 bytes");
    says(fault(description, json!({"body": "<html>"})), "not a JSON object");
    says(fault(description, json!({"status": 404})), "status 404");
    says(fault(description, json!({"status": 503})), "not reached");
    says(fault("/jwks", moved), "redirects are not followed");
    says(fault("/jwks", json!({"body": " ".repeat(300_000)})), "longer than 262144 bytes");
    says(fault("/jwks", json!({"body": "{\"keys\":[]}"})), "no key that can be used");
    says(fault("/jwks", json!({"status": 500})), "not reached");
    verified(&of_workloads(&issuer), &token).unwrap();
}

#[test]
fn keys_may_stand_elsewhere_or_here() {
    let lab = Lab::new();
    let issuer = TokenIssuer::start(&lab);
    let token = issuer.token("ES256", &json!({"sub": "deployer", "iss": "of the cluster"}));
    let with = |keys| {
        let issuer_name = "of the cluster".to_owned();
        let ca_file = issuer.ca_file();
        Provider::new(Settings { issuer: issuer_name, client: None, keys, ca_file }).unwrap()
    };
    let elsewhere = with(KeysFrom::Url(format!("{}/jwks", issuer.issuer())));
    assert_eq!(verified(&elsewhere, &token).unwrap().iss, "of the cluster");
    let key = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let here = with(KeysFrom::Inline(key.to_owned()));
    assert_eq!(verified(&here, &token).unwrap_err(), ProviderFault::Token(TokenFault::NoKey));
    assert!(here.metadata().is_err());
    assert_eq!(issuer.asked("/.well-known/openid-configuration"), 0);
}
