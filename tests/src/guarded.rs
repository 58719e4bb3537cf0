//! A host with our hostd and guard beside a real sshd, and certificates that end in seconds.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::sshd::make_account;
use crate::{Lab, Output, free_port, now, program, repository, run, wait_for};

/// How sshd tells hostd of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// By PAM.
    Pam,
    /// By its AuthorizedPrincipalsCommand, without PAM.
    Principals,
}

/// Whose sshd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// The system's.
    Installed,
    /// OpenSSH 10, which deploy/install-deps.sh has brought.
    Ten,
}

/// How a host is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// How sshd tells hostd.
    pub hook: Hook,
    /// Whose sshd.
    pub release: Release,
    /// More for `host.toml`.
    pub toml: &'a str,
    /// More for `sshd_config`.
    pub sshd: &'a str,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        // By which bash doesn't read ~/.bashrc.
        let sshd = "SetEnv SHLVL=1";
        Self { hook: Hook::Pam, release: Release::Installed, toml: "", sshd }
    }
}

/// A host: sshd, hostd and the guard, all as root, with folders of their own.
#[derive(Debug)]
pub struct GuardedHost {
    port: u16,
    folder: PathBuf,
    /// What sshd wants to be root's, up to `/`.
    strict: PathBuf,
    pam: Option<PathBuf>,
    sshd: Child,
    hostd: Option<Child>,
}

/// A certificate, with its key.
#[derive(Clone, Debug)]
pub struct Pass {
    key: PathBuf,
    serial: u32,
    /// The first second in which it is no longer valid.
    pub end: u64,
}

impl Pass {
    /// A key with the certificate beside it, which somebody else has made.
    pub fn of(key: PathBuf) -> Self {
        Self { key, serial: 0, end: 0 }
    }
}

impl GuardedHost {
    /// One that lets in, by certificates for `web`, the accounts `deploy`, `mallory` and `trudy`, and `rescue` also without hostd.
    pub fn start(lab: &Lab) -> Self {
        Self::start_with(lab, &Setup::default())
    }

