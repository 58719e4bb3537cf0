//! What somebody is told who does each thing for the first time: who can say yes, what is waited for, why not, and what
//! to type next.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use jit_ca_tests::{Ca, Lab, Lines, Output, Person, run};
use serde_json::{Value, json};

struct Scene {
    alice: Person,
    bob: Person,
    carol: Person,
    ca: Ca,
    _lab: Lab,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&Path)) -> Self {
        let lab = Lab::new();
        let ca = Ca::start_with(&lab, change);
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.person(name));
        Self { alice, bob, carol, ca, _lab: lab }
    }

    /// What alice asked for, waiting for nobody.
    fn asked(&self, reason: &str, arguments: &[&str]) -> Value {
        let common = ["request", "web-shell", "--reason", reason, "--no-wait", "--json"];
        self.alice.jit_ca(&[&common, arguments].concat()).exits(75).json()
    }

    /// The same, granted by bob.
    fn granted(&self, reason: &str, arguments: &[&str]) -> Value {
        self.approved(&self.asked(reason, arguments), &[])
    }

    fn approved(&self, request: &Value, arguments: &[&str]) -> Value {
        let common = ["approve", id(request), "--yes", "--json"];
        self.bob.jit_ca(&[&common, arguments].concat()).ok().json()
    }
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

/// The line that begins with this.
#[track_caller]
fn line<'o>(output: &'o Output, with: &str) -> &'o str {
    let found = output.stdout.lines().find(|line| line.starts_with(with));
    assert!(found.is_some(), "no line begins with {with:?}: {output}");
    found.unwrap()
}

#[test]
fn a_request_says_who_can_approve_it_wherever_it_is_shown() {
    let scene = Scene::new();
    let request = scene.asked("INC-42", &["--for", "2h"]);
    let approvers = json!(["bob", "carol"]);
    assert_eq!(request["approvers"], approvers);
    for person in [&scene.alice, &scene.bob] {
        let list = person.jit_ca(&["requests", "--json"]).ok().json();
        assert_eq!(list[0]["approvers"], approvers, "{list:#}");
        let shown = person.jit_ca(&["requests", id(&request)]).ok();
        assert!(line(&shown, "can approve").contains("bob, carol"), "{shown}");
    }
    // By today's policy: who can still say yes, if only to less than was asked for.
    let role = scene.ca.config().with_file_name("roles/web-shell.toml");
    let text = fs::read_to_string(&role).unwrap();
    fs::write(role, text.replace("longest = \"4h\"", "longest = \"1h\"")).unwrap();
    fs::remove_dir_all(scene.ca.config().with_file_name("policy-tests")).unwrap();
    scene.ca.jit_cad(&["reload"]).ok();
    let list = scene.alice.jit_ca(&["requests", "--json"]).ok().json();
    assert_eq!(list[0]["approvers"], approvers, "{list:#}");
    let less = ["--for", "30m", "--comment", "as the role is now"];
    let granted = scene.approved(&request, &less);
    assert_eq!(granted["approvers"], json!([]));
}

/// What `jit-ca ssh` says. When it comes to `text`, what it waits for is decided.
fn ssh(person: &Person, arguments: &[&str], text: &str, decide: impl FnOnce()) -> String {
    let common = ["ssh", "deploy@web1", "--no-agent", "-o", "ProxyCommand=false"];
    let mut ssh = person.start_jit_ca(&[&common, arguments].concat());
    drop(ssh.stdin.take());
    let stderr = Lines::of(ssh.stderr.take().unwrap());
    let said = stderr.until(text);
    decide();
    let rest = stderr.rest();
    ssh.wait().unwrap();
    [said, rest].concat().join("\n")
}

#[test]
fn ssh_says_what_it_waits_for_where_that_is_not_what_was_said() {
    let scene = Scene::new();
    let old = scene.asked("old reason", &["--for", "10m"]);
    let new = ["--reason", "new reason", "--for", "20m"];
    let said = ssh(&scene.alice, &new, "can approve: bob, carol", || {
        scene.bob.jit_ca(&["deny", id(&old), "--reason", "which reason?"]).ok();
    });
    for text in [
        id(&old),
        "old reason",
        old["made"].as_str().unwrap(),
        "for 10m",
        "--reason: new reason, not old reason",
        "--for: 20m, not 10m",
        &format!("jit-ca cancel {}", id(&old)),
        "was denied by bob: which reason?",
        &format!("hint: see all of it: jit-ca requests {}", id(&old)),
    ] {
        assert!(said.contains(text), "{text:?} is not in {said}");
    }

    // Nothing is said of what is as it was said; and of a grant that is not, as much.
    let same = scene.asked("INC-42", &["--for", "10m"]);
    let words = ["--reason", "INC-42", "--for", "10m"];
    let said = ssh(&scene.alice, &words, "can approve", || drop(scene.approved(&same, &[])));
    assert!(said.contains(id(&same)) && !said.contains("not as you say"), "{said}");
    ssh(&scene.alice, &["--reason", "INC-43"], "--reason: INC-43, not INC-42", || {});
}

