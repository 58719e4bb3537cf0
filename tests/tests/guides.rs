//! The commands of the guides are run as they stand there.
//!
//! Each block of a guide that begins with ```` ```sh WHO ```` is run by bash: root's with folders of the lab in the
//! place of those in `/etc` (a mount namespace), other people's in their homes. What this machine has not got
//! is put in front of PATH: a `systemctl` that starts the server, and an `ssh` that knows where web1 is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use jit_ca_tests::{
    Ca, Lab, Output, Person, as_root, free_port, program, repository, run, wait_for,
};

/// A server's machine.
struct Machine {
    /// What lies in the place of which folder.
    folders: Vec<(PathBuf, String)>,
    bin: PathBuf,
    pid: PathBuf,
    url: String,
    pin: String,
}

impl Machine {
    fn new(lab: &Lab, ca: &Ca, folders: &[&str]) -> Self {
        let place = |folder: &&str| {
            let own = PathBuf::from(format!("/run/jit-ca-tests/guide-{}", free_port()));
            run(as_root("install").args(["-d", "-m", "755"]).arg(&own)).ok();
            (own, (*folder).to_owned())
        };
        let (bin, pid) = (lab.folder("bin"), lab.path().join("pid"));
        let folders = folders.iter().map(place).collect();
        Self { folders, bin, pid, url: ca.url(), pin: ca.pin().to_owned() }
    }

