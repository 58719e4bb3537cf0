//! Anchors that fail in every way: not done, done and denied, not in time. None stops the CA, and what one has kept
//! against its own word still binds the CA.

use std::fs;
use std::path::Path;
use std::process::Command;

use jit_ca_tests::{Ca, Caller, Lab, run, wait_for};
use serde_json::{Value, json};

use super::place::{
    Note, OtherDisk, Webhook, anchor_file, has_newest, leaf_hashes, name_anchors, size_of,
};
use crate::crash::Disk;

/// What webhooks do, and whether they have kept what they were sent.
const WEBHOOKS: [(&str, bool); 10] = [
    ("get-500", false),
    ("get-cut", false),
    ("get-half", false),
    ("get-hang", false),
    ("post-lost-500", false),
    ("post-lost-cut", false),
    ("post-lost-hang", false),
    ("post-kept-500", true),
    ("post-kept-cut", true),
    ("post-kept-hang", true),
];

/// How strace makes calls on a file and its folder fail, and whether the checkpoint is there all the same.
const FILES: [(&str, Option<bool>); 5] = [
    ("-P FILE -e inject=/^open:error=EIO", Some(false)),
    ("-P FILE -e inject=read:error=EIO", Some(false)),
    ("-e inject=/^rename:error=EIO", Some(false)),
    ("-P FOLDER -e inject=fsync:error=EIO", Some(true)),
    // Late: it may be there or not.
    ("-P FOLDER -e inject=fsync:delay_enter=7000000", None),
];

const NOT_REACHED: &str = "it does not see the log grow";

/// People at work, whatever the anchors do.
struct Office {
    alice: Caller,
    bob: Caller,
    grant: Value,
}

impl Office {
    fn new(ca: &Ca) -> Self {
        let (alice, bob) = (ca.caller("alice"), ca.caller("bob"));
        let grant = alice.granted("web-shell", json!({}), &[&bob])["grant"].clone();
        Self { alice, bob, grant }
    }

    fn works(&self) {
        let key = self.alice.person.key();
        self.alice.take_ssh(&self.grant, &key);
        self.alice.granted("web-shell", json!({}), &[&self.bob]);
    }
}

#[test]
fn webhooks_that_fail_stop_nothing_and_bind_by_what_they_keep() {
    let lab = Lab::new();
    let mut webhook = Webhook::new(&lab);
    webhook.start();
    webhook.is_well(true);
    let mut ca = Ca::start_with(&lab, |config| {
        let anchors = WEBHOOKS.map(|(what, _)| webhook.anchor(&format!("/ill/{what}"), "ca.pem"));
        name_anchors(&config.join("jit-cad.toml"), &anchors);
    });
    let newest = |what: &str| webhook.notes_of_ill(what).last().map(|note| Note::read(note));
    let held = |what: &str| newest(what).map_or(0, |note| note.size);
    let office = Office::new(&ca);
    let carol = ca.caller("carol");
    ca.stop();
    let before = ca.snapshot("before");
    let begun = held(WEBHOOKS[0].0);
    assert!(begun > 0 && WEBHOOKS.iter().all(|(what, _)| held(what) == begun));

    // All of them are ill, from a start to the next one after a kill.
    webhook.is_well(false);
    let mut said = 0;
    for _ in 0..2 {
        ca.serve();
        let grown = size_of(&ca);
        office.works();
        wait_for("a warning of each", || {
            let warned = ca.log_text().matches(NOT_REACHED).count() - said;
            (warned == WEBHOOKS.len()).then_some(())
        });
        said += WEBHOOKS.len();
        office.works();
        for (what, keeps) in WEBHOOKS {
            let kept = held(what);
            assert_eq!(kept >= grown, keeps, "{what} holds {kept}, the log held {grown}");
            assert!(keeps || kept == begun, "{what} holds {kept}");
        }
        ca.kill();
    }

    // What a webhook has kept and denied is its word all the same: this store was set back.
    let now = ca.snapshot("now");
    ca.restore(&before);
    ca.refuses_to_serve().exits(1).says("was set back").says("/ill/post-kept-500");
    ca.restore(&now);

    webhook.is_well(true);
    ca.serve();
    office.works();
    for (what, _) in WEBHOOKS {
        has_newest(&ca, || newest(what));
    }
    let leaves = leaf_hashes(&carol);
    let log_key = carol.wire.trust()["log_key"].as_str().unwrap().to_owned();
    for (what, _) in WEBHOOKS {
        for note in webhook.notes_of_ill(what) {
            let note = Note::read(&note);
            note.must_be_signed(&lab, &log_key);
            note.must_be_of(&leaves);
        }
    }
}

