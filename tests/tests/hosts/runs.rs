//! What a user notices of the guard: nothing, but that it says when access ends.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use jit_ca_tests::{GuardedHost, Lab, Pass, mix, now, run};

#[test]
fn commands_end_as_they_would_without_the_guard() {
    let lab = Lab::new();
    let host = GuardedHost::start(&lab);
    let pass = host.pass(60, &[]);
    let output = host.run(&pass, "echo out; echo err >&2; exit 7").exits(7);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    let (closed, recorded) = host.recording(&pass);
    assert_eq!(closed["closed"]["why"], "left");
    assert!(recorded.contains("exit 7") && recorded.contains(r#""x","7"]"#), "{recorded}");

    let pass = host.pass(60, &[]);
    // ssh has no exit code for a signal.
    host.run(&pass, "kill -TERM $$").exits(255);
    host.run(&pass, "tty; echo $SHLVL-$SHELL-$SSH_ORIGINAL_COMMAND").exits(0).says("-/bin/bash-\n");

    let pass = host.pass(60, &[]);
    let mut shell = host.ssh(
        &pass,
        "deploy",
        &["-tt", "--", "tty; for n in {1..20000}; do echo $n; done; exit 3"],
    );
    let output = run(&mut shell).exits(3).says("/dev/pts/");
    assert!(output.stdout.ends_with("\r\n19999\r\n20000\r\n"), "{output}");
    let (_, recorded) = host.recording(&pass);
    assert!(recorded.contains(r"19999\r\n20000\r\n"), "{recorded}");
}

#[test]
fn a_forced_command_is_run_instead() {
    let lab = Lab::new();
    let host = GuardedHost::start(&lab);
    let pass = host.pass(60, &["-O", "force-command=echo forced: $SSH_ORIGINAL_COMMAND"]);
    assert_eq!(host.run(&pass, "id").ok().line(), "forced: id");
    let shell = run(&mut host.ssh(&pass, "deploy", &["-tt"])).ok();
    assert_eq!(shell.line(), "forced:");
}

#[test]
fn terminals_are_told_when_access_ends() {
    let lab = Lab::new();
    let host = &GuardedHost::start(&lab);
    thread::scope(|scope| {
        for (seconds, told) in [(302, "in 5 minutes"), (62, "in 1 minute")] {
            scope.spawn(move || {
                let pass = host.pass(seconds, &[]);
                let output = run(&mut host.ssh(&pass, "deploy", &["-tt", "--", "sleep 4"])).ok();
                let date = Command::new("date").args(["-u", "+%T", "-d", &format!("@{}", pass.end)]).output();
                let end = String::from_utf8(date.unwrap().stdout).unwrap();
                let told = format!("*** access to deploy@web1 ends at {} UTC, {told}; ask again: jit-ca ssh deploy@web1 ***", end.trim());
                assert!(output.stdout.contains(&told), "no {told:?} in {output}");
                assert_eq!(output.stdout.matches("***").count(), 2, "{output}");
                let (_, recorded) = host.recording(&pass);
                assert!(recorded.contains(&told), "{recorded}");
            });
        }
        scope.spawn(move || {
            let pass = host.pass(4, &[]);
            let output = run(&mut host.ssh(&pass, "deploy", &["-tt", "--", "sleep 60"])).exits(255);
            output.says("access to deploy@web1 has ended at");
            assert!(now() <= pass.end + 2);
        });
    });
}

#[test]
fn files_arrive_as_they_were_sent() {
    let lab = Lab::new();
    let host = GuardedHost::start(&lab);
    let pass = host.pass(120, &[]);
    let bytes: Vec<u8> = (0..400_000).flat_map(|number| mix(number).to_be_bytes()).collect();
    let sent = lab.file("sent", &bytes);
    let there = format!("/tmp/jit-ca-sent-{}", pass.serial());
    let ways: [fn(&Scene, &Path, &str, &Path); 5] = [scp, old_scp, sftp, rsync, git];
    for (number, way) in ways.into_iter().enumerate() {
        let back = lab.path().join(format!("back-{number}"));
        run(Command::new("rm").arg("-rf").arg(&there)).ok();
        way(&Scene { host: &host, pass: &pass }, &sent, &there, &back);
        assert!(fs::read(&back).unwrap() == bytes, "way {number}");
    }
    run(Command::new("rm").arg("-rf").arg(&there)).ok();
}

struct Scene<'a> {
    host: &'a GuardedHost,
    pass: &'a Pass,
}

impl Scene<'_> {
    fn client(&self, program: &str, arguments: &[&str]) -> Command {
        let mut client = self.host.client(program, self.pass);
        client.args(arguments);
        client
    }

    /// For those who call ssh.
    fn ssh(&self) -> String {
        format!("ssh {}", self.host.options(self.pass).join(" "))
    }
}

