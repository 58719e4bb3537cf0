//! A real sshd on loopback, and a real ssh.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use crate::{Host, Lab, Output, Person, as_root, free_port, run, wait_for};

/// The time that a server reads off its clock.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's.
    True,
    /// Always this second since 1970.
    Frozen(u64),
}

impl Clock {
    /// The command that runs a program by this clock.
    pub(crate) fn command(self, program: &str) -> Command {
        match self {
            Self::True => as_root(program),
            Self::Frozen(second) => {
                let mut date = Command::new("date");
                let date = run(date.args(["+%F %T", "-d", &format!("@{second}")])).ok();
                // An absolute time without `@` stands still (faketime(1)).
                let mut faketime = as_root("faketime");
                faketime.args(["-f", date.line(), program]);
                faketime
            }
        }
    }
}

/// A real sshd that trusts a CA's key and nothing else. It is started for one host: it honours the
/// principals of that host's accounts as `docs/guides/sshd.md` has them.
#[derive(Debug)]
pub struct Sshd {
    port: u16,
    folder: PathBuf,
    /// What StrictModes looks at lies in a folder of root's: principals files.
    strict: PathBuf,
    daemon: Child,
}

impl Sshd {
    /// An sshd that trusts `user_ca` (a line of an authorized keys file). For each account the principals
    /// that open it; the accounts are made where they are missing.
    pub fn start(lab: &Lab, clock: Clock, user_ca: &str, accounts: &[(&str, &[&str])]) -> Self {
        Self::start_as(lab, clock, user_ca, accounts, None)
    }

    /// The same, with this host key and the certificate beside it.
    pub fn start_as(
        lab: &Lab,
        clock: Clock,
        user_ca: &str,
        accounts: &[(&str, &[&str])],
        host: Option<&Host>,
    ) -> Self {
        let port = free_port();
        let folder = lab.folder(&format!("sshd-{port}"));
        let strict = PathBuf::from(format!("/run/jit-ca-tests/sshd-{port}"));
        run(as_root("install")
            .args(["-d", "-m", "755", "/run/sshd", "/run/jit-ca-tests"])
            .arg(&strict))
        .ok();
        for (account, principals) in accounts {
            make_account(account);
            let file = folder.join(account);
            fs::write(&file, principals.join("\n") + "\n").expect("a file");
            run(as_root("install").args(["-m", "644"]).arg(file).arg(&strict)).ok();
        }

        let mut host_key = folder.join("host_key");
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&host_key))
        .ok();
        let mut certificate = String::new();
        if let Some(host) = host {
            host_key.clone_from(&host.key);
            certificate = format!("HostCertificate {}\n", host.certificate().display());
        }
        let user_ca_file = folder.join("user_ca.pub");
        fs::write(&user_ca_file, format!("{user_ca}\n")).expect("a file");
        let config = folder.join("sshd_config");
        let text = format!(
            "Port {port}\n\
             ListenAddress 127.0.0.1\n\
             HostKey {}\n\
             PidFile {}\n\
             TrustedUserCAKeys {}\n\
             AuthorizedPrincipalsFile {}/%u\n\
             AuthorizedKeysFile none\n\
             AuthenticationMethods publickey\n\
             UsePAM no\n\
             MaxStartups 100\n\
             Subsystem sftp internal-sftp\n\
             {certificate}\
             LogLevel VERBOSE\n",
            host_key.display(),
            folder.join("pid").display(),
            user_ca_file.display(),
            strict.display(),
        );
        fs::write(&config, text).expect("a file");
        run(as_root("/usr/sbin/sshd").arg("-t").arg("-f").arg(&config)).ok();
        // Ours, whoever sshd runs as.
        File::create(folder.join("log")).expect("a file");
        let mut daemon = clock.command("/usr/sbin/sshd");
        daemon.arg("-D").arg("-f").arg(&config).arg("-E").arg(folder.join("log"));
        daemon.stdin(Stdio::null()).stdout(Stdio::null());
        daemon.stderr(File::create(folder.join("stderr")).expect("a file"));
        let daemon = daemon.spawn().expect("sshd");
        let sshd = Self { port, folder, strict, daemon };
        wait_for("sshd", || sshd.log().contains("Server listening on").then_some(()));
        sshd
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// What `ssh` must be told to find this sshd behind any host's name, and to know its key.
    pub fn options(&self) -> Vec<String> {
        let known_hosts = self.folder.join("known_hosts");
        let key = fs::read_to_string(self.folder.join("host_key.pub")).expect("a key");
        fs::write(&known_hosts, format!("* {key}")).expect("a file");
        let options = [
            format!("UserKnownHostsFile={}", known_hosts.display()),
            "GlobalKnownHostsFile=none".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            "BatchMode=yes".to_owned(),
            "HostName=127.0.0.1".to_owned(),
        ];
        let port = ["-p".to_owned(), self.port.to_string()];
        port.into_iter()
            .chain(options.into_iter().flat_map(|option| ["-o".to_owned(), option]))
            .collect()
    }

    /// The same as lines of a block of somebody's own configuration.
    pub fn own_block(&self) -> String {
        let options = self.options();
        let lines = options.iter().filter(|option| option.contains('='));
        let lines = lines.map(|option| format!("    {}\n", option.replacen('=', " ", 1)));
        lines.collect::<String>() + &format!("    Port {}\n", self.port)
    }

    /// Runs `whoami` as an account by a key and its certificate, and gives what ssh and sshd said.
    pub fn log_in(&self, person: &Person, account: &str, key: &Path, certificate: &Path) -> Ssh {
        self.run(person, account, key, certificate, "whoami")
    }

    /// Runs a command as an account by a key and its certificate, and gives what ssh and sshd said.
    pub fn run(
        &self,
        person: &Person,
        account: &str,
        key: &Path,
        certificate: &Path,
        command: &str,
    ) -> Ssh {
        // One at a time, so that what is logged meanwhile is this login's.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = self.log().len();
        let mut ssh = person.command("ssh");
        ssh.args(["-F", "none", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]);
        ssh.arg("-o").arg(format!("CertificateFile={}", certificate.display())).arg("-i").arg(key);
        ssh.args(self.options()).arg(format!("{account}@host")).arg(command);
        let client = run(&mut ssh);
        let server = wait_for("sshd to close the connection", || {
            let log = self.log().get(before..).unwrap_or_default().to_owned();
            let closed = log.contains("Disconnected from user")
                || log.contains("Connection closed by authenticating");
            closed.then_some(log)
        });
        Ssh { client, server }
    }
}