#[test]
fn one_request_is_shown_with_all_that_was_said_to_it() {
    let scene = Scene::new();
    let denied = scene.asked("INC-1", &[]);
    scene.carol.jit_ca(&["deny", id(&denied), "--reason", "Nicht am Freitag"]).ok();
    let ending = id(&denied).get(id(&denied).len() - 6..).unwrap();
    let shown = scene.alice.jit_ca(&["requests", ending]).ok();
    assert!(line(&shown, "denied by").contains("carol: Nicht am Freitag (20"), "{shown}");
    let whole = scene.alice.jit_ca(&["requests", ending, "--json"]).ok().json();
    assert_eq!(whole["denied"]["name"], "carol");
    assert!(whole["denied"]["at"].as_str() >= whole["made"].as_str(), "{whole:#}");
    let found = scene.alice.jit_ca(&["requests", "--text", "am freitag", "--json"]).ok().json();
    assert_eq!(found.as_array().map(Vec::len), Some(1));
    assert_eq!(found[0]["id"], denied["id"]);
    scene.bob.jit_ca(&["approve", id(&denied), "--yes"]).exits(3).says("jit-ca requests ID");

    let less = ["--for", "5m", "--host", "web1", "--comment", "web1 will do"];
    let granted = scene.approved(&scene.asked("INC-2", &["--for", "10m"]), &less);
    let shown = scene.alice.jit_ca(&["requests", id(&granted)]).ok();
    let yes = "bob, for 5m of 10m, on web1 alone: web1 will do (20";
    for (field, text) in [
        ("approved by", yes),
        ("hosts", "web1 (asked for: *)"),
        ("duration", "5m (asked for: 10m)"),
    ] {
        assert!(line(&shown, field).contains(text), "{shown}");
    }
    scene.bob.jit_ca(&["revoke", id(&granted["grant"]), "--reason", "Laptop lost"]).ok();
    let found = scene.alice.jit_ca(&["requests", "--text", "laptop LOST", "--json"]).ok().json();
    assert_eq!(found[0]["id"], granted["id"]);

    // One or a list, not both.
    scene.alice.jit_ca(&["requests", ending, "--mine"]).exits(2);
    scene.alice.jit_ca(&["requests", "zzzzzz"]).exits(2).says("hint: ");
}

#[test]
fn a_lock_on_the_machine_goes_by_the_word_that_is_shown() {
    let scene = Scene::new();
    let none = scene.ca.jit_cad(&["unlock"]).ok();
    assert_eq!(none.line(), "nothing is locked");
    for what in ["all", "alice", "web-shell"] {
        scene.ca.jit_cad(&["unlock", what, "--reason", "x"]).exits(2).says("hint: ");
        if what != "all" {
            scene.bob.jit_ca(&["lock", what, "--reason", "INC-7"]).ok();
        }
    }
    // All is locked last: nobody locks anything then.
    let locked = scene.carol.jit_ca(&["lock", "all", "--reason", "INC-7"]).ok();
    let shown = scene.ca.jit_cad(&["unlock"]).ok();
    for word in ["all", "person:alice", "role:web-shell"] {
        let of_it = format!("{word} ");
        assert!(line(&locked, &of_it).contains("INC-7"), "{locked}");
        assert!(line(&shown, &of_it).contains("INC-7"), "{shown}");
        scene.ca.jit_cad(&["unlock", word, "--reason", "over"]).ok();
    }
    assert_eq!(scene.ca.jit_cad(&["unlock"]).ok().line(), "nothing is locked");
    let help = scene.ca.jit_cad(&["unlock", "--help"]).ok();
    assert!(help.stdout.contains("keep_payloads"), "{help}");
    assert!(!help.stdout.contains("for ever"), "{help}");
}

