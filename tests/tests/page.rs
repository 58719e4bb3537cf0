//! The page for browsers: passkeys enrolled, used to log in and to approve, in a real browser.

mod command_line;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jit_ca_tests::{
    Browser, Ca, Lab, Means, OpenIdProvider, Output, Person, repository, run, self_signed,
};
use serde_json::{Value, json};

use crate::issuers::{add, people_file};

/// The page's host, which is this machine.
const HOST: &str = "ca.test";
/// Somebody else's.
const EVIL: &str = "evil.test";

/// A CA with a page, where bob, who may approve, is logged in on the command line and has a browser.
struct Scene {
    browser: Browser,
    alice: Person,
    bob: Person,
    root: PathBuf,
    ca: Ca,
    lab: Lab,
}

impl Scene {
    fn new() -> Self {
        Self::begin(Lab::new(), |_| {})
    }

    /// The same with another configuration.
    fn begin(lab: Lab, change: impl FnOnce(&Path)) -> Self {
        let ca = Ca::start_with(&lab, |config| {
            let file = config.join("jit-cad.toml");
            let text = fs::read_to_string(&file).unwrap();
            let web = format!("[web]\naddress = \"127.0.0.1:0\"\nhost = \"{HOST}\"\n");
            fs::write(&file, text + &web).unwrap();
            change(config);
        });
        let [alice, bob] = ["alice", "bob"].map(|name| ca.person(name));
        let root = bob.jit_ca(&["trust", "--x509-root"]).ok().stdout;
        let root = lab.file("root.pem", root);
        let mut browser = Browser::start(&lab, "browser", &[&root], &[HOST, EVIL]);
        browser.run("globalThis.authenticator = await plug();");
        Self { browser, alice, bob, root, ca, lab }
    }

    /// The link that adds a passkey for bob.
    fn link(&self, label: &str) -> String {
        let link = self.bob.jit_ca(&["passkey", "add", "--name", label, "--json"]).ok().json();
        link["url"].as_str().unwrap().to_owned()
    }

    fn open(&mut self, url: &str) {
        self.browser.open(url);
    }

    /// Adds bob's first passkey, and logs in to the page with it.
    fn log_in(&mut self) {
        let link = self.link("laptop");
        self.open(&link);
        self.browser.run("await press('Add the passkey'); await says('The passkey is added');");
        self.browser.run("await press('Log in with it'); await says('What waits for you');");
    }

    fn ask(&self, reason: &str) -> String {
        let words =
            ["request", "web-shell", "--host", "web1", "--for", "2h", "--no-wait", "--json"];
        let asked = self.alice.jit_ca(&[&words[..], &["--reason", reason]].concat());
        asked.json()["id"].as_str().unwrap().to_owned()
    }

    /// The log's entries of a type, as carol reads it, who is logged in.
    fn entries(&self, entry_type: &str) -> Vec<Value> {
        let carol = self.ca.stranger("carol");
        let listed = carol.jit_ca(&["log", "list", "--json"]).ok().json();
        let mut entries = listed.as_array().unwrap().clone();
        entries.retain(|entry| entry["type"] == entry_type);
        entries
    }

    /// curl at the page, with these arguments.
    fn curl(&self, path: &str, arguments: &[&str]) -> Output {
        let url = format!("{}{path}", self.ca.page());
        let port = url.split(':').nth(2).unwrap().split('/').next().unwrap().to_owned();
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-i", "--max-time", "20", "--cacert"]).arg(&self.root);
        curl.args(["--resolve", &format!("{HOST}:{port}:127.0.0.1")]).args(arguments);
        run(curl.arg(url)).ok()
    }
}

