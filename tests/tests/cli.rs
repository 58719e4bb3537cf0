//! The command line: what it does, prints, and ends with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use jit_ca_tests::{Ca, Clock, Lab, Output, Person, Sshd, now, program, run, seconds, wait_for};
use serde_json::{Value, json};

/// Asks for a role by the command line, without waiting.
fn ask(person: &Person, arguments: &[&str]) -> Value {
    let common = ["--reason", "INC-42", "--no-wait", "--json"];
    let output = person.jit_ca(&[&["request"], arguments, &common].concat());
    assert!(matches!(output.code, 0 | 75), "{output}");
    output.json()
}

fn approve(person: &Person, request: &Value) -> Output {
    person.jit_ca(&["approve", request["id"].as_str().unwrap(), "--yes", "--json"])
}

/// What ssh-agent holds.
fn held(person: &Person) -> String {
    run(person.command("ssh-add").arg("-l")).stdout
}

/// The names of an object's fields, in the alphabet's order: JSON gives them none.
fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn exit_codes_say_what_happened_and_errors_what_to_do() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let stranger = ca.stranger("bob");
    stranger.jit_ca(&["whoami"]).exits(2).says("hint: ");
    stranger.jit_ca(&["no-such-command"]).exits(2);
    let (alice, bob) = (ca.person("alice"), ca.person("bob"));

    let request = ask(&alice, &["web-shell", "--for", "5m"]);
    assert_eq!(request["status"], "pending");
    let id = request["id"].as_str().unwrap();
    approve(&alice, &request).exits(3).says("hint: ");
    alice.jit_ca(&["request", "web-shell", "--for", "5h", "--reason", "x"]).exits(3).says("hint: ");
    alice.jit_ca(&["log", "list"]).exits(3);
    // Ids by their endings.
    let denied = bob
        .jit_ca(&["deny", id.get(id.len() - 6..).unwrap(), "--reason", "not today", "--json"])
        .ok();
    assert_eq!(denied.json()["status"], "denied");
    approve(&bob, &request).exits(3);
    alice.jit_ca(&["logout"]).ok();
    alice.jit_ca(&["whoami"]).exits(3).says("hint: log in");
}

#[test]
fn whoever_has_read_enough_may_go() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut check = std::process::Command::new(program("jit-cad"));
    check.args(["check-config", "--config"]).arg(ca.config());
    let output = check.stdout(writer).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn what_is_logged_can_be_chosen_and_a_wrong_choice_is_told() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let check = |filter: &str| {
        let mut check = std::process::Command::new(program("jit-cad"));
        check.args(["check-config", "--config"]).arg(ca.config());
        run(check.env("JIT_CAD_LOG", filter))
    };
    check("warn,jit_cad=debug").ok();
    check("jit_cad=loud").exits(2).says("JIT_CAD_LOG").says("hint: write it like");
}

#[test]
fn another_pin_is_another_ca() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (alice, _) = ca.enrolled("alice");
    let (url, other) = (ca.url(), format!("SHA256:{}", "A".repeat(43)));
    let mut login = alice.command(jit_ca_tests::program("jit-ca"));
    login
        .env("XDG_CONFIG_HOME", lab.folder("fresh"))
        .env("XDG_RUNTIME_DIR", lab.folder("fresh-run"));
    let arguments =
        ["login", "--ca", &url, "--ca-pin", &other, "--name", "alice", "--code-file", "/dev/null"];
    run(login.args(arguments)).exits(4).says("pin").says("hint: ");
    // The one that is remembered is not forgotten for it.
    alice.jit_ca(&["login", "--ca", &url, "--ca-pin", &other]).exits(2).says("--forget");
    alice.jit_ca(&["whoami"]).ok();
}

