//! The daemon's side of OpenID Connect against a real provider, and tokens that others sign.

mod workloads;

use std::time::{Duration, Instant};

use jit_ca_core::UnixTime;
use jit_ca_tests::{Lab, Means, OpenIdProvider, Served, TokenIssuer, Visitor, now, parameter};
use jit_cad::provider::{
    Claims, Client, Code, Doing, Expected, KeysFrom, Of, Provider, ProviderFault, Settings,
    TokenFault, Tokens,
};
use serde_json::json;

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Nobody listens there: a browser's way ends before it.
const REDIRECT: &str = "http://127.0.0.1:4711/callback";

fn settings(of: &Served, client: Option<(&str, Option<&str>)>) -> Settings {
    Settings {
        issuer: of.issuer(),
        client: client.map(|(id, secret)| Client {
            id: id.to_owned(),
            secret: secret.map(|it| it.to_owned().into()),
        }),
        keys: KeysFrom::Discovery,
        ca_file: of.ca_file(),
    }
}

fn ours(op: &OpenIdProvider) -> Provider {
    Provider::new(settings(op, Some(("jit-ca", None)))).unwrap()
}

/// Where a login begins.
fn address(provider: &Provider, client: &str, nonce: &str, more: &str) -> String {
    let endpoint = provider.metadata().unwrap().authorization_endpoint;
    let client = client.replace(' ', "%20");
    format!(
        "{endpoint}?response_type=code&client_id={client}&scope=openid%20email%20groups&state=s&nonce={nonce}\
         &redirect_uri={REDIRECT}&code_challenge={CHALLENGE}&code_challenge_method=S256{more}"
    )
}

fn redeem(provider: &Provider, code: &str) -> Result<Tokens, ProviderFault> {
    provider.redeem(&Code { code, verifier: VERIFIER, redirect_uri: REDIRECT })
}

fn verify(provider: &Provider, token: &str, nonce: &str) -> Result<Claims, ProviderFault> {
    let expected = Expected { audience: "jit-ca", of: Of::Login { nonce } };
    provider.verify(token, &expected, UnixTime::from_secs(now()))
}

/// Logs somebody in, to the end.
fn log_in(
    provider: &Provider,
    browser: &Visitor,
    sub: &str,
    means: Means<'_>,
    more: &str,
) -> (Claims, Tokens) {
    let back = browser.logs_in(&address(provider, "jit-ca", "n-1", more), sub, means);
    let tokens = redeem(provider, &parameter(&back, "code").unwrap()).unwrap();
    (verify(provider, &tokens.id_token, "n-1").unwrap(), tokens)
}

/// The protocol's word for why; where it is another fault, all of that.
#[track_caller]
fn refused(result: Result<impl Sized, ProviderFault>) -> String {
    match result.map(drop).unwrap_err() {
        ProviderFault::Refused { error, .. } => error,
        other => other.to_string(),
    }
}

#[test]
fn people_log_in_at_a_real_provider_which_says_who_they_are_and_how_it_knows() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let provider = ours(&op);
    let metadata = provider.metadata().unwrap();
    assert!(metadata.authorization_response_iss_parameter_supported);
    assert_eq!(metadata.acr_values_supported, ["urn:example:pwd", "urn:example:mfa"]);

    let browser = op.browser();
    let back = browser.logs_in(&address(&provider, "jit-ca", "n-1", ""), "alice", Means::default());
    assert!(back.starts_with(&format!("{REDIRECT}?")), "{back}");
    assert_eq!(parameter(&back, "state").as_deref(), Some("s"));
    assert_eq!(parameter(&back, "iss"), Some(op.issuer()));
    let code = parameter(&back, "code").unwrap();
    let tokens = redeem(&provider, &code).unwrap();
    let claims = verify(&provider, &tokens.id_token, "n-1").unwrap();
    assert_eq!((claims.iss, claims.sub.as_str()), (op.issuer(), "alice"));
    assert_eq!(
        (claims.email.as_deref(), claims.email_verified),
        (Some("alice@corp.example"), true)
    );
    assert_eq!(claims.all["groups"], json!(["dev", "oncall"]));
    assert_eq!(
        (claims.acr.as_deref(), claims.amr),
        (Some("urn:example:pwd"), vec!["pwd".to_owned()])
    );

    // The token is good for that login and for this client, and the code once.
    let fault = verify(&provider, &tokens.id_token, "n-2").unwrap_err();
    assert_eq!(fault, ProviderFault::Token(TokenFault::Nonce));
    let other = Expected { audience: "another", of: Of::Login { nonce: "n-1" } };
    let fault = provider.verify(&tokens.id_token, &other, UnixTime::from_secs(now()));
    assert_eq!(fault.unwrap_err(), ProviderFault::Token(TokenFault::Audience));
    assert_eq!(refused(redeem(&provider, &code)), "invalid_grant");
    // A code that was used twice is a code that somebody else had: what came of it is gone (RFC 6749, section 4.1.2).
    let refresh_token = tokens.refresh_token.unwrap();
    assert_eq!(refused(provider.refresh(&refresh_token)), "invalid_grant");
}