#[test]
fn a_passkey_is_enrolled_logs_in_approves_and_denies() {
    let mut scene = Scene::new();
    let carol = scene.ca.person("carol");
    let link = scene.link("laptop");
    scene.open(&link);
    let shown = scene.browser.text("return await says('Add a passkey');");
    assert!(shown.contains("bob") && shown.contains("laptop") && shown.contains(HOST), "{shown}");
    // The link's secret is gone from the address bar.
    assert!(!scene.browser.text("return page.url();").contains("enrol"));
    scene.browser.picture("enrol");
    scene.browser.run("await press('Add the passkey'); await says('The passkey is added');");
    scene.browser.picture("enrolled");
    // It works once.
    scene.open(&link);
    scene.browser.run("await says('the link has been used'.replace('t', 'T'));");
    let listed = scene.bob.jit_ca(&["passkey", "list", "--json"]).ok().json();
    assert_eq!((&listed[0]["label"], &listed[0]["host"]), (&json!("laptop"), &json!(HOST)));

    let page = scene.ca.page().to_owned();
    scene.open(&page);
    scene.browser.run("await says('Log in');");
    scene.browser.picture("login");
    scene.browser.run("await press('Continue with a passkey'); await says('Nobody waits');");
    scene.browser.picture("nothing");

    // What waits, and one of it.
    let id = scene.ask("INC-42: orders time out at the checkout since 14:05");
    let other = scene.ask("to look around");
    scene.browser.run("await page.reload(); await says('INC-42');");
    scene.browser.picture("waiting");
    scene
        .browser
        .run("await page.getByText('INC-42').click(); await says('Approve with a passkey');");
    let shown = scene.browser.text("return await says('What you sign');");
    for fact in ["alice asks for web-shell", "INC-42: orders time out", "web1", "2h", "pending"] {
        assert!(shown.contains(fact), "{fact} is not in {shown}");
    }
    scene.browser.picture("request");
    // What is not what was asked for is not there to be signed.
    scene.browser.run(
        "await page.evaluate(() => {
             const own = window.fetch;
             window.fetch = async (path, sent) => {
                 const told = await (await own(path, sent)).json();
                 if (told.request) told.request.reason = 'INC-42: nothing of note';
                 return new Response(JSON.stringify(told));
             };
             dispatchEvent(new HashChangeEvent('hashchange'));
         });
         await says('This is not what was asked for.');",
    );
    scene.browser.picture("other");
    assert_eq!(scene.browser.run("return page.getByRole('button', {name: 'Approve'}).count();"), 0);
    scene.browser.run("await page.reload(); await says('What you sign');");
    let said = "You approved it, and that is enough.";
    scene.browser.run(&format!("await press('Approve with a passkey'); await says({said:?});"));
    scene.browser.picture("approved");
    let stands = scene.alice.jit_ca(&["requests", &id, "--json"]).ok().json();
    assert_eq!(stands["status"], "approved", "{stands}");
    assert_eq!(stands["approvals"][0]["signed"], true);

    // A no, with a reason.
    let url = format!("{page}/#{other}");
    scene.open(&url);
    scene
        .browser
        .run("await press('Deny'); await page.getByLabel('Why not?').fill('say what for');");
    scene.browser.picture("deny");
    scene.browser.run("await press('Deny'); await says('You denied it.');");
    let stands = scene.alice.jit_ca(&["requests", &other, "--json"]).ok().json();
    assert_eq!(stands["denied"]["reason"], "say what for", "{stands}");
    scene.browser.run("await page.getByRole('button', {name: 'Log out'}).click(); await says('You are logged out.');");
    assert_eq!(scene.browser.run("return (await context.cookies()).length;"), 0);
    assert_eq!(scene.browser.run("return errors;"), json!([]));

    // Both verifiers have to say the same of it; when the CA goes, ours says it once more.
    let export = scene.lab.path().join("export.tar");
    carol.jit_ca(&["log", "export", export.to_str().unwrap()]).ok();
    carol.jit_ca(&["log", "verify", export.to_str().unwrap()]).ok();
    let verifier = repository().join("tests/verify.py");
    run(Command::new("/usr/bin/python3").arg(verifier).arg(&export)).ok().says("\"holds\"");
    for (entry_type, count) in [("passkey.added", 1), ("page.login", 1), ("logout", 1)] {
        assert_eq!(scene.entries(entry_type).len(), count, "{entry_type}");
    }
    let approval = scene.entries("approval").pop().unwrap();
    let signature = &approval["payload"]["signature"]["passkey"];
    assert!(signature["signature"].is_string(), "{approval}");
}

