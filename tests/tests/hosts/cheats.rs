//! What somebody does who wants to stay, or not to be seen. It gains them nothing: no connection is longer, and no recording is
//! other than it was. All is tried side by side, as it mostly waits.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::{Client, held, marked};
use jit_ca_tests::{GuardedHost, Hook, Lab, Pass, Setup, free_port, now, run, wait_for};

type Try = fn(&GuardedHost);

/// What is tried, on one host.
const TRIES: [(&str, Try); 10] = [
    ("kill", kill_the_guard),
    ("stop", stop_the_guard),
    ("stop sshd", stop_sshd),
    ("trace", trace_the_guard),
    ("leave", leave_the_cgroup),
    ("variables", forge_variables),
    ("fork", fork_without_end),
    ("deaf", stop_reading),
    ("speak", speak_for_the_guard),
    ("read", read_recordings),
];

macro_rules! tried {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            came_to_nothing($name);
        })*
    };
}

tried! {
    killing_the_guard_ends_the_connection: "kill",
    a_stopped_guard_stops_no_end: "stop",
    nor_does_a_stopped_sshd: "stop sshd",
    nobody_looks_into_the_guard: "trace",
    nobody_leaves_the_cgroup: "leave",
    variables_change_nothing: "variables",
    nor_do_processes_without_end: "fork",
    nor_does_a_client_that_reads_nothing: "deaf",
    nobody_speaks_for_sshd_or_the_guard: "speak",
    recordings_are_not_the_users: "read",
}

fn came_to_nothing(name: &str) {
    static TRIED: OnceLock<BTreeMap<&str, Result<(), String>>> = OnceLock::new();
    let tried = TRIED.get_or_init(|| {
        let lab = Lab::new();
        let host = &GuardedHost::start(&lab);
        thread::scope(|scope| {
            let started: Vec<_> = TRIES
                .iter()
                .map(|&(name, attempt)| (name, scope.spawn(move || attempt(host))))
                .collect();
            let joined = started.into_iter().map(|(name, attempt)| {
                let fault = |panic: Box<dyn std::any::Any + Send>| match panic.downcast::<String>()
                {
                    Ok(text) => *text,
                    Err(_) => "it failed".to_owned(),
                };
                (name, attempt.join().map_err(fault))
            });
            joined.collect()
        })
    });
    if let Err(fault) = &tried[name] {
        assert_eq!(fault, "", "{name}");
    }
}

/// A terminal in which deploy runs this, with `MARK` for a mark.
fn begin(host: &GuardedHost, pass: &Pass, account: &str, script: &str) -> (Client, String, String) {
    let mark = format!("88888.{}", free_port());
    let script = script.replace("MARK", &mark);
    let client = Client::start(&mut host.ssh(pass, account, &["-tt", "--", &script]));
    let session = host.session(pass);
    (client, session, mark)
}

/// Fails the test unless all is gone two seconds after the end, and was there before it.
fn ends_in_time(pass: &Pass, account: &str, session: &str, mark: &str) {
    wait_for("the process", || (!marked(account, mark).is_empty()).then_some(()));
    while now() + 2 < pass.end {
        thread::sleep(Duration::from_millis(100));
    }
    assert!(!held(session).is_empty() && !marked(account, mark).is_empty(), "over before the end");
    while now() < pass.end + 2 {
        thread::sleep(Duration::from_millis(50));
    }
    let left = (held(session), marked(account, mark));
    assert_eq!(left, (vec![], vec![]), "still there after the end");
}

fn kill_the_guard(host: &GuardedHost) {
    let pass = host.pass(300, &[]);
    let script = "nohup setsid sleep MARK >/dev/null 2>&1 & sleep 2; kill -9 $PPID; sleep MARK";
    let (_client, session, mark) = begin(host, &pass, "deploy", script);
    wait_for("the process", || (!marked("deploy", &mark).is_empty()).then_some(()));
    wait_for("the end", || {
        (held(&session).is_empty() && marked("deploy", &mark).is_empty()).then_some(())
    });
    assert!(now() < pass.end - 250, "not at once");
    let (closed, _) = host.recording(&pass);
    assert_eq!(closed["closed"]["why"], "unguarded");
}

