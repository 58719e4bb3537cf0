//! Ways to stay longer than the access. Each is tried with a certificate of 15 seconds, which allows everything, so that nobody
//! but hostd ends it; two seconds after its end nothing is left. All are tried side by side, as they mostly wait.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::{Client, held, marked};
use jit_ca_tests::{GuardedHost, Hook, Lab, Release, Setup, free_port, now, run, wait_for};

/// How long a certificate is valid.
const VALID: u64 = 15;

/// A way to stay: what ssh is told, with `MARK` for a word by which its processes are known and `PORT` for a port to listen at.
struct Way {
    name: &'static str,
    arguments: &'static [&'static str],
    /// Whether a marked process of the user's is to be seen before the end.
    is_marked: bool,
}

const fn way(name: &'static str, arguments: &'static [&'static str]) -> Way {
    Way { name, arguments, is_marked: true }
}

const WAYS: [Way; 16] = [
    way("shell", &["-tt"]),
    way("shell without a terminal", &[]),
    way("command", &["--", "exec sleep MARK"]),
    way("nohup", &["--", "nohup sleep MARK >/dev/null 2>&1 & exit"]),
    way("setsid", &["--", "setsid sleep MARK >/dev/null 2>&1 </dev/null & exit"]),
    way(
        "double fork",
        &["--", "(setsid sh -c 'sleep MARK & exit' >/dev/null 2>&1 </dev/null &) & exit"],
    ),
    way("tmux", &["-tt", "--", "TERM=xterm tmux -L MARK new-session 'exec sleep MARK'"]),
    way(
        "screen",
        &[
            "--",
            "mkdir -pm 700 ~/.screen; TERM=xterm SCREENDIR=~/.screen screen -dmS s-MARK sleep MARK",
        ],
    ),
    Way {
        is_marked: false,
        ..way("local forwarding", &["-N", "-L", "127.0.0.1:PORT:127.0.0.1:22"])
    },
    Way {
        is_marked: false,
        ..way("remote forwarding", &["-N", "-R", "127.0.0.1:PORT:127.0.0.1:22"])
    },
    Way { is_marked: false, ..way("dynamic forwarding", &["-N", "-D", "127.0.0.1:PORT"]) },
    way("multiplexing", &["-M", "-S", "SOCKET", "--", "exec sleep MARK"]),
    Way { is_marked: false, ..way("sftp", &["-s", "--", "sftp"]) },
    way("X11", &["-Y", "--", "echo $DISPLAY >/tmp/MARK; exec sleep MARK"]),
    way("agent", &["-A", "--", "echo $SSH_AUTH_SOCK >/tmp/MARK; exec sleep MARK"]),
    way("ignored signals", &["--", "trap '' HUP TERM INT; sleep MARK & wait; sleep MARK"]),
];

macro_rules! stays {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            gone($name);
        })*
    };
}

stays! {
    a_shell: "shell",
    a_shell_without_a_terminal: "shell without a terminal",
    a_command: "command",
    nohup: "nohup",
    setsid: "setsid",
    a_double_fork: "double fork",
    tmux: "tmux",
    screen: "screen",
    local_forwarding: "local forwarding",
    remote_forwarding: "remote forwarding",
    dynamic_forwarding: "dynamic forwarding",
    a_master_and_a_new_session_after_the_end: "multiplexing",
    sftp: "sftp",
    x11: "X11",
    agent_forwarding: "agent",
    ignored_signals: "ignored signals",
}

/// Fails the test unless this way was over in time, on each kind of host.
fn gone(name: &str) {
    static TRIED: OnceLock<BTreeMap<&str, Vec<String>>> = OnceLock::new();
    let faults = &TRIED.get_or_init(try_all)[name];
    assert!(faults.is_empty(), "{name}: {faults:#?}");
}

