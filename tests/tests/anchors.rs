//! Checkpoints go where the CA's host can't reach back; a store that was set back is refused.

mod faults;
mod lost;
mod origins;
mod place;
mod planted;
mod restore;
mod succession;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use jit_ca_tests::{Ca, Lab, run, wait_for};
use serde_json::json;

use place::{
    DeadMount, Note, OtherDisk, Webhook, anchor_file, has_newest, leaf_hashes, name_anchors,
    size_of,
};

#[test]
fn checkpoints_reach_every_anchor_and_are_the_logs() {
    let lab = Lab::new();
    let (disk, mut webhook) = (OtherDisk::new(&lab), Webhook::new(&lab));
    webhook.start();
    let (file, beside) = (disk.file("checkpoint"), lab.path().join("checkpoint"));
    let mut ca = Ca::start_with(&lab, |config| {
        let files = [anchor_file(&file), anchor_file(&beside)];
        let anchors =
            [webhook.anchor("/ca", "ca.pem")].into_iter().chain(files).collect::<Vec<_>>();
        name_anchors(&config.join("jit-cad.toml"), &anchors);
    });

    let mut seen = Vec::new();
    let (alice, carol) = (ca.caller("alice"), ca.caller("carol"));
    for _ in 0..3 {
        alice.request("web-shell", json!({})).ok();
        seen.push(has_newest(&ca, || Note::of_file(&file)));
        has_newest(&ca, || webhook.notes().last().map(|note| Note::read(note)));
    }
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "whoever mounts the disk can read it");
    let leaves = leaf_hashes(&carol);
    let log_key = carol.wire.trust()["log_key"].as_str().unwrap().to_owned();
    seen.extend(webhook.notes().iter().map(|note| Note::read(note)));
    assert!(seen.len() > 6, "{seen:?}");
    for note in &seen {
        note.must_be_signed(&lab, &log_key);
        note.must_be_of(&leaves);
    }

    // The last entry says that the daemon stops, and is not lost on them either.
    ca.stop();
    let checked = ca.check_log().ok();
    let size: usize = checked.line().split(' ').next().unwrap().parse().unwrap();
    assert!(size > seen.last().unwrap().size);
    assert_eq!(Note::of_file(&file).unwrap().size, size);
    assert_eq!(Note::read(webhook.notes().last().unwrap()).size, size);

    // One of them is restored with the store; that is said.
    let warned = ca.log_text();
    let warned: Vec<_> =
        warned.lines().filter(|line| line.contains("on the disk that the log is on")).collect();
    assert!(
        matches!(warned.as_slice(), [line] if line.contains(beside.to_str().unwrap())),
        "{warned:?}"
    );
}

#[test]
fn anchors_that_are_not_reached_stop_nothing() {
    let lab = Lab::new();
    let (disk, mut webhook) = (OtherDisk::new(&lab), Webhook::new(&lab));
    // A folder that is not mounted, a mount that hangs, what is no file, a webhook that does not run.
    let dead = DeadMount::new(&lab);
    let (unmounted, pipe) = (disk.file("mount/checkpoint"), disk.file("pipe"));
    run(Command::new("mkfifo").arg(&pipe)).ok();
    let mut ca = Ca::start_with(&lab, |config| {
        let files = [&unmounted, &dead.file("checkpoint"), &pipe].map(|file| anchor_file(file));
        let webhooks = [
            webhook.anchor("/ca", "ca.pem"),
            webhook.anchor("/ca", "nobody.pem"),
            webhook.anchor("/moved", "ca.pem"),
            webhook.anchor("/large", "ca.pem"),
        ];
        name_anchors(&config.join("jit-cad.toml"), &[files.as_slice(), &webhooks].concat());
    });
    let (alice, bob) = (ca.caller("alice"), ca.caller("bob"));
    let grant = alice.granted("web-shell", json!({}), &[&bob])["grant"].clone();
    let key = alice.person.make_key("work", "ed25519");
    alice.take_ssh(&grant, &key);

    // Each outage is a line, and so is its end.
    let said =
        |ca: &Ca, what: &str| ca.log_text().lines().filter(|line| line.contains(what)).count();
    let not_reached = "it does not see the log grow";
    wait_for("seven warnings", || (said(&ca, not_reached) == 7).then_some(()));
    webhook.start();
    fs::create_dir(disk.file("mount")).unwrap();
    wait_for("two to be back", || (said(&ca, "is reached again") == 2).then_some(()));
    assert_eq!(said(&ca, not_reached), 7, "{}", ca.log_text());
    assert!(size_of(&ca) <= has_newest(&ca, || Note::of_file(&unmounted)).size);
    has_newest(&ca, || webhook.notes().last().map(|note| Note::read(note)));

    // A mount that hangs does not keep the daemon from ending, and nobody else was told anything.
    let sent = webhook.notes().len();
    ca.stop();
    assert!(webhook.notes().len() <= sent + 1, "the one that is trusted, once");
    let whys = [
        "(os error 2)",
        "has not answered within 5 seconds",
        "is no regular file",
        "UnknownIssuer",
        "the status 307",
    ];
    for why in whys {
        assert!(said(&ca, why) > 0, "{why}: {}", ca.log_text());
    }
}

#[test]
fn an_anchor_that_is_no_anchor_is_a_fault() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    ca.stop();
    name_anchors(
        &ca.config(),
        &["{ webhook = \"https://localhost\", ca_file = \"none.pem\" }".to_owned()],
    );
    ca.refuses_to_serve().exits(2).says("none.pem").says("hint: ");
    name_anchors(&ca.config(), &["{ flie = \"x\" }".to_owned()]);
    ca.refuses_to_serve().exits(2).says("flie").says("jit-cad.toml:").says("hint: ");
    name_anchors(&ca.config(), &[]);
    ca.serve();
}
