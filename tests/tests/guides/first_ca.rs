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
    Authenticator, Lab, Terminal, as_root, blocks, free_port, repository, run, wait_for,
};

use super::machine::Machine;

const GUIDE: &str = "docs/guides/first-ca.md";

/// The machine of the guide, in a clone of what it needs, with the keys of the people it names.
fn machine(lab: &Lab) -> Machine {
    for program in ["systemd-creds", "systemd-analyze"] {
        let found = run(Command::new("which").arg(program)).code == 0;
        assert!(found, "{program} is missing; Debian's package systemd has it");
    }
    let machine = Machine::new(lab, &["/etc", "/var/lib", "/usr/local/bin", "/run"]);
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
    let systemctl = format!("pid={} exec {} \"$@\"", machine.pid.display(), systemctl.display());
    lab.script("systemctl", &systemctl);
    machine
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
    let (machine, port) = (machine(&lab), free_port().to_string());
    let ready = || {
        wait_for("the daemon", || {
            let status = machine.run("systemctl status jit-cad --no-pager");
            status.stdout.contains("\nready\n").then_some(())
        });
    };
    let (mut pin, mut code, mut shell, mut authenticator) = (None, None, None, None);
    for block in blocks(GUIDE) {
        let text = block.text.replace("8440", &port);
        if block.who == "alice" {
            let (pin, code) = (pin.as_deref().unwrap(), code.as_deref().unwrap());
            let shell = shell.get_or_insert_with(|| alice(&lab, &machine, pin, code));
            for command in text.lines() {
                shell.run(command, |said| answer(&mut authenticator, said)).ok();
            }
            continue;
        }
        assert_eq!(block.who, "root");
        let output = machine.run(&text).ok();
        // What the guide says of its commands, and what it asks for between them.
        if text.contains("jit-ca policy test") {
            output.clone().says("no faults");
        }
        if text.contains("jit-cad init") {
            pin =
                output.stdout.lines().find_map(|line| line.strip_prefix("pin ")).map(str::to_owned);
            let passphrase = machine.run("cat /run/jit-cad-init/jit-cad-passphrase").ok();
            assert!(passphrase.line().len() >= 32, "{passphrase}");
        }
        if text.contains("jit-cad user enroll") {
            code = Some(output.line().to_owned());
        }
        if text.contains("jit-cad log check") {
            output.clone().says("entries hold");
        }
        if text.contains("systemctl") {
            machine.run("systemd-analyze verify /etc/systemd/system/jit-cad.service").ok();
            ready();
        }
    }

    // The login has outlived two restarts, and the roles are those that the guide has made.
    let mut shell = shell.unwrap();
    let nothing = |_: &str| panic!("nothing is asked");
    shell.run("jit-ca whoami", nothing).ok().says("local/u-1001");
    shell.run("jit-ca roles", nothing).ok().says("db-console");
    // In sentences of step 9.
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
