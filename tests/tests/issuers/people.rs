//! People who sign on at a real provider.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jit_ca_tests::{
    Ca, Lab, Means, OpenIdProvider, Person, Wire, now, parameter, sha256, wait_for,
};
use serde_json::{Value, json};

use super::{add, both_agree, people_file, with_provider};

/// Signs somebody on at an issuer for the first time, with a second factor.
#[track_caller]
fn first_login(ca: &Ca, op: &OpenIdProvider, issuer: &str, sub: &str) -> Person {
    let person = ca.stranger(&format!("{sub}-at-{issuer}"));
    let url = ca.url();
    let login = Person::by_issuer(ca, &url, issuer);
    person.signs_on(&login, &op.browser(), (sub, Means::MFA)).ok();
    person
}

#[track_caller]
fn me(person: &Person) -> Value {
    person.jit_ca(&["whoami", "--json"]).ok().json()
}

#[track_caller]
fn id(request: &Value) -> String {
    request["id"].as_str().unwrap().to_owned()
}

#[test]
fn they_ask_approve_and_get_certificates_as_others_do() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = Ca::start_with(&lab, with_provider(&op));
    let alice = first_login(&ca, &op, "op", "alice");
    let bob = first_login(&ca, &op, "op", "bob");
    let said = me(&alice);
    assert_eq!((&said["subject"], &said["name"]), (&json!("op/alice"), &json!("alice@op")));
    assert_eq!(said["groups"], json!(["dev"]));

    let asked =
        ["request", "web-shell", "--host", "web1", "--reason", "INC-1", "--no-wait", "--json"];
    let request = alice.jit_ca(&asked).exits(75).json();
    // Nobody approves their own, and the provider's groups are none of ours but by the map.
    alice.jit_ca(&["approve", &id(&request), "--unsigned", "--yes"]).exits(3);
    bob.jit_ca(&["approve", &id(&request), "--unsigned", "--yes"]).ok();
    alice.jit_ca(&["cert", "ssh", "--out", "web"]).ok();
    let certificate = fs::read_dir(alice.file("web")).unwrap().count();
    assert!(certificate > 0);
    // What two programs read of it, and what the policy says of it once more.
    let replayed = both_agree(&bob);
    assert!(
        replayed.stdout.contains("decisions") || replayed.stderr.contains("decisions"),
        "{replayed}"
    );
}

#[test]
fn two_issuers_that_both_know_alice_are_two_subjects() {
    let lab = Lab::new();
    let (one, other) = (OpenIdProvider::start(&lab), OpenIdProvider::start(&lab));
    let ca = Ca::start_with(&lab, |folder| {
        add(folder, "one", &people_file(&one), &one);
        add(folder, "other", &people_file(&other), &other);
    });
    let alice = first_login(&ca, &one, "one", "alice");
    let namesake = first_login(&ca, &other, "other", "alice");
    let local = ca.person("alice");
    let subjects = [&alice, &namesake, &local].map(|person| me(person)["subject"].clone());
    assert_eq!(subjects, [json!("one/alice"), json!("other/alice"), json!("local/u-1001")]);

    let asked = ["request", "web-logs", "--host", "web1", "--reason", "INC-1", "--json"];
    let granted = alice.jit_ca(&asked).ok().json();
    for another in [&namesake, &local] {
        another.jit_ca(&["grant", "show", &id(&granted)]).exits(2);
        let all = another.jit_ca(&["requests", "--mine", "--json"]).ok().json();
        assert!(!all.to_string().contains(&id(&granted)), "{all}");
    }
}

