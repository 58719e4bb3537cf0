//! What a user notices of the guard: nothing, but that it says when access ends.

use jit_ca_tests::{GuardedHost, Hook, Lab, run};

#[test]
fn commands_end_as_they_would_without_the_guard() {
    let lab = Lab::new();
    let host = GuardedHost::start(&lab, Hook::Pam);
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