#[test]
fn a_second_passkey_needs_the_first_and_one_that_is_removed_is_none() {
    let mut scene = Scene::new();
    scene.log_in();
    let link = scene.link("telephone");
    scene.open(&link);
    // Another authenticator takes the first one's place: it can't give its leave.
    scene.browser.run(
        "globalThis.first = (await cdp.send('WebAuthn.getCredentials', {authenticatorId: authenticator})).credentials[0];
         await cdp.send('WebAuthn.removeVirtualAuthenticator', {authenticatorId: authenticator});
         globalThis.authenticator = await plug();",
    );
    scene
        .browser
        .run("await press('Use the one that I have'); await says('No passkey was used.');");
    scene.browser.picture("second-refused");
    // Nor does it help to leave out the question.
    let secret = link.split('=').nth(1).unwrap();
    let refused = scene.browser.run(&format!(
        "return await page.evaluate(async (link) => {{
            const call = async (path, body) => (await fetch(path, {{method: 'POST', body: JSON.stringify(body),
                headers: {{'content-type': 'application/json', 'idempotency-key': crypto.randomUUID()}}}})).json();
            const begun = await call('/page/enrol/begin', {{link}});
            const b64 = (it) => btoa(String.fromCharCode(...new Uint8Array(it))).replace(/=+$/, '');
            const challenge = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(begun.statement));
            const {{response}} = await navigator.credentials.create({{publicKey: {{challenge, rp: {{id: begun.host, name: 'x'}},
                user: {{id: Uint8Array.from(atob(begun.user), (c) => c.charCodeAt(0)), name: 'bob', displayName: 'bob'}},
                pubKeyCredParams: [{{type: 'public-key', alg: -7}}],
                authenticatorSelection: {{residentKey: 'required', userVerification: 'required'}}}}}});
            const registration = {{client_data: b64(response.clientDataJSON), authenticator_data: b64(response.getAuthenticatorData())}};
            return call('/page/enrol/finish', {{link, registration, consent: null}});
        }}, {secret:?});"
    ));
    assert_eq!(refused["code"], "mfa-required", "{refused}");

    // With the first one back, both ceremonies go through.
    scene.browser.run(
        "await cdp.send('WebAuthn.removeVirtualAuthenticator', {authenticatorId: authenticator});
         globalThis.authenticator = await plug();
         await cdp.send('WebAuthn.addCredential', {authenticatorId: authenticator, credential: first});",
    );
    scene.open(&link);
    scene.browser.run("await press('Use the one that I have'); await says('Now the new one');");
    // The new one comes from another device.
    scene.browser.run(
        "await cdp.send('WebAuthn.removeVirtualAuthenticator', {authenticatorId: authenticator});
         globalThis.authenticator = await plug({transport: 'usb'});
         await press('Add the passkey'); await says('The passkey is added');",
    );
    let names = |scene: &Scene| {
        let listed = scene.bob.jit_ca(&["passkey", "list", "--json"]).ok().json();
        let names = listed.as_array().unwrap().iter().map(|it| it["label"].to_string());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&scene), r#""laptop" "telephone""#);
    scene.browser.run("await press('Log in with it'); await says('What waits for you');");

    // Given up, it ends the login that it made, and makes no other.
    scene.bob.jit_ca(&["passkey", "remove", "telephone"]).ok();
    assert_eq!(names(&scene), r#""laptop""#);
    scene.browser.run("await page.reload(); await says('Continue with a passkey');");
    scene
        .browser
        .run("await press('Continue with a passkey'); await says('The login was refused.');");
    scene.bob.jit_ca(&["passkey", "remove", "telephone"]).exits(2).says("you have no passkey");
}