#[test]
fn json_is_one_document_with_stable_names() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (alice, carol) = (ca.person("alice"), ca.person("carol"));
    let me = alice.jit_ca(&["whoami", "--json"]).ok().json();
    assert_eq!(fields(&me), ["groups", "has_passkey", "login", "name", "subject"]);
    assert_eq!(fields(&me["login"]), ["expires", "idle_ends", "mfa_at", "serial"]);
    assert!(seconds(&me["login"]["expires"]) > now());
    let roles = alice.jit_ca(&["roles", "--json"]).ok().json();
    let names: Vec<_> =
        roles.as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["orders-api", "web-deploy", "web-logs", "web-shell"]);

    let request = ask(&alice, &["web-logs", "--host", "web2"]);
    assert_eq!((&request["status"], &request["hosts"]), (&json!("approved"), &json!(["web2"])));
    let issued = alice.jit_ca(&["cert", "ssh", "--out", "keys", "--json"]).ok().json();
    assert_eq!(
        fields(&issued),
        ["certificate", "entry", "expires", "grant", "issuance", "key", "proof", "row", "serial"]
    );
    let status = alice.jit_ca(&["status", "--json"]).ok().json();
    assert_eq!(status["grants"][0]["id"], request["id"]);

    let listed = carol.jit_ca(&["log", "list", "--role", "web-logs", "--json"]).ok().json();
    let kinds: Vec<_> =
        listed.as_array().unwrap().iter().map(|entry| entry["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["request", "approval", "grant", "issue.intent", "issue.done"]);
    let index = issued["entry"].to_string();
    let shown = carol.jit_ca(&["log", "show", &index, "--json"]).ok().json();
    assert_eq!((&shown["type"], &shown["issuance"]), (&json!("issue.intent"), &issued["issuance"]));
    let key_id = format!(
        "jit-ca:{}:{}:alice",
        issued["grant"].as_str().unwrap(),
        issued["issuance"].as_str().unwrap()
    );
    let who = carol.jit_ca(&["log", "who", &key_id, "--json"]).ok().json();
    assert_eq!((&who["name"], &who["reason"]), (&json!("alice"), &json!("INC-42")));
    // A key id of a certificate that was never logged is an alarm.
    let forged =
        key_id.replace(issued["issuance"].as_str().unwrap(), "i-00000000000000000000000000");
    carol.jit_ca(&["log", "who", &forged]).exits(4);
    carol.jit_ca(&["log", "checkpoint"]).ok().says("ca.example.org/jit-ca");
}

#[test]
fn one_command_goes_all_the_way_to_the_host() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (mut alice, bob) = (ca.person("alice"), ca.person("bob"));
    alice.start_agent();
    let user_ca = alice.jit_ca(&["trust", "--ssh-user-ca"]).ok();
    let principals = ["web-shell", "web-shell.web1"];
    let sshd = Sshd::start(&lab, Clock::True, user_ca.line(), &[("deploy", &principals)]);
    let options = sshd.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let ssh = |command: &[&'static str]| {
        let wish = ["--role", "web-shell", "--for", "20s", "--reason", "INC-42"];
        [&["ssh"], &wish[..], &["-F", "none"], &options, &["deploy@web1", "--"], command].concat()
    };

    let mut waiting = alice.start_jit_ca(&ssh(&["whoami"]));
    let request = wait_for("the request", || {
        bob.jit_ca(&["requests", "--status", "pending", "--json"]).ok().json()[0]
            .as_object()
            .cloned()
    });
    assert!(waiting.try_wait().unwrap().is_none(), "it does not wait");
    approve(&bob, &Value::Object(request)).ok();
    drop(waiting.stdin.take());
    let output = waiting.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "deploy\n", "{said}");

    // The same grant serves again, at once; and the remote command's exit code is ours.
    alice.jit_ca(&ssh(&["exit", "7"])).exits(7);
    // The agent holds the key for as long as the grant lasts, and no file does.
    assert!(held(&alice).contains("ED25519-CERT"), "{}", held(&alice));
    let keys = run(alice.command("grep").args(["-rl", "PRIVATE KEY", "run", ".ssh", ".config"]));
    assert!(
        keys.stdout
            .lines()
            .all(|file| file == ".ssh/id_ed25519" || file == "run/jit-ca/login.json"),
        "{keys}"
    );
    let end = wait_for("the end of the key", || (!held(&alice).contains("CERT")).then(now));
    let status = alice.jit_ca(&["requests", "--mine", "--json"]).ok().json();
    let granted_until = seconds(&status[0]["grant"]["window"]["end"]);
    assert!(end.abs_diff(granted_until) <= 2, "held until {end}, granted until {granted_until}");
}

#[test]
fn without_an_agent_keys_are_the_persons_files() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let alice = ca.person("alice");
    ask(&alice, &["web-logs", "--for", "5m"]);
    let logged_in = alice.jit_ca(&["login", "--json"]).ok().json();
    let certificate = logged_in["certificates"][0].as_str().unwrap();
    for file in fs::read_dir(Path::new(certificate).parent().unwrap()).unwrap() {
        let (path, mode) =
            (file.as_ref().unwrap().path(), file.unwrap().metadata().unwrap().permissions().mode());
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    alice.jit_ca(&["logout"]).ok();
    assert!(!Path::new(certificate).exists());
    let secrets = run(alice.command("grep").args(["-rl", "PRIVATE KEY", "run", ".config"]));
    assert_eq!(secrets.stdout, "");
}

#[test]
fn a_second_factor_that_is_too_old_is_given_again() {
    let lab = Lab::new();
    let ca = Ca::start_with(&lab, |config| {
        let file = config.join("roles/web-deploy.toml");
        let role = fs::read_to_string(&file).unwrap();
        assert!(role.contains("max_age = \"1h\""));
        fs::write(file, role.replace("max_age = \"1h\"", "max_age = \"2s\"")).unwrap();
        // Its test speaks of the hour.
        fs::remove_dir_all(config.join("policy-tests")).unwrap();
    });
    let (alice, authenticator) = ca.enrolled("alice");
    alice.login(&authenticator.code()).ok();
    std::thread::sleep(Duration::from_secs(3)); // until the code is older than the role accepts
    let request = ["request", "web-deploy", "--reason", "INC-42", "--no-wait"];
    alice.jit_ca(&request).exits(3).says("jit-ca login --again");
    alice.jit_ca_reading(&["login", "--again", "--code-file", "-"], &authenticator.code()).ok();
    alice.jit_ca(&request).exits(75);
}
