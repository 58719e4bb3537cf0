//! The guide to hosts that end sessions, on a server that systemd runs.

use jit_ca_tests::{Ca, Lab, Server, blocks, program, repository};

use super::granted;
use super::machine::Machine;

#[test]
fn the_guide_to_hosts_works_as_it_stands() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (alice, _) = granted(&ca, "web-shell");
    let machine = Machine::of(&lab, &ca, &[]);
    let server = Server::boot(&lab, "web1");
    let accounts = "for name in deploy rescue; do id $name || useradd --create-home --shell /bin/bash $name; done";
    server.run(accounts).ok();
    server.run("ssh-keygen -A; rm -f /etc/ssh/sshd_config.d/*; systemctl start ssh").ok();
    server.run(&format!("ln -s {}/deploy /root/deploy", repository().display())).ok();
    server.file("/root/user_ca.pub", &alice.jit_ca(&["trust", "--ssh-user-ca"]).ok().stdout);
    // Where web1 is, for ssh alone.
    let options = "-F none -o HostName=127.0.0.1 -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR";
    let enter = format!("nsenter --target {} --net --", server.process());
    lab.script("ssh", &format!("exec {enter} /usr/bin/ssh {options} \"$@\""));

    let programs = program("jit-ca-host").parent().unwrap().display().to_string();
    let before = server.run("sshd -T; cat /etc/pam.d/sshd").ok().stdout;
    for block in blocks("docs/guides/hosts.md") {
        match block.who.as_str() {
            "root" => {
                server.run(&format!("cd /root; PROGRAMS={programs}\n{}", block.text)).ok();
            }
            "alice" => assert_eq!(machine.run_as(&alice, &block.text, "").ok().line(), "deploy"),
            other => panic!("who is {other}?"),
        }
    }
    let after = server.run("sshd -T; cat /etc/pam.d/sshd").ok().stdout;
    assert_eq!(after, before, "the last block undoes it all");
}