    /// One that is set up otherwise.
    pub fn start_with(lab: &Lab, setup: &Setup) -> Self {
        let Setup { hook, release, toml: lines, sshd: sshd_lines } = *setup;
        for account in ["deploy", "mallory", "trudy", "rescue"] {
            make_account(account);
        }
        let port = free_port();
        let folder = lab.folder(&format!("host-{port}"));
        let strict = PathBuf::from(format!("/run/jit-ca-tests/host-{port}"));
        fs::create_dir_all("/run/sshd").expect("a folder");
        fs::create_dir_all(&strict).expect("a folder");
        let programs = programs();
        let toml = format!(
            "[host]\nname = \"web1\"\n\
             [accounts.deploy]\ntags = [\"web\", \"web-shell\"]\n\
             [accounts.mallory]\ntags = [\"web\"]\n\
             [accounts.trudy]\ntags = [\"web\"]\n\
             [accounts.rescue]\ntags = [\"web\"]\nbreak_glass = true\n\
             [sshd]\nforwarding = true\nstatic_keys = false\n{lines}\n\
             [places]\nrun = \"{0}/run\"\nstate = \"{0}/state\"\nfeed = \"{0}/feed\"\nsyslog = \"{0}/syslog\"\nprograms = \"{1}\"\n",
            folder.display(),
            programs.display(),
        );
        let config = folder.join("host.toml");
        fs::write(&config, toml).expect("a file");
        for key in ["host_key", "ca", "id"] {
            let file = folder.join(key);
            let mut keygen = Command::new("ssh-keygen");
            run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file)).ok();
        }
        let hook_line = match hook {
            Hook::Pam => {
                fs::write(strict.join("principals"), "web\nweb.web1\n").expect("a file");
                format!("UsePAM yes\nAuthorizedPrincipalsFile {}/principals", strict.display())
            }
            Hook::Principals => format!(
                "UsePAM no\nAuthorizedPrincipalsCommandUser nobody\n\
                 AuthorizedPrincipalsCommand {}/jit-ca-host --config {} principals %u %k",
                programs.display(),
                config.display(),
            ),
        };
        let (sshd, release_lines, name) = match release {
            // The PAM service is called as sshd is (sshd(8) before 9.9).
            Release::Installed => {
                let link = strict.join(format!("jit-ca-tests-{port}"));
                std::os::unix::fs::symlink("/usr/sbin/sshd", &link).expect("a link");
                (link, String::new(), format!("jit-ca-tests-{port}"))
            }
            Release::Ten => {
                let ten = repository().join(".tools/openssh-10/usr");
                let name = format!("jit-ca-tests-{port}");
                let lines = format!(
                    "SshdSessionPath {0}/lib/openssh/sshd-session\nSshdAuthPath {0}/lib/openssh/sshd-auth\n\
                     PerSourcePenalties no\nPAMServiceName {name}\n",
                    ten.display(),
                );
                (ten.join("sbin/sshd"), lines, name)
            }
        };
        let pam = (hook == Hook::Pam).then(|| pam_service(&name, &programs, &config));
        let text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host_key\nPidFile {0}/pid\n\
             TrustedUserCAKeys {0}/ca.pub\nAuthenticationMethods publickey\nLogLevel VERBOSE\n\
             AuthorizedKeysFile {1}/keys-%u\n\
             MaxStartups 500\nMaxSessions 500\nX11Forwarding yes\nGatewayPorts no\n\
             PermitUserRC no\nPermitUserEnvironment no\nExposeAuthInfo yes\n{sshd_lines}\n\
             Subsystem sftp internal-sftp\n\
             ForceCommand exec {2}/jit-ca-guard --config {0}/host.toml\n{hook_line}\n{release_lines}",
            folder.display(),
            strict.display(),
            programs.display(),
        );
        let sshd_config = folder.join("sshd_config");
        fs::write(&sshd_config, text).expect("a file");
        File::create(folder.join("log")).expect("a file");
        let mut host = Self {
            port,
            sshd: Command::new(sshd)
                .arg("-D")
                .arg("-f")
                .arg(&sshd_config)
                .arg("-E")
                .arg(folder.join("log"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(File::create(folder.join("stderr")).expect("a file"))
                .spawn()
                .expect("sshd"),
            folder,
            strict,
            pam,
            hostd: None,
        };
        let key = fs::read_to_string(host.folder.join("host_key.pub")).expect("a key");
        fs::write(host.folder.join("known_hosts"), format!("* {key}")).expect("a file");
        wait_for("sshd", || host.log().contains("Server listening on").then_some(()));
        host.start_hostd();
        host
    }

    /// Starts hostd.
    pub fn start_hostd(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.join("hostd.log"));
        let mut hostd = Command::new(programs().join("jit-ca-hostd"));
        hostd.arg("--config").arg(self.folder.join("host.toml"));
        hostd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.expect("a file"));
        self.hostd = Some(hostd.spawn().expect("hostd"));
        wait_for("hostd", || (self.ask("status").code == 0).then_some(()));
    }

    /// Kills hostd, which has no time to do anything about it.
    pub fn kill_hostd(&mut self) {
        let mut hostd = self.hostd.take().expect("a hostd that runs");
        hostd.kill().expect("a process of ours");
        hostd.wait().expect("a process of ours");
    }

    /// A certificate for `web` that ends in so many seconds and allows everything, with these options of ssh-keygen's besides.
    pub fn pass(&self, seconds: u64, options: &[&str]) -> Pass {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let serial = number.to_string();
        let key = self.folder.join(format!("id-{serial}"));
        for end in ["", ".pub"] {
            let to = PathBuf::from(format!("{}{end}", key.display()));
            fs::copy(self.folder.join(format!("id{end}")), to).expect("a key");
        }
        let end = now() + seconds;
        let mut keygen = Command::new("ssh-keygen");
        keygen
            .args(["-q", "-I", &format!("test-{serial}"), "-n", "web", "-z", &serial, "-s"])
            .arg(self.folder.join("ca"));
        keygen.arg("-V").arg(format!("{:#x}:{end:#x}", end - 3600)).args(options);
        run(keygen.arg(key.with_extension("pub"))).ok();
        Pass { key, serial: number, end }
    }

    /// A key of the host's own, as it were a certificate.
    pub fn key(&self) -> Pass {
        Pass { key: self.folder.join("id"), serial: 0, end: 0 }
    }

    /// One of our programs, as the host has it.
    pub fn program(&self, name: &str) -> PathBuf {
        programs().join(name)
    }

    /// `ssh` as an account by a certificate, with these arguments.
    pub fn ssh(&self, pass: &Pass, account: &str, arguments: &[&str]) -> Command {
        // Options are taken up to the host's name, and a command stands behind it.
        let place =
            arguments.iter().position(|argument| *argument == "--").unwrap_or(arguments.len());
        let mut ssh = self.client("ssh", pass);
        ssh.args(&arguments[..place]).arg(format!("{account}@127.0.0.1"));
        ssh.args(arguments.iter().skip(place + 1));
        ssh
    }

    /// A client of ssh's kind (`scp`, `sftp`), told how to get in; without the port.
    pub fn client(&self, program: &str, pass: &Pass) -> Command {
        let mut client = Command::new(program);
        client.args(self.options(pass)).stdin(Stdio::null());
        client.env_remove("SSH_AUTH_SOCK").env_remove("DISPLAY");
        client
    }

    /// The options that it is told.
    pub fn options(&self, pass: &Pass) -> Vec<String> {
        let options =
            ["-F".to_owned(), "none".to_owned(), "-i".to_owned(), pass.key.display().to_string()];
        let more = [
            format!("Port={}", self.port),
            "IdentitiesOnly=yes".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            format!("UserKnownHostsFile={}/known_hosts", self.folder.display()),
            "LogLevel=INFO".to_owned(),
            "BatchMode=yes".to_owned(),
            "ExitOnForwardFailure=yes".to_owned(),
        ];
        let more = more.into_iter().flat_map(|option| ["-o".to_owned(), option]);
        options.into_iter().chain(more).collect()
    }

    /// Runs a command as `deploy`.
    pub fn run(&self, pass: &Pass, command: &str) -> Output {
        run(&mut self.ssh(pass, "deploy", &["--", command]))
    }

    /// `jit-ca-host` with this host's configuration.
    pub fn ask(&self, command: &str) -> Output {
        let mut host = Command::new(programs().join("jit-ca-host"));
        run(host.arg("--config").arg(self.folder.join("host.toml")).args(command.split(' ')))
    }

    /// The sessions that are open, as hostd tells.
    pub fn open(&self) -> Vec<Value> {
        self.ask("status --json").ok().json().as_array().expect("a list").clone()
    }

    /// The session that was opened by a certificate, once it is.
    #[track_caller]
    pub fn session(&self, pass: &Pass) -> String {
        wait_for("the session", || {
            let open = self.open().into_iter();
            let mut ours = open.filter(|open| open["certificate"][1] == pass.serial);
            Some(ours.next()?["id"].as_str()?.to_owned())
        })
    }

    /// The host's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a key of the host's own would open an account.
    pub fn keys(&self, account: &str) -> PathBuf {
        self.strict.join(format!("keys-{account}"))
    }

    /// What sshd has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// What hostd has logged.
    pub fn hostd_log(&self) -> String {
        fs::read_to_string(self.folder.join("hostd.log")).unwrap_or_default()
    }

    /// hostd's process.
    pub fn hostd(&self) -> u32 {
        self.hostd.as_ref().expect("a hostd that runs").id()
    }

    /// The processes that sshd has for connections.
    pub fn connections(&self) -> Vec<u32> {
        processes()
            .into_iter()
            .filter(|process| process.parent == self.sshd.id())
            .map(|process| process.pid)
            .collect()
    }

    /// What was recorded of the session that a certificate opened last: `closed.json`, and the text of all chunks.
    pub fn recording(&self, pass: &Pass) -> (Value, String) {
        self.recordings(pass).pop().expect("a session with this certificate")
    }

    /// The same of all sessions that it opened, in order, once they are closed.
    pub fn recordings(&self, pass: &Pass) -> Vec<(Value, String)> {
        let certificate = format!("\"serial\":{},", pass.serial);
        let mut sessions = within(&self.folder.join("state/sessions"));
        sessions.retain(|session| {
            let opened = fs::read_to_string(session.join("open.json")).unwrap_or_default();
            opened.contains(&certificate)
        });
        sessions.into_iter().map(|session| recorded(&session)).collect()
    }
}

