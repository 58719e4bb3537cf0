//! A strict host: what its log does not hold opens nothing there, whoever signed it; and what it holds does, CA or no CA.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use jit_ca_tests::{
    Ca, Caller, GuardedHost, Hook, Host, Lab, Output, Pass, Setup, Wire, run, steal_ssh_user_key,
};
use serde_json::{Value, json};

/// A CA, and hosts that trust its key and are fed from its log.
struct Scene {
    strict: GuardedHost,
    lax: GuardedHost,
    alice: Caller,
    bob: Caller,
    feed: Wire,
    log_key: PathBuf,
    // Dropped last: the CA is stopped and its log checked while its folder is there.
    ca: Ca,
    lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let ca = Ca::start_with(&lab, |config| {
            let file = config.join("jit-cad.toml");
            let text = fs::read_to_string(&file).unwrap();
            fs::write(file, text + "[hosts]\nnames = [\"web1\"]\ncertificate = \"7d\"\n").unwrap();
        });
        let (alice, bob) = (ca.caller("alice"), ca.caller("bob"));
        let enrolled = Host::new(&lab, &ca, "web1", "ed25519");
        let token = bob.wire.post("/v1/hosts/tokens", &json!({"host": "web1", "aliases": []}));
        enrolled.enrol(&token.ok().json());
        let feed = enrolled.login();
        let trust = alice.wire.trust();
        let log_key = lab.file("log.key", trust["log_key"].as_str().unwrap());
        let user_ca = trust["ssh_user_ca"].as_str().unwrap();
        // Where the strict host finds its host key.
        let ssh = enrolled.key.parent().unwrap().display();
        let host = |toml: &str| {
            let ca_lines = format!("{toml}\n[ca]\nurl = \"{}\"\npin = \"{}\"", ca.url(), ca.pin());
            let setup = Setup { hook: Hook::Principals, toml: &ca_lines, ..Setup::default() };
            let host = GuardedHost::start_with(&lab, &setup);
            let file = host.folder().join("host.toml");
            let text = fs::read_to_string(&file).unwrap();
            fs::write(file, format!("{text}ssh = \"{ssh}\"\n")).unwrap();
            fs::write(host.folder().join("ca.pub"), format!("{user_ca}\n")).unwrap();
            host
        };
        let (strict, lax) = (host("strict = true"), host("strict = false"));
        Self { strict, lax, alice, bob, feed, log_key, ca, lab }
    }

    /// A certificate of the CA's for a key of this name.
    fn issued(&self, name: &str) -> Pass {
        let asked = json!({"hosts": ["web1"], "duration": "10m"});
        let grant = self.alice.granted("web-shell", asked, &[&self.bob])["grant"].clone();
        let key = self.alice.person.make_key(name, "ed25519");
        let (certificate, _) = self.alice.take_ssh(&grant, &key);
        fs::copy(certificate, beside(&key)).unwrap();
        Pass::of(key)
    }

    /// What the CA answers to a host that has taken all but the last certificate.
    fn answer(&self) -> Value {
        let kept = fs::read(self.strict.folder().join("feed/logged.json")).unwrap_or_default();
        let kept: Value = serde_json::from_slice(&kept).unwrap_or_default();
        let Some(next) = kept["next"].as_u64() else {
            return self.feed.get("/v1/host/feed").ok().json();
        };
        let seen = kept["checkpoint"].as_str().unwrap().lines().nth(1).unwrap();
        self.feed.get(&format!("/v1/host/feed?from={next}&seen={seen}")).ok().json()
    }

    /// Has the strict host ask.
    fn fetch(&self) -> Output {
        self.strict.ask("feed")
    }

    /// Has the strict host take an answer that somebody else brings.
    fn take(&self, answer: &Value) -> Output {
        let file = self.lab.file("answer.json", answer.to_string());
        let key = self.log_key.display();
        self.strict.ask(&format!("feed --log-key {key} --answers {}", file.display()))
    }
}

/// Where ssh looks for a key's certificate.
fn beside(key: &Path) -> PathBuf {
    key.with_file_name(format!("{}-cert.pub", key.file_name().unwrap().to_str().unwrap()))
}

