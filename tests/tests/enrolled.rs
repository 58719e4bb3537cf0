//! Hosts: how they enrol, what they get, and that real clients know them by it and by nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use jit_ca_tests::{Ca, Caller, Clock, Host, Lab, Output, Sshd, Wire, now, program, run, seconds};
use serde_json::{Value, json};

/// What `[hosts]` of the CA's configuration says.
const HOSTS: &str =
    "[hosts]\nnames = [\"*.prod.test\", \"web1\", \"web2\"]\ncertificate = \"7d\"\n";

struct Scene {
    bob: Caller,
    ca: Ca,
    lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let ca = Ca::start_with(&lab, with_hosts);
        let bob = ca.caller("bob");
        Self { bob, ca, lab }
    }

    fn host(&self, name: &str) -> Host {
        Host::new(&self.lab, &self.ca, name, "ed25519")
    }

    fn token(&self, host: &str, aliases: &[&str]) -> Value {
        let call = json!({"host": host, "aliases": aliases});
        self.bob.wire.post("/v1/hosts/tokens", &call).ok().json()
    }

    fn enrolled(&self, name: &str) -> Host {
        let host = self.host(name);
        host.enrol(&self.token(name, &[]));
        host
    }

    fn revoke(&self, name: &str) -> Value {
        let path = format!("/v1/hosts/{name}/revoke");
        self.bob.wire.post(&path, &json!({"reason": "the disk was stolen"})).ok().json()
    }
}