#[test]
fn whom_an_issuer_vouches_for_is_there_for_as_long_as_a_login_by_that_issuer() {
    let lab = Lab::new();
    let op = OpenIdProvider::start(&lab);
    let mut scene = Scene::begin(lab, |config| add(config, "op", &people_file(&op), &op));
    scene.bob = scene.ca.stranger("bob-at-op");
    let sign_on = |scene: &Scene| {
        let url = scene.ca.url();
        let login = Person::by_issuer(&scene.ca, &url, "op");
        scene.bob.signs_on(&login, &op.browser(), ("bob", Means::MFA)).ok();
    };
    sign_on(&scene);
    scene.log_in();

    // By a passkey alone nobody would ever ask the issuer whether bob is still there.
    scene.bob.jit_ca(&["logout"]).ok();
    scene.browser.run("await page.reload(); await press('Continue with a passkey');");
    scene.browser.run("await says('The issuer that vouches for you has to be asked first');");
    sign_on(&scene);
    scene.browser.run("await page.reload(); await says('Nobody waits');");
}

#[test]
fn a_passkey_counts_only_with_its_user_verified_and_not_as_a_copy() {
    let mut scene = Scene::new();
    scene.log_in();
    scene.browser.run(
        "globalThis.copy = (await cdp.send('WebAuthn.getCredentials', {authenticatorId: authenticator})).credentials[0];",
    );
    let id = scene.ask("INC-43");
    let url = format!("{}/#{id}", scene.ca.page());
    scene.open(&url);
    // Who does not pass the authenticator's own check approves nothing.
    let verified = |is: bool| {
        format!(
            "await cdp.send('WebAuthn.setUserVerified', {{authenticatorId: authenticator, isUserVerified: {is}}});"
        )
    };
    scene.browser.run(&verified(false));
    scene.browser.run("await press('Approve with a passkey'); await says('No passkey was used.');");
    scene.browser.run(&verified(true));
    scene.browser.run("await press('Approve with a passkey'); await says('You approved it');");

    // A copy that was made before counts from where it was: what it signs is refused, and told.
    scene.browser.run(
        "await cdp.send('WebAuthn.removeVirtualAuthenticator', {authenticatorId: authenticator});
         globalThis.authenticator = await plug();
         await cdp.send('WebAuthn.addCredential', {authenticatorId: authenticator, credential: copy});
         await page.getByRole('button', {name: 'Log out'}).click(); await says('You are logged out.');
         await press('Continue with a passkey'); await says('The login was refused.');",
    );
    scene.ca.person("carol");
    let refusals = scene.entries("refusal");
    let told = refusals.iter().any(|entry| {
        entry["payload"]["detail"].as_str().is_some_and(|it| it.contains("may have been copied"))
    });
    assert!(told, "{refusals:?}");
}

