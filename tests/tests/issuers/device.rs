//! People who log in on a machine without a browser (RFC 8628): at a real provider, with the page in a real browser.

use std::fs;
use std::path::Path;

use jit_ca_tests::{Browser, Ca, Lab, OpenIdProvider, Person, Reply, TokenIssuer, Wire, wait_for};
use serde_json::{Value, json};

use super::{add, both_agree, people_file, workloads_file};

/// The page's host, which is this machine.
const HOST: &str = "ca.test";

/// A CA with a page, and an issuer that allows such logins.
fn begin(lab: &Lab, op: &OpenIdProvider) -> Ca {
    Ca::start_with(lab, |config| {
        serve_page(config);
        add(config, "op", &allowed(op), op);
    })
}

fn serve_page(config: &Path) {
    let file = config.join("jit-cad.toml");
    let text = fs::read_to_string(&file).unwrap();
    let web = format!("[web]\naddress = \"127.0.0.1:0\"\nhost = \"{HOST}\"\n");
    fs::write(&file, text + &web).unwrap();
}

fn allowed(op: &OpenIdProvider) -> String {
    people_file(op).replace("[map]", "device = true\n[map]")
}

/// A browser that trusts the CA's page and the provider's.
fn browser(lab: &Lab, ca: &Ca, op: &OpenIdProvider) -> Browser {
    let root = Wire::nobody(ca, &ca.stranger("a-browser")).root();
    Browser::start(lab, "browser", &[&root, &op.ca_file()], &[HOST])
}

/// What a person says who logs in so for the first time.
fn login<'a>(ca: &'a Ca, url: &'a str) -> Vec<&'a str> {
    [&Person::by_issuer(ca, url, "op")[..], &["--device"]].concat()
}

/// In the browser, on the provider's pages: says yes to the code, and logs in with a second factor.
pub(crate) fn signs_on(browser: &mut Browser, sub: &str) {
    browser.run(&format!(
        "await page.getByRole('button', {{name: 'Continue'}}).click();
         await page.locator('[name=sub]').fill({sub:?});
         await page.locator('[name=acr]').fill('urn:example:mfa');
         await page.locator('[name=amr]').fill('pwd otp mfa');
         await press('login');
         await press('consent');
         await page.getByText('Sign-in Success').waitFor();"
    ));
}

#[test]
fn a_login_is_confirmed_on_the_page_and_signed_on_elsewhere() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = begin(&lab, &op);
    let (url, mut browser) = (ca.url(), browser(&lab, &ca, &op));
    let alice = ca.stranger("alice-at-op");
    let mut waits = alice.starts_to_sign_on(&login(&ca, &url));
    let address = waits.says("with a browser on any machine: ");
    let facts = waits.says("the page has to show ");
    let (code, key) = facts.split_once(" and the login key ").unwrap();
    let (code, key) = (code.trim_start_matches("the code "), key.split(';').next().unwrap());
    assert_eq!(address, format!("{}/#device={code}", ca.page()));

    // Who is asked sees what it is, and from where.
    browser.open(&address);
    let shown = browser.text("return await says('Did you start this login?');");
    for fact in [code, key, "127.0.0.1", "op", "Go on only if you started this yourself"] {
        assert!(shown.contains(fact), "{fact} is not in {shown}");
    }
    assert!(!browser.text("return page.url();").contains(code));
    browser.picture("device");
    browser.run("await press('Yes, I started this'); await says('Now sign on');");
    browser.picture("device-confirmed");
    let theirs = browser.text("return await page.locator('.big').innerText();");
    browser.run("await press('Go on to op');");
    browser.run(&format!("await page.getByText({theirs:?}).waitFor();"));
    signs_on(&mut browser, "alice");
    waits.ends().ok();
    assert_eq!(browser.run("return errors;"), json!([]));

    let me = alice.jit_ca(&["whoami", "--json"]).ok().json();
    assert_eq!((&me["subject"], &me["name"]), (&json!("op/alice"), &json!("alice@op")));
    assert!(me["login"]["mfa_at"].is_string(), "{me}");
    alice.jit_ca(&["request", "web-logs", "--host", "web1", "--reason", "INC-1"]).ok();

    // The log says how it was, and two programs take it so.
    let carol = ca.person("carol");
    let listed = carol.jit_ca(&["log", "list", "--json"]).ok().json();
    let mut logins = listed.as_array().unwrap().clone();
    logins.retain(|entry| entry["type"] == "login.token");
    let payload = &logins[0]["payload"];
    assert_eq!((&payload["confirmed_from"], logins.len()), (&json!("127.0.0.1"), 1), "{payload}");
    both_agree(&carol);

    // The machine still has no browser the next time. The code is typed now, and somebody says no.
    let mut waits = alice.starts_to_sign_on(&["login", "--again"]);
    let address = waits.says("with a browser on any machine: ");
    let typed = address.split('=').nth(1).unwrap().replace('-', "").to_lowercase();
    browser.open(&format!("{}/#device", ca.page()));
    browser.run("await says('Log a terminal in');");
    browser.picture("device-typed");
    browser.run(&format!("await page.getByLabel('The code').fill({typed:?});"));
    browser.run("await press('Look at it'); await says('Did you start this login?');");
    browser.run("await press('No'); await says('The login is refused');");
    browser.picture("device-denied");
    waits.ends().exits(3).says("this login is not theirs");
    // What was answered is answered, and what nobody began is nothing.
    for code in [typed.as_str(), "BBBB-BBBB"] {
        browser.open(&format!("{}/#device={code}", ca.page()));
        let refused = browser.text("return await says('can\\'t be used');");
        assert!(refused.contains("No login with this code waits"), "{refused}");
    }
    browser.picture("device-wrong");
}

