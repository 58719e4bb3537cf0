//! Lists of requests: what they show, what they leave out and say so, and what is watched.

use std::fs;
use std::process::{Child, Command};
use std::thread;

use jit_ca_tests::{Ca, Lab, Lines, Output, Person, run, wait_for};
use serde_json::{Value, json};

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

fn asked(person: &Person, reason: &str, arguments: &[&str]) -> Value {
    let common = ["request", "web-shell", "--reason", reason, "--no-wait", "--json"];
    person.jit_ca(&[&common, arguments].concat()).exits(75).json()
}

/// The line of a table that has this in it, as its cells.
#[track_caller]
fn cells<'o>(output: &'o Output, with: &str) -> Vec<&'o str> {
    let found = output.stdout.lines().find(|line| line.contains(with));
    assert!(found.is_some(), "no line has {with:?}: {output}");
    found.unwrap().split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

#[test]
fn a_list_shows_when_was_asked_and_what_was_granted() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (alice, bob) = (ca.person("alice"), ca.person("bob"));
    let pending = asked(&alice, "INC-1", &["--for", "10m"]);
    let narrowed = asked(&alice, "INC-2", &["--for", "10m"]);
    let less = ["--for", "5m", "--host", "web1", "--comment", "will do"];
    let approve = ["approve", id(&narrowed), "--yes", "--json"];
    let granted = bob.jit_ca(&[&approve[..], &less].concat()).ok().json();
    let list = alice.jit_ca(&["requests"]).ok();
    let made = |request: &Value| request["made"].as_str().unwrap().to_owned();
    let end = format!("5m, until {}", granted["grant"]["window"]["end"].as_str().unwrap());
    let shown =
        [id(&granted), &made(&granted), "active", "alice", "web-shell", "web1", &end, "INC-2"];
    assert_eq!(cells(&list, id(&granted)), shown);
    let shown =
        [id(&pending), &made(&pending), "pending", "alice", "web-shell", "*", "for 10m", "INC-1"];
    assert_eq!(cells(&list, id(&pending)), shown);

    // The words that a list has, in whatever case.
    for (status, found) in [
        ("active", vec![&granted]),
        ("ACTIVE", vec![&granted]),
        ("Pending", vec![&pending]),
        ("approved", vec![&granted]),
        ("waiting", vec![]),
        ("ended", vec![]),
        ("revoked", vec![]),
        ("denied", vec![]),
    ] {
        let list = bob.jit_ca(&["requests", "--status", status, "--json"]).ok().json();
        let ids: Vec<&str> = list.as_array().unwrap().iter().map(id).collect();
        assert_eq!(ids, found.into_iter().map(id).collect::<Vec<_>>(), "{status}");
    }
    let wrong = bob.jit_ca(&["requests", "--status", "open"]).exits(2);
    for word in ["pending", "lapsed", "waiting", "active", "ended", "revoked"] {
        assert!(wrong.stderr.contains(word), "{wrong}");
    }
    bob.jit_ca(&["revoke", id(&granted["grant"]), "--reason", "x"]).ok();
    let list = bob.jit_ca(&["requests", "--status", "revoked", "--json"]).ok().json();
    assert_eq!(id(&list[0]), id(&granted));
}

#[test]
fn who_has_left_is_found_by_name_and_who_never_was_is_said_so() {
    let lab = Lab::new();
    let ca = Ca::start_with_people(&lab, &[("erin", &["dev"]), ("ruth", &["sre"])], |_| ());
    let (erin, ruth, carol) = (ca.person("erin"), ca.person("ruth"), ca.person("carol"));
    let request = asked(&erin, "INC-1", &[]);
    ruth.jit_ca(&["approve", id(&request), "--yes"]).ok();
    let file = ca.config().with_file_name("users.toml");
    let mut users: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
    let people = users["person"].as_array_mut().unwrap();
    people.retain(|person| !["erin", "ruth"].contains(&person["name"].as_str().unwrap()));
    fs::write(&file, users.to_string()).unwrap();
    ca.jit_cad(&["reload"]).ok();

    for filter in [["--subject", "erin"], ["--subject", "local/x-0"], ["--approver", "ruth"]] {
        let found = carol.jit_ca(&[&["requests", "--json"], &filter[..]].concat()).ok();
        assert_eq!(found.json()[0]["id"], request["id"], "{found}");
        assert!(found.stderr.is_empty(), "{found}");
    }
    for (filter, what) in [
        (["--subject", "erni"], "no person erni is known"),
        (["--approver", "local/x-7"], "no person local/x-7 is known"),
        (["--role", "web-shel"], "no role web-shel is known"),
    ] {
        let found = carol.jit_ca(&[&["requests", "--json"], &filter[..]].concat()).ok();
        assert_eq!(found.json(), json!([]));
        assert!(found.stderr.contains(what), "{found}");
    }
    // Known, and of whom there is nothing.
    for filter in [["--subject", "bob"], ["--subject", "ruth"], ["--role", "web-deploy"]] {
        let found = carol.jit_ca(&[&["requests"], &filter[..]].concat()).ok();
        assert!(found.stderr.is_empty(), "{found}");
    }
}