#[test]
fn a_grant_goes_by_its_requests_id_as_well() {
    let scene = Scene::new();
    let request = scene.granted("INC-42", &["--for", "10m"]);
    let ending = id(&request).get(id(&request).len() - 6..).unwrap();
    for name in [id(&request), ending, id(&request["grant"])] {
        let shown = scene.bob.jit_ca(&["grant", "show", name, "--json"]).ok().json();
        assert_eq!(shown["request"]["id"], request["id"]);
    }
    scene.alice.jit_ca(&["cert", "ssh", "--grant", ending, "--no-agent"]).ok();
    let more = ["extend", ending, "--for", "5m", "--reason", "goes on", "--no-wait", "--json"];
    let more = scene.alice.jit_ca(&more).exits(75).json();
    // What is no grant has none.
    for name in [id(&more), id(&more).get(id(&more).len() - 6..).unwrap()] {
        let revoke = ["revoke", name, "--reason", "x"];
        scene.bob.jit_ca(&revoke).exits(2).says("is pending, and there is no grant of it");
    }
    let revoked = scene.bob.jit_ca(&["revoke", ending, "--reason", "laptop lost"]).ok();
    revoked.says(&format!("asked for by {}, and nobody can approve that now", id(&more)));
}

#[test]
fn what_waits_and_what_follows_is_said_with_its_time() {
    let scene = Scene::new();
    let cert = ["cert", "ssh", "--role", "web-shell", "--no-agent"];
    let scheduled = scene.asked("CHG-7", &["--at", "+1h", "--for", "10m"]);
    scene.alice.jit_ca(&cert).exits(75).says(id(&scheduled)).says("is still pending");
    let hosts = scene.bob.jit_ca(&["approve", id(&scheduled), "--yes", "--host", "db1"]).exits(2);
    assert!(hosts.stderr.contains("web1, web2"), "{hosts}");
    let grant = scene.approved(&scheduled, &[])["grant"].clone();
    let begins = format!("begins at {}", grant["window"]["start"].as_str().unwrap());
    scene.alice.jit_ca(&cert).exits(3).says(id(&grant)).says(&begins);
    scene.alice.jit_ca(&["cert", "ssh", "--grant", id(&grant)]).exits(3).says(&begins);
    scene.alice.jit_ca(&["end", id(&grant)]).ok();
    scene.alice.jit_ca(&["cert", "ssh", "--grant", id(&grant)]).exits(3).says("is over");
    scene.alice.jit_ca(&cert).exits(2).says("you hold no such grant");

    // No certificate was taken: what follows is said nevertheless.
    let first = scene.granted("INC-42", &["--for", "10m"]);
    let grant = id(&first["grant"]);
    let more = ["extend", grant, "--for", "5m", "--reason", "goes on", "--no-wait", "--json"];
    let more = scene.approved(&scene.alice.jit_ca(&more).exits(75).json(), &[])["grant"].clone();
    let ended = scene.alice.jit_ca(&["end", grant]).ok();
    for text in [id(&more), more["window"]["start"].as_str().unwrap(), "jit-ca end"] {
        assert!(ended.stderr.contains(text), "{text:?} is not said by {ended}");
    }
}

#[test]
fn an_emergency_that_goes_on_says_how_it_is_ended() {
    let scene = Scene::new();
    let glass = ["break-glass", "web-shell", "--reason", "the shop is down", "--json"];
    let broken = scene.bob.jit_ca(&glass).ok();
    // Nobody is sent anything here: there is no [[notify]].
    assert!(!broken.stderr.contains("told"), "{broken}");
    assert!(broken.stderr.contains("sre"), "{broken}");
    let request = broken.json();
    let review = ["review", id(&request), "--comment", "it was"];
    let early = scene.carol.jit_ca(&review).exits(3);
    for text in [id(&request["grant"]), "jit-ca end", "jit-ca revoke"] {
        assert!(early.stderr.contains(text), "{text:?} is not said by {early}");
    }
    let own = scene.bob.jit_ca(&["review", id(&request), "--comment", "mine"]).exits(3);
    own.says("nobody reviews their own emergency").says("ask a colleague");
}

