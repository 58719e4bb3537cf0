//! A server that systemd runs, with Debian's sshd and PAM as they come: installed by our own script, with sessions in the
//! scopes that pam_systemd makes.

use std::process::{Command, Stdio};

use jit_ca_tests::{Lab, Output, Server, now, program, repository, run, wait_for};

/// A server on which the guard is installed, and a CA that is ssh-keygen's.
struct Installed {
    server: Server,
}

impl Installed {
    fn new(lab: &Lab) -> Self {
        let server = Server::boot(lab, "web1");
        server.run("for name in deploy rescue; do id $name || useradd --create-home --shell /bin/bash $name; done").ok();
        server.run("ssh-keygen -A; rm -f /etc/ssh/sshd_config.d/*; systemctl start ssh").ok();
        // logind ends what a user has besides sessions so many seconds after the last one.
        server.file("/etc/systemd/logind.conf.d/soon.conf", "[Login]\nUserStopDelaySec=1\n");
        server.run("systemctl restart systemd-logind").ok();
        let programs = program("jit-ca-host").parent().expect("a folder").display().to_string();
        let deploy = repository().join("deploy").display().to_string();
        server.run(&format!("{deploy}/install-host.sh {programs}")).ok();
        server.run("cat >> /etc/jit-ca/host.toml <<< $'[accounts.deploy]\\ntags = [\"web\"]\\n[accounts.rescue]\\nbreak_glass = true'").ok();
        server
            .run("cd /root; for key in ca id; do ssh-keygen -q -t ed25519 -N '' -f $key; done")
            .ok();
        Self { server }
    }

    fn install(&self) -> Output {
        self.server.run("jit-ca-host install --user-ca /root/ca.pub")
    }

    /// Makes a certificate that ends in so many seconds, and gives that second.
    fn certify(&self, seconds: u64) -> u64 {
        let end = now() + seconds;
        let validity = format!("{:#x}:{end:#x}", end - 3600);
        self.server
            .run(&format!("cd /root; ssh-keygen -q -s ca -I test -n web -V {validity} id.pub"))
            .ok();
        end
    }

    /// ssh, on the server itself.
    fn ssh(&self, arguments: &[&str]) -> Command {
        let mut ssh = self.server.command("ssh");
        ssh.args([
            "-F",
            "none",
            "-i",
            "/root/id",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "BatchMode=yes",
        ]);
        ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        // sshd listens anew when it is told to read its configuration again.
        ssh.args(["-o", "LogLevel=ERROR", "-o", "ConnectionAttempts=10"]).args(arguments);
        ssh
    }

    /// The sleeps that run there, by their seconds.
    fn sleeps(&self) -> String {
        let list = "ps -eo args= | sed -n 's/^\\(.*bin\\/\\)*sleep \\([0-9]*\\)$/\\2/p' | sort | tr '\\n' ' '";
        self.server.run(list).ok().line().trim().to_owned()
    }
}

#[test]
fn in_the_scopes_of_systemd_nothing_outlives_the_certificate_but_what_logind_ends() {
    let lab = Lab::new();
    let installed = Installed::new(&lab);
    installed.install().ok();
    let end = installed.certify(8);
    let background = "cat /proc/self/cgroup; nohup setsid sleep 1001 >/dev/null 2>&1 & \
                      tmux -L x new-session -d 'sleep 1002'; systemd-run --user --quiet sleep 1003";
    let said = run(&mut installed.ssh(&["deploy@127.0.0.1", background])).ok();
    said.says(".scope/channel-1");
    let mut shell = installed.ssh(&["-tt", "deploy@127.0.0.1", "sleep 1004"]);
    let mut shell = shell.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("ssh");
    wait_for("all of them", || (installed.sleeps() == "1001 1002 1003 1004").then_some(()));
    assert!(now() < end, "they were there before the end");

    wait_for("the end", || (now() >= end).then_some(()));
    wait_for("theirs", || ["1003", ""].contains(&installed.sleeps().as_str()).then_some(()));
    assert!(now() <= end + 2, "{} s late", now() - end);
    shell.wait().expect("ssh ends");
    // The user's own systemd is not the session's. logind ends it after the last session, unless it may linger.
    wait_for("logind", || installed.sleeps().is_empty().then_some(()));
    let doctor = |script: &str| installed.server.run(&format!("{script}; jit-ca-host doctor")).ok();
    assert!(!doctor("true").stdout.contains("linger"));
    doctor("loginctl enable-linger deploy").says("loginctl disable-linger deploy");
}

#[test]
fn the_service_starts_again_and_takes_up_what_was_open() {
    let lab = Lab::new();
    let installed = Installed::new(&lab);
    installed.install().ok();
    let end = installed.certify(10);
    let mut ssh = installed.ssh(&["deploy@127.0.0.1", "sleep 1001"]);
    let mut ssh = ssh.stdin(Stdio::null()).spawn().expect("ssh");
    wait_for("a session", || (installed.sleeps() == "1001").then_some(()));
    let process = "systemctl show --property MainPID --value jit-ca-hostd";
    let before = installed.server.run(process).ok();
    installed.server.run("systemctl kill --signal KILL --kill-whom main jit-ca-hostd").ok();
    wait_for("another hostd", || {
        let now = installed.server.run(process).ok();
        (now.line() != before.line() && now.line() != "0").then_some(())
    });
    assert_eq!(installed.sleeps(), "1001");
    wait_for("the end", || installed.sleeps().is_empty().then_some(()));
    let late = now().checked_sub(end).expect("not before the end");
    assert!(late <= 2, "{late} s late");
    ssh.wait().expect("ssh ends");
    // A restart by hand, as an update does it, is no other.
    installed.certify(60);
    let mut ssh = installed.ssh(&["deploy@127.0.0.1", "sleep 1002"]);
    let mut ssh = ssh.stdin(Stdio::null()).spawn().expect("ssh");
    wait_for("a session", || (installed.sleeps() == "1002").then_some(()));
    installed.server.run("systemctl restart jit-ca-hostd; jit-ca-host status").ok().says("deploy");
    assert_eq!(installed.sleeps(), "1002");
    ssh.kill().and_then(|()| ssh.wait()).expect("ssh");
}

