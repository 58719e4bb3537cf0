//! `docs/guides/first-ca.md`, on a machine of its own: with its own `/etc`, `/var/lib`, `/usr/local/bin`
//! and `/run`.
//!
//! Three things are not as in the guide: the port, which may be taken here; `cargo build`, which has been
//! done for all tests; and `systemctl`, since no systemd runs here. What stands in for it
//! (`systemctl.sh`) runs the unit's own command as the unit's account, with its credential.
//! `systemd-creds` and `systemd-analyze` are real.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use jit_ca_tests::{
    Authenticator, Block, Lab, Terminal, as_root, blocks, free_port, now, repository, run, wait_for,
};

use super::machine::Machine;

const GUIDE: &str = "docs/guides/first-ca.md";

/// The folders that the machine has of its own.
pub(super) const FOLDERS: [&str; 4] = ["/etc", "/var/lib", "/usr/local/bin", "/run"];

/// A site at which a guide is followed: the CA's machine, and the place where Alice works.
pub(super) struct Site<'l> {
    lab: &'l Lab,
    pub(super) machine: Machine,
    pub(super) port: String,
    pin: Option<String>,
    code: Option<String>,
    shell: Option<Terminal>,
    pub(super) authenticator: Option<Authenticator>,
}

impl<'l> Site<'l> {
    /// A machine with these folders of its own, in a clone of what it needs, with the keys of the people that the
    /// guide names.
    pub(super) fn new(lab: &'l Lab, folders: &[&str]) -> Self {
        for program in ["systemd-creds", "systemd-analyze"] {
            let found = run(Command::new("which").arg(program)).code == 0;
            assert!(found, "{program} is missing; Debian's package systemd has it");
        }
        let machine = Machine::new(lab, folders);
        run(as_root("cp").args(["--archive", "/etc/."]).arg(machine.place("/etc"))).ok();
        machine.run("echo 127.0.0.1 ca.example.org >> /etc/hosts").ok();

        let clone = machine.folder();
        for folder in ["ca-config", "deploy"] {
            run(Command::new("cp").arg("-r").arg(repository().join(folder)).arg(clone)).ok();
        }
        fs::create_dir(clone.join("keys")).unwrap();
        for name in ["alice", "bob", "carol"] {
            let key = lab.folder(&format!("{name}/.ssh")).join("id_ed25519");
            let mut keygen = Command::new("ssh-keygen");
            run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&key)).ok();
            fs::copy(key.with_extension("pub"), clone.join(format!("keys/{name}.pub"))).unwrap();
        }
        lab.cargo("build --release --locked --package jit-cad --package jit-ca", "target/release");
        let systemctl = repository().join("tests/tests/guides/systemctl.sh");
        let systemctl =
            format!("pid={} exec {} \"$@\"", machine.pid.display(), systemctl.display());
        lab.script("systemctl", &systemctl);
        let port = free_port().to_string();
        let (pin, code, shell, authenticator) = (None, None, None, None);
        Self { lab, machine, port, pin, code, shell, authenticator }
    }

    /// Follows the guide to a first CA, to its end.
    pub(super) fn follow(&mut self) {
        for block in blocks(GUIDE) {
            self.run(&block);
            if block.text.contains("systemctl") {
                self.is_ready();
            }
        }
    }

    /// Runs a block, and holds it against what the guide says of its commands.
    pub(super) fn run(&mut self, block: &Block) -> String {
        let text = block.text.replace("8440", &self.port);
        if block.who == "alice" {
            return text.lines().map(|command| self.types(command)).collect();
        }
        assert_eq!(block.who, "root");
        let output = self.machine.run(&text).ok();
        // What the guide says of its commands, and what it asks for between them.
        if text.contains("jit-ca policy test") {
            output.clone().says("no faults");
        }
        if text.contains("jit-cad init") {
            let pin = output.stdout.lines().find_map(|line| line.strip_prefix("pin "));
            self.pin = pin.map(str::to_owned);
            let passphrase = self.machine.run("cat /run/jit-cad-init/jit-cad-passphrase").ok();
            assert!(passphrase.line().len() >= 32, "{passphrase}");
        }
        if text.contains("jit-cad user enroll") {
            self.code = Some(output.line().to_owned());
        }
        if text.contains("jit-cad reload") {
            output.clone().says("nothing has changed");
        }
        if text.contains("jit-cad log check") {
            output.clone().says("entries hold");
        }
        if text.contains("systemctl") {
            let unit = "systemd-analyze verify /etc/systemd/system/jit-cad.service";
            self.machine.run(unit).ok();
        }
        output.stdout
    }

    /// Has Alice type a command, and answer what it asks.
    pub(super) fn types(&mut self, command: &str) -> String {
        self.says(command, 0)
    }

    /// Has Alice type a command that ends with this code, and answer what it asks.
    pub(super) fn says(&mut self, command: &str, code: i32) -> String {
        let shell = self.shell.get_or_insert_with(|| {
            let (pin, code) = (self.pin.as_deref().unwrap(), self.code.as_deref().unwrap());
            alice(self.lab, &self.machine, pin, code)
        });
        shell.run(command, |said| answer(&mut self.authenticator, said)).exits(code).stdout
    }

    /// Waits until the daemon is ready.
    pub(super) fn is_ready(&self) {
        wait_for("the daemon", || self.journal().contains("\nready\n").then_some(()));
    }

    /// What the daemon has said since it was started.
    pub(super) fn journal(&self) -> String {
        self.machine.run("cat /run/jit-cad.journal").stdout
    }
}

