//! What a certificate opens on a real sshd, and what it does not; sshd's own log says why.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jit_ca_tests::{Ca, Caller, Clock, Lab, Ssh, Sshd, run, seconds};
use serde_json::{Value, json};

/// Alice with a certificate for a shell on web1.
struct Scene {
    alice: Caller,
    key: PathBuf,
    certificate: PathBuf,
    grant: Value,
    user_ca: String,
    // Dropped last: the CA is stopped and its log checked while its folder is there.
    ca: Ca,
    lab: Lab,
}

/// The principals that open an account on a host by `docs/guides/sshd.md`.
const ON_WEB1: &[&str] = &["web-shell", "web-shell.web1", "web-logs", "web-logs.web1"];
const ON_WEB2: &[&str] = &["web-shell", "web-shell.web2", "web-logs", "web-logs.web2"];

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let ca = Ca::start_with(&lab, |config| {
            role(config, "elsewhere", r#"source_address = ["192.0.2.0/24"]"#);
            role(config, "here", r#"source_address = "caller""#);
            role(config, "forced", r#"force_command = "echo forced: $SSH_ORIGINAL_COMMAND""#);
        });
        let alice = ca.caller("alice");
        let request = json!({"hosts": ["web1"], "duration": "1m"});
        let grant = alice.granted("web-shell", request, &[&ca.caller("bob")])["grant"].clone();
        let key = alice.person.make_key("work", "ed25519");
        let (certificate, _) = alice.take_ssh(&grant, &key);
        let user_ca = alice.wire.trust()["ssh_user_ca"].as_str().unwrap().to_owned();
        Self { alice, key, certificate, grant, user_ca, ca, lab }
    }

    /// Logs in at an sshd of these principals by that clock.
    fn log_in(&self, clock: Clock, principals: &[&str]) -> Ssh {
        let sshd = Sshd::start(&self.lab, clock, &self.user_ca, &[("deploy", principals)]);
        sshd.log_in(&self.alice.person, "deploy", &self.key, &self.certificate)
    }

    /// A certificate for a role that a rule approves, and what comes of running a command by it.
    fn run_by(&self, role: &str, command: &str) -> Ssh {
        let grant = self.alice.granted(role, json!({}), &[])["grant"].clone();
        let (certificate, _) = self.alice.take_ssh(&grant, &self.key);
        let sshd = Sshd::start(&self.lab, Clock::True, &self.user_ca, &[("deploy", &[role])]);
        sshd.run(&self.alice.person, "deploy", &self.key, &certificate, command)
    }
}

/// Adds a role of one row, which a rule approves.
fn role(config: &Path, name: &str, row: &str) {
    let text = format!(
        "description = \"For a test\"\ndefault = \"5m\"\nlongest = \"5m\"\nhosts = [\"web1\"]\n\
         [[approvals]]\ncount = 1\nfrom = [\"sre\"]\n[[ssh]]\ntag = \"{name}\"\nlogin = \"deploy\"\n{row}\n"
    );
    fs::write(config.join(format!("roles/{name}.toml")), text).unwrap();
    let rule = format!(
        "@id(\"{name}-at-once\")\npermit (principal in Group::\"dev\", action == Action::\"skip-approval\", resource == Role::\"{name}\");\n"
    );
    fs::write(config.join(format!("policies/{name}.cedar")), rule).unwrap();
}

#[test]
fn it_opens_its_host_inside_its_window() {
    let scene = Scene::new();
    let window = &scene.grant["window"];
    let (start, end) = (seconds(&window["start"]), seconds(&window["end"]));
    assert_eq!(end - start, 60);

    scene.log_in(Clock::True, ON_WEB1).ran("deploy");
    // A minute before the grant, for clocks that are behind (DESIGN.md, Certificates).
    scene.log_in(Clock::Frozen(start - 61), ON_WEB1).refused("Certificate invalid: not yet valid");
    scene.log_in(Clock::Frozen(start - 60), ON_WEB1).ran("deploy");
    scene.log_in(Clock::Frozen(end - 1), ON_WEB1).ran("deploy");
    scene.log_in(Clock::Frozen(end), ON_WEB1).refused("Certificate invalid: expired");
    scene.log_in(Clock::Frozen(end + 3600), ON_WEB1).refused("Certificate invalid: expired");
}

#[test]
fn it_opens_nothing_else() {
    let scene = Scene::new();
    let no_principal = "Certificate does not contain an authorized principal";
    scene.log_in(Clock::True, ON_WEB2).refused(no_principal);
    scene.log_in(Clock::True, &["db-shell", "web-shell.web10", "deploy"]).refused(no_principal);
    assert!(scene.ca.log_text().lines().all(|line| !line.contains("PRIVATE KEY")));
}

#[test]
fn an_sshd_that_trusts_another_key_refuses_it() {
    let scene = Scene::new();
    let trust = |user_ca: &str| {
        let sshd = Sshd::start(&scene.lab, Clock::True, user_ca, &[("deploy", ON_WEB1)]);
        sshd.log_in(&scene.alice.person, "deploy", &scene.key, &scene.certificate)
    };
    let other = scene.alice.person.make_key("other-ca", "ed25519");
    trust(&fs::read_to_string(other.with_extension("pub")).unwrap()).refused("Failed publickey");
    // One key, one purpose: that of host certificates opens no account.
    trust(scene.alice.wire.trust()["ssh_host_ca"].as_str().unwrap()).refused("Failed publickey");
    trust(&scene.user_ca).ran("deploy");
}

#[test]
fn a_host_certificate_is_no_users() {
    // Of one and the same key, which the CA never has for both: ssh-keygen makes them, as a CA that this sshd trusts.
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let alice = ca.stranger("alice");
    let (own_ca, key) = (alice.make_key("own-ca", "ed25519"), alice.make_key("work", "ed25519"));
    let user_ca = fs::read_to_string(own_ca.with_extension("pub")).unwrap();
    let sshd = Sshd::start(&lab, Clock::True, user_ca.trim_end(), &[("deploy", ON_WEB1)]);
    let log_in = |kind: &[&str]| {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-I", "test", "-n", "web-shell.web1", "-V", "+5m"]).args(kind);
        run(keygen.arg("-s").arg(&own_ca).arg(key.with_extension("pub"))).ok();
        sshd.log_in(&alice, "deploy", &key, &key.with_file_name("work-cert.pub"))
    };
    log_in(&[]).ran("deploy");
    log_in(&["-h"]).refused("Failed publickey");
}

#[test]
fn source_addresses_forced_commands_and_missing_extensions_hold() {
    let scene = Scene::new();
    scene.run_by("here", "whoami").ran("deploy");
    scene.run_by("elsewhere", "whoami").refused("not from a permitted source address (127.0.0.1)");
    scene.run_by("forced", "cat /etc/shadow").ran("forced: cat /etc/shadow");

    // A terminal only where the row gives one.
    let sshd = Sshd::start(
        &scene.lab,
        Clock::True,
        &scene.user_ca,
        &[("deploy", &["here", "web-shell.web1"])],
    );
    let terminal = |certificate: &Path| {
        let mut ssh = scene.alice.person.command("ssh");
        ssh.args(["-F", "none", "-tt", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]);
        ssh.arg("-o")
            .arg(format!("CertificateFile={}", certificate.display()))
            .arg("-i")
            .arg(&scene.key);
        run(ssh.args(sshd.options()).args(["deploy@host", "tty"]))
    };
    terminal(&scene.certificate).ok().says("/dev/pts/");
    let grant = scene.alice.granted("here", json!({}), &[])["grant"].clone();
    terminal(&scene.alice.take_ssh(&grant, &scene.key).0).says("PTY allocation request failed");
}

#[test]
fn ssh_keygen_prints_exactly_what_was_granted() {
    let scene = Scene::new();
    let (certificate, reply) = scene.alice.take_ssh(&scene.grant, &scene.key);
    let fingerprint = |key: &str| {
        let mut keygen = Command::new("ssh-keygen");
        let file = scene.lab.file("key.pub", key);
        run(keygen.arg("-lf").arg(file)).ok().line().split(' ').nth(1).unwrap().to_owned()
    };
    let key = fingerprint(&fs::read_to_string(scene.key.with_extension("pub")).unwrap());
    let (grant, issuance) =
        (scene.grant["id"].as_str().unwrap(), reply["issuance"].as_str().unwrap());
    let time = |time: &Value, before: u64| {
        let mut date = Command::new("date");
        let second = seconds(time) - before;
        run(date.args(["-u", "+%FT%T", "-d", &format!("@{second}")])).ok().line().to_owned()
    };
    let window = &scene.grant["window"];
    let expected = format!(
        "{}:
        Type: ssh-ed25519-cert-v01@openssh.com user certificate
        Public key: ED25519-CERT {key}
        Signing CA: ED25519 {} (using ssh-ed25519)
        Key ID: \"jit-ca:{grant}:{issuance}:alice\"
        Serial: {}
        Valid: from {} to {}
        Principals: 
                web-shell.web1
        Critical Options: (none)
        Extensions: 
                permit-pty
",
        certificate.display(),
        fingerprint(&scene.user_ca),
        reply["serial"].as_str().unwrap(),
        time(&window["start"], 60),
        time(&window["end"], 0),
    );
    let mut keygen = Command::new("ssh-keygen");
    keygen.env("TZ", "UTC").arg("-Lf").arg(&certificate);
    assert_eq!(run(&mut keygen).ok().stdout, expected);
    assert_eq!(reply["expires"], window["end"]);
}

#[test]
fn keys_of_both_kinds_are_certified_and_others_refused() {
    let scene = Scene::new();
    let p256 = scene.alice.person.make_key("p256", "ecdsa");
    let (certificate, _) = scene.alice.take_ssh(&scene.grant, &p256);
    let sshd = Sshd::start(&scene.lab, Clock::True, &scene.user_ca, &[("deploy", ON_WEB1)]);
    sshd.log_in(&scene.alice.person, "deploy", &p256, &certificate).ran("deploy");

    let rsa = scene.alice.person.make_key("rsa", "rsa");
    scene.alice.ask_ssh(&scene.grant, &rsa).refused("key-refused");
    // Possession: Alice signs for one key and asks for another's certificate.
    let grant = scene.grant["id"].as_str().unwrap();
    let (mut call, idempotency_key) = scene.alice.wire.ssh_call(grant, &scene.key);
    call["public_key"] = fs::read_to_string(p256.with_extension("pub")).unwrap().trim_end().into();
    let reply =
        scene.alice.wire.post_again(&format!("/v1/grants/{grant}/ssh"), &call, &idempotency_key);
    reply.refused("no-possession");
}
