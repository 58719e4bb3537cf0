//! The demo does what the README says of it, and can fail.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jit_ca_tests::{Lab, Output, as_root, program, repository, run};

/// The demo on the programs of this build, with a temporary folder of its own.
fn demo(lab: &Lab, path: Option<&Path>) -> Command {
    // The account is the tests', so that the demo does not take it away when it ends.
    if run(Command::new("id").arg("deploy")).code != 0 {
        run(as_root("useradd").args([
            "--create-home",
            "--shell",
            "/bin/bash",
            "--password",
            "*",
            "deploy",
        ]))
        .ok();
    }
    // Whoever started the tests may ignore an interrupt; what runs in the background of a script does.
    let mut demo = Command::new("env");
    demo.arg("--default-signal=INT").arg(repository().join("deploy/demo.sh"));
    demo.env("JIT_CA_BIN_DIR", program("jit-ca").parent().unwrap())
        .env("TMPDIR", lab.folder("tmp"));
    if let Some(path) = path {
        let rest = std::env::var("PATH").unwrap();
        demo.env("PATH", format!("{}:{rest}", path.display()));
    }
    demo
}

/// Nothing of the demo is left: no file, no process.
#[track_caller]
fn nothing_is_left(lab: &Lab) {
    let folder = lab.folder("tmp");
    let left: Vec<_> = fs::read_dir(&folder).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    let folder = folder.display().to_string();
    let left = fs::read_dir("/proc").unwrap().filter_map(|process| {
        let command = fs::read(process.unwrap().path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        command.contains(&folder).then_some(command)
    });
    let left: Vec<_> = left.collect();
    assert!(left.is_empty(), "{left:#?}");
}

/// A folder with a program that stands in for another.
fn stand_in(lab: &Lab, name: &str, script: &str) -> PathBuf {
    let folder = lab.folder("stand-ins");
    let file = folder.join(name);
    fs::write(&file, format!("#!/bin/bash\n{script}\n")).unwrap();
    fs::set_permissions(file, PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

fn fails(lab: &Lab, stand_ins: &Path) -> Output {
    let output = run(&mut demo(lab, Some(stand_ins)));
    assert_ne!(output.code, 0, "{output}");
    nothing_is_left(lab);
    output.says("demo: FAILED")
}

#[test]
fn it_tells_the_whole_story_in_time_and_leaves_nothing() {
    let lab = Lab::new();
    let begun = Instant::now();
    let output = run(&mut demo(&lab, None)).ok();
    assert!(begun.elapsed() < Duration::from_secs(180), "{:?}", begun.elapsed());
    for said in [
        "$ jit-ca login",
        "web-logs",
        "approve",
        "deploy",
        "hello",
        "Certificate invalid: expired",
        "400",
        "issue.intent",
    ] {
        assert!(output.stdout.contains(said), "{said} is not in {output}");
    }
    nothing_is_left(&lab);
}

#[test]
fn it_fails_when_ssh_is_broken() {
    let lab = Lab::new();
    fails(&lab, &stand_in(&lab, "ssh", "exit 1"));
}

#[test]
fn it_fails_when_ssh_only_pretends() {
    let lab = Lab::new();
    // What the demo expects to read, from nobody who was let in anywhere.
    fails(&lab, &stand_in(&lab, "ssh", "echo 'upstream timed out'; echo deploy"));
}

#[test]
fn it_fails_when_sshd_trusts_another_ca() {
    let lab = Lab::new();
    let script = "
        while getopts f:E: option; do [[ $option != f ]] || config=$OPTARG; done
        folder=$(dirname \"$config\")
        ssh-keygen -q -t ed25519 -N '' -f \"$folder/other_ca\"
        sed -i \"s,^TrustedUserCAKeys .*,TrustedUserCAKeys $folder/other_ca.pub,\" \"$config\"
        exec /usr/sbin/sshd \"$@\"";
    fails(&lab, &stand_in(&lab, "sshd", script)).says("Permission denied");
}

#[test]
fn it_cleans_up_when_it_is_interrupted() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let lab = Lab::new();
        let mut demo = demo(&lab, None);
        let mut running =
            demo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines =
            BufReader::new(running.stdout.take().unwrap()).lines().map_while(Result::ok);
        // By then everything runs that it starts.
        lines.find(|line| line.contains("Alice logs in")).expect("a line");
        run(Command::new("kill").arg(format!("-{signal}")).arg(running.id().to_string())).ok();
        lines.for_each(drop);
        assert_eq!(running.wait().unwrap().code(), Some(code));
        nothing_is_left(&lab);
    }
}