#[test]
fn a_second_factor_that_is_missing_is_asked_for_in_the_same_way() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = begin(&lab, &op);
    let (url, mut browser) = (ca.url(), browser(&lab, &ca, &op));
    let alice = ca.stranger("alice-at-op");
    let mut waits = alice.starts_to_sign_on(&login(&ca, &url));
    let go_on = |browser: &mut Browser, address: &str| {
        browser.open(address);
        browser.run("await press('Yes, I started this'); await press('Go on to op');");
        browser.run("await page.getByRole('button', {name: 'Continue'}).click();");
        browser.run("await page.locator('[name=sub]').fill('alice');");
    };
    // A password alone, whatever was asked for.
    go_on(&mut browser, &waits.says("with a browser on any machine: "));
    browser.run("await press('login'); await press('consent');");
    browser.run("await page.getByText('Sign-in Success').waitFor();");

    // So it is asked once more, and goes on where it was.
    go_on(&mut browser, &waits.says("with a browser on any machine: "));
    browser.run(
        "await page.locator('[name=acr]').fill('urn:example:mfa'); await press('login');
         await press('consent'); await page.getByText('Sign-in Success').waitFor();",
    );
    waits.ends().ok();
    let me = alice.jit_ca(&["whoami", "--json"]).ok().json();
    assert!(me["login"]["mfa_at"].is_string(), "{me}");
}

#[test]
fn who_says_no_at_the_provider_is_not_logged_in() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = begin(&lab, &op);
    let (url, mut browser) = (ca.url(), browser(&lab, &ca, &op));
    let alice = ca.stranger("alice-at-op");
    let mut waits = alice.starts_to_sign_on(&login(&ca, &url));
    browser.open(&waits.says("with a browser on any machine: "));
    browser.run("await press('Yes, I started this'); await press('Go on to op');");
    browser.run("await page.getByRole('button', {name: 'Abort'}).click();");
    browser.run("await page.getByText('interrupted').waitFor();");
    waits.ends().exits(3).says("access_denied");
    alice.jit_ca(&["whoami"]).exits(2);
}

/// Such a login, by hand.
struct ByHand<'a> {
    ca: &'a Ca,
    wire: Wire,
    csr: String,
    begun: Value,
}

impl<'a> ByHand<'a> {
    fn begin(ca: &'a Ca, name: &str) -> Self {
        let wire = Wire::nobody(ca, &ca.stranger(name));
        let csr = wire.key_and_csr("login", &["-subj", "/CN=x"]).1;
        let call = json!({"csr": csr, "max_age": 3600});
        let begun = wire.post("/v1/issuers/op/device", &call).ok().json();
        Self { ca, wire, csr, begun }
    }

    fn call(&self) -> Value {
        json!({"issuer": "op", "csr": self.csr, "credential": {"device": {"challenge": self.begun["challenge"]}}})
    }

    /// The call with this idempotency key.
    fn again(&self, key: &str) -> Reply {
        self.wire.post_again("/v1/logins/issuer", &self.call(), key)
    }

    /// What the page's script asks for.
    fn on_page(&self, what: &str) -> jit_ca_tests::Output {
        let body = json!({"code": self.begun["user_code"]});
        self.ca.page_call(&format!("/page/device/{what}"), &body)
    }
}