#[test]
fn neither_another_page_nor_a_cookie_or_certificate_out_of_place_counts() {
    let mut scene = Scene::new();
    scene.log_in();
    let id = scene.ask("INC-44");
    let page = scene.ca.page().to_owned();
    let cookie = scene.browser.run("return (await context.cookies())[0];");
    for (name, value) in [
        ("name", json!("__Host-jit-ca")),
        ("httpOnly", json!(true)),
        ("secure", json!(true)),
        ("sameSite", json!("Strict")),
        ("path", json!("/")),
        ("domain", json!(HOST)),
    ] {
        assert_eq!(cookie[name], value, "{cookie}");
    }
    let pair = format!("__Host-jit-ca={}", cookie["value"].as_str().unwrap());

    // The cookie is the page's alone, and none is no login.
    let with = format!("cookie: {pair}");
    scene.curl("/page/me", &["-H", &with]).says("200").says("\"bob\"");
    scene.curl("/page/me", &[]).says("401");
    scene
        .curl(
            "/page/me",
            &["-H", "cookie: __Host-jit-ca=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
        )
        .says("401");
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-i", "--cacert"]).arg(&scene.root).args(["-H", &with]);
    run(curl.arg(format!("{}/v1/me", scene.ca.url())))
        .ok()
        .says("401")
        .says("no login certificate");
    // The certificate of the command line's login is none on the page.
    let login = login_pem(&scene.lab, &scene.bob);
    scene.curl("/page/me", &["--cert", login.to_str().unwrap()]).says("401");

    // What is served, and what it is served with.
    let shown = scene.curl("/", &[]);
    for header in [
        "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "cross-origin-opener-policy: same-origin",
        "cross-origin-resource-policy: same-origin",
    ] {
        assert!(shown.stdout.to_lowercase().contains(header), "{header}: {shown}");
    }
    scene.curl("/v1/trust", &[]).says("404");

    // Another page in the same browser: it can send, and nothing comes of it.
    let deny = format!("{page}/page/requests/{id}/deny");
    let evil = format!(
        "<form id=f method=post action='{deny}' enctype='text/plain'><input name='{{\"reason\":\"' value='x\"}}'></form>
         <iframe src='{page}/'></iframe>"
    );
    scene.browser.run(&format!(
        "await context.route('https://{EVIL}/**', (route) => route.fulfill({{contentType: 'text/html', body: {evil:?}}}));
         await page.goto('https://{EVIL}/');"
    ));
    scene.browser.run(&format!(
        "return await page.evaluate(async (url) => {{
            for (const headers of [{{}}, {{'content-type': 'text/plain'}}]) {{
                await fetch(url, {{method: 'POST', mode: 'no-cors', credentials: 'include', headers, body: '{{}}'}}).catch(() => 0);
            }}
            await fetch(url, {{method: 'POST', credentials: 'include', headers: {{'content-type': 'application/json',
                'idempotency-key': 'x'}}, body: '{{}}'}}).catch(() => 0);
        }}, {deny:?});"
    ));
    scene.browser.run("await Promise.all([page.waitForNavigation(), page.evaluate(() => document.getElementById('f').submit())]);");
    // Also where a browser sent the cookie along, which these don't.
    for headers in [
        vec!["origin: https://evil.test", "content-type: application/json"],
        vec!["content-type: application/json"],
        vec!["sec-fetch-site: cross-site", "content-type: application/json"],
        vec!["content-type: text/plain"],
    ] {
        let own = format!("origin: {page}");
        let mut arguments = vec!["-H", with.as_str(), "-H", "idempotency-key: k", "-d", "{}"];
        for header in &headers {
            arguments.extend(["-H", header]);
        }
        if headers[0].starts_with("sec") || headers[0].ends_with("plain") {
            arguments.extend(["-H", own.as_str()]);
        }
        scene.curl(&format!("/page/requests/{id}/deny"), &arguments).says("400");
    }
    let stands = scene.alice.jit_ca(&["requests", &id, "--json"]).ok().json();
    assert_eq!(stands["status"], "pending", "{stands}");

    // It can't ask for the passkey, and one of its own is none here.
    scene.browser.run(&format!("await page.goto('https://{EVIL}/');"));
    let asked = |host: &str| {
        format!(
            "return await page.evaluate(async (rpId) => {{
                const challenge = new Uint8Array(32);
                try {{ await navigator.credentials.get({{publicKey: {{rpId, challenge, userVerification: 'required'}}}}); }}
                catch (error) {{ return error.name; }}
            }}, {host:?});"
        )
    };
    assert_eq!(scene.browser.run(&asked(HOST)), "SecurityError");
    // By a login that another page has relayed: the challenge is ours, the passkey's page is theirs.
    let begun = scene.curl(
        "/page/login/begin",
        &[
            "-H",
            &format!("origin: {page}"),
            "-H",
            "content-type: application/json",
            "-H",
            "idempotency-key: k",
            "-d",
            "{}",
        ],
    );
    let begun: Value = serde_json::from_str(begun.stdout.lines().last().unwrap()).unwrap();
    let relayed = scene.browser.run(&format!(
        "return await page.evaluate(async ([statement, id]) => {{
            const b64 = (it) => btoa(String.fromCharCode(...new Uint8Array(it))).replace(/=+$/, '');
            const challenge = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(statement));
            await navigator.credentials.create({{publicKey: {{challenge, rp: {{name: 'x'}}, user: {{id: new Uint8Array(16), name: 'b', displayName: 'b'}},
                pubKeyCredParams: [{{type: 'public-key', alg: -7}}], authenticatorSelection: {{residentKey: 'required', userVerification: 'required'}}}}}});
            const {{rawId, response}} = await navigator.credentials.get({{publicKey: {{challenge, userVerification: 'required'}}}});
            return {{assertion: {{passkey: id, client_data: b64(response.clientDataJSON),
                authenticator_data: b64(response.authenticatorData), signature: b64(response.signature)}}, user: b64(response.userHandle)}};
        }}, [{}, {}]);",
        begun["statement"], own_passkey(&scene.bob)
    ));
    let body = json!({"challenge": begun["challenge"], "assertion": relayed["assertion"], "user": relayed["user"]});
    let body = body.to_string();
    let own = format!("origin: {page}");
    let sent = [
        "-H",
        own.as_str(),
        "-H",
        "content-type: application/json",
        "-H",
        "idempotency-key: k2",
        "-d",
        body.as_str(),
    ];
    scene.curl("/page/login/finish", &sent).says("login-refused");
}