#[test]
fn files_that_fail_stop_nothing_and_are_brought_up() {
    let lab = Lab::new();
    let disk = OtherDisk::new(&lab);
    let file = disk.file("checkpoint");
    let mut ca = Ca::start_with(&lab, |config| {
        name_anchors(&config.join("jit-cad.toml"), &[anchor_file(&file)]);
    });
    let office = Office::new(&ca);
    ca.stop();
    for (fault, keeps) in FILES {
        let arguments = fault.replace("FILE", file.to_str().unwrap());
        let arguments = arguments.replace("FOLDER", file.parent().unwrap().to_str().unwrap());
        let starter = format!("strace -D -f -qqq -o /dev/null {arguments}");
        let starter: Vec<&str> = starter.split(' ').collect();
        must_be_brought_up(
            (&mut ca, &office),
            (&file, keeps),
            |ca| assert!(ca.serve_by(&starter), "it starts"),
            || (),
        );
    }
}

/// strace comes once the daemon serves: at its start it syncs the store's folder by the same call.
#[test]
fn a_checkpoint_that_can_not_be_synced_is_not_kept() {
    let lab = Lab::new();
    let disk = OtherDisk::new(&lab);
    let file = disk.file("checkpoint");
    let ca = Ca::start_with(&lab, |config| {
        name_anchors(&config.join("jit-cad.toml"), &[anchor_file(&file)]);
    });
    let office = Office::new(&ca);
    has_newest(&ca, || Note::of_file(&file));
    let before = Note::of_file(&file).unwrap().size;
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qqq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO"]);
    let mut strace = strace.args(["-p", &ca.pid().to_string()]).spawn().unwrap();
    let status = format!("/proc/{}/status", ca.pid());
    wait_for("strace", || {
        let status = fs::read_to_string(&status).unwrap();
        (!status.contains("TracerPid:\t0\n")).then_some(())
    });
    office.works();
    wait_for("a warning", || ca.log_text().contains(NOT_REACHED).then_some(()));
    assert_eq!(Note::of_file(&file).unwrap().size, before);
    // Well again, it is brought up.
    run(Command::new("kill").arg(strace.id().to_string())).ok();
    strace.wait().unwrap();
    has_newest(&ca, || Note::of_file(&file));
}

#[test]
fn a_full_disk_of_an_anchor_stops_nothing() {
    let lab = Lab::new();
    let disk = Disk::new(&lab, "8m");
    let file = lab.path().join("disk/checkpoint");
    let mut ca = Ca::start_with(&lab, |config| {
        name_anchors(&config.join("jit-cad.toml"), &[anchor_file(&file)]);
    });
    let office = Office::new(&ca);
    ca.stop();
    disk.fill();
    must_be_brought_up((&mut ca, &office), (&file, Some(false)), Ca::serve, || disk.empty());
}

/// The CA works while its anchor fails; a start after a kill finds the anchor well, and brings it up to the log's end.
fn must_be_brought_up(
    (ca, office): (&mut Ca, &Office),
    (file, keeps): (&Path, Option<bool>),
    serve_with_fault: impl FnOnce(&mut Ca),
    mend: impl FnOnce(),
) {
    let size = |file| Note::of_file(file).unwrap().size;
    let (before, said) = (size(file), ca.log_text().matches(NOT_REACHED).count());
    serve_with_fault(ca);
    let grown = size_of(ca);
    office.works();
    wait_for("a warning", || (ca.log_text().matches(NOT_REACHED).count() > said).then_some(()));
    office.works();
    match keeps {
        Some(true) => assert!(size(file) >= grown),
        Some(false) => assert_eq!(size(file), before),
        None => {}
    }
    ca.kill();

    mend();
    ca.serve();
    office.works();
    ca.stop();
    let checked = ca.check_log().ok();
    let end: usize = checked.line().split(' ').next().unwrap().parse().unwrap();
    assert_eq!(size(file), end);
}