/// Somebody who watches, and what is shown.
struct Watcher {
    process: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Watcher {
    fn start(person: &Person) -> Self {
        let mut process = person.start_jit_ca(&["requests", "--watch"]);
        let stdout = Lines::of(process.stdout.take().unwrap());
        let stderr = Lines::of(process.stderr.take().unwrap());
        Self { process, stdout, stderr }
    }

    /// Ends it, as Ctrl-C does.
    fn end(mut self) {
        run(Command::new("kill").args(["-INT", &self.process.id().to_string()])).ok();
        let status = wait_for("its end", || self.process.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // It has ended by itself where the test went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn whoever_watches_is_told_at_once_and_goes_on_over_a_restart() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let (alice, bob, carol) = (ca.person("alice"), ca.person("bob"), ca.person("carol"));
    let watcher = Watcher::start(&bob);
    watcher.stderr.until("watching; nothing waits now");
    let request = asked(&alice, "INC-1", &[]);
    watcher.stdout.until(id(&request));
    watcher.stdout.until("can approve: bob, carol");
    // What is decided while the CA can't be reached is told afterwards.
    ca.stop();
    watcher.stderr.until("still watching");
    ca.serve();
    carol.jit_ca(&["deny", id(&request), "--reason", "not today"]).ok();
    watcher.stdout.until("denied by carol: not today");
    // So is what is nobody's to see any more.
    let other = asked(&alice, "INC-2", &[]);
    watcher.stdout.until(id(&other));
    let role = ca.config().with_file_name("roles/web-shell.toml");
    let text = fs::read_to_string(&role).unwrap();
    fs::write(&role, text.replace("from = [\"sre\"]", "from = [\"auditors\"]")).unwrap();
    let rules = ca.config().with_file_name("policies/access.cedar");
    let text = fs::read_to_string(&rules).unwrap();
    let revoke = text.find("@id(\"sre-revoke\")").unwrap();
    let (before, behind) = text.split_at(revoke);
    let behind = behind.replacen("Group::\"sre\"", "Group::\"auditors\"", 1);
    fs::write(&rules, format!("{before}{behind}")).unwrap();
    fs::remove_dir_all(ca.config().with_file_name("policy-tests")).unwrap();
    ca.jit_cad(&["reload"]).ok();
    watcher.stderr.until("is no longer for you to see");
    watcher.end();

    let watcher = Watcher::start(&carol);
    watcher.stderr.until("watching; 1 request waits now");
    watcher.end();
}

#[test]
fn a_list_that_is_cut_says_so_and_what_falls_out_of_it_is_not_gone() {
    let lab = Lab::new();
    let ca = Ca::start_with_people(&lab, &[("dora", &["dev"])], |config| {
        let daemon = config.join("jit-cad.toml");
        let text = fs::read_to_string(&daemon).unwrap();
        fs::write(daemon, text.replace("open = 20", "open = 1000")).unwrap();
    });
    let (alice, bob, dora) = (ca.person("alice"), ca.person("bob"), ca.caller("dora"));
    let first = asked(&alice, "the first", &[]);
    let watcher = Watcher::start(&bob);
    watcher.stdout.until(id(&first));
    let (wire, call) = (&dora.wire, json!({"role": "web-shell", "reason": "INC-42"}));
    let many = || (0..125).for_each(|_| drop(wire.post("/v1/requests", &call).ok()));
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(many))));
    let list = bob.jit_ca(&["requests", "--json"]).ok();
    assert_eq!(list.json().as_array().map(Vec::len), Some(500));
    assert!(list.stderr.contains("these are 500, and there may be more; narrow it"), "{list}");
    let narrow = bob.jit_ca(&["requests", "--text", "the first", "--json"]).ok();
    assert_eq!((&narrow.json()[0]["id"], narrow.stderr.as_str()), (&first["id"], ""));
    let ending = id(&first).get(id(&first).len() - 6..).unwrap();
    bob.jit_ca(&["requests", ending]).exits(2).says("whole id");

    // It is told of when it is decided, and not before.
    bob.jit_ca(&["deny", id(&first)]).ok();
    let seen = watcher.stdout.until(&format!("{}  denied", id(&first)));
    let of_it = seen.iter().filter(|line| line.starts_with(id(&first))).count();
    assert_eq!(of_it, 1, "{seen:#?}");
    watcher.end();
}