#[test]
fn the_provider_is_asked_after_a_yes_alone_and_for_this_key_alone() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = begin(&lab, &op);
    let ours = ByHand::begin(&ca, "alice-at-op");
    // Nothing of the provider's is told to who began it.
    let told = ours.begun.to_string();
    assert!(!told.contains(&op.issuer()) && !told.contains("device_code"), "{told}");
    for _ in 0..3 {
        ours.wire.post("/v1/logins/issuer", &ours.call()).refused("not-yet");
    }
    assert_eq!((op.asked("/device/auth"), op.asked("/token")), (1, 0));

    let confirmed = ours.on_page("confirm").ok().json();
    assert!(confirmed["url"].as_str().unwrap().starts_with(&op.issuer()), "{confirmed}");
    ours.on_page("confirm").exits(22).says("waits for an answer");
    // Another key, another issuer's name, another's challenge: none of them is asked for.
    let refused = |call: &Value| {
        super::from_elsewhere(&ours.wire, call).refused("login-refused");
    };
    let mut call = ours.call();
    call["csr"] = ours.wire.key_and_csr("other", &["-subj", "/CN=x"]).1.into();
    refused(&call);
    let other = ours.wire.post("/v1/challenges", &json!({})).ok().json();
    let mut call = ours.call();
    call["credential"]["device"]["challenge"] = other["challenge"].clone();
    refused(&call);
    let mut call = ours.call();
    call["credential"]["device"]["challenge"] = ours.begun["user_code"].clone();
    refused(&call);
    assert_eq!(op.asked("/token"), 0);
    // Now it is, and not again a moment later.
    for _ in 0..2 {
        ours.wire.post("/v1/logins/issuer", &ours.call()).refused("not-yet");
    }
    assert_eq!(op.asked("/token"), 1);

    // A policy that no longer allows it ends what waits.
    let file = ca.config().parent().unwrap().join("issuers/op.toml");
    fs::write(file, people_file(&op)).unwrap();
    ca.jit_cad(&["reload"]).ok();
    let refused = ours.wire.post("/v1/logins/issuer", &ours.call()).refused("bad-request");
    assert!(refused.body.contains("allows no logins by device code"), "{}", refused.body);
}

#[test]
fn a_login_goes_on_with_what_the_provider_said_until_it_is_written_and_is_given_again() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = begin(&lab, &op);
    let mut browser = browser(&lab, &ca, &op);
    let ours = ByHand::begin(&ca, "alice-at-op");
    let confirmed = ours.on_page("confirm").ok().json();
    browser.open(confirmed["url"].as_str().unwrap());
    signs_on(&mut browser, "alice");
    // The tokens come, and what would verify them does not.
    op.hides_keys(true);
    ours.again("one").refused("not-yet");
    assert_eq!((op.asked("/token"), op.asked("/jwks")), (1, 1));
    op.hides_keys(false);
    // Now it would be written, but for a lock.
    let bob = ca.person("bob");
    bob.jit_ca(&["lock", "all", "--reason", "INC-7"]).ok();
    wait_for("the lock", || {
        let reply = ours.again("one");
        (reply.problem()["code"] != "not-yet").then(|| reply.refused("locked"))
    });
    ca.jit_cad(&["unlock", "all", "--reason", "over"]).ok();
    let login = ours.again("one").ok().json();
    assert_eq!(login["me"]["subject"], "op/alice", "{login}");

    // The same call has the same answer, however often it is lost, and another call has none.
    assert_eq!(ours.again("one").ok().json()["certificate"], login["certificate"]);
    ours.again("two").refused("login-refused");
    assert_eq!(ours.again("one").ok().json()["certificate"], login["certificate"]);
    assert_eq!(op.asked("/token"), 1);
    let carol = ca.person("carol");
    let listed = carol.jit_ca(&["log", "list", "--json"]).ok().json();
    let logins = listed.as_array().unwrap().iter().filter(|entry| entry["type"] == "login.token");
    assert_eq!(logins.count(), 1);
    both_agree(&carol);
}