    /// Puts a script in front of PATH.
    fn script(&self, name: &str, text: &str) {
        let file = self.bin.join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(file, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Puts a file into a folder of the machine's.
    fn file(&self, path: &str, lab: &Lab, text: &str) {
        let (own, folder) =
            self.folders.iter().find(|(_, folder)| path.starts_with(folder.as_str())).unwrap();
        let target = own.join(path.trim_start_matches(folder.as_str()).trim_start_matches('/'));
        let file = lab.file("file", text);
        run(as_root("install").args(["-D", "-m", "600"]).arg(file).arg(target)).ok();
    }

    /// Runs a block as this machine's root.
    fn run(&self, block: &str) -> Output {
        let mounts: Vec<String> = self
            .folders
            .iter()
            .map(|(own, folder)| format!("mount --bind {} {folder}\n", own.display()))
            .collect();
        let script = format!(
            "set -euo pipefail\nexport PATH={}:{}:$PATH JIT_CA_URL={} JIT_CA_PIN={} HOME={}\n{}{block}",
            self.bin.display(),
            program("jit-ca").parent().unwrap().display(),
            self.url,
            self.pin,
            self.bin.display(),
            mounts.concat(),
        );
        run(as_root("unshare").args(["--mount", "--propagation", "private", "bash", "-c", &script]))
    }

    /// Runs a block as a person, whose programs are found on this machine's PATH.
    fn run_as(&self, person: &Person, block: &str, key_id: &str) -> Output {
        let path = format!(
            "{}:{}:{}",
            self.bin.display(),
            program("jit-ca").parent().unwrap().display(),
            std::env::var("PATH").unwrap()
        );
        let mut bash = person.command("bash");
        bash.env("PATH", path).env("KEY_ID", key_id);
        run(bash.args(["-c", &format!("set -euo pipefail\n{block}")]))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let pid = fs::read_to_string(&self.pid).unwrap_or_default();
        run(as_root("kill").arg(pid.trim()));
        for (own, _) in &self.folders {
            run(as_root("rm").arg("-rf").arg(own));
        }
    }
}

/// The blocks of a guide, each with whom it is for.
fn blocks(guide: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(repository().join("docs/guides").join(guide)).unwrap();
    let blocks = text.split("\n```sh ").skip(1).map(|rest| {
        let (who, rest) = rest.split_once('\n').unwrap();
        let (block, _) = rest.split_once("\n```").unwrap();
        (who.to_owned(), block.to_owned())
    });
    let blocks: Vec<_> = blocks.collect();
    // A block that is for nobody is not run.
    assert_eq!(
        text.matches("\n```\n").count(),
        blocks.len(),
        "a block of {guide} says not whom it is for"
    );
    blocks
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
    let machine = Machine::new(&lab, &ca, &["/etc/ssh"]);
    let (port, log) = (free_port(), lab.file("sshd.log", ""));
    let base = format!(
        "Include /etc/ssh/sshd_config.d/*.conf\nPort {port}\nListenAddress 127.0.0.1\nPidFile {}\nUsePAM no\n",
        machine.pid.display()
    );
    machine.file("/etc/ssh/sshd_config", &lab, &base);
    machine.file("/etc/ssh/sshd_config.d/50-site.conf", &lab, "PasswordAuthentication no\n");
    machine.run("ssh-keygen -A && mkdir -p /run/sshd && { id deploy || useradd --create-home --shell /bin/bash --password '*' deploy; }").ok();
    machine.script("systemctl", &format!("exec /usr/sbin/sshd -E {}", log.display()));
    let options = "-F none -o HostName=127.0.0.1 -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR";
    machine.script("ssh", &format!("exec /usr/bin/ssh {options} -p {port} \"$@\""));

    let key_id = || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        let accepted = log.lines().find_map(|line| line.split_once("Accepted certificate ID \""));
        accepted.map(|(_, rest)| rest.split('"').next().unwrap().to_owned())
    };
    for (who, block) in blocks("sshd.md") {
        match who.as_str() {
            "root" => {
                machine.run(&block).ok();
            }
            "alice" => assert_eq!(machine.run_as(&alice, &block, "").ok().line(), "deploy"),
            "carol" => {
                let key_id = wait_for("sshd's line", key_id);
                machine.run_as(&carol, &block, &key_id).ok().says("INC-42").says("bob");
            }
            other => panic!("who is {other}?"),
        }
    }
    // The folder of the lab alone was changed.
    assert!(!Path::new("/etc/ssh/jit-ca-user-ca.pub").exists());
}

#[test]
fn the_guide_to_nginx_works_as_it_stands() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (alice, _) = granted(&ca, "orders-api");
    let machine = Machine::new(&lab, &ca, &["/etc/nginx"]);
    let port = free_port();
    let (key, certificate) = (lab.path().join("orders.key"), lab.path().join("orders.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ]);
    openssl.args(["-subj", "/CN=orders", "-addext", "subjectAltName=DNS:orders.example.org"]);
    run(openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate)).ok();
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
    machine.script("systemctl", "exec /usr/sbin/nginx");
    // Where orders.example.org is: port 443 may be somebody else's here.
    let curl = format!(
        "--cacert {} --connect-to orders.example.org:443:127.0.0.1:{port}",
        certificate.display()
    );
    machine.script("curl", &format!("exec /usr/bin/curl {curl} \"$@\""));
    let openssl = format!("-CAfile {} -connect 127.0.0.1:{port}", certificate.display());
    machine.script("openssl", &format!("exec /usr/bin/openssl \"$@\" {openssl}"));

    for (number, (who, block)) in blocks("nginx.md").into_iter().enumerate() {
        let block = block.replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"));
        match (who.as_str(), number) {
            ("root", 0) => assert_eq!(machine.run(&block).ok().line(), "2"),
            ("root", _) => {
                machine.run(&block).ok();
            }
            ("alice", 2) => {
                machine.run_as(&alice, &block, "").ok().says("OU=orders-api").says("CN=alice");
            }
            ("alice", _) => {
                let shown = machine.run_as(&alice, &block, "").ok();
                let count = |text: &str| shown.stdout.matches(text).count();
                assert!(count("HTTP/1.1 200") >= 2, "{shown}");
                assert_eq!(count("New, TLSv1."), count("HTTP/1.1 200"), "{shown}");
                assert!(!shown.stdout.contains("Reused"), "{shown}");
            }
            (other, _) => panic!("who is {other}?"),
        }
    }
}
