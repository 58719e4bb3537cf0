//! Logins to the page, by a passkey that needs no browser: what browsers do of themselves, and what somebody does who is none.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use jit_ca_tests::{Ca, Lab, Output, SoftPasskey, run, self_signed, wait_for};

/// The page's host.
const HOST: &str = "ca.test";

/// A CA with a page, of which this is said in `[web]` as well.
fn with_page(lab: &Lab, more: &str) -> Ca {
    Ca::start_with(lab, |config: &Path| {
        let file = config.join("jit-cad.toml");
        let text = fs::read_to_string(&file).unwrap();
        let web = format!("[web]\naddress = \"127.0.0.1:0\"\nhost = \"{HOST}\"\n{more}");
        fs::write(&file, text + &web).unwrap();
    })
}

/// Bob's.
fn passkey(ca: &Ca) -> SoftPasskey {
    let bob = ca.person("bob");
    let link = bob.jit_ca(&["passkey", "add", "--name", "laptop", "--json"]).ok().json();
    SoftPasskey::enrol(ca, link["url"].as_str().unwrap())
}

/// What the page answers to whoever asks who it is, with these header fields, each a field of its own: version and status.
fn asks_who(ca: &Ca, cookies: &[&str]) -> String {
    let page = ca.page();
    let port = page.rsplit(':').next().unwrap();
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--insecure", "--http2", "--max-time", "20", "--output", "/dev/null"]);
    curl.args(["--resolve", &format!("{HOST}:{port}:127.0.0.1")]);
    cookies.iter().for_each(|cookie| {
        curl.args(["-H", &format!("cookie: {cookie}")]);
    });
    curl.args(["--write-out", "%{http_version} %{http_code}"]);
    run(curl.arg(format!("{page}/page/me"))).ok().stdout
}

/// A client may split the field, so that what does not change is compressed better (RFC 9113, section 8.2.3).
#[test]
fn cookies_may_come_in_fields_of_their_own() {
    let lab = Lab::new();
    let ca = with_page(&lab, "");
    let own = passkey(&ca).log_in(&ca);
    assert_eq!(asks_who(&ca, &[&own]), "2 200");
    assert_eq!(asks_who(&ca, &["first=1"]), "2 401");
    assert_eq!(asks_who(&ca, &["first=1", &own]), "2 200");
    assert_eq!(asks_who(&ca, &["first=1; second=2", &format!("third=3; {own}")]), "2 200");
    assert_eq!(asks_who(&ca, &[&own, "last=1"]), "2 200");
}

/// A passkey signs as often as whoever has it likes, and each login is an entry.
#[test]
fn nobody_logs_in_more_than_sixty_times_a_minute() {
    let lab = Lab::new();
    let ca = with_page(&lab, "");
    let passkey = passkey(&ca);
    // More than are let in within two minutes, of which this may see parts.
    let tried: Vec<Output> = thread::scope(|scope| {
        let many = || (0..32).map(|_| passkey.tries_to_log_in(&ca)).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(many)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let (taken, refused): (Vec<_>, Vec<_>) = tried.into_iter().partition(|said| said.code == 0);
    // Of the first minute bob's own logins have taken some.
    assert!((1..=120).contains(&taken.len()), "{} were let in", taken.len());
    for said in refused {
        said.says("too-many-attempts");
    }
}

/// Half of the daemon's certificate's life is over, and the page's own files are not what they were.
#[test]
fn a_page_without_its_certificate_does_not_have_the_apis_made_again_and_again() {
    let lab = Lab::new();
    let names = ["-subj", "/CN=x", "-addext", "subjectAltName=DNS:ca.test"];
    let (key, certificate) = self_signed(lab.path(), "page", &names);
    let mut ca = with_page(&lab, &format!("certificate = {certificate:?}\nkey = {key:?}\n"));
    ca.serve_by_own_clock();
    let url = ca.url();
    let serial = || {
        let at = url.trim_start_matches("https://");
        let ask = format!(
            "openssl s_client -connect {at} </dev/null 2>/dev/null | openssl x509 -noout -serial"
        );
        run(Command::new("bash").args(["-o", "pipefail", "-c", &ask])).ok().stdout
    };
    let failures = || ca.log_text().matches("certificate can't be renewed").count();
    let first = serial();
    fs::write(&key, "no key").unwrap();
    ca.let_pass(13 * 60 * 60);
    wait_for("a first look", || (failures() > 0).then_some(()));
    let second = serial();
    assert_ne!(first, second, "the API's is renewed");
    let seen = failures();
    wait_for("a further look", || (failures() > seen).then_some(()));
    assert_eq!(serial(), second, "and not once more");
}