fn stop_the_guard(host: &GuardedHost) {
    let pass = host.pass(15, &[]);
    let (_client, session, mark) = begin(host, &pass, "deploy", "kill -STOP $PPID; sleep MARK");
    ends_in_time(&pass, "deploy", &session, &mark);
}

fn stop_sshd(host: &GuardedHost) {
    let pass = host.pass(15, &[]);
    let script = "kill -STOP $(cut -d' ' -f4 /proc/$PPID/stat); sleep MARK";
    let (_client, session, mark) = begin(host, &pass, "deploy", script);
    ends_in_time(&pass, "deploy", &session, &mark);
}

fn trace_the_guard(host: &GuardedHost) {
    let script = "strace -p $PPID -o /dev/null; ls /proc/$PPID/fd; cat /proc/$PPID/environ";
    let output = host.run(&host.pass(60, &[]), script);
    for refused in [
        "strace: attach: ptrace(PTRACE_SEIZE",
        "cannot open directory",
        "environ: Permission denied",
    ] {
        assert!(output.stderr.contains(refused), "no {refused:?} in {output}");
    }
    // The same on what may be looked into shows that it is the guard that may not.
    host.run(&host.pass(60, &[]), "sleep 9 & timeout 1 strace -p $! -o /dev/null; ls /proc/$!/fd")
        .exits(0);
}

fn leave_the_cgroup(host: &GuardedHost) {
    let script = "for group in $(find /sys/fs/cgroup -name cgroup.procs -path '*unified*' -maxdepth 3) \
                  /sys/fs/cgroup/cgroup.procs; do (echo $$ >$group) 2>/dev/null && echo left by $group; done; \
                  echo tried; grep ^0: /proc/self/cgroup";
    let output = host.run(&host.pass(60, &[]), script).ok();
    assert!(!output.stdout.contains("left"), "{output}");
    output.says("tried").says("/jit-ca/");
}

fn forge_variables(host: &GuardedHost) {
    let pass = host.pass(15, &[]);
    let config = host.folder().join("host.toml");
    let script = format!(
        "unset SSH_USER_AUTH SSH_CONNECTION; export SHELL=/bin/false SSH_ORIGINAL_COMMAND='echo in''side; sleep MARK'; \
         exec $(readlink /proc/$PPID/exe || echo {}) --config {}",
        host.program("jit-ca-guard").display(),
        config.display()
    );
    let (_client, session, mark) = begin(host, &pass, "deploy", &script);
    ends_in_time(&pass, "deploy", &session, &mark);
    let (_, recorded) = host.recording(&pass);
    assert!(recorded.contains("inside"), "{recorded}");
}

fn fork_without_end(host: &GuardedHost) {
    let pass = host.pass(15, &[]);
    let script =
        "ulimit -u 200; sleep MARK & bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep MARK";
    let (_client, session, mark) = begin(host, &pass, "mallory", script);
    ends_in_time(&pass, "mallory", &session, &mark);
}

fn stop_reading(host: &GuardedHost) {
    let pass = host.pass(15, &[]);
    let (client, session, mark) = begin(host, &pass, "deploy", "sleep MARK & yes MARK");
    // A client that stops before it has asked for the command runs none.
    wait_for("the process", || (!marked("deploy", &mark).is_empty()).then_some(()));
    run(Command::new("kill").arg("-STOP").arg(client.0.id().to_string())).ok();
    ends_in_time(&pass, "deploy", &session, &mark);
}

