//! A store that was set back does not serve; where it does, the clients that saw more refuse it.

use std::fs;
use std::path::PathBuf;

use jit_ca_tests::{Ca, Lab};

use super::place::{Note, OtherDisk, anchor_file, has_newest, name_anchors};

/// How many copies of the store, of different age, are put back.
const COPIES: usize = 20;

#[test]
fn a_restored_store_is_refused_by_the_anchor_and_without_one_by_the_next_client() {
    let lab = Lab::new();
    let disk = OtherDisk::new(&lab);
    let file = disk.file("checkpoint");
    let mut ca = Ca::start_with(&lab, |config| {
        name_anchors(&config.join("jit-cad.toml"), &[anchor_file(&file)]);
    });
    let alice = ca.person("alice");
    let copies: Vec<PathBuf> = (0..COPIES)
        .map(|number| {
            let copy = ca.snapshot(&number.to_string());
            alice.jit_ca(&["request", "web-shell", "--reason", "INC-42", "--no-wait"]).exits(75);
            copy
        })
        .collect();
    alice.jit_ca(&["whoami"]).ok();
    ca.stop();
    let newest = ca.snapshot("newest");

    let anchored = fs::read_to_string(&file).unwrap();
    for copy in &copies {
        ca.restore(copy);
        let refused = ca.refuses_to_serve().exits(1);
        let anchored = Note::read(&anchored);
        refused
            .says("it was set back")
            .says(&format!("\n    {}\n", anchored.size))
            .says("log succeed");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), anchored, "the anchor is as it was");

    name_anchors(&ca.config(), &[]);
    for copy in &copies {
        ca.restore(copy);
        ca.serve();
        alice.jit_ca(&["whoami"]).exits(4);
        ca.stop();
    }

    // The newest is taken, by both.
    name_anchors(&ca.config(), &[anchor_file(&file)]);
    ca.restore(&newest);
    ca.serve();
    alice.jit_ca(&["whoami"]).ok();
}

#[test]
fn another_history_and_what_is_no_checkpoint_are_refused() {
    let lab = Lab::new();
    let disk = OtherDisk::new(&lab);
    let file = disk.file("checkpoint");
    let anchors = [anchor_file(&file)];
    let mut ca =
        Ca::start_with(&lab, |config| name_anchors(&config.join("jit-cad.toml"), &anchors));
    ca.stop();
    let begin = ca.snapshot("begin");
    ca.serve();
    ca.stop();
    let right = fs::read_to_string(&file).unwrap();

    // A store that was set back and has grown past the anchor, out of its sight, is still found out.
    ca.restore(&begin);
    name_anchors(&ca.config(), &[]);
    for _ in 0..3 {
        ca.serve();
        ca.stop();
    }
    let grown = ca.snapshot("grown");
    name_anchors(&ca.config(), &anchors);
    ca.refuses_to_serve().exits(1).says("another history");

    // As is a daemon that finds such a checkpoint while it serves: it ends, and leaves the anchor alone.
    fs::remove_file(&file).unwrap();
    ca.serve();
    has_newest(&ca, || Note::of_file(&file));
    fs::write(&file, &right).unwrap();
    ca.jit_cad(&["user", "enroll", "dave"]).ok();
    assert_eq!(ca.ends(), Some(1), "{}", ca.log_text());
    assert!(ca.log_text().contains("another history"), "{}", ca.log_text());
    assert_eq!(fs::read_to_string(&file).unwrap(), right);

    // What this log's key has not signed is no checkpoint of it, whatever it says.
    ca.restore(&grown);
    let forged = right.replacen('\n', "\n1", 1);
    let renamed = right.replace("ca.example.org/jit-ca", "ca.example.org/jit-cb");
    for wrong in [forged.as_str(), &renamed, "\u{1b}]0;title\u{7}", "", &"x".repeat(70_000)] {
        fs::write(&file, wrong).unwrap();
        let refused = ca.refuses_to_serve().exits(1).says("holds no checkpoint of this log");
        assert!(!refused.stderr.contains('\u{7}'), "a terminal obeys nothing of it");
        assert!(!refused.stderr.contains("xxx"), "it may be another file's, and is not shown");
    }
    fs::write(&file, &renamed).unwrap();
    ca.refuses_to_serve().exits(1).says("of the log ca.example.org/jit-cb");
    fs::write(&file, b"\xff\xfe").unwrap();
    ca.refuses_to_serve().exits(1).says("holds no checkpoint of this log");
    fs::remove_file(&file).unwrap();
    ca.serve();
}