#[test]
fn to_log_in_uses_nothing_that_waits_for_its_first_use() {
    let scene = Scene::with(|config| {
        for role in ["web-shell", "orders-api"] {
            let file = config.join(format!("roles/{role}.toml"));
            let text = fs::read_to_string(&file).unwrap();
            let starts = "start = \"first-use\"\nstart_within = \"4h\"\ndefault =";
            fs::write(file, text.replacen("default =", starts, 1)).unwrap();
        }
    });
    let shell = scene.granted("INC-42", &["--for", "10m"]);
    let orders = ["request", "orders-api", "--reason", "INC-42", "--no-wait", "--json"];
    let orders = scene.approved(&scene.alice.jit_ca(&orders).exits(75).json(), &[]);
    let login = scene.alice.jit_ca(&["login", "--no-agent", "--json"]).ok();
    for (request, command) in [(&shell, "ssh"), (&orders, "x509")] {
        let grant = id(&request["grant"]);
        let text =
            format!("{grant} waits for its first use: jit-ca cert {command} --grant {grant}");
        assert!(login.stderr.contains(&text), "{text:?} is not said by {login}");
        let shown = scene.alice.jit_ca(&["requests", id(request), "--json"]).ok().json();
        assert_eq!(shown["grant"]["state"], "waiting", "{shown:#}");
    }
    assert_eq!(login.json()["certificates"], json!([]));

    // What it names begins it, and from then on a login brings its certificate.
    let grant = id(&shell["grant"]);
    scene.alice.jit_ca(&["cert", "ssh", "--grant", grant, "--out", "keys"]).ok();
    let login = scene.alice.jit_ca(&["login", "--no-agent", "--json"]).ok();
    assert!(!login.stderr.contains(grant), "{login}");
    assert_eq!(login.json()["certificates"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_watcher_sees_from_when_a_request_is() {
    let scene = Scene::new();
    let request = scene.asked("CHG-7", &["--at", "+1h", "--for", "10m"]);
    let mut watcher = scene.bob.start_jit_ca(&["requests", "--watch"]);
    let stdout = Lines::of(watcher.stdout.take().unwrap());
    let start = request["start"].as_str().unwrap().strip_prefix("at ").unwrap();
    let text = format!("for 10m, from {start}: CHG-7");
    assert!(stdout.until("asks for").iter().any(|line| line.contains(&text)), "{text}");
    run(Command::new("kill").args(["-INT", &watcher.id().to_string()])).ok();
    watcher.wait().unwrap();
}

#[test]
fn a_key_id_is_known_with_its_name_alone() {
    let scene = Scene::new();
    let grant = scene.granted("INC-42", &["--for", "10m"])["grant"].clone();
    let cert = ["cert", "ssh", "--grant", id(&grant), "--out", "keys", "--json"];
    let issuance = scene.alice.jit_ca(&cert).ok().json()["issuance"].clone();
    let key_id = format!("jit-ca:{}:{}", id(&grant), issuance.as_str().unwrap());
    let who = |name: &str| scene.carol.jit_ca(&["log", "who", &format!("{key_id}:{name}")]);
    who("alice").ok().says("INC-42");
    let list = ["log", "list", "--grant", id(&grant), "--json"];
    let entries = scene.carol.jit_ca(&list).ok().json();
    let intent = entries.as_array().unwrap().iter().find(|entry| entry["type"] == "issue.intent");
    who(intent.unwrap()["actor"].as_str().unwrap()).ok().says("alice");
    for name in ["mallory", "", "alice:x"] {
        who(name).exits(4).says("the log holds no certificate with the key id");
    }
}

#[test]
fn somebody_without_a_key_is_told_of_before_they_try_to_log_in() {
    let scene = Scene::with(|config| {
        let mut users = fs::File::options().append(true).open(config.join("users.toml")).unwrap();
        let person =
            "[[person]]\nid = \"u-9\"\nname = \"zoe\"\ngroups = [\"dev\"]\nssh_keys = []\n";
        write!(users, "\n{person}").unwrap();
    });
    scene.ca.jit_cad(&["user", "enroll", "zoe"]).ok().says("no SSH key").says("ssh_keys");
    let dave = scene.ca.jit_cad(&["user", "enroll", "dave"]).ok();
    assert!(!dave.stderr.contains("SSH key"), "{dave}");
}

#[test]
fn what_is_not_there_ends_everything_alike() {
    let scene = Scene::new();
    let (alice, bob) = (&scene.alice, &scene.bob);
    let nobodys = "01m3250v000w3ge1r70w3ge1r7";
    let (request, grant) = (format!("r-{nobodys}"), format!("g-{nobodys}"));
    for arguments in [
        ["requests", &request].as_slice(),
        &["requests", "zzzz"],
        &["approve", &request, "--yes"],
        &["deny", &request],
        &["cancel", &request],
        &["grant", "show", &grant],
        &["grant", "show", &request],
        &["grant", "show", "zzzz"],
        &["end", &grant],
        &["revoke", &grant, "--reason", "x"],
        &["extend", &grant, "--reason", "x", "--no-wait"],
        &["review", &request, "--comment", "x"],
        &["lock", "no-such", "--reason", "x"],
        &["cert", "ssh", "--grant", &grant],
        &["request", "no-such", "--reason", "x"],
        &["request", "web-shell", "--host", "db1", "--reason", "x"],
        &["break-glass", "no-such", "--reason", "x"],
        &["ssh", "root@nowhere", "--reason", "x"],
    ] {
        bob.jit_ca(arguments).exits(2).says("hint: ");
    }
    scene.ca.jit_cad(&["user", "enroll", "no-such"]).exits(2).says("hint: ");
    scene.ca.jit_cad(&["notify", "retry", "zzzz"]).exits(2).says("hint: ");
    // What is there, and is refused.
    alice.jit_ca(&["break-glass", "web-shell", "--reason", "x"]).exits(3);
}