#[test]
fn who_has_no_second_factor_or_an_old_one_steps_up_and_comes_back_to_the_same_request() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = Ca::start_with(&lab, with_provider(&op));
    let (url, browser) = (ca.url(), op.browser());
    let login = Person::by_issuer(&ca, &url, "op");

    // The provider saw a password, whatever it was asked for: it is asked once more.
    let bob = ca.stranger("bob-at-op");
    let mut signing_on = bob.starts_to_sign_on(&login);
    let address = signing_on.address().replace("&acr_values=urn%3Aexample%3Amfa", "");
    signing_on.comes_back(&op.browser().logs_in(&address, "bob", Means::default()));
    let address = signing_on.address();
    signing_on.comes_back(&op.browser().logs_in(&address, "bob", Means::MFA));
    signing_on.ends().ok();
    assert!(me(&bob)["login"]["mfa_at"].is_string());

    // It saw a second factor nine hours ago, and the role takes eight.
    let alice = ca.stranger("alice-at-op");
    let old = Means { auth_time: Some(now() - 9 * 3600), ..Means::MFA };
    alice.signs_on(&login, &browser, ("alice", old)).ok();
    let asked =
        ["request", "web-shell", "--host", "web1", "--reason", "INC-1", "--no-wait", "--json"];
    alice.jit_ca(&asked).exits(3).says("the second factor was given 9h");
    let mut stepping_up = alice.starts_to_sign_on(&asked);
    let address = stepping_up.address();
    assert_eq!(parameter(&address, "max_age").as_deref(), Some("0"));
    stepping_up.comes_back(&browser.logs_in(&address, "alice", Means::MFA));
    let pending = stepping_up.ends().exits(75).json();
    assert_eq!((&pending["role"], &pending["status"]), (&json!("web-shell"), &json!("pending")));
}

#[test]
fn rules_see_how_somebody_signed_on() {
    const RULES: &str = r#"
@id("logs-by-hardware-key")
@description("sign on with a hardware key")
forbid (principal, action in [Action::"request", Action::"issue"], resource == Role::"web-logs")
when { context has acr }
unless { context.acr == "urn:example:mfa" && context.amr.contains("hwk") };

@id("not-by-code")
@description("what the CA saw itself")
forbid (principal, action == Action::"request", resource == Role::"web-shell")
when { context.amr == ["mfa", "otp", "pop"] && !(context has acr) };

@id("some-method")
forbid (principal, action == Action::"issue", resource == Role::"web-logs")
when { context.amr.isEmpty() };
"#;
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = Ca::start_with(&lab, |folder| {
        add(folder, "op", &people_file(&op), &op);
        let rules = folder.join("policies/access.cedar");
        fs::write(&rules, fs::read_to_string(&rules).unwrap() + RULES).unwrap();
    });
    let alice = first_login(&ca, &op, "op", "alice");
    let asked = ["request", "web-logs", "--host", "web1", "--reason", "INC-1"];
    alice.jit_ca(&asked).exits(3).says("sign on with a hardware key");

    let url = ca.url();
    let again = [Person::by_issuer(&ca, &url, "op").as_slice(), &["--again"]].concat();
    let by_key = Means { amr: "hwk mfa", ..Means::MFA };
    alice.signs_on(&again, &op.browser(), ("alice", by_key)).ok();
    alice.jit_ca(&asked).ok();
    alice.jit_ca(&["cert", "ssh", "--out", "by-key"]).ok();
    // Of each call it is the login that it comes by which counts.
    alice.signs_on(&again, &op.browser(), ("alice", Means::MFA)).ok();
    let refused = alice.jit_ca(&["cert", "ssh", "--out", "by-code"]);
    refused.exits(3).says("sign on with a hardware key");

    let local = ca.person("alice");
    let shell = ["request", "web-shell", "--host", "web1", "--reason", "INC-1", "--no-wait"];
    local.jit_ca(&shell).exits(3).says("what the CA saw itself");
    local.jit_ca(&asked).ok();
    local.jit_ca(&["cert", "ssh", "--out", "logs"]).ok();
    // The same once more, from what the log says of logins.
    both_agree(&ca.person("carol"));
}

#[test]
fn what_the_provider_says_at_the_next_login_counts_from_then_on() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = Ca::start_with(&lab, with_provider(&op));
    let alice = first_login(&ca, &op, "op", "alice");
    op.says_of("alice", &json!({"groups": [], "email": "alicia@corp.example"}));
    let url = ca.url();
    let mut again = Person::by_issuer(&ca, &url, "op").to_vec();
    again.push("--again");
    alice.signs_on(&again, &op.browser(), ("alice", Means::MFA)).ok();
    let said = me(&alice);
    assert_eq!((&said["groups"], &said["name"]), (&json!([]), &json!("alicia@op")));
    let asked = ["request", "web-logs", "--host", "web1", "--reason", "INC-1"];
    alice.jit_ca(&asked).exits(3).says("no rule lets alicia@op");
}

