//! What `jit-ca ssh-config` has ssh do, and all that use ssh: on a real sshd.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use jit_ca_tests::{Ca, Caller, Clock, Lab, Output, Person, Sshd, Terminal, run, wait_for};
use serde_json::{Value, json};

/// Alice, who has told ssh of her roles, and web1, of which her own configuration says where it is.
struct Scene {
    alice: Person,
    bob: Caller,
    sshd: Sshd,
    // Dropped last: the CA is stopped and its log checked while its folder is there.
    ca: Ca,
    lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let ca = Ca::start(&lab);
        let (alice, bob) = (ca.person("alice"), ca.caller("bob"));
        let user_ca = alice.jit_ca(&["trust", "--ssh-user-ca"]).ok();
        let principals: &[&str] = &["web-shell", "web-shell.web1"];
        let sshd = Sshd::start(&lab, Clock::True, user_ca.line(), &[("deploy", principals)]);
        tell_ssh(&alice, &sshd);
        Self { alice, bob, sshd, ca, lab }
    }

    /// A program of Alice's that runs ssh: she says why beforehand.
    fn command(&self, program: &str) -> Command {
        let mut command = self.silent(program);
        command.env("JIT_CA_REASON", "INC-42");
        command
    }

    /// The same without a reason.
    fn silent(&self, program: &str) -> Command {
        let mut command = self.alice.command(program);
        // ssh takes the home folder from the list of accounts, not from HOME.
        command.arg("-F").arg(self.alice.file(".ssh/config"));
        command
    }

    /// How another program has to run ssh.
    fn ssh(&self) -> String {
        format!("ssh -F {}", self.alice.file(".ssh/config").display())
    }

    /// Bob approves what Alice asks for; this gives its id.
    fn approve(&self) -> String {
        let request = wait_for("Alice's request", || self.requests().first().cloned());
        self.bob.approve(&request).ok();
        request["id"].as_str().unwrap().to_owned()
    }

    /// Alice has what she needs for web1.
    fn ready(&self) {
        let ssh = self.command("ssh").args(["web1", "true"]).stderr(Stdio::piped()).spawn();
        let ssh = ssh.unwrap();
        self.approve();
        let ended = ssh.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }

    /// The requests that Alice ever made.
    fn requests(&self) -> Vec<Value> {
        let requests = self.alice.jit_ca(&["requests", "--json"]).ok().json();
        requests.as_array().unwrap().clone()
    }

    /// How often somebody connected to sshd.
    fn connections(&self) -> usize {
        self.sshd.log().matches("Connection from ").count()
    }
}

/// Alice's own configuration says where web1 is, and as whom she goes there; jit-ca says the rest.
fn tell_ssh(alice: &Person, sshd: &Sshd) {
    let config = format!("Host web1 WEB1\n{}    User deploy\n", sshd.own_block());
    fs::write(alice.file(".ssh/config"), config).unwrap();
    alice.jit_ca(&["ssh-config", "--install", "--role", "web-shell"]).ok();
}