#[test]
fn a_code_is_for_its_verifier_its_redirect_and_its_client() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let (provider, browser) = (ours(&op), op.browser());
    let code = || {
        let address = address(&provider, "jit-ca", "n-1", "");
        parameter(&browser.logs_in(&address, "alice", Means::default()), "code").unwrap()
    };
    let wrong = Code { code: &code(), verifier: &"a".repeat(43), redirect_uri: REDIRECT };
    assert_eq!(refused(provider.redeem(&wrong)), "invalid_grant");
    let elsewhere = "http://127.0.0.1:4712/callback";
    let wrong = Code { code: &code(), verifier: VERIFIER, redirect_uri: elsewhere };
    assert_eq!(refused(provider.redeem(&wrong)), "invalid_grant");
    let another = Provider::new(settings(&op, Some(("another", None)))).unwrap();
    assert_eq!(refused(redeem(&another, &code())), "invalid_grant");
    assert_eq!(refused(redeem(&provider, "")), "invalid_request");
    assert_eq!(refused(redeem(&provider, &"x".repeat(3_000))), "invalid_grant");

    // A person who says no has no code.
    for back in [
        op.browser().refuses(&address(&provider, "jit-ca", "n-1", "")),
        op.browser().withholds(&address(&provider, "jit-ca", "n-1", ""), "bob"),
    ] {
        assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"), "{back}");
        assert_eq!((parameter(&back, "code"), parameter(&back, "iss")), (None, Some(op.issuer())));
    }
}

#[test]
fn a_client_with_a_secret_is_known_by_it() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let with = |secret| Provider::new(settings(&op, Some(("with secret", Some(secret))))).unwrap();
    let provider = with("kept: by tests+alone");
    let code = || {
        let address = address(&provider, "with secret", "n-1", "");
        parameter(&op.browser().logs_in(&address, "bob", Means::default()), "code").unwrap()
    };
    let tokens = redeem(&provider, &code()).unwrap();
    let expected = Expected { audience: "with secret", of: Of::Login { nonce: "n-1" } };
    let claims = provider.verify(&tokens.id_token, &expected, UnixTime::from_secs(now())).unwrap();
    assert_eq!(claims.sub, "bob");

    let wrong = with("guessed");
    let fault = redeem(&wrong, &code()).map(drop).unwrap_err();
    assert_eq!(
        (fault.doing(), refused(Err::<(), _>(fault.clone())).as_str()),
        (Doing::Provider, "invalid_client")
    );
    assert!(fault.advice().contains("whoever runs the CA"), "{}", fault.advice());
}

#[test]
fn a_stronger_or_fresher_login_is_asked_for_and_had() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let (provider, browser) = (ours(&op), op.browser());
    let early = Means { auth_time: Some(now() - 600), ..Means::default() };
    let (first, _) = log_in(&provider, &browser, "alice", early, "");
    assert_eq!(first.auth_time, early.auth_time.map(UnixTime::from_secs));
    // Whoever is logged in at the provider is not asked again: the login is as old and as weak as it was.
    let (again, _) = log_in(&provider, &browser, "bob", Means::MFA, "");
    assert_eq!(
        (again.sub.as_str(), again.auth_time, again.acr),
        ("alice", first.auth_time, first.acr)
    );
    let (fresh, _) = log_in(&provider, &browser, "alice", Means::default(), "&max_age=300");
    assert!(fresh.auth_time > first.auth_time && fresh.amr == ["pwd"]);
    let (strong, _) =
        log_in(&provider, &browser, "alice", Means::MFA, "&acr_values=urn:example:mfa");
    assert_eq!(strong.acr.as_deref(), Some("urn:example:mfa"));
    assert_eq!(strong.amr, ["pwd", "otp", "mfa"]);
    // Whoever has no second factor comes back without one: the asker has to look.
    let (weak, _) =
        log_in(&provider, &op.browser(), "bob", Means::default(), "&acr_values=urn:example:mfa");
    assert_eq!(weak.acr.as_deref(), Some("urn:example:pwd"));
}