fn scp(scene: &Scene, sent: &Path, there: &str, back: &Path) {
    copy(scene, &[], sent, there, back);
}

fn old_scp(scene: &Scene, sent: &Path, there: &str, back: &Path) {
    copy(scene, &["-O"], sent, there, back);
}

fn copy(scene: &Scene, options: &[&str], sent: &Path, there: &str, back: &Path) {
    let far = format!("deploy@127.0.0.1:{there}");
    let (sent, back) = (sent.to_str().unwrap(), back.to_str().unwrap());
    run(&mut scene.client("scp", &[options, &[sent, &far]].concat())).ok();
    run(&mut scene.client("scp", &[options, &[&far, back]].concat())).ok();
}

#[test]
fn the_files_of_scp_and_sftp_are_recorded() {
    let lab = Lab::new();
    let host = GuardedHost::start(&lab);
    let sent = lab.file("sent", [7; 100_000]);
    let ways: [fn(&Scene, &Path, &str, &Path); 2] = [scp, sftp];
    for way in ways {
        let pass = host.pass(60, &[]);
        let there = format!("/tmp/jit-ca-sent-{}", pass.serial());
        way(&Scene { host: &host, pass: &pass }, &sent, &there, &lab.path().join("back"));
        fs::remove_file(&there).unwrap();
        let both: String =
            host.recordings(&pass).into_iter().map(|(_, recorded)| recorded).collect();
        for told in [format!("write {there} 100000"), format!("read {there} 100000")] {
            assert!(both.contains(&told), "no {told:?} in {both}");
        }
    }
}

fn sftp(scene: &Scene, sent: &Path, there: &str, back: &Path) {
    let batch = sent.with_extension("batch");
    fs::write(&batch, format!("put {} {there}\nget {there} {}\n", sent.display(), back.display()))
        .unwrap();
    run(&mut scene.client("sftp", &["-b", batch.to_str().unwrap(), "deploy@127.0.0.1"])).ok();
}

fn rsync(scene: &Scene, sent: &Path, there: &str, back: &Path) {
    let far = format!("deploy@127.0.0.1:{there}");
    let copy = |from: &str, to: &str| {
        run(Command::new("rsync").args(["-e", &scene.ssh(), "--checksum", from, to])).ok();
    };
    copy(sent.to_str().unwrap(), &far);
    copy(&far, back.to_str().unwrap());
}

fn git(scene: &Scene, sent: &Path, there: &str, back: &Path) {
    let local = sent.with_extension("git");
    let git = |folder: &Path, arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@example.org", "-C"]).arg(folder);
        run(git.args(arguments).env("GIT_SSH_COMMAND", scene.ssh())).ok();
    };
    fs::create_dir_all(&local).unwrap();
    fs::copy(sent, local.join("file")).unwrap();
    scene.host.run(scene.pass, &format!("git init -q --bare {there}")).ok();
    let far = format!("deploy@127.0.0.1:{there}");
    git(&local, &["init", "-q"]);
    git(&local, &["add", "."]);
    git(&local, &["commit", "-qm", "a"]);
    git(&local, &["push", "-q", &far, "HEAD:refs/heads/main"]);
    let clone = sent.with_extension("clone");
    git(Path::new("/"), &["clone", "-qb", "main", &far, clone.to_str().unwrap()]);
    fs::copy(clone.join("file"), back).unwrap();
}