#[test]
fn fifty_at_once_ask_once_and_all_get_in() {
    let scene = Scene::new();
    let all: Vec<_> = (0..50)
        .map(|_| {
            let mut ssh = scene.command("ssh");
            ssh.args(["web1", "whoami"]).stdin(Stdio::null());
            ssh.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let id = scene.approve();
    for ssh in all {
        let ended = ssh.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(String::from_utf8_lossy(&ended.stdout), "deploy\n", "{said}");
    }
    assert_eq!(scene.requests().len(), 1);
    let shown = scene.alice.jit_ca(&["grant", "show", &id, "--json"]).ok().json();
    assert_eq!(shown["certificates"].as_array().map(Vec::len), Some(1), "{shown}");
}

#[test]
fn what_uses_ssh_just_works_and_nothing_is_sent_to_the_ca() {
    let mut scene = Scene::new();
    scene.ready();
    scene.ca.stop();
    let name = format!("jit-ca-{}", std::process::id());
    let there = format!("deploy@web1:{name}");
    scene.silent("ssh").args(["web1", &format!("mkdir {name}")]).output().unwrap();
    fs::write(scene.alice.file("sent"), "INC-42\n").unwrap();
    let come = |file: &str| fs::read_to_string(scene.alice.file(file)).unwrap();

    run(scene.silent("scp").args(["-q", "sent", &format!("{there}/by-scp")])).ok();
    let mut sftp = scene.silent("sftp");
    fs::write(scene.alice.file("batch"), format!("get {name}/by-scp by-sftp\n")).unwrap();
    run(sftp.args(["-q", "-b", "batch", "deploy@web1"])).ok();
    assert_eq!(come("by-sftp"), "INC-42\n");
    let mut rsync = scene.alice.command("rsync");
    run(rsync.args(["-e", &scene.ssh(), &format!("{there}/by-scp"), "by-rsync"])).ok();
    assert_eq!(come("by-rsync"), "INC-42\n");

    let commit = "git -c init.defaultBranch=main init -q . && git add by-scp && \
                  git -c user.name=a -c user.email=a@example.org commit -qm first";
    run(scene.silent("ssh").args(["web1", &format!("cd {name} && {commit}")])).ok();
    let mut git = scene.alice.command("git");
    git.env("GIT_SSH_COMMAND", scene.ssh());
    run(git.args(["clone", "-q", &there, "cloned"])).ok();
    assert_eq!(come("cloned/by-scp"), "INC-42\n");

    // As editors do: a shell that reads what it is to do.
    let mut editor = scene.silent("ssh");
    editor.args(["-T", "web1", "bash"]);
    let script = format!("rm -rf {name}; echo gone");
    let gone = jit_ca_tests::run_with_input(&mut editor, &script).ok();
    assert_eq!(gone.line(), "gone");
}

#[test]
fn ansible_waits_for_approval_and_runs() {
    let scene = Scene::new();
    let mut ansible = scene.alice.command("ansible");
    // It wants to know how text is written; and what it keeps open is not to outlive the test.
    ansible.env("LC_ALL", "C.UTF-8").env("JIT_CA_REASON", "INC-42");
    let config = scene.alice.file(".ssh/config");
    let options = "-o ControlMaster=auto -o ControlPersist=1s";
    ansible.env("ANSIBLE_SSH_ARGS", format!("-F {} {options}", config.display()));
    ansible.args(["all", "-i", "web1,", "-m", "command", "-a", "whoami"]);
    let ansible = ansible.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    scene.approve();
    let ended = ansible.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(said.contains("web1 | CHANGED | rc=0 >>\ndeploy"), "{ended:?}");
    assert_eq!(scene.requests().len(), 1);
}

#[test]
fn at_a_terminal_it_logs_in_and_asks_why() {
    let lab = Lab::new();
    let ca = Ca::start_with(&lab, |config| {
        let rule = "@id(\"at-once\")\npermit (principal in Group::\"dev\", action == Action::\"skip-approval\", resource == Role::\"web-shell\");\n";
        fs::write(config.join("policies/at-once.cedar"), rule).unwrap();
        // They say that somebody has to approve.
        fs::remove_dir_all(config.join("policy-tests")).unwrap();
    });
    let (alice, authenticator) = ca.enrolled("alice");
    alice.login(&authenticator.code()).ok();
    let user_ca = alice.jit_ca(&["trust", "--ssh-user-ca"]).ok();
    let sshd = Sshd::start(&lab, Clock::True, user_ca.line(), &[("deploy", &["web-shell.web1"])]);
    tell_ssh(&alice, &sshd);
    alice.jit_ca(&["logout"]).ok();

    let mut terminal = Terminal::open(alice.command("env"));
    let config = alice.file(".ssh/config");
    let mut asked = Vec::new();
    let ssh = format!("ssh -F {} web1 whoami", config.display());
    let shown = terminal.run(&ssh, |shown| {
        asked.push(shown.to_owned());
        match shown.ends_with("reason for web-shell: ") {
            true => "INC-42".to_owned(),
            false => authenticator.code(),
        }
    });
    assert_eq!(asked.len(), 2, "{asked:?}");
    shown.ok().says("deploy");
    let requests = alice.jit_ca(&["requests", "--json"]).ok().json();
    assert_eq!(requests[0]["reason"], "INC-42");
}

#[test]
fn without_a_certificate_ssh_goes_no_further() {
    let scene = Scene::new();
    let refused = |output: Output, why: &str| {
        output.exits(255).says(why);
        assert_eq!(scene.connections(), 0, "{}", scene.sshd.log());
    };
    // Nobody can be asked why.
    refused(run(scene.silent("ssh").args(["web1", "true"])), "set JIT_CA_REASON=\"INC-42\"");
    assert_eq!(scene.requests().len(), 0);

    // Several roles give it, and none was settled on.
    scene.alice.jit_ca(&["ssh-config", "--install"]).ok();
    refused(run(scene.command("ssh").args(["web1", "true"])), "ssh-config --install --role ROLE");
    scene.alice.jit_ca(&["ssh-config", "--install", "--role", "web-shell"]).ok();

    // All who wait for the same answer get it, and none asks anew.
    let both = [0, 1].map(|_| {
        let mut ssh = scene.command("ssh");
        ssh.args(["web1", "true"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    });
    let request = wait_for("Alice's request", || scene.requests().first().cloned());
    // The second has to have come by now: it waits for the lock that the first has.
    let lock = scene.alice.file("run/jit-ca/deploy@web1.lock");
    wait_for("both to wait", || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(&lock).unwrap());
        let of_it = locks.lines().filter(|line| line.contains(&format!(":{inode} "))).count();
        (of_it == 2).then_some(())
    });
    scene.bob.decide(&request, "deny", &json!({"reason": "not today"})).ok();
    for ssh in both {
        let ended = ssh.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.code() == Some(255) && said.contains("not today"), "{said}");
    }
    assert_eq!(scene.requests().len(), 1);
    assert_eq!(scene.connections(), 0);

    scene.alice.jit_ca(&["logout"]).ok();
    refused(run(scene.command("ssh").args(["web1", "true"])), "you are not logged in");
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let mut scene = Scene::new();
    let told = |arguments: &[&str]| run(scene.command("ssh").arg("-G").args(arguments)).ok().stdout;
    // Nobody is asked for what ssh would do.
    let ours = told(&["web1"]);
    assert!(ours.contains("/.config/jit-ca/ssh/%r@%n/key\n"), "{ours}");
    assert!(ours.contains("identitiesonly yes") && !ours.contains("proxycommand"), "{ours}");
    assert!(ours.contains("hostname 127.0.0.1\n"), "{ours}");
    assert_eq!(scene.requests().len(), 0);
    let mark = scene.lab.path().join("mark");
    let hostile = format!("deploy@web1$(touch${{IFS}}{})", mark.display());
    for others in ["git@web1", "deploy@web9", &hostile, "deploy@web1;true"] {
        let shown = run(scene.silent("ssh").args(["-G", others]));
        assert!(!shown.stdout.contains("jit-ca/ssh"), "{others}: {shown}");
    }
    assert!(!mark.exists());

    // The ssh that `jit-ca ssh` runs has its certificate, and asks for none.
    let config = scene.alice.file(".ssh/config").display().to_string();
    let jit_ca =
        ["ssh", "--role", "web-shell", "--reason", "INC-7", "-F", &config, "deploy@web1", "whoami"];
    let ssh = scene.alice.start_jit_ca(&jit_ca);
    scene.approve();
    let ended = ssh.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "deploy\n", "{ended:?}");
    assert!(!scene.alice.file(".config/jit-ca/ssh/deploy@web1").exists());
    scene.ca.stop();
}

