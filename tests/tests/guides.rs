//! The commands of the guides are run as they stand there.
//!
//! Each block of a guide that begins with ```` ```sh WHO ```` is run by bash: root's with folders of the lab in the
//! place of the machine's (a mount namespace), other people's in their homes. What this machine has not got
//! is put in front of PATH: a `systemctl` that starts the server, and an `ssh` that knows where web1 is.

mod access;
mod administrators;
mod erasure;
mod first_ca;
mod host_certificates;
mod hosts;
mod machine;
mod notifications;
mod passkeys;
mod policy;
mod restore;
mod second_factors;
mod sessions;
mod single_sign_on;
mod trouble;

use std::fs;
use std::path::Path;

use jit_ca_tests::{Block, Ca, Clock, Lab, Person, Sshd, blocks, free_port, self_signed, wait_for};

use machine::Machine;

/// A guide to a CA that runs already: that of a lab, with its folder in the place of the guide's.
struct Guided {
    ca: Ca,
    machine: Machine,
    /// Where it lies.
    folder: String,
    blocks: Vec<Block>,
}

impl Guided {
    fn new(lab: &Lab, guide: &str) -> Self {
        let ca = Ca::start(lab);
        let machine = Machine::of(lab, &ca, &[]);
        let folder = ca.config().ancestors().nth(2).unwrap().to_str().unwrap().to_owned();
        let mut blocks = blocks(guide);
        for block in &mut blocks {
            block.text = block.text.replace("/var/lib/jit-cad", &folder);
        }
        Self { ca, machine, folder, blocks }
    }
}

fn granted(ca: &Ca, role: &str) -> (Person, Person) {
    let (alice, bob) = (ca.person("alice"), ca.caller("bob"));
    let request = alice
        .jit_ca(&["request", role, "--reason", "INC-42", "--no-wait", "--json"])
        .exits(75)
        .json();
    bob.approve(&request).ok();
    (alice, ca.person("carol"))
}

#[test]
fn the_guide_to_sshd_works_as_it_stands() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (alice, carol) = granted(&ca, "web-shell");
    let machine = Machine::of(&lab, &ca, &["/etc/ssh"]);
    let (port, log) = (free_port(), lab.file("sshd.log", ""));
    let base = format!(
        "Include /etc/ssh/sshd_config.d/*.conf\nPort {port}\nListenAddress 127.0.0.1\nPidFile {}\nUsePAM no\n",
        machine.pid.display()
    );
    machine.file("/etc/ssh/sshd_config", &lab, &base);
    machine.file("/etc/ssh/sshd_config.d/50-site.conf", &lab, "PasswordAuthentication no\n");
    machine.run("ssh-keygen -A && mkdir -p /run/sshd && { id deploy || useradd --create-home --shell /bin/bash --password '*' deploy; }").ok();
    lab.script("systemctl", &format!("exec /usr/sbin/sshd -E {}", log.display()));
    let options = "-F none -o HostName=127.0.0.1 -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR";
    lab.script("ssh", &format!("exec /usr/bin/ssh {options} -p {port} \"$@\""));

    let key_id = || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        let accepted = log.lines().find_map(|line| line.split_once("Accepted certificate ID \""));
        accepted.map(|(_, rest)| rest.split('"').next().unwrap().to_owned())
    };
    for block in blocks("docs/guides/sshd.md") {
        match block.who.as_str() {
            "root" => {
                machine.run(&block.text).ok();
            }
            "alice" => assert_eq!(machine.run_as(&alice, &block.text, "").ok().line(), "deploy"),
            "carol" => {
                let key_id = wait_for("sshd's line", key_id);
                machine.run_as(&carol, &block.text, &key_id).ok().says("INC-42").says("bob");
            }
            other => panic!("who is {other}?"),
        }
    }
    // In a sentence of step 3.
    machine.run("usermod --password '*' deploy").ok();
    // The folder of the lab alone was changed.
    assert!(!Path::new("/etc/ssh/jit-ca-user-ca.pub").exists());
}