/// Tries all on a host with PAM; those without a guard, and some others, also without PAM, and on OpenSSH 10.
fn try_all() -> BTreeMap<&'static str, Vec<String>> {
    let some = ["shell", "nohup", "local forwarding", "multiplexing", "sftp"];
    let hosts = [
        (Hook::Pam, Release::Installed, None),
        (Hook::Principals, Release::Installed, Some(&some)),
        (Hook::Pam, Release::Ten, Some(&some)),
        (Hook::Principals, Release::Ten, Some(&some)),
    ];
    let lab = Lab::new();
    let labs = &lab;
    let tried: Vec<(&str, Result<(), String>)> = thread::scope(|scope| {
        let each = hosts.map(|(hook, release, ways)| {
            scope.spawn(move || {
                let host =
                    GuardedHost::start_with(labs, &Setup { hook, release, ..Setup::default() });
                let wanted = |way: &&Way| ways.is_none_or(|ways| ways.contains(&way.name));
                let tries: Vec<&Way> = WAYS.iter().filter(wanted).collect();
                let (host, label) = (&host, format!("{hook:?}, {release:?}"));
                thread::scope(|scope| {
                    let tries: Vec<_> = tries
                        .into_iter()
                        .map(|way| (way.name, scope.spawn(move || attempt(host, way))))
                        .collect();
                    let outcome = |(name, tried): (_, thread::ScopedJoinHandle<'_, _>)| {
                        let tried = tried.join().unwrap_or_else(|_| Err("it panicked".to_owned()));
                        (
                            name,
                            tried.map_err(|fault: String| {
                                format!("{label}: {fault}\n{}", host.hostd_log())
                            }),
                        )
                    };
                    tries.into_iter().map(outcome).collect::<Vec<_>>()
                })
            })
        });
        each.into_iter().flat_map(|each| each.join().expect("a host")).collect()
    });
    let mut faults: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, tried) in tried {
        faults.entry(name).or_default().extend(tried.err());
    }
    faults
}

/// One way on one host: what is wrong, if anything.
fn attempt(host: &GuardedHost, way: &Way) -> Result<(), String> {
    let (port, pass) = (free_port(), host.pass(VALID, &[]));
    let mark = format!("77777.{port}");
    let socket = host.folder().join(format!("socket-{port}"));
    let arguments: Vec<String> = way
        .arguments
        .iter()
        .map(|argument| argument.replace("MARK", &mark).replace("PORT", &port.to_string()))
        .map(|argument| argument.replace("SOCKET", &socket.display().to_string()))
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut client = host.ssh(&pass, "deploy", &arguments);
    let agent = (way.name == "agent").then(|| Agent::start(&mut client));
    if way.name == "X11" {
        client.env("DISPLAY", "127.0.0.1:99");
    }
    client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut client = Client(client.spawn().expect("ssh"));
    if way.arguments.is_empty() || way.arguments == ["-tt"] {
        client.types(&format!("sleep {mark} & sleep {mark}\n"));
    }
    let session = host.session(&pass);
    let second = (way.name == "multiplexing").then(|| {
        wait_for("the master", || socket.exists().then_some(()));
        let mut second = host.ssh(
            &pass,
            "deploy",
            &["-S", &socket.display().to_string(), "--", &format!("sleep {mark}")],
        );
        Client(second.spawn().expect("ssh"))
    });
    let listens = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    let is_forwarding = way.name.ends_with("forwarding");
    if is_forwarding {
        wait_for("the forwarding", || listens().then_some(()));
    }
    if way.is_marked {
        wait_for("the process", || (!marked("deploy", &mark).is_empty()).then_some(()));
    }
    let told = std::fs::read_to_string(format!("/tmp/{mark}")).unwrap_or_default();
    while now() + 2 < pass.end {
        thread::sleep(Duration::from_millis(100));
    }
    let before = (held(&session), marked("deploy", &mark));
    if before.0.is_empty() || (way.is_marked && before.1.is_empty()) {
        return Err(format!("it was over before the end: {before:?}"));
    }
    while now() < pass.end + 2 {
        thread::sleep(Duration::from_millis(50));
    }
    let after = (held(&session), marked("deploy", &mark), is_forwarding && listens());
    if after != (Vec::new(), Vec::new(), false) {
        return Err(format!("it is still there: {after:?}"));
    }
    if let Some(second) = second {
        drop(second);
        let late = run(&mut host.ssh(
            &pass,
            "deploy",
            &["-S", &socket.display().to_string(), "--", "true"],
        ));
        if late.code == 0 {
            return Err(format!("a new session after the end: {late}"));
        }
    }
    match way.name {
        "agent" if std::os::unix::net::UnixStream::connect(told.trim()).is_ok() => {
            return Err("the agent is still reached".to_owned());
        }
        "X11" => {
            let display =
                told.trim().split([':', '.']).nth(1).and_then(|number| number.parse::<u16>().ok());
            let display = display.ok_or_else(|| format!("no display in {told:?}"))?;
            if TcpStream::connect(("127.0.0.1", 6000 + display)).is_ok() {
                return Err("the display is still reached".to_owned());
            }
        }
        _ => {}
    }
    let _ = std::fs::remove_file(format!("/tmp/{mark}"));
    drop(agent);
    Ok(())
}

/// An ssh-agent.
struct Agent(Child);

impl Agent {
    fn start(client: &mut Command) -> Self {
        let socket = std::env::temp_dir().join(format!("agent-{}", free_port()));
        let mut agent = Command::new("ssh-agent");
        let agent = agent.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn();
        let agent = Self(agent.expect("ssh-agent"));
        wait_for("the agent", || socket.exists().then_some(()));
        client.env("SSH_AUTH_SOCK", socket);
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