/// One login, from both sides.
#[derive(Clone, Debug)]
pub struct Ssh {
    /// What ssh said.
    pub client: Output,
    /// What sshd logged.
    pub server: String,
}

impl Ssh {
    /// Fails the test unless the command ran and wrote this.
    #[track_caller]
    pub fn ran(&self, stdout: &str) {
        assert_eq!(self.client.code, 0, "{}\n{}", self.client, self.server);
        assert_eq!(self.client.line(), stdout, "{}\n{}", self.client, self.server);
    }

    /// Fails the test unless sshd refused, and said why in this line.
    #[track_caller]
    pub fn refused(&self, reason: &str) {
        assert_eq!(self.client.code, 255, "{}\n{}", self.client, self.server);
        assert!(self.client.stderr.contains("Permission denied (publickey)"), "{}", self.client);
        assert!(self.server.contains(reason), "no {reason:?} in sshd's log:\n{}", self.server);
        assert!(!self.server.contains("Accepted publickey"), "{}", self.server);
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // By its own number: between us and it may stand sudo or faketime.
        let pid = fs::read_to_string(self.folder.join("pid")).unwrap_or_default();
        run(as_root("kill").arg(pid.trim()));
        let _ = self.daemon.wait();
        run(as_root("rm").arg("-rf").arg(&self.strict));
    }
}

/// An account that nobody can log in to by a password. Not locked: sshd refuses that without PAM.
pub(crate) fn make_account(name: &str) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if run(Command::new("id").arg(name)).code != 0 {
        run(as_root("useradd").args([
            "--create-home",
            "--shell",
            "/bin/bash",
            "--password",
            "*",
            name,
        ]))
        .ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::now;
    use crate::person::Home;

    /// ssh-keygen stands in for the CA: what is asked of sshd here is whether it is a judge.
    #[test]
    fn an_sshd_judges_by_the_clock_that_it_is_given() {
        let lab = Lab::new();
        let home = Home::of(lab.path(), "alice");
        let user_ca = home.make_key("ca", "ed25519");
        home.make_key("id", "ed25519");
        let alice = Person::new(home, "alice", String::new(), String::new());
        let (key, end) = (alice.file(".ssh/id"), now() + 600);
        let mut keygen = alice.command("ssh-keygen");
        keygen.env("TZ", "UTC").args([
            "-q",
            "-s",
            ".ssh/ca",
            "-I",
            "id",
            "-n",
            "web-shell.web1",
            "-V",
        ]);
        let date = |second: u64| {
            let mut date = Command::new("date");
            run(date.args(["-u", "+%Y%m%d%H%M%S", "-d", &format!("@{second}")]))
                .ok()
                .line()
                .to_owned()
        };
        run(keygen.arg(format!("{}:{}", date(end - 1200), date(end))).arg(".ssh/id.pub")).ok();
        let certificate = alice.file(".ssh/id-cert.pub");

        let log_in = |clock| {
            let sshd = Sshd::start(&lab, clock, &user_ca, &[("deploy", &["web-shell.web1"])]);
            sshd.log_in(&alice, "deploy", &key, &certificate)
        };
        log_in(Clock::True).ran("deploy");
        log_in(Clock::Frozen(end - 1)).ran("deploy");
        log_in(Clock::Frozen(end)).refused("Certificate invalid: expired");
    }
}