#[test]
fn an_install_that_would_lock_people_out_changes_nothing() {
    let lab = Lab::new();
    let installed = Installed::new(&lab);
    let server = &installed.server;
    let state = "sshd -T; cat /etc/pam.d/sshd; ls -R /etc/ssh";
    let before = server.run(state).ok().stdout;
    let refused = |prepare: &str, why: &str| {
        server.run(prepare).ok();
        installed.install().exits(1).says(why).says("hint: ");
        assert_eq!(server.run(state).ok().stdout, before, "{why}");
    };
    // Nobody has logged in by a certificate yet.
    refused(
        "sed -i 's/^static_keys.*/static_keys = false/' /etc/jit-ca/host.toml",
        "nobody has logged in here",
    );
    server.run("sed -i 's/^static_keys.*/static_keys = true/' /etc/jit-ca/host.toml").ok();
    refused("systemctl stop jit-ca-hostd; rm -f /run/jit-ca/hostd.sock", "hostd is not there");
    server.run("systemctl start jit-ca-hostd").ok();
    // PAM that lets nobody in: sshd -t has nothing to say against it.
    let deny = "sed -i '1i account required pam_deny.so' /etc/pam.d/sshd";
    server.run(deny).ok();
    installed.install().exits(1).says("a login to deploy by a certificate was tried and failed");
    server.run("sed -i 1d /etc/pam.d/sshd").ok();
    assert_eq!(server.run(state).ok().stdout, before);
    // sshd's own configuration is broken already.
    server.run("echo Nonsense >/etc/ssh/sshd_config.d/99-site.conf").ok();
    installed.install().exits(1).says("sshd does not take").says("Nonsense");
    server.run("rm /etc/ssh/sshd_config.d/99-site.conf").ok();
    // Somebody else's file of the same name.
    server.run("echo 'PrintMotd no' >/etc/ssh/sshd_config.d/10-jit-ca.conf").ok();
    installed.install().exits(1).says("was not written by jit-ca-host");
    server.run("rm /etc/ssh/sshd_config.d/10-jit-ca.conf").ok();
    // A file before ours outweighs it.
    server.run("echo 'ForceCommand /bin/true' >/etc/ssh/sshd_config.d/01-site.conf").ok();
    installed.install().exits(1).says("sshd's forcecommand is \"/bin/true\"");
    server.run("rm /etc/ssh/sshd_config.d/01-site.conf").ok();
    assert_eq!(server.run(state).ok().stdout, before);
    // A program that others can change.
    server.run("chmod 777 /usr/lib/jit-ca/jit-ca-guard").ok();
    installed.install().exits(1).says("can be written to by others");
    server.run("chmod 755 /usr/lib/jit-ca/jit-ca-guard").ok();
    assert_eq!(server.run(state).ok().stdout, before);
    installed.install().ok().says("logged in to deploy by a certificate");
    // Twice is once.
    let once = server.run(state).ok().stdout;
    installed.install().ok();
    assert_eq!(server.run(state).ok().stdout, once);
}

#[test]
fn doctor_names_what_is_wrong_and_what_to_do() {
    let lab = Lab::new();
    let installed = Installed::new(&lab);
    let server = &installed.server;
    installed.install().ok();
    server.run("jit-ca-host doctor").ok().says("no hole that is known");
    let finds = |spoil: &str, code: i32, what: &str, mend: &str| {
        server.run(spoil).ok();
        server.run("jit-ca-host doctor").exits(code).says(what);
        server.run(mend).ok();
        server.run("jit-ca-host doctor").ok();
    };
    let drop_in = "/etc/ssh/sshd_config.d/01-site.conf";
    finds(
        &format!("printf 'Match User deploy\\n  ForceCommand none\\n' >{drop_in}"),
        1,
        "deploy does not run below the guard",
        &format!("rm {drop_in}"),
    );
    finds(
        &format!("echo 'PermitUserRC yes' >{drop_in}"),
        1,
        "permituserrc is \"yes\"",
        &format!("rm {drop_in}"),
    );
    finds(
        "sed -i s/jit-ca-host.pam/true/ /etc/pam.d/sshd",
        1,
        "does not tell hostd",
        "jit-ca-host install",
    );
    finds(
        "systemctl stop jit-ca-hostd",
        1,
        "hostd does not answer",
        "systemctl start jit-ca-hostd",
    );
    finds(
        "chmod o+w /etc/ssh/jit-ca/principals/deploy",
        1,
        "can be written to by others",
        "chmod o-w /etc/ssh/jit-ca/principals/deploy",
    );
    finds(
        "install -D /root/id.pub /home/deploy/.ssh/authorized_keys",
        0,
        "/home/deploy/.ssh/authorized_keys has 1 keys",
        "rm /home/deploy/.ssh/authorized_keys",
    );
    finds(
        "usermod --shell /usr/bin/python3 deploy",
        0,
        "login shell is /usr/bin/python3",
        "usermod --shell /bin/bash deploy",
    );
    finds(
        "userdel --force deploy",
        1,
        "there is none of that name",
        "useradd --shell /bin/bash deploy",
    );
    let json = server.run("jit-ca-host doctor --json").ok().json();
    assert!(
        json.as_array().expect("findings").iter().all(|finding| finding["level"] != "fault"),
        "{json}"
    );
}