/// The id of a person's passkey, as the page writes it.
fn own_passkey(person: &Person) -> Value {
    let listed = person.jit_ca(&["passkey", "list", "--json"]).ok().json();
    json!(listed[0]["id"].as_str().unwrap().replace('-', "+").replace('_', "/"))
}

/// The key and the certificate of a person's login, in a file.
fn login_pem(lab: &Lab, person: &Person) -> PathBuf {
    let login = fs::read(person.file("run/jit-ca/login.json")).unwrap();
    let login: Value = serde_json::from_slice(&login).unwrap();
    let parts = ["key", "certificate"].map(|part| login[part].as_str().unwrap().to_owned());
    lab.file("login.pem", parts.concat())
}

#[test]
fn without_a_page_there_is_no_link() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let bob = ca.person("bob");
    bob.jit_ca(&["passkey", "add", "--name", "x"]).exits(2).says("serves no page").says("[web]");
    bob.jit_ca(&["passkey", "list"]).ok().says("you have no passkey");
}

#[test]
fn a_certificate_of_somebody_else_is_served_where_one_is_named() {
    let lab = Lab::new();
    let names = ["-subj", "/CN=x", "-addext", "subjectAltName=DNS:ca.test"];
    let (key, certificate) = self_signed(lab.path(), "page", &names);
    let mut ca = Ca::start_with(&lab, |config| {
        let file = config.join("jit-cad.toml");
        let text = fs::read_to_string(&file).unwrap();
        let web = format!(
            "[web]\naddress = \"127.0.0.1:0\"\nhost = \"{HOST}\"\ncertificate = {certificate:?}\nkey = {key:?}\n"
        );
        fs::write(&file, text + &web).unwrap();
    });
    let port = ca.page().rsplit(':').next().unwrap().to_owned();
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--resolve", &format!("{HOST}:{port}:127.0.0.1"), "--cacert"]);
    run(curl.arg(&certificate).arg(ca.page())).ok().says("<title>jit-ca</title>");

    ca.stop();
    fs::write(&key, "no key").unwrap();
    ca.refuses_to_serve().exits(2).says("page.key").says("[web] names a certificate");
    fs::copy(&certificate, &key).unwrap();
    ca.refuses_to_serve().exits(2).says("page.key");
}