impl Pass {
    /// Its serial, unique within this program.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// Its key's file.
    pub fn key(&self) -> &Path {
        &self.key
    }
}

impl Drop for GuardedHost {
    fn drop(&mut self) {
        // What is still connected goes with its listener's children: hostd would end it, but is stopped next.
        for pid in self.connections() {
            run(Command::new("kill").arg(pid.to_string()));
        }
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
        if let Some(mut hostd) = self.hostd.take() {
            let _ = hostd.kill();
            let _ = hostd.wait();
        }
        for path in self.pam.iter().chain([&self.strict]) {
            run(Command::new("rm").arg("-rf").arg(path));
        }
    }
}

/// What was recorded of a session.
fn recorded(session: &Path) -> (Value, String) {
    let closed =
        wait_for("the session to be closed", || fs::read(session.join("closed.json")).ok());
    let channels = within(session).into_iter().filter(|path| path.is_dir());
    let chunks = channels.flat_map(|channel| within(&channel)).filter(|file| {
        let name = file.file_name().expect("a name").to_string_lossy();
        name.bytes().all(|byte| byte.is_ascii_digit())
    });
    let text = chunks.map(|chunk| fs::read_to_string(chunk).expect("a chunk")).collect();
    (serde_json::from_slice(&closed).expect("JSON"), text)
}