fn with_hosts(config: &Path) {
    let file = config.join("jit-cad.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(file, text + HOSTS).unwrap();
}

/// What a stock ssh says that goes by these known hosts alone and believes the server to be called so.
fn ssh(bob: &Caller, sshd: &Sshd, known_hosts: &Path, name: &str, days: u32) -> Output {
    let mut ssh = bob.person.command("faketime");
    ssh.args(["-f", &format!("+{days}d"), "ssh", "-F", "none", "-o", "GlobalKnownHostsFile=none"]);
    ssh.arg("-o").arg(format!("UserKnownHostsFile={}", known_hosts.display()));
    ssh.args([
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "BatchMode=yes",
        "-o",
        "IdentityAgent=none",
    ]);
    ssh.args(["-o", "HostName=127.0.0.1", "-o", &format!("HostKeyAlias={name}")]);
    run(ssh.args(["-p", &sshd.port().to_string(), &format!("nobody@{name}"), "true"]))
}

/// The client went by the certificate, and was refused as nobody's key opens anything here.
#[track_caller]
fn is_known(output: &Output) {
    assert!(output.stderr.contains("Permission denied"), "{output}");
}

#[track_caller]
fn is_not_known(output: &Output, why: &str) {
    assert!(output.stderr.contains("Host key verification failed"), "{output}");
    assert!(output.stderr.contains(why), "no {why:?} in {output}");
}

#[test]
fn a_host_enrols_and_stock_clients_know_it_by_its_names_alone() {
    let scene = Scene::new();
    let Scene { bob, lab, .. } = &scene;
    let host = scene.host("web1.prod.test");
    let enrolled = host.enrol(&scene.token("web1.prod.test", &["web1", "1.prod.test"]));
    assert_eq!(enrolled["aliases"], json!(["1.prod.test", "web1"]));
    let left = seconds(&enrolled["expires"]) - now();
    assert!((7 * 86_400 - 60..=7 * 86_400).contains(&left), "{left}");

    let mut keygen = Command::new("ssh-keygen");
    let listed = run(keygen.arg("-L").arg("-f").arg(host.certificate())).ok().stdout;
    for line in [
        "ed25519-cert-v01@openssh.com host certificate",
        "Critical Options: (none)",
        "Extensions: (none)",
    ] {
        assert!(listed.contains(line), "{listed}");
    }
    let names = listed.split("Principals:").nth(1).unwrap().split("Critical").next().unwrap();
    let names: Vec<&str> = names.split_whitespace().collect();
    assert_eq!(names, ["1.prod.test", "web1", "web1.prod.test"]);
    assert!(listed.contains("Key ID: \"jit-ca:host:i-"), "{listed}");

    let trust = bob.wire.get("/v1/trust").ok().json();
    assert_eq!(trust["hosts"], json!(["*.prod.test", "web1", "web2"]));
    assert_eq!(trust["revoked_host_keys"], json!([]));
    let line = format!(
        "@cert-authority *.prod.test,web1,web2 {}\n",
        trust["ssh_host_ca"].as_str().unwrap()
    );
    let known_hosts = lab.file("known_hosts", &line);
    let user_ca = trust["ssh_user_ca"].as_str().unwrap();
    let sshd = Sshd::start_as(lab, Clock::True, user_ca, &[], Some(&host));
    for name in ["web1.prod.test", "web1", "1.prod.test"] {
        is_known(&ssh(bob, &sshd, &known_hosts, name, 0));
    }
    // The CA is believed for these names, and the certificate has others.
    is_not_known(
        &ssh(bob, &sshd, &known_hosts, "web2.prod.test", 0),
        "name is not a listed principal",
    );
    is_not_known(&ssh(bob, &sshd, &known_hosts, "web2", 0), "name is not a listed principal");
    // The CA is not believed for this one, whatever the certificate says.
    is_not_known(&ssh(bob, &sshd, &known_hosts, "web1.other.test", 0), "host key is known");
    is_known(&ssh(bob, &sshd, &known_hosts, "web1", 6));
    is_not_known(&ssh(bob, &sshd, &known_hosts, "web1", 8), "expired");

    // Once it is revoked, clients that are told so refuse its key, with the certificate or without.
    let hosts = scene.revoke("web1");
    assert!(hosts[0]["revoked"].is_string(), "{hosts}");
    let revoked = bob.wire.get("/v1/trust").ok().json()["revoked_host_keys"].clone();
    let key = revoked[0].as_str().unwrap();
    assert!(host.public_key().starts_with(key.trim_end_matches(" revoked")), "{key}");
    let known_hosts = lab.file("known_hosts-revoked", format!("{line}@revoked * {key}\n"));
    is_not_known(&ssh(bob, &sshd, &known_hosts, "web1", 0), "REVOKED HOST KEY DETECTED");
}

#[test]
fn a_token_enrols_one_host_once_as_it_says() {
    let scene = Scene::new();
    let Scene { bob, lab, ca } = &scene;
    let make = |call: Value| bob.wire.post("/v1/hosts/tokens", &call);
    make(json!({"host": "web1.other.test"})).refused("host-refused");
    make(json!({"host": "web1", "aliases": ["web9"]})).refused("host-refused");
    make(json!({"host": "web1", "duration": "25h"})).refused("bad-request");
    make(json!({"host": "web1", "duration": "0s"})).refused("bad-request");
    make(json!({"host": "web1", "aliases": ["web1"]})).refused("bad-request");
    make(json!({"host": "1.prod.test"})).refused("bad-request");
    make(json!({"host": "*.prod.test"})).refused("bad-request");
    let alice = ca.caller("alice");
    alice.wire.post("/v1/hosts/tokens", &json!({"host": "web1"})).refused("not-permitted");
    // The same call once more does not show it again.
    let call = json!({"host": "web1", "aliases": ["web1.prod.test"]});
    let token = bob.wire.post_again("/v1/hosts/tokens", &call, "once").ok().json();
    bob.wire.post_again("/v1/hosts/tokens", &call, "once").refused("bad-request");

    let host = scene.host("web1");
    let enrol = |call: &Value| host.wire.post("/v1/hosts/enrolment", call);
    let right = host.enrolment(&token);
    let with = |field: &str, value: Value| {
        let mut call = right.clone();
        call[field] = value;
        enrol(&call)
    };
    with("token", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")).refused("login-refused");
    with("host", json!("web2")).refused("bad-request");
    with("aliases", json!([])).refused("bad-request");
    let other = scene.host("web2");
    with("public_key", json!(other.public_key())).refused("no-possession");
    enrol(&host.enrolment_signed_by(&token, &other.key)).refused("no-possession");
    let weak = Host::new(lab, ca, "weak", "rsa");
    let sized = run(Command::new("ssh-keygen").args(["-l", "-f"]).arg(&weak.key)).ok();
    assert!(sized.line().starts_with("3072"), "{sized}");

    // Nothing of that has used it up; and the same call gives the same certificate.
    let first = host.wire.post_again("/v1/hosts/enrolment", &right, "enrol").ok().json();
    assert_eq!(host.wire.post_again("/v1/hosts/enrolment", &right, "enrol").ok().json(), first);
    enrol(&right).refused("login-refused");
    enrol(&host.enrolment(&token)).refused("login-refused");

    // Its names are its own; and its key no other host's.
    make(json!({"host": "web2", "aliases": ["web1.prod.test"]})).refused("host-refused");
    let stolen = Host { name: "web2".to_owned(), key: host.key.clone(), wire: host.wire.clone() };
    let token = scene.token("web2", &[]);
    stolen.wire.post("/v1/hosts/enrolment", &stolen.enrolment(&token)).refused("host-refused");
    // A 3072-bit RSA key is taken, as a user's is.
    let rsa = Host { name: "web2".to_owned(), ..weak };
    rsa.enrol(&token);
    let mut keygen = Command::new("ssh-keygen");
    let listed = run(keygen.arg("-L").arg("-f").arg(rsa.certificate())).ok().stdout;
    assert!(listed.contains("ssh-rsa-cert-v01@openssh.com host certificate"), "{listed}");
}

#[test]
fn another_key_takes_the_place_of_the_one_before_which_never_comes_back() {
    let scene = Scene::new();
    let host = scene.enrolled("web1");
    let login = host.login();
    login.post("/v1/host/certificate", &json!({})).ok();
    // By the same key it enrols anew, with other names.
    host.enrol(&scene.token("web1", &["web1.prod.test"]));
    login.post("/v1/host/certificate", &json!({})).refused("unauthenticated");
    let renewed = host.login().post("/v1/host/certificate", &json!({})).ok().json();
    assert_eq!(renewed["aliases"], json!(["web1.prod.test"]));

    let again = Host::new(&scene.lab, &scene.ca, "web1-again", "ed25519");
    let again = Host { name: "web1".to_owned(), ..again };
    again.enrol(&scene.token("web1", &[]));
    host.try_login().0.refused("login-refused");
    let revoked = scene.bob.wire.get("/v1/trust").ok().json()["revoked_host_keys"].clone();
    let line = host.public_key();
    assert!(
        line.starts_with(revoked[0].as_str().unwrap().trim_end_matches(" revoked")),
        "{revoked}"
    );
    let token = scene.token("web1", &[]);
    host.wire.post("/v1/hosts/enrolment", &host.enrolment(&token)).refused("host-refused");
    // The alias that it gave up is free.
    again.login().post("/v1/host/certificate", &json!({})).ok();
    scene.enrolled("web1.prod.test");

    scene.revoke("web1");
    let gone = json!({"reason": "once more"});
    scene.bob.wire.post("/v1/hosts/web1/revoke", &gone).refused("host-unchanged");
    again.try_login().0.refused("login-refused");
    again.wire.post("/v1/hosts/enrolment", &again.enrolment(&token)).refused("host-refused");
    let third = Host { name: "web1".to_owned(), ..scene.host("web1-third") };
    third.enrol(&token);
    third.login();
}

/// A path of the OpenAPI document with something for its parameters.
fn place(path: &str) -> String {
    path.replace("{id}", "g-01m3250v000w3ge1r70w3ge1r7")
        .replace("{name}", "web1")
        .replace("{index}", "0")
        .replace("{size}", "1")
        .replace("{part}", "0/000")
}

#[test]
fn a_hosts_login_makes_hosts_calls_and_nobody_elses_does() {
    let scene = Scene::new();
    let host = scene.enrolled("web1");
    let login = host.login();
    let renewed = login.post("/v1/host/certificate", &json!({})).ok().json();
    assert_eq!((&renewed["host"], &renewed["aliases"]), (&json!("web1"), &json!([])));
    let document = scene.bob.wire.get("/v1/openapi.json").ok().json();
    let (mut theirs, mut own) = (0, 0);
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let call = |wire: &Wire| match method.as_str() {
                "get" => wire.get(&place(path)),
                _ => wire.post(&place(path), &json!({})),
            };
            let security = &operation["security"][0];
            if security["host"].is_array() {
                call(&scene.bob.wire).refused("unauthenticated");
                call(&host.wire).refused("unauthenticated");
                own += 1;
            } else if security.is_object() {
                call(&login).refused("unauthenticated");
                theirs += 1;
            }
        }
    }
    assert!(theirs > 40 && own == 5, "{theirs} {own}");

    // A lock stops it, and ends its login; as does the CA, once it enrols no such host any more.
    let lock = json!({"what": "host/web1", "reason": "INC-7"});
    scene.bob.wire.post("/v1/locks", &lock).ok();
    login.post("/v1/host/certificate", &json!({})).refused("unauthenticated");
    host.try_login().0.refused("locked");
    scene.bob.wire.post("/v1/locks/lift", &lock).ok();
    let login = host.login();
    login.post("/v1/host/certificate", &json!({})).ok();
    scene.revoke("web1");
    login.post("/v1/host/certificate", &json!({})).refused("unauthenticated");
    host.try_login().0.refused("login-refused");
}