/// Where Alice works: ourselves, in her home, on a machine that knows where ca.example.org is.
fn alice(lab: &Lab, machine: &Machine, pin: &str, code: &str) -> Terminal {
    let we = fs::metadata("/proc/self").unwrap();
    let mut shell = machine.root("setpriv");
    shell.args(["--reuid", &we.uid().to_string(), "--regid", &we.gid().to_string()]);
    shell.args(["--clear-groups", "env", &format!("HOME={}", lab.folder("alice").display())]);
    shell.args([format!("PIN={pin}"), format!("CODE={code}")]);
    Terminal::open(shell)
}

#[test]
fn the_guide_to_a_first_ca_works_as_it_stands() {
    let lab = Lab::new();
    let mut site = Site::new(&lab, &FOLDERS);
    site.follow();

    // The login has outlived a reload and a restart, and the roles are those that the guide has made.
    assert!(site.types("jit-ca whoami").contains("local/u-1001"));
    let roles = site.types("jit-ca roles");
    // The database is opened between 7 and 19 h, in the time zone of users.toml: UTC.
    let by_day = (7..19).contains(&(now() / 3600 % 24));
    assert_eq!(roles.contains("db-console"), by_day, "{roles}");
    // In sentences of step 9.
    let (machine, port) = (&site.machine, &site.port);
    for path in ["healthz", "readyz"] {
        machine.run(&format!("curl -sSf -k https://ca.example.org:{port}/{path}")).ok();
    }
    let until = "openssl x509 -enddate -noout -in /var/lib/jit-cad/keys/x509-clients.crt";
    machine.run(until).ok().says("notAfter=");
    machine.run("systemctl stop jit-cad").ok();
    // The folders of the lab alone were changed.
    for ours in ["/etc/jit-cad", "/var/lib/jit-cad", "/run/jit-cad-init", "/run/jit-cad.journal"] {
        assert!(!Path::new(ours).exists(), "{ours}");
    }
}

/// Yes, and codes of the authenticator whose secret has been shown.
fn answer(authenticator: &mut Option<Authenticator>, said: &str) -> String {
    if let Some(shown) = Authenticator::shown_in(said) {
        *authenticator = Some(shown);
    }
    authenticator.as_ref().expect("an authenticator").code()
}