#[test]
fn a_provider_that_is_down_for_a_while_ends_no_login_and_a_daemon_that_restarts_does() {
    let lab = Lab::new();
    let mut op = OpenIdProvider::start(&lab);
    let mut ca = begin(&lab, &op);
    let mut browser = browser(&lab, &ca, &op);
    let ours = ByHand::begin(&ca, "alice-at-op");
    let confirmed = ours.on_page("confirm").ok().json();
    op.kill();
    ours.wire.post("/v1/logins/issuer", &ours.call()).refused("not-yet");
    assert!(ca.log_text().contains("waits for its issuer"), "{}", ca.log_text());
    op.start_again();
    browser.open(confirmed["url"].as_str().unwrap());
    signs_on(&mut browser, "alice");
    let login = wait_for("the login", || {
        let reply = ours.wire.post("/v1/logins/issuer", &ours.call());
        (reply.status == Some(200)).then(|| reply.json())
    });
    assert_eq!(login["me"]["subject"], "op/alice", "{login}");
    // It was good once.
    ours.wire.post("/v1/logins/issuer", &ours.call()).refused("login-refused");

    let ours = ByHand::begin(&ca, "bob-at-op");
    ours.on_page("confirm").ok();
    let (call, ByHand { wire, .. }) = (ours.call(), ours);
    ca.stop();
    ca.serve();
    wire.post("/v1/logins/issuer", &call).refused("login-refused");
}

#[test]
fn codes_can_be_neither_guessed_nor_hoarded_and_are_soon_worth_nothing() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let ca = begin(&lab, &op);
    op.device_codes_last(3);
    let short = ByHand::begin(&ca, "alice-at-op");
    wait_for("its end", || {
        let reply = short.wire.post("/v1/logins/issuer", &short.call());
        (reply.problem()["code"] != "not-yet").then(|| reply.refused("login-refused"))
    });
    short.on_page("confirm").exits(22).says("waits for an answer");
    assert_eq!(op.asked("/token"), 0);

    op.device_codes_last(120);
    let many: Vec<ByHand<'_>> = (0..16).map(|_| ByHand::begin(&ca, "alice-at-op")).collect();
    let call = json!({"csr": short.csr, "max_age": 0});
    let full = short.wire.post("/v1/issuers/op/device", &call).refused("too-many-logins");
    assert!(full.body.contains("from your network"), "{}", full.body);
    // Who says no to one makes room for another.
    many[1].on_page("deny").ok();
    short.wire.post("/v1/issuers/op/device", &call).ok();
    short.wire.post("/v1/issuers/op/device", &call).refused("too-many-logins");
    let wrong = json!({"code": "BBBB-BBBB"});
    wait_for("a wait", || {
        let answer = ca.page_call("/page/device/find", &wrong);
        answer.stdout.contains("too-many-attempts").then_some(())
    });
    // Whoever guesses waits with right ones, too.
    many[0].on_page("find").exits(22).says("too many attempts");
}

#[test]
fn they_are_off_where_the_policy_the_page_or_the_provider_has_none() {
    let lab = Lab::new();
    let [op, other, none] = [(); 3].map(|()| OpenIdProvider::start(&lab));
    let ci = TokenIssuer::start(&lab);
    none.has_device_codes(false);
    let workloads = workloads_file(&ci, "[[workload]]\nname = \"a\"\nclaims = { a = \"b\" }\n");
    let mut ca = Ca::start_with(&lab, |config| {
        add(config, "op", &people_file(&op), &op);
        add(config, "allowed", &allowed(&other), &other);
        add(config, "none", &allowed(&none), &none);
        add(config, "ci", &workloads, &ci);
    });
    let alice = ca.stranger("alice-at-op");
    let tries = |ca: &Ca, issuer: &str| {
        let url = ca.url();
        let words = [&Person::by_issuer(ca, &url, issuer)[..], &["--device"]].concat();
        alice.jit_ca(&words)
    };
    tries(&ca, "op").exits(2).says("allows no logins by device code").says("device = true");
    tries(&ca, "ci").exits(2).says("vouches for workloads");
    tries(&ca, "gone").exits(2).says("there is no issuer gone");
    tries(&ca, "allowed").exits(2).says("this CA serves none").says("[web]");
    assert_eq!(op.asked("/device/auth") + other.asked("/device/auth"), 0);
    ca.stop();
    serve_page(ca.config().parent().unwrap());
    ca.serve();
    tries(&ca, "none").exits(1).says("device_authorization_endpoint");
    let unsure = ca.stranger("unsure");
    let (url, pin) = (ca.url(), ca.pin());
    let nowhere = ["login", "--ca", &url, "--ca-pin", pin, "--device"];
    unsure.jit_ca(&nowhere).exits(2).says("--issuer NAME");
}