#[test]
fn who_is_locked_or_has_lost_the_issuer_is_out() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = Ca::start_with(&lab, with_provider(&op));
    let alice = first_login(&ca, &op, "op", "alice");
    let bob = ca.person("bob");
    bob.jit_ca(&["lock", "op/alice", "--reason", "a laptop is lost"]).ok();
    let (url, browser) = (ca.url(), op.browser());
    let mut again = Person::by_issuer(&ca, &url, "op").to_vec();
    again.push("--again");
    alice.signs_on(&again, &browser, ("alice", Means::MFA)).exits(3).says("locked");
    bob.jit_ca(&["unlock", "op/alice", "--reason", "it is found"]).ok();

    alice.signs_on(&again, &browser, ("alice", Means::MFA)).ok();
    let folder = ca.config().parent().unwrap().to_owned();
    fs::remove_file(folder.join("issuers/op.toml")).unwrap();
    ca.jit_cad(&["reload"]).ok();
    alice.jit_ca(&["whoami"]).exits(3).says("the login has ended");
    alice.jit_ca(&again).exits(2).says("there is no issuer op");
}

#[test]
fn a_provider_that_is_down_keeps_nobody_from_what_they_have() {
    let lab = Lab::new();
    let mut op = OpenIdProvider::start(&lab);
    let ca = Ca::start_with(&lab, with_provider(&op));
    let alice = first_login(&ca, &op, "op", "alice");
    let asked = ["request", "web-logs", "--host", "web1", "--reason", "INC-1", "--json"];
    alice.jit_ca(&asked).ok();
    let url = ca.url();
    let login = Person::by_issuer(&ca, &url, "op");
    let waits = ca.stranger("carol-at-op");
    let mut signing_on = waits.starts_to_sign_on(&login);
    let back = op.browser().logs_in(&signing_on.address(), "carol", Means::MFA);

    // It takes the connection and does not answer: the code can't be redeemed.
    op.hang(true);
    let begun = Instant::now();
    signing_on.comes_back(&back);
    signing_on.ends().exits(1).says("the identity provider is not reached").says("go on working");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    op.kill();
    alice.jit_ca(&["cert", "ssh", "--out", "web"]).ok();
    alice.jit_ca(&["whoami"]).ok();

    op.start_again();
    waits.signs_on(&login, &op.browser(), ("carol", Means::MFA)).ok();
}

#[test]
fn a_file_of_the_issuer_that_changes_during_a_sign_on_ends_it() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = Ca::start_with(&lab, with_provider(&op));
    let alice = ca.stranger("alice-at-op");
    let (url, browser) = (ca.url(), op.browser());
    let login = Person::by_issuer(&ca, &url, "op");
    let mut signing_on = alice.starts_to_sign_on(&login);
    let back = browser.logs_in(&signing_on.address(), "alice", Means::MFA);
    // Until the provider answers, the policy says something else of what its groups mean.
    let before = op.asked("/token");
    op.hang(true);
    signing_on.comes_back(&back);
    wait_for("the question", || (op.asked("/token") > before).then_some(()));
    let file = ca.config().with_file_name("issuers").join("op.toml");
    let text = fs::read_to_string(&file).unwrap();
    let less = text.replace("dev = [\"dev\"]\n", "");
    assert_ne!(less, text);
    fs::write(&file, less).unwrap();
    ca.jit_cad(&["reload"]).ok();
    op.hang(false);
    signing_on.ends().exits(3).says("the policy has another file of the issuer op by now");

    alice.signs_on(&login, &browser, ("alice", Means::MFA)).ok();
    assert_eq!(me(&alice)["groups"], json!([]));
}

