//! hostd is killed, is away, and comes back.

use std::fs;
use std::thread;
use std::time::Duration;

use super::{Client, held, marked};
use jit_ca_tests::{GuardedHost, Hook, Lab, Pass, Setup, now, run, wait_for};

#[test]
fn nothing_is_lost_when_hostd_is_killed_and_comes_back() {
    let lab = Lab::new();
    let mut host = GuardedHost::start(&lab);
    let pass = host.pass(60, &[]);
    let script = "for n in {1..3000}; do echo line-$n-; done; sleep 2; echo between-; sleep 2; echo last-; exit 5";
    let mut client = host.ssh(&pass, "deploy", &["-tt", "--", script]);
    let client = thread::spawn(move || run(&mut client));
    let session = host.session(&pass);
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(300));
        host.kill_hostd();
        thread::sleep(Duration::from_millis(700));
        host.start_hostd();
        assert_eq!(host.open()[0]["id"], session.as_str());
    }
    let output = client.join().unwrap().exits(5);
    let (closed, recorded) = host.recording(&pass);
    assert_eq!(closed["closed"]["why"], "left");
    let shown = recorded.lines().filter_map(|event| event.split(r#","o",""#).nth(1));
    let shown: String = shown.filter_map(|text| text.strip_suffix("\"]")).collect();
    let lines = (1..=3000).map(|number| format!("line-{number}-\\r\\n")).collect::<String>();
    assert_eq!(shown, lines + r"between-\r\nlast-\r\n");
    assert!(output.stdout.ends_with("line-3000-\r\nbetween-\r\nlast-\r\n"), "{output}");
}

#[test]
fn what_ended_while_hostd_was_away_is_ended_as_it_comes_back() {
    let lab = Lab::new();
    let mut host = GuardedHost::start(&lab);
    let pass = host.pass(6, &[]);
    let mut ssh = host.ssh(&pass, "deploy", &["-N"]);
    let _client = Client::start(&mut ssh);
    let session = host.session(&pass);
    host.kill_hostd();
    while now() < pass.end + 1 {
        thread::sleep(Duration::from_millis(50));
    }
    assert!(!held(&session).is_empty(), "nobody was there to end it");
    host.start_hostd();
    let begun = now();
    wait_for("the end", || held(&session).is_empty().then_some(()));
    assert!(now() <= begun + 2);
}

#[test]
fn a_session_ends_whose_hostd_does_not_come_back() {
    let lab = Lab::new();
    let mut host = GuardedHost::start(&lab);
    let pass = host.pass(300, &[]);
    let mut ssh = host.ssh(&pass, "deploy", &["-tt", "--", "sleep 99.9"]);
    let client = thread::spawn(move || run(&mut ssh));
    wait_for("the command", || (!marked("deploy", "sleep 99.9").is_empty()).then_some(()));
    host.kill_hostd();
    client.join().unwrap().exits(255).says("jit-ca-hostd is gone, so this session ends");
}

#[test]
fn without_hostd_nobody_is_let_in_but_by_break_glass() {
    let lab = Lab::new();
    let mut host = GuardedHost::start(&lab);
    let pass = host.pass(60, &["-O", "force-command=echo forced"]);
    host.kill_hostd();
    let refused = host.run(&host.pass(60, &[]), "id -un").exits(255);
    refused.says("jit-ca-hostd can't be reached");
    let rescue = |pass: &Pass, command| run(&mut host.ssh(pass, "rescue", &["--", command]));
    let rescued = rescue(&host.pass(60, &[]), "id -un").ok();
    assert_eq!(rescued.line(), "rescue");
    rescued.says("what is done now is not recorded");
    assert_eq!(rescue(&pass, "id -un").ok().line(), "forced");
}

#[test]
fn a_key_of_the_hosts_own_opens_what_is_set_apart_for_it() {
    for hook in [Hook::Pam, Hook::Principals] {
        let lab = Lab::new();
        let host = GuardedHost::start_with(&lab, &Setup { hook, ..Setup::default() });
        let public = fs::read_to_string(host.folder().join("id.pub")).unwrap();
        for account in ["deploy", "rescue"] {
            fs::write(host.keys(account), &public).unwrap();
        }
        let key = host.key();
        let log_in = |account| run(&mut host.ssh(&key, account, &["--", "id -un"]));
        assert_eq!(log_in("rescue").ok().line(), "rescue");
        let refused = log_in("deploy");
        assert!(refused.code != 0 && refused.stdout.is_empty(), "{refused}");
    }
}