/// What is in a folder, in order.
fn within(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// A process.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its number.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// Whose it is.
    pub user: u32,
    /// Its words.
    pub words: String,
    /// Its cgroups.
    pub cgroups: String,
}

/// All processes that run.
pub fn processes() -> Vec<Found> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let read = |name| fs::read(entry.path().join(name)).unwrap_or_default();
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let mut fields = rest.split(' ');
        if fields.next() == Some("Z") {
            continue;
        }
        let parent = fields.next().and_then(|parent| parent.parse().ok()).unwrap_or_default();
        let text = |name| String::from_utf8_lossy(&read(name)).into_owned();
        let words = text("cmdline").replace('\0', " ");
        let status = text("status");
        let user = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        let user =
            user.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default();
        found.push(Found { pid, parent, user, words, cgroups: text("cgroup") });
    }
    found
}

fn pam_service(name: &str, programs: &Path, config: &Path) -> PathBuf {
    let call = format!("{}/jit-ca-host --config {} pam", programs.display(), config.display());
    let text = format!(
        "auth required pam_deny.so\n\
         account required pam_exec.so quiet stdout {call}\n\
         account required pam_permit.so\n\
         session required pam_permit.so\n\
         session required pam_exec.so quiet {call}\n"
    );
    let path = Path::new("/etc/pam.d").join(name);
    fs::write(&path, text).expect("a PAM service");
    path
}

/// Our programs where sshd takes them: nobody but root may write on the way there.
fn programs() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let all = Path::new("/var/lib/jit-ca-tests");
        for left in fs::read_dir(all).into_iter().flatten().flatten() {
            if !Path::new("/proc").join(left.file_name()).exists() {
                let _ = fs::remove_dir_all(left.path());
            }
        }
        let folder = all.join(std::process::id().to_string());
        fs::create_dir_all(&folder).expect("a folder");
        for name in ["jit-ca-hostd", "jit-ca-guard", "jit-ca-host"] {
            let file = folder.join(name);
            fs::copy(program(name), &file).expect("a program");
            fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).expect("permissions");
        }
        folder
    };
    FOLDER.get_or_init(make).clone()
}