/// A sign-on by hand: what the CA is told, and what goes into it.
struct ByHand {
    wire: Wire,
    key: PathBuf,
    csr: String,
    digest: String,
    challenge: String,
}

impl ByHand {
    fn begin(ca: &Ca, person: &Person) -> Self {
        let wire = Wire::nobody(ca, person);
        let (key, csr) = wire.key_and_csr("login", &["-subj", "/CN=x"]);
        let digest = wire.key_digest(&key);
        let challenge = wire.post("/v1/challenges", &json!({})).ok().json();
        let challenge = challenge["challenge"].as_str().unwrap().to_owned();
        Self { wire, key, csr, digest, challenge }
    }

    /// The statement that the nonce is the hash of, by the page on statements.
    fn nonce(&self, issuer: &str) -> String {
        let (origin, pin) = (&self.wire.trust()["origin"], &self.wire.trust()["pin"]);
        let text = format!(
            "jit-ca sign-on v1\norigin: {}\npin: {}\nissuer: {issuer}\nchallenge: {}\nlogin-key: {}\n",
            origin.as_str().unwrap(),
            pin.as_str().unwrap(),
            self.challenge,
            self.digest
        );
        base64url(&sha256(text.as_bytes()))
    }

    fn call(&self, issuer: &str, code: &str) -> Value {
        json!({"issuer": issuer, "csr": self.csr, "credential": {"code": {
            "challenge": self.challenge, "code": code, "verifier": VERIFIER, "redirect_uri": REDIRECT,
        }}})
    }
}

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT: &str = "http://127.0.0.1:4711/callback";

fn base64url(bytes: &[u8]) -> String {
    use base64ct::{Base64UrlUnpadded, Encoding as _};
    Base64UrlUnpadded::encode_string(bytes)
}

/// The code that a provider gives for a nonce.
fn code(op: &OpenIdProvider, nonce: &str, client: &str) -> String {
    code_by(op, nonce, client, Means::MFA)
}

fn code_by(op: &OpenIdProvider, nonce: &str, client: &str, means: Means<'_>) -> String {
    let address = format!(
        "{}/auth?response_type=code&client_id={client}&scope=openid%20email%20groups&state=s&nonce={nonce}\
         &redirect_uri={REDIRECT}&code_challenge={CHALLENGE}&code_challenge_method=S256&max_age=3600",
        op.issuer()
    );
    let back = op.browser().logs_in(&address, "alice", means);
    parameter(&back, "code").unwrap()
}

#[test]
fn a_sign_on_is_good_for_its_key_its_challenge_its_issuer_and_once() {
    let lab = Lab::new();
    let (op, other) = (OpenIdProvider::start(&lab), OpenIdProvider::start(&lab));
    let ca = Ca::start_with(&lab, |folder| {
        add(folder, "op", &people_file(&op), &op);
        add(folder, "other", &people_file(&other), &other);
    });
    let person = ca.stranger("alice-at-op");
    let ours = ByHand::begin(&ca, &person);
    let refused = |call: &Value, why: &str| {
        let reply = super::from_elsewhere(&ours.wire, call).refused("login-refused");
        assert!(reply.problem()["detail"].as_str().unwrap().contains(why), "{}", reply.body);
    };
    let nonce = ours.nonce("op");
    // Another login key, another challenge, another issuer's name: another nonce.
    let mut call = ours.call("op", &code(&op, &nonce, "jit-ca"));
    call["csr"] = ours.wire.key_and_csr("other", &["-subj", "/CN=x"]).1.into();
    refused(&call, "another login");
    let mut call = ours.call("op", &code(&op, &nonce, "jit-ca"));
    let challenge = ours.wire.post("/v1/challenges", &json!({})).ok().json()["challenge"].clone();
    call["credential"]["code"]["challenge"] = challenge;
    refused(&call, "another login");
    refused(&ours.call("op", &code(&op, &ours.nonce("other"), "jit-ca")), "another login");
    // Another client's code, another provider's, one without its verifier or for another address, and none.
    refused(&ours.call("op", &code(&op, &nonce, "another")), "invalid_grant");
    refused(&ours.call("op", &code(&other, &nonce, "jit-ca")), "invalid_grant");
    let mut call = ours.call("op", &code(&op, &nonce, "jit-ca"));
    call["credential"]["code"]["verifier"] = json!("0".repeat(43));
    refused(&call, "invalid_grant");
    let mut call = ours.call("op", &code(&op, &nonce, "jit-ca"));
    call["credential"]["code"]["redirect_uri"] = json!("http://127.0.0.1:4712/callback");
    refused(&call, "invalid_grant");
    // A token where a code belongs: people bring none.
    let mut call = ours.call("op", "");
    call["credential"] = json!({"token": "a.b.c"});
    refused(&call, "sign on with a browser");

    let good = ours.call("op", &code(&op, &nonce, "jit-ca"));
    ours.wire.post("/v1/logins/issuer", &good).ok();
    refused(&good, "took too long, or was used before");
    // The same challenge with a new code is answered already.
    refused(&ours.call("op", &code(&op, &nonce, "jit-ca")), "used before");
    let unknown = ours.wire.post("/v1/logins/issuer", &ours.call("nobody", "c"));
    assert_eq!(unknown.status, Some(404));
}