#[test]
fn a_certificate_made_with_the_cas_key_opens_nothing_on_a_strict_host() {
    let mut scene = Scene::new();
    let syslog = scene.strict.folder().join("syslog");
    let said = UnixDatagram::bind(&syslog).unwrap();
    fs::set_permissions(&syslog, fs::Permissions::from_mode(0o777)).unwrap();
    said.set_nonblocking(true).unwrap();
    let hear = || {
        let mut message = [0; 2_048];
        let length = said.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };

    // Without a feed it lets nobody in.
    let first = scene.issued("first");
    scene.strict.run(&first, "whoami").exits(255).says("Permission denied");
    assert!(hear().contains("has no feed of the CA's log yet: jit-ca-host feed"));
    let old = scene.answer();
    scene.fetch().ok().says(" new, up to entry ");
    assert_eq!(scene.strict.run(&first, "whoami").ok().line(), "deploy");

    // What was issued a moment ago is waited for.
    let second = scene.issued("second");
    thread::scope(|scope| {
        let login = scope.spawn(|| scene.strict.run(&second, "whoami"));
        scene.fetch().ok().says("1 new, ");
        assert_eq!(login.join().unwrap().ok().line(), "deploy");
    });

    // As good as any, and made beside the log.
    let stolen = steal_ssh_user_key(&scene.ca, scene.lab.path().join("stolen"));
    let mallory = scene.alice.person.make_key("mallory", "ed25519");
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-I", "jit-ca:mallory", "-z", "7", "-n", "web-shell.web1", "-V", "-1m:+1h"]);
    run(keygen.arg("-s").arg(stolen).arg(mallory.with_extension("pub"))).ok();
    let mallory = Pass::of(mallory);
    assert_eq!(scene.lax.run(&mallory, "whoami").ok().line(), "deploy");
    scene.strict.run(&mallory, "whoami").exits(255).says("Permission denied");
    let line = hear();
    assert!(line.starts_with("<84>jit-ca-host["), "{line}");
    assert!(
        line.contains("deploy: the certificate jit-ca:mallory (serial 7, CA SHA256:"),
        "{line}"
    );
    assert!(
        line.ends_with("is not known to be in the CA's log, and this host is strict"),
        "{line}"
    );

    // Nor does a feed help that says so: not one that goes back, nor one with a leaf of somebody's.
    scene.take(&old).exits(1).says("THE LOG HAS LOST ENTRIES");
    assert!(scene.strict.folder().join("feed/evidence").exists());
    let third = scene.issued("third");
    let honest = scene.answer();
    let mut forged = honest.clone();
    let mut leaf = honest["intents"][0]["leaf"].as_str().unwrap().to_owned();
    let last = leaf.pop().unwrap();
    leaf.push(if last == 'A' { 'Q' } else { 'A' });
    forged["intents"][0]["leaf"] = json!(leaf);
    scene.take(&forged).exits(1);
    scene.strict.run(&third, "whoami").exits(255).says("Permission denied");
    scene.take(&honest).ok();

    // The CA is away, and what it has issued goes on being good.
    scene.ca.stop();
    for pass in [&first, &second, &third] {
        assert_eq!(scene.strict.run(pass, "whoami").ok().line(), "deploy");
    }
    scene.strict.run(&mallory, "whoami").exits(255);
    scene.ca.serve();
}

#[test]
fn a_host_waits_for_what_is_issued_next() {
    let scene = Scene::new();
    let answer = scene.answer();
    scene.take(&answer).ok();
    let next = answer["next"].as_u64().unwrap();
    let path = format!("/v1/host/feed?from={next}&seen={next}&wait=30");
    thread::scope(|scope| {
        let waits = scope.spawn(|| scene.feed.get(&path));
        scene.issued("next");
        let answer = waits.join().unwrap().ok().json();
        assert_eq!(answer["intents"].as_array().unwrap().len(), 1, "{answer:#}");
        scene.take(&answer).ok().says("1 new, ");
    });
    // No person's login is a host's.
    scene.alice.wire.get("/v1/host/feed").refused("unauthenticated");
    scene.feed.get("/v1/host/feed?from=1000000").refused("bad-request");
    // Whoever has seen more than there is is told at once.
    let lost = scene.feed.get("/v1/host/feed?from=1000000&seen=1000000&wait=30").ok().json();
    assert_eq!((&lost["intents"], &lost["consistency"]), (&json!([]), &json!([])));
}