#[test]
fn without_hosts_in_the_configuration_none_enrols() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let bob = ca.caller("bob");
    let reply = bob.wire.post("/v1/hosts/tokens", &json!({"host": "web1"})).refused("host-refused");
    assert!(reply.problem()["detail"].as_str().unwrap().contains("[hosts]"), "{reply:?}");
    assert_eq!(bob.wire.get("/v1/trust").ok().json()["hosts"], json!([]));
}

/// The configuration of a host that calls this CA, and where its certificate lies.
fn configured(scene: &Scene, name: &str, pin: &str) -> (PathBuf, PathBuf) {
    let folder = scene.lab.folder(&format!("etc-{name}"));
    let key = folder.join("ssh_host_ed25519_key");
    let mut keygen = Command::new("ssh-keygen");
    run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key)).ok();
    let text = format!(
        "[host]\nname = \"{name}\"\naliases = [\"{name}.prod.test\"]\n[ca]\nurl = \"{}\"\npin = \"{pin}\"\n\
         [places]\nssh = \"{}\"\n",
        scene.ca.url(),
        folder.display(),
    );
    let config = folder.join("host.toml");
    fs::write(&config, text).unwrap();
    (config, folder.join("ssh_host_ed25519_key-cert.pub"))
}

fn jit_ca_host(config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program("jit-ca-host"));
    run(command.arg("--config").arg(config).args(arguments))
}