#[test]
fn a_certificate_in_the_agent_serves_and_one_that_the_agent_forgot_does_not() {
    let mut scene = Scene::new();
    scene.alice.start_agent();
    scene.ready();
    let key: PathBuf = scene.alice.file(".config/jit-ca/ssh/deploy@web1/key");
    assert!(!key.exists() && key.with_file_name("key-cert.pub").exists());
    assert_eq!(run(scene.silent("ssh").args(["web1", "whoami"])).ok().line(), "deploy");
    run(scene.alice.command("ssh-add").arg("-D")).ok();
    // The grant goes on: a new certificate is had without a question.
    assert_eq!(run(scene.silent("ssh").args(["web1", "whoami"])).ok().line(), "deploy");
    // ssh takes a host's name in either case.
    assert_eq!(run(scene.silent("ssh").args(["WEB1", "whoami"])).ok().line(), "deploy");
    assert_eq!(scene.requests().len(), 1);
}

#[test]
fn the_persons_own_configuration_stays_what_it_is() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let alice = ca.person("alice");
    // Somebody's dot files: a link, with a mode of its own.
    let (own, file) = ("# mine\nHost x\n  Port 1\n", alice.file("dot-config"));
    fs::write(&file, own).unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    symlink(&file, alice.file(".ssh/config")).unwrap();
    let state = || {
        let config = fs::read_to_string(alice.file(".ssh/config")).unwrap();
        let modified = fs::metadata(&file).unwrap().modified().unwrap();
        (config, modified, fs::metadata(&file).unwrap().permissions().mode() & 0o777)
    };
    let printed = alice.jit_ca(&["ssh-config"]).ok();
    assert_eq!(state().0, own);
    alice.jit_ca(&["ssh-config", "--install"]).ok();
    let first = state();
    assert_eq!(fs::read_to_string(alice.file(".ssh/jit-ca.conf")).unwrap(), printed.stdout);
    assert!(first.0.starts_with("Include ") && first.0.ends_with(own), "{}", first.0);
    assert_eq!(first.2, 0o640);
    alice.jit_ca(&["ssh-config", "--install"]).ok();
    assert_eq!(state(), first);
    alice.jit_ca(&["ssh-config", "--remove"]).ok();
    assert_eq!(state().0, own);
    assert!(!alice.file(".ssh/jit-ca.conf").exists());
    assert!(fs::symlink_metadata(alice.file(".ssh/config")).unwrap().is_symlink());
    alice.jit_ca(&["ssh-config", "--install", "--remove"]).exits(2);
    alice.jit_ca(&["ssh-config", "--role", "nobody-has-it"]).exits(2).says("jit-ca roles");
}
