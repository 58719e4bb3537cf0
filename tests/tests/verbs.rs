//! The workflow by the command line: each verb as somebody uses it, and what it says.

use std::fs;
use std::path::Path;

use jit_ca_tests::{Ca, Clock, Lab, Output, Person, Sshd, run, wait_for};
use serde_json::{Value, json};

struct Scene {
    alice: Person,
    bob: Person,
    carol: Person,
    _ca: Ca,
    lab: Lab,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&Path)) -> Self {
        let lab = Lab::new();
        let ca = Ca::start_with(&lab, change);
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.person(name));
        Self { alice, bob, carol, _ca: ca, lab }
    }

    /// What alice asked for, waiting for nobody.
    fn asked(&self, role: &str, arguments: &[&str]) -> Value {
        let common = ["request", role, "--reason", "INC-42", "--no-wait", "--json"];
        let output = self.alice.jit_ca(&[&common, arguments].concat());
        assert!(matches!(output.code, 0 | 75), "{output}");
        output.json()
    }

    /// The same, granted by bob.
    fn granted(&self, role: &str, arguments: &[&str]) -> Value {
        let request = self.asked(role, arguments);
        approve(&self.bob, &request, &[]).ok().json()
    }
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

fn approve(person: &Person, request: &Value, arguments: &[&str]) -> Output {
    person.jit_ca(&[&["approve", id(request), "--yes", "--json"], arguments].concat())
}

#[test]
fn an_approval_for_less_says_why_and_the_requester_reads_it() {
    let scene = Scene::new();
    let request = scene.asked("web-shell", &["--for", "10m"]);
    approve(&scene.bob, &request, &["--for", "5m"]).exits(2).says("--comment");
    approve(&scene.bob, &request, &["--host", "db1", "--comment", "x"]).exits(2).says("hosts");
    let less = ["--for", "5m", "--host", "web1", "--comment", "web1 will do"];
    let granted = approve(&scene.bob, &request, &less).ok().says("(asked for: 10m)").json();
    assert_eq!(
        (&granted["grant"]["hosts"], &granted["rows"]),
        (&json!(["web1"]), &request["rows"])
    );
    let shown = scene.alice.jit_ca(&["requests", "--mine"]).ok();
    assert!(shown.stdout.contains("active"), "{shown}");
    let shown = scene.alice.jit_ca(&["grant", "show", id(&granted["grant"])]).ok();
    let line = "bob, for 5m of 10m, on web1 alone: web1 will do";
    assert!(shown.stdout.contains(line), "{shown}");

    // On the host that was kept, and on no other, by the certificate that it leads to.
    let trust = scene.alice.jit_ca(&["trust", "--ssh-user-ca"]).ok();
    for (host, opens) in [("web1", true), ("web2", false)] {
        let principals = ["web-shell".to_owned(), format!("web-shell.{host}")];
        let principals = principals.each_ref().map(String::as_str);
        let accounts: [(&str, &[&str]); 1] = [("deploy", &principals)];
        let sshd = Sshd::start(&scene.lab, Clock::True, trust.line(), &accounts);
        let folder = scene.alice.file(host);
        let out = folder.to_str().unwrap();
        scene.alice.jit_ca(&["cert", "ssh", "--out", out]).ok();
        let certificate = folder.join("key-cert.pub");
        let there = sshd.log_in(&scene.alice, "deploy", &folder.join("key"), &certificate);
        match opens {
            true => there.ran("deploy"),
            false => there.refused("Certificate does not contain an authorized principal"),
        }
    }
}

#[test]
fn access_is_extended_given_back_and_taken_away() {
    let scene = Scene::new();
    let first = scene.granted("web-shell", &["--for", "10m"]);
    let grant = id(&first["grant"]);
    let ending = grant.get(grant.len() - 6..).unwrap();
    scene.alice.jit_ca(&["cert", "ssh", "--grant", ending, "--no-agent"]).ok();
    let more = ["extend", ending, "--for", "5m", "--reason", "goes on", "--no-wait", "--json"];
    let more = scene.alice.jit_ca(&more).exits(75).json();
    let second = approve(&scene.bob, &more, &[]).ok().json();
    assert_eq!(second["grant"]["state"], "waiting");

    let ended = scene.alice.jit_ca(&["end", ending]).ok();
    assert!(ended.stderr.contains("1 that was issued stays valid"), "{ended}");
    assert!(ended.stderr.contains(id(&second["grant"])), "the extension is named: {ended}");
    assert!(ended.stdout.contains("its holder gave it back"), "{ended}");
    scene.alice.jit_ca(&["cert", "ssh", "--no-agent"]).exits(3).says("waits: it begins at");
    assert_eq!(
        fs::read_dir(scene.alice.file("run/jit-ca/certificates")).map_or(0, Iterator::count),
        0
    );

    let waiting = id(&second["grant"]);
    scene.alice.jit_ca(&["revoke", waiting, "--reason", "x"]).exits(3);
    scene.bob.jit_ca(&["revoke", waiting]).exits(2);
    let revoked = scene.bob.jit_ca(&["revoke", waiting, "--reason", "laptop lost"]).ok();
    assert!(revoked.stdout.contains("revoked by bob: laptop lost"), "{revoked}");
    scene.alice.jit_ca(&["end", waiting]).exits(3).says("laptop lost");
}

