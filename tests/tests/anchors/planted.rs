//! Others may write to an anchor's folder, as at the file server. What they leave there reaches nothing of ours; and
//! where it is another daemon with our keys, one of the two ends.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use jit_ca_tests::{Lab, program, run, wait_for};

use super::place::{Note, OtherDisk, has_newest};
use super::succession::start;

#[test]
fn links_that_others_plant_lead_nowhere() {
    let lab = Lab::new();
    let disk = OtherDisk::new(&lab);
    let anchor = disk.file("checkpoint");
    let ca = start(&lab, &anchor);
    let more = || ca.jit_cad(&["user", "enroll", "dave"]).ok();
    has_newest(&ca, || Note::of_file(&anchor));

    // To the store, by a name that a daemon may write to: the store holds, as the end of the test finds.
    for name in ["checkpoint.new", "checkpoint.tmp"] {
        symlink(ca.data(), disk.file(name)).unwrap();
    }
    more();
    has_newest(&ca, || Note::of_file(&anchor));
    assert!(fs::symlink_metadata(&anchor).unwrap().is_file());
    assert!(fs::read(ca.data()).unwrap().starts_with(b"redb"));

    // To a secret, by the name that it reads: nobody sees it in the journal.
    fs::remove_file(&anchor).unwrap();
    symlink(lab.file("secret", "the wifi password"), &anchor).unwrap();
    more();
    wait_for("a warning", || ca.log_text().contains("is no regular file").then_some(()));
    assert!(!ca.log_text().contains("wifi"), "{}", ca.log_text());
    assert_eq!(fs::read_to_string(lab.path().join("secret")).unwrap(), "the wifi password");
    fs::remove_file(&anchor).unwrap();
    has_newest(&ca, || Note::of_file(&anchor));
}

#[test]
fn of_two_daemons_with_one_key_and_one_anchor_one_ends() {
    let lab = Lab::new();
    let disk = OtherDisk::new(&lab);
    let anchor = disk.file("mount/checkpoint");
    let mut ca = start(&lab, &anchor);
    ca.stop();
    let (folder, twin) = (lab.path().join("ca"), lab.path().join("twin"));
    run(Command::new("cp").arg("--archive").args([&folder, &twin])).ok();
    let (config, said) = (twin.join("config/jit-cad.toml"), twin.join("said"));
    let jit_cad = |words: &[&str]| {
        let mut command = Command::new(program("jit-cad"));
        command.env("JIT_CAD_PASSPHRASE", "the passphrase of a test");
        command.args(words).arg("--config").arg(&config);
        command
    };

    // Both are up before either has seen the anchor.
    ca.serve();
    let mut serve = jit_cad(&["serve", "--listen", "127.0.0.1:0"]);
    serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said).unwrap());
    let mut twin = serve.spawn().unwrap();
    wait_for("the twin", || {
        (run(&mut jit_cad(&["user", "enroll", "dave"])).code == 0).then_some(())
    });
    fs::create_dir(disk.file("mount")).unwrap();

    // Each goes on, until one finds what the other has left there.
    let ours_ended = wait_for("an end", || {
        run(&mut jit_cad(&["user", "enroll", "dave"]));
        let ours_ended = ca.jit_cad(&["user", "enroll", "dave"]).code != 0;
        let twin_ended = twin.try_wait().unwrap().is_some();
        (ours_ended || twin_ended).then_some(ours_ended)
    });
    if ours_ended {
        assert_eq!(ca.ends(), Some(1));
        twin.kill().unwrap();
    }
    let status = twin.wait().unwrap();
    assert!(ours_ended || status.code() == Some(1), "{status}");
    let said = ca.log_text() + &fs::read_to_string(&said).unwrap();
    assert!(said.contains("another daemon writes with its key"), "{said}");
    // What they have written over each other was whole each time.
    assert!(!said.contains("holds no checkpoint of this log"), "{said}");
    Note::of_file(&anchor).unwrap();
}
