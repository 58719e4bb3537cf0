//! Passkeys that are used on the page for a command at a terminal: second factors of logins, new and open.

use jit_ca_tests::{Lab, Means, OpenIdProvider, Person, now};
use serde_json::Value;

use super::Scene;
use crate::issuers::{add, both_agree, people_file};

impl Scene {
    /// Adds a first passkey for somebody who is logged in on the command line.
    fn enrol(&mut self, person: &Person) {
        let link = person.jit_ca(&["passkey", "add", "--name", "laptop", "--json"]).ok().json();
        self.open(link["url"].as_str().unwrap());
        self.browser.run("await press('Add the passkey'); await says('The passkey is added');");
    }

    /// Uses the passkey where a command sends the browser, which then shows what the command answers.
    fn touch(&mut self, address: &str) {
        self.open(address);
        self.browser.run(
            "await press('Use a passkey'); await page.getByText('Go back to your terminal').waitFor();",
        );
    }

    /// The same, but for what is then sent to the command: gives it.
    fn answer(&mut self, address: &str) -> String {
        self.browser.run(
            "await page.route('http://127.0.0.1:*/callback*', (route) => {
                globalThis.sent = route.request().url();
                route.fulfill({body: 'Go back to your terminal'});
             });",
        );
        self.touch(address);
        self.browser.run("await page.unroute('http://127.0.0.1:*/callback*');");
        self.browser.text("return sent;")
    }
}

/// The value of a name behind the `#` of an address.
fn value<'a>(address: &'a str, name: &str) -> &'a str {
    let (_, values) = address.split_once('#').unwrap();
    let value = values.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
    value.unwrap()
}

fn mfa_at(person: &Person) -> Value {
    person.jit_ca(&["whoami", "--json"]).ok().json()["login"]["mfa_at"].clone()
}

const LOGIN: [&str; 3] = ["login", "--again", "--passkey"];

#[test]
fn a_passkey_is_the_second_factor_of_a_login_at_the_terminal() {
    let mut scene = Scene::new();
    let alice = scene.ca.person("alice");
    scene.enrol(&alice);
    let mut login = alice.starts_to_sign_on(&LOGIN);
    let address = login.address();
    scene.open(&address);
    let shown = scene.browser.text("return await says('Log in on the command line');");
    assert!(shown.contains("alice") && shown.contains("SHA256:"), "{shown}");
    scene.browser.picture("sign-login");
    scene.touch(&address);
    login.ends().ok();
    assert!(mfa_at(&alice).is_string());

    // The next login asks for it by itself; and what was signed for one login is worth nothing for another.
    let [mut one, mut other] = [(); 2].map(|()| alice.starts_to_sign_on(&["login", "--again"]));
    let [first, second] = [one.address(), other.address()];
    let answer = scene.answer(&first);
    let [(old, new), (port, other_port)] =
        ["state", "port"].map(|name| (value(&first, name), value(&second, name)));
    let stolen = answer.replace(old, new).replace(&format!(":{port}/"), &format!(":{other_port}/"));
    other.comes_back(&stolen);
    other.ends().exits(3).says("the login was refused");
    one.comes_back(&answer);
    one.ends().ok();

    // Nor is somebody else's passkey, and that of a link with a line too many.
    let mut bobs = scene.bob.starts_to_sign_on(&LOGIN);
    scene.touch(&bobs.address());
    bobs.ends().exits(3).says("the login was refused");
    scene.open(&address.replace("&login-key=", "%0Alogin-key%3A%20x&login-key="));
    scene.browser.run("await says('This link can\\'t be used');");
    scene.browser.picture("sign-unsound");
    assert_eq!(scene.browser.run("return errors;"), serde_json::json!([]));
    let carol = scene.ca.person("carol");
    both_agree(&carol);
}

#[test]
fn a_passkey_steps_up_a_login_by_an_issuer() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let mut scene = Scene::begin(lab, |config| add(config, "op", &people_file(&op), &op));
    let alice = scene.ca.stranger("alice-at-op");
    let (url, browser) = (scene.ca.url(), op.browser());
    let login = Person::by_issuer(&scene.ca, &url, "op");
    alice.signs_on(&login, &browser, ("alice", Means::MFA)).ok();
    scene.enrol(&alice);

    // The issuer saw a second factor nine hours ago, and the role takes eight.
    let again = ["login", "--again", "--issuer", "op"];
    let old = Means { auth_time: Some(now() - 9 * 3600), ..Means::MFA };
    alice.signs_on(&again, &op.browser(), ("alice", old)).ok();
    let before = mfa_at(&alice);
    let asked =
        ["request", "web-shell", "--host", "web1", "--reason", "INC-1", "--no-wait", "--json"];
    alice.jit_ca(&asked).exits(3).says("the second factor was given 9h");
    let mut stepping_up = alice.starts_to_sign_on(&asked);
    let address = stepping_up.address();
    scene.open(&address);
    scene.browser.run("await says('Confirm that it is you');");
    scene.browser.picture("sign-step-up");
    scene.touch(&address);
    assert_eq!(stepping_up.ends().exits(75).json()["status"], "pending");
    assert_ne!(mfa_at(&alice), before);

    // It saw none: the passkey is one all the same.
    let mut signing_on = alice.starts_to_sign_on(&again);
    let at_issuer = signing_on.address().replace("&acr_values=urn%3Aexample%3Amfa", "");
    signing_on.comes_back(&op.browser().logs_in(&at_issuer, "alice", Means::default()));
    let address = signing_on.address();
    assert_eq!(value(&address, "sign"), "step-up");
    let answer = scene.answer(&address);
    signing_on.comes_back(&answer);
    signing_on.ends().ok();
    assert!(mfa_at(&alice).is_string());

    let carol = scene.ca.person("carol");
    assert_eq!(scene.entries("login.step-up").len(), 2);
    both_agree(&carol);
}
