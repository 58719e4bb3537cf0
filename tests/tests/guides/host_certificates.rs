//! `docs/guides/host-certificates.md`: a host that enrols, and clients that ask nothing.

use std::fs;

use jit_ca_tests::{Ca, Lab, blocks, free_port};

use super::granted;
use super::machine::Machine;

#[test]
fn the_guide_to_host_certificates_works_as_it_stands() {
    let lab = Lab::new();
    let guide = fs::read_to_string("../docs/guides/host-certificates.md").unwrap();
    let section = guide.split("\n\n").find(|part| part.starts_with("    [hosts]")).unwrap();
    let section: String = section.lines().map(|line| format!("{}\n", line.trim_start())).collect();
    let ca = Ca::start_with(&lab, |config| {
        let file = config.join("jit-cad.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, text + &section).unwrap();
    });
    let (alice, _) = granted(&ca, "web-shell");
    let bob = ca.caller("bob");
    bob.person.login(&bob.authenticator.code()).ok();
    let machine = Machine::of(&lab, &ca, &["/etc/ssh", "/etc/jit-ca"]);
    let (port, log) = (free_port(), lab.file("sshd.log", ""));
    let user_ca = alice.jit_ca(&["trust", "--ssh-user-ca"]).ok().stdout;
    machine.file("/etc/ssh/user_ca.pub", &lab, &user_ca);
    machine.file("/etc/ssh/principals/deploy", &lab, "web-shell\nweb-shell.web1\n");
    // sshd reads it as the account.
    machine.run("chmod 644 /etc/ssh/principals/deploy").ok();
    let base = format!(
        "Include /etc/ssh/sshd_config.d/*.conf\nPort {port}\nListenAddress 127.0.0.1\nPidFile {}\nUsePAM no\n\
         TrustedUserCAKeys /etc/ssh/user_ca.pub\nAuthorizedPrincipalsFile /etc/ssh/principals/%u\n",
        machine.pid.display()
    );
    machine.file("/etc/ssh/sshd_config", &lab, &base);
    machine.file("/etc/ssh/sshd_config.d/50-site.conf", &lab, "PasswordAuthentication no\n");
    machine.run("ssh-keygen -A && mkdir -p /run/sshd && { id deploy || useradd --create-home --shell /bin/bash --password '*' deploy; }").ok();
    lab.script("systemctl", &format!("exec /usr/sbin/sshd -E {}", log.display()));
    let options = "-F none -o HostName=127.0.0.1 -o HostKeyAlias=web1 -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes -o BatchMode=yes";
    lab.script("ssh", &format!("exec /usr/bin/ssh {options} -p {port} \"$@\""));

    let mut said = Vec::new();
    for block in blocks("docs/guides/host-certificates.md") {
        let output = match block.who.as_str() {
            "root" => machine.run(&block.text),
            "alice" => machine.run_as(&alice, &block.text, ""),
            "bob" => machine.run_as(&bob.person, &block.text, ""),
            other => panic!("who is {other}?"),
        };
        let stdout = output.ok().stdout;
        if let Some(token) = stdout.lines().find_map(|line| line.strip_prefix("token")) {
            fs::write(machine.folder().join("token"), token.trim()).unwrap();
        }
        said.push(stdout);
    }
    for (nth, text) in [
        (0, "web1.prod.example.org"),
        (1, "/etc/ssh/ssh_host_ed25519_key-cert.pub"),
        (3, "/etc/ssh/ssh_host_ed25519_key-cert.pub"),
        (4, "deploy"),
        (6, "web1"),
    ] {
        assert!(said[nth].contains(text), "{text} is not in {said:#?}");
    }
    let lines = fs::read_to_string(alice.file(".ssh/known_hosts")).unwrap();
    assert!(lines.starts_with("@cert-authority *.prod.example.org,web1 ssh-ed25519 "), "{lines}");
}
