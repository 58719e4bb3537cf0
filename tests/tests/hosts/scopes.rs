//! A host that systemd runs: pam_systemd has put the connection into a scope before hostd is told of it.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::Client;
use jit_ca_tests::{Lab, Server, now, program, repository, run, wait_for};

#[test]
fn a_session_in_a_scope_of_systemds_ends_with_its_certificate() {
    let lab = Lab::new();
    let server = Server::boot(&lab, "scope1");
    server.run("id deploy || useradd --create-home --shell /bin/bash deploy").ok();
    server.run("ssh-keygen -A; rm -f /etc/ssh/sshd_config.d/*; systemctl start ssh").ok();
    for key in ["ca", "id"] {
        let mut keygen = Command::new("ssh-keygen");
        run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(lab.path().join(key))).ok();
    }
    server.file("/root/ca.pub", &fs::read_to_string(lab.path().join("ca.pub")).unwrap());
    let programs = program("jit-ca-host").parent().unwrap().display().to_string();
    server.run(&format!("{}/deploy/install-host.sh {programs}", repository().display())).ok();
    server.run("printf '[accounts.deploy]\ntags = [\"web-shell\"]\n' >>/etc/jit-ca/host.toml").ok();
    wait_for("hostd", || (server.run("jit-ca-host status").code == 0).then_some(()));
    server.run("jit-ca-host install --user-ca /root/ca.pub").ok();

    let end = now() + 20;
    let mut keygen = Command::new("ssh-keygen");
    keygen.args([
        "-q",
        "-I",
        "test",
        "-n",
        "web-shell",
        "-V",
        &format!("{:#x}:{end:#x}", end - 60),
        "-s",
    ]);
    run(keygen.arg(lab.path().join("ca")).arg(lab.path().join("id.pub"))).ok();
    let mut ssh = server.beside("ssh");
    ssh.args([
        "-F",
        "none",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "StrictHostKeyChecking=no",
        "-tt",
        "-i",
    ]);
    ssh.arg(lab.path().join("id")).arg("deploy@127.0.0.1");
    let mut client = Client::start(&mut ssh);
    client.types("nohup setsid sleep 77.7 >/dev/null 2>&1 &\nsleep 77.7\n");

    let cgroup = wait_for("the process", || {
        let found = server.run("cat /proc/$(pgrep -ofx 'sleep 77.7')/cgroup");
        (found.code == 0).then(|| found.line().to_owned())
    });
    assert!(cgroup.contains("/session-") && cgroup.ends_with(".scope/channel-1"), "{cgroup}");
    let runs = |sleep: &str| server.run(&format!("pgrep -fx 'sleep {sleep}'")).code == 0;
    assert!(now() < end && runs("77.7"));
    while now() < end + 2 {
        thread::sleep(Duration::from_millis(50));
    }
    assert!(!runs("77.7"), "it is still there");
    assert_eq!(server.run("jit-ca-host status --json").ok().line(), "[]");
}