/// Whoever has no second factor at the provider makes none here: it would be one of their own choice.
#[test]
fn a_login_without_a_second_factor_can_do_nothing_and_enrol_none() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = Ca::start_with(&lab, with_provider(&op));
    let person = ca.stranger("alice-at-op");
    let ours = ByHand::begin(&ca, &person);
    let code = code_by(&op, &ours.nonce("op"), "jit-ca", Means::default());
    let reply = ours.wire.post("/v1/logins/issuer", &ours.call("op", &code)).ok().json();
    let certificate = person.file("login.pem");
    fs::write(&certificate, reply["certificate"].as_str().unwrap()).unwrap();
    let wire = ours.wire.with_login(&ours.key, &certificate);
    wire.get("/v1/me").ok();
    wire.get("/v1/roles").refused("mfa-required");
    wire.post("/v1/mfa", &json!({})).refused("not-permitted");
    wire.post("/v1/mfa/confirm", &json!({"code": "000000"})).refused("not-permitted");
}

/// The file asks again after a minute; the daemon's clock lets one pass.
#[test]
fn whom_the_provider_refuses_has_lost_the_login_by_the_next_recheck() {
    let lab = Lab::new();
    let mut op = OpenIdProvider::start(&lab);
    let file = people_file(&op).replace("[map]", "recheck = \"1m\"\n[map]");
    let mut ca = Ca::start_with(&lab, |folder| add(folder, "op", &file, &op));
    let (alice, bob) = (first_login(&ca, &op, "op", "alice"), first_login(&ca, &op, "op", "bob"));
    ca.serve_by_own_clock();
    op.says_of("alice", &json!({"groups": ["sre-approvers"]}));
    ca.let_pass(70);
    wait_for("what the provider says by now", || {
        (me(&alice)["groups"] == json!(["auditors", "sre"])).then_some(())
    });

    // One that is down says nothing.
    op.kill();
    ca.let_pass(140);
    wait_for("an attempt", || ca.log_text().contains("can't be asked again").then_some(()));
    me(&bob);
    op.start_again();
    op.revokes("bob");
    ca.let_pass(210);
    wait_for("the end of bob's login", || (bob.jit_ca(&["whoami"]).code == 3).then_some(()));
    me(&alice);
    both_agree(&alice);
}

#[test]
fn keys_that_the_provider_changes_are_followed() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = Ca::start_with(&lab, with_provider(&op));
    first_login(&ca, &op, "op", "alice");
    op.rotate();
    // An unknown key is asked for once in half a minute.
    let until = now() + 60;
    let bob = ca.stranger("bob-at-op");
    let url = ca.url();
    let login = Person::by_issuer(&ca, &url, "op");
    wait_for("the new keys", || {
        assert!(now() < until, "the new keys are not taken");
        (bob.signs_on(&login, &op.browser(), ("bob", Means::MFA)).code == 0).then_some(())
    });
}