#[test]
fn a_server_enrols_and_renews_with_one_command_each() {
    let scene = Scene::new();
    let Scene { bob, ca, lab } = &scene;
    let (config, certificate) = configured(&scene, "web1", ca.pin());
    let token = |names: &[&str]| {
        let made = scene.token(names[0], &names[1..]);
        lab.file("token", made["token"].as_str().unwrap().to_owned() + "\n")
    };
    let enroll = |config: &Path, token: &Path| {
        jit_ca_host(config, &["enroll", "--token-file", token.to_str().unwrap()])
    };
    // Nothing is kept of what fails, and each says what to do.
    let says = |output: &Output, what: &str| {
        assert_eq!(output.code, 1, "{output}");
        assert!(output.stderr.contains(what) && output.stderr.contains("hint: "), "{output}");
        assert!(!certificate.exists());
    };
    says(&jit_ca_host(&config, &["renew"]), "login was refused");
    says(&enroll(&config, &lab.file("none", "hello")), "that is no token");
    says(&enroll(&config, &token(&["web1"])), "the token is for web1 without aliases");
    let (other, _) =
        configured(&scene, "web2", "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let right = token(&["web1", "web1.prod.test"]);
    says(&enroll(&other, &right), "pin");
    enroll(&config, &right).ok();
    says_names(&certificate, &["web1", "web1.prod.test"]);
    assert_eq!(enroll(&config, &right).code, 1);
    let first = fs::read_to_string(&certificate).unwrap();
    assert_eq!(fs::metadata(&certificate).unwrap().permissions().mode() & 0o777, 0o644);

    jit_ca_host(&config, &["renew", "--below", "67"]).ok();
    assert_eq!(fs::read_to_string(&certificate).unwrap(), first);
    jit_ca_host(&config, &["renew"]).ok();
    assert_ne!(fs::read_to_string(&certificate).unwrap(), first);
    says_names(&certificate, &["web1", "web1.prod.test"]);
    // By way of jit-ca as well, which runs the program beside it.
    let config = config.to_str().unwrap();
    bob.person.jit_ca(&["host", "--config", config, "renew"]).exits(2);
    bob.person.jit_ca(&["host", "renew", "--config", config]).ok();

    let kept = fs::read_to_string(&certificate).unwrap();
    scene.revoke("web1");
    assert_eq!(jit_ca_host(Path::new(config), &["renew"]).code, 1);
    assert_eq!(fs::read_to_string(&certificate).unwrap(), kept);
}

fn says_names(certificate: &Path, expected: &[&str]) {
    let mut keygen = Command::new("ssh-keygen");
    let listed = run(keygen.arg("-L").arg("-f").arg(certificate)).ok().stdout;
    let names = listed.split("Principals:").nth(1).unwrap().split("Critical").next().unwrap();
    assert_eq!(names.split_whitespace().collect::<Vec<_>>(), expected);
}

#[test]
fn jit_ca_ssh_knows_the_hosts_that_enrolled_and_asks_nothing() {
    let scene = Scene::new();
    let Scene { bob, ca, lab } = &scene;
    let person = &bob.person;
    person.login(&bob.authenticator.code()).ok();
    let made =
        person.jit_ca(&["host", "token", "web1", "--alias", "web1.prod.test", "--json"]).ok();
    let host = scene.host("web1");
    host.enrol(&made.json());
    let listed = person.jit_ca(&["host", "list"]).ok().stdout;
    assert!(listed.contains("web1.prod.test") && listed.contains(&host.fingerprint()), "{listed}");
    let printed = person.jit_ca(&["trust", "--known-hosts"]).ok().stdout;
    assert!(printed.starts_with("@cert-authority *.prod.test,web1,web2 ssh-ed25519 "), "{printed}");
    assert_eq!(printed.lines().count(), 1, "{printed}");

    let alice = ca.caller("alice");
    alice.person.login(&alice.authenticator.code()).ok();
    alice.granted("web-shell", json!({"hosts": ["web1"]}), &[bob]);
    let trust = bob.wire.get("/v1/trust").ok().json();
    let accounts: &[(&str, &[&str])] = &[("deploy", &["web-shell.web1"])];
    let user_ca = trust["ssh_user_ca"].as_str().unwrap();
    let sshd = Sshd::start_as(lab, Clock::True, user_ca, accounts, Some(&host));
    let port = sshd.port().to_string();
    let ssh = |more: &[&str]| {
        let mut line = vec!["ssh", "--no-agent", "-p", &port, "-o", "HostName=127.0.0.1"];
        line.extend(["-o", "HostKeyAlias=web1", "-o", "BatchMode=yes"]);
        line.extend(["-o", "StrictHostKeyChecking=yes"]);
        line.extend(more);
        line.extend(["deploy@web1", "whoami"]);
        alice.person.jit_ca(&line)
    };
    assert_eq!(ssh(&[]).ok().line(), "deploy");
    // By nothing else: the person's own file knows no host.
    assert!(!alice.person.file(".ssh/known_hosts").exists());
    ssh(&["-o", "GlobalKnownHostsFile=/dev/null"]).exits(255);

    let gone = ["host", "revoke", "web1.prod.test", "--reason", "the disk was stolen"];
    person.jit_ca(&gone).ok();
    let refused = ssh(&[]);
    assert!(refused.stderr.contains("REVOKED HOST KEY DETECTED"), "{refused}");
    let printed = person.jit_ca(&["trust", "--known-hosts"]).ok().stdout;
    assert!(printed.contains("\n@revoked * ssh-ed25519 "), "{printed}");
    let nothing = person.jit_ca(&["host", "revoke", "web1", "--reason", "once more"]);
    assert!(
        nothing.stderr.contains("no host is called web1, or it is revoked already"),
        "{nothing}"
    );
}