#[test]
fn a_refresh_says_whether_somebody_still_is_one_of_the_providers_own() {
    let lab = Lab::new();
    let mut op = OpenIdProvider::start(&lab);
    let provider = ours(&op);
    let tokens_of = |op: &OpenIdProvider, sub| {
        let (_, tokens) = log_in(&provider, &op.browser(), sub, Means::MFA, "");
        tokens.refresh_token.unwrap()
    };
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|sub| tokens_of(&op, sub));

    // What the provider has changed meanwhile is in the new token.
    op.says_of("alice", &json!({"groups": ["dev"]}));
    let refreshed = provider.refresh(&alice).unwrap();
    let expected = Expected { audience: "jit-ca", of: Of::Refresh };
    let id_token = refreshed.id_token.unwrap();
    let claims = provider.verify(&id_token, &expected, UnixTime::from_secs(now())).unwrap();
    assert_eq!((claims.sub.as_str(), &claims.all["groups"]), ("alice", &json!(["dev"])));
    assert_eq!(claims.acr.as_deref(), Some("urn:example:mfa"));
    // This provider gives another refresh token, and the old one is not good any more.
    let next = refreshed.refresh_token.unwrap();
    assert_ne!(*next, *alice);

    op.forgets("bob");
    assert_eq!(refused(provider.refresh(&bob)), "invalid_grant");
    op.revokes("carol");
    let fault = provider.refresh(&carol).map(drop).unwrap_err();
    assert_eq!((fault.doing(), fault.advice()), (Doing::Caller, "log in again"));

    // A provider that is down refuses nobody.
    op.kill();
    let fault = provider.refresh(&next).map(drop).unwrap_err();
    assert!(matches!(fault, ProviderFault::Unreachable(_)), "{fault}");
    op.start_again();
    provider.refresh(&next).unwrap();
    assert_eq!(refused(provider.refresh(&alice)), "invalid_grant");
}

#[test]
fn keys_that_a_provider_has_changed_are_fetched_once_and_the_old_are_good_no_more() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let (provider, browser) = (ours(&op), op.browser());
    let (_, before) = log_in(&provider, &browser, "alice", Means::default(), "");
    op.rotate();
    // Nobody has seen the new keys yet, and nobody needs to ask for them.
    verify(&provider, &before.id_token, "n-1").unwrap();
    assert_eq!(op.asked("/jwks"), 1);
    let (_, after) = log_in(&provider, &browser, "alice", Means::default(), "");
    assert_eq!(op.asked("/jwks"), 2);
    let unknown = ProviderFault::Token(TokenFault::NoKey);
    assert_eq!(verify(&provider, &before.id_token, "n-1").unwrap_err(), unknown);
    // However many bring tokens of unknown keys, the provider is not asked by each of them.
    for _ in 0..50 {
        assert_eq!(verify(&provider, &before.id_token, "n-1").unwrap_err(), unknown);
    }
    assert_eq!(op.asked("/jwks"), 2);
    verify(&provider, &after.id_token, "n-1").unwrap();
}

#[test]
fn all_who_come_with_a_new_key_at_once_are_let_in() {
    let lab = Lab::new();
    let issuer = TokenIssuer::start(&lab);
    let provider = Provider::new(settings(&issuer, None)).unwrap();
    let expected = Expected { audience: "jit-ca", of: Of::Workload };
    let verify = |token: &str| provider.verify(token, &expected, UnixTime::from_secs(now()));
    verify(&issuer.token("ES256", &json!({"sub": "before"}))).unwrap();
    issuer.rotate();
    let token = issuer.token("ES256", &json!({"sub": "after"}));
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..20).map(|_| scope.spawn(|| verify(&token))).collect();
        for asked in asked {
            assert_eq!(asked.join().unwrap().unwrap().sub, "after");
        }
    });
    assert_eq!(issuer.asked("/jwks"), 2);
}

#[test]
fn a_provider_that_is_down_or_hangs_is_told_within_seconds_and_its_keys_stay_good() {
    let lab = Lab::new();
    let mut op = OpenIdProvider::start(&lab);
    let provider = ours(&op);
    let (_, tokens) = log_in(&provider, &op.browser(), "alice", Means::default(), "");
    op.kill();
    let nobody = ours(&op);
    let fault = nobody.metadata().unwrap_err();
    assert!(matches!(fault, ProviderFault::Unreachable(_)), "{fault}");
    assert!(fault.advice().contains("go on working"), "{}", fault.advice());
    assert_eq!(fault.doing(), Doing::Provider);
    assert!(matches!(redeem(&provider, "x"), Err(ProviderFault::Unreachable(_))));
    verify(&provider, &tokens.id_token, "n-1").unwrap();

    op.start_again();
    op.hang(true);
    let slow = ours(&op);
    let begun = Instant::now();
    // One waits for it; all who come meanwhile, and soon after, are told the same.
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..20).map(|_| scope.spawn(|| slow.metadata().unwrap_err())).collect();
        for asked in asked {
            let fault = asked.join().unwrap();
            assert!(fault.to_string().contains("has not answered within 5 seconds"), "{fault}");
        }
    });
    slow.metadata().unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    assert_eq!(op.asked("/.well-known/openid-configuration"), 1);
    op.hang(false);
    // Another program, which has not failed yet.
    ours(&op).metadata().unwrap();
}

#[test]
fn a_provider_is_trusted_by_its_roots_and_by_no_others() {
    let lab = Lab::new();
    let (op, other) = (OpenIdProvider::start(&lab), TokenIssuer::start(&lab));
    let mut settings = settings(&op, Some(("jit-ca", None)));
    settings.ca_file = other.ca_file();
    let fault = Provider::new(settings).unwrap().metadata().unwrap_err();
    assert!(fault.to_string().contains("TLS: invalid peer certificate"), "{fault}");
    assert_eq!(op.asked("/.well-known/openid-configuration"), 0);
}