fn speak_for_the_guard(host: &GuardedHost) {
    let script = format!(
        r#"python3 - <<'E'
import json, socket, struct
def say(kind, what):
    line = socket.socket(socket.AF_UNIX)
    line.connect("{}/run/hostd.sock")
    line.sendall(kind + struct.pack(">I", len(what)) + what)
    return line.recv(1000)[5:].decode()
print(say(b"h", json.dumps(dict(command=None, terminal=None)).encode()))
print(say(b"r", json.dumps(dict(channel=1)).encode()))
print(say(b"l", json.dumps(dict(account="deploy", proof=dict(methods=""))).encode()))
print(say(b"s", b""))
print(say(b"o", b"shown"))
print(say(b"h", b"hello"))
E"#,
        host.folder().display()
    );
    let output = host.run(&host.pass(60, &[]), &script);
    for refused in [
        "only the guard that is installed tells what is done",
        "this guard was not here before",
        "only sshd tells of connections",
        "what is open is told to root alone",
        "that is not for hostd to answer",
    ] {
        assert!(output.stdout.contains(refused), "no {refused:?} in {output}");
    }
}

fn read_recordings(host: &GuardedHost) {
    let folder = host.folder().display().to_string();
    let script = format!(
        "ls {folder}/state/sessions; echo x >>{folder}/state/sessions/lock; ls {folder}/run/connections; id -un"
    );
    let output = host.run(&host.pass(60, &[]), &script).ok();
    assert_eq!(output.stdout, "deploy\n");
    assert_eq!(output.stderr.matches("Permission denied").count(), 3, "{output}");
}

/// Where bash reads it: sshd's configuration has nothing against it here.
#[test]
fn a_shell_that_comes_before_the_guard_ends_the_connection() {
    let lab = Lab::new();
    let host = GuardedHost::start_with(&lab, &Setup { sshd: "", ..Setup::default() });
    let mark = format!("88888.{}", free_port());
    let file = "/home/trudy/.bashrc";
    let before = fs::read_to_string(file).unwrap_or_default();
    fs::write(file, format!("exec sleep {mark}\n")).unwrap();
    let pass = host.pass(300, &[]);
    let began = now();
    let client = Client::start(&mut host.ssh(&pass, "trudy", &["--", "true"]));
    let session = host.session(&pass);
    wait_for("the end", || held(&session).is_empty().then_some(()));
    fs::write(file, before).unwrap();
    assert!(now() < began + 8 && marked("trudy", &mark).is_empty());
    drop(client);
    let (closed, _) = host.recording(&pass);
    assert_eq!(closed["closed"]["why"], "unguarded");
}

#[test]
fn a_session_that_fills_its_recording_ends() {
    let lab = Lab::new();
    let toml = "[recording]\nsession = \"1 MiB\"";
    let host = GuardedHost::start_with(&lab, &Setup { toml, ..Setup::default() });
    let pass = host.pass(300, &[]);
    let output = run(&mut host.ssh(&pass, "deploy", &["-tt", "--", "yes a line that fills"]));
    assert!(output.stdout.contains("its recording is as long as one may be"), "{}", output.code);
    let (closed, _) = host.recording(&pass);
    assert_eq!(closed["closed"]["why"], "full");
    host.run(&host.pass(60, &[]), "echo again").ok();
}

#[test]
fn where_no_more_can_be_kept_break_glass_alone_is_let_in() {
    let lab = Lab::new();
    let toml = "[recording]\nspool = \"8 KiB\"";
    for hook in [Hook::Pam, Hook::Principals] {
        let host = GuardedHost::start_with(&lab, &Setup { hook, toml, ..Setup::default() });
        host.run(&host.pass(60, &[]), "echo first").ok();
        let refused = host.run(&host.pass(60, &[]), "echo second");
        assert!(refused.code != 0 && refused.stdout.is_empty(), "{refused}");
        let pass = host.pass(6, &[]);
        let rescue = |command| run(&mut host.ssh(&pass, "rescue", &["--", command]));
        let rescued =
            rescue("id -un; sleep 4; echo mended").ok().says("as much waits to be fetched as may");
        assert_eq!(rescued.stdout, "rescue\nmended\n");
        rescue("sleep 60").exits(255);
        assert!(now() <= pass.end + 2, "unrecorded, it ends all the same");
    }
}