#[test]
fn the_guide_to_ssh_config_works_as_it_stands() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (alice, _) = granted(&ca, "web-shell");
    let machine = Machine::of(&lab, &ca, &[]);
    let user_ca = alice.jit_ca(&["trust", "--ssh-user-ca"]).ok();
    let principals: &[&str] = &["web-shell", "web-shell.web1"];
    let sshd = Sshd::start(&lab, Clock::True, user_ca.line(), &[("deploy", principals)]);
    // Her own block. ssh takes the home folder from the list of accounts, so that it has to be told of the file.
    let config = alice.file(".ssh/config");
    fs::write(&config, format!("Host web1\n{}", sshd.own_block())).unwrap();
    for name in ["ssh", "scp"] {
        lab.script(name, &format!("exec /usr/bin/{name} -F {} \"$@\"", config.display()));
    }
    for block in blocks("docs/guides/ssh-config.md") {
        // Ansible wants to know how text is written, and stops where that is not said.
        let shown = machine.run_as(&alice, &format!("export LC_ALL=C.UTF-8\n{}", block.text), "");
        let shown = shown.ok();
        match block.text.as_str() {
            text if text.contains("whoami") => assert_eq!(shown.line(), "deploy"),
            text if text.contains("ansible") => drop(shown.says("pong")),
            text if text.contains("-G") => drop(shown.says("/jit-ca/ssh/%r@%n/key")),
            text if text.contains("--remove") => {
                assert!(!fs::read_to_string(&config).unwrap().contains("jit-ca.conf"));
            }
            _ => {}
        }
    }
}

#[test]
fn the_guide_to_nginx_works_as_it_stands() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (alice, _) = granted(&ca, "orders-api");
    let machine = Machine::of(&lab, &ca, &["/etc/nginx"]);
    let port = free_port();
    let names = ["-subj", "/CN=orders", "-addext", "subjectAltName=DNS:orders.example.org"];
    let (key, certificate) = self_signed(lab.path(), "orders", &names);
    machine.file("/etc/nginx/orders.key", &lab, &fs::read_to_string(key).unwrap());
    machine.file("/etc/nginx/orders.pem", &lab, &fs::read_to_string(&certificate).unwrap());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{kind};\n", lab.path().display()))
        .concat();
    let base = format!(
        "pid {};\nerror_log {path}/error.log;\nevents {{}}\nhttp {{\naccess_log {path}/access.log;\n{temporary}\
         include /etc/nginx/conf.d/*.conf;\ninclude /etc/nginx/sites-enabled/*;\n}}\n",
        machine.pid.display(),
        path = lab.path().display(),
    );
    machine.file("/etc/nginx/nginx.conf", &lab, &base);
    machine.file("/etc/nginx/sites-enabled/.keep", &lab, "");
    machine.file("/etc/nginx/conf.d/.keep", &lab, "");
    lab.script("systemctl", "exec /usr/sbin/nginx");
    // Where orders.example.org is: port 443 may be somebody else's here.
    let curl = format!(
        "--cacert {} --connect-to orders.example.org:443:127.0.0.1:{port}",
        certificate.display()
    );
    lab.script("curl", &format!("exec /usr/bin/curl {curl} \"$@\""));
    let openssl = format!("-CAfile {} -connect 127.0.0.1:{port}", certificate.display());
    lab.script("openssl", &format!("exec /usr/bin/openssl \"$@\" {openssl}"));

    for (number, block) in blocks("docs/guides/nginx.md").into_iter().enumerate() {
        let text = block.text.replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"));
        match (block.who.as_str(), number) {
            ("root", 0) => assert_eq!(machine.run(&text).ok().line(), "2"),
            ("root", _) => {
                machine.run(&text).ok();
            }
            ("alice", 2) => {
                machine.run_as(&alice, &text, "").ok().says("OU=orders-api").says("CN=alice");
            }
            ("alice", _) => {
                let shown = machine.run_as(&alice, &text, "").ok();
                let count = |text: &str| shown.stdout.matches(text).count();
                assert!(count("HTTP/1.1 200") >= 2, "{shown}");
                assert_eq!(count("New, TLSv1."), count("HTTP/1.1 200"), "{shown}");
                assert!(!shown.stdout.contains("Reused"), "{shown}");
            }
            (other, _) => panic!("who is {other}?"),
        }
    }
}