#[test]
fn an_emergency_is_seen_in_everybodys_status_until_it_is_reviewed() {
    let scene = Scene::new();
    let glass = ["break-glass", "web-shell", "--host", "web1", "--reason", "the shop is down"];
    scene.alice.jit_ca(&glass).exits(3);
    scene.bob.jit_ca(&["break-glass", "web-shell"]).exits(2).says("--reason");
    let broken = scene.bob.jit_ca(&[&glass[..], &["--json"]].concat()).ok();
    assert!(broken.stderr.contains("shown to all of sre"), "{broken}");
    let request = broken.json();
    for person in [&scene.bob, &scene.carol] {
        let status = person.jit_ca(&["status"]).ok();
        assert!(status.stdout.contains("TO REVIEW"), "{status}");
    }
    let open = scene.carol.jit_ca(&["reviews", "--json"]).ok().json();
    assert_eq!(open[0]["id"], request["id"]);
    let review = ["review", id(&request), "--comment", "it was"];
    scene.carol.jit_ca(&review).exits(3).says("goes on");
    scene.bob.jit_ca(&["end", id(&request["grant"])]).ok();
    scene.bob.jit_ca(&review).exits(3);
    let closed = scene.carol.jit_ca(&review).ok();
    assert!(closed.stdout.contains("carol: it was"), "{closed}");
    let none = scene.carol.jit_ca(&["reviews"]).ok();
    assert!(none.stdout.contains("nothing to review"), "{none}");
}

#[test]
fn a_lock_is_set_seen_and_lifted() {
    let scene = Scene::new();
    let lock = ["lock", "alice", "--reason", "INC-7"];
    scene.alice.jit_ca(&lock).exits(3);
    scene.bob.jit_ca(&["lock", "no-such", "--reason", "x"]).exits(2).says("hint: ");
    let locked = scene.bob.jit_ca(&lock).ok();
    assert!(locked.stdout.contains("person:alice (local/u-1001)"), "{locked}");
    let request = ["request", "web-shell", "--reason", "x", "--no-wait"];
    // Her logins have ended with it.
    scene.alice.jit_ca(&request).exits(3).says("the login has ended").says("hint: ");
    let status = scene.bob.jit_ca(&["locks"]).ok();
    assert!(status.stdout.contains("INC-7"), "{status}");
    scene.carol.jit_ca(&["unlock", "alice", "--reason", "found"]).ok();
    let none = scene.bob.jit_ca(&["locks"]).ok();
    assert!(none.stdout.contains("nothing is locked"), "{none}");
    // What a lock has ended, its end does not open.
    scene.alice.jit_ca(&request).exits(3).says("the login has ended");
}

#[test]
fn short_certificates_are_renewed_until_the_grant_ends() {
    let scene = Scene::with(|config| {
        let role = config.join("roles/web-shell.toml");
        let text = fs::read_to_string(&role).unwrap();
        fs::write(role, format!("certificate_max = \"1m\"\n{text}")).unwrap();
    });
    let grant = scene.granted("web-shell", &["--for", "65s"]);
    let folder = scene.alice.file("renewed");
    let out = folder.to_str().unwrap();
    let arguments =
        ["cert", "ssh", "--grant", id(&grant["grant"]), "--out", out, "--renew", "--json"];
    let output = scene.alice.jit_ca(&arguments).ok();
    // One document for each: the first lasts a minute, the second to the grant's end.
    let issued: Vec<Value> =
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(issued.len(), 2, "{output}");
    assert_eq!(issued[1]["expires"], grant["grant"]["window"]["end"]);
    let mut keygen = scene.alice.command("ssh-keygen");
    let shown = run(keygen.arg("-L").arg("-f").arg(folder.join("key-cert.pub"))).ok();
    assert!(shown.stdout.contains(issued[1]["issuance"].as_str().unwrap()), "{shown}");
}

#[test]
fn a_start_is_asked_for_and_shown() {
    let scene = Scene::new();
    scene
        .alice
        .jit_ca(&["request", "web-shell", "--at", "tomorrow", "--reason", "x"])
        .exits(2)
        .says("--at");
    for wrong in ["14:00", "2026-11-23", "2026-11-23T14:00", "+2 hours"] {
        scene
            .alice
            .jit_ca(&["request", "web-shell", "--at", wrong, "--reason", "x"])
            .exits(2)
            .says(&format!("{wrong:?} is not a time: write +2h for two hours from now"))
            .says("2026-11-23T14:00:00Z");
    }
    for far in ["9999-12-31T23:59:59Z", "9999-12-31T00:00:00Z"] {
        scene
            .alice
            .jit_ca(&["request", "web-shell", "--at", far, "--reason", "x"])
            .exits(3)
            .says(&format!("web-shell can be asked for 7d ahead, and {far} is later"));
    }
    let request = scene.asked("web-shell", &["--at", "+1h", "--for", "10m"]);
    let shown = approve(&scene.bob, &request, &[]).ok().says("start");
    assert_eq!(shown.json()["grant"]["state"], "waiting");
    let status = scene.alice.jit_ca(&["status"]).ok();
    assert!(status.stdout.contains("waiting") && status.stdout.contains("from 20"), "{status}");
    wait_for("a search", || {
        let found =
            scene.carol.jit_ca(&["requests", "--subject", "alice", "--text", "inc-42"]).ok();
        found.stdout.contains(id(&request)).then_some(())
    });
}
