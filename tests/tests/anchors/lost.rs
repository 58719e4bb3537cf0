//! A store that is lost: what several anchors say of it is held against each other.

use std::fs;

use jit_ca_tests::{Ca, Lab};

use super::place::{Note, OtherDisk, Webhook, anchor_file, name_anchors};
use super::succession::{NEW, OLD, REASON, set_origin, start, succeed};

#[test]
fn anchors_that_contradict_each_other_or_are_silent_give_no_new_log() {
    let lab = Lab::new();
    let (disk, webhook) = (OtherDisk::new(&lab), Webhook::new(&lab));
    let (one, other) = (disk.file("one"), disk.file("other"));
    let mut ca = start(&lab, &one);
    ca.stop();
    let (begin, older) = (ca.snapshot("begin"), fs::read_to_string(&one).unwrap());
    // Two histories of one size, each seen by one of them.
    let goes_on = |ca: &mut Ca, anchor| {
        name_anchors(&ca.config(), &[anchor_file(anchor)]);
        ca.serve();
        ca.stop();
    };
    goes_on(&mut ca, &one);
    ca.restore(&begin);
    goes_on(&mut ca, &other);
    let [left, right] = [&one, &other].map(|file| Note::of_file(file).unwrap());
    assert_eq!(left.size, right.size);
    assert_ne!(left, right);
    fs::remove_dir_all(ca.data().parent().unwrap()).unwrap();
    set_origin(&ca, NEW);

    let from_anchors = |ca: &Ca, anchors: &[String]| {
        name_anchors(&ca.config(), anchors);
        succeed(ca, NEW, REASON, &["--from-anchor"])
    };
    let [one_of, other_of] = [&one, &other].map(|file| anchor_file(file));
    let both = [one_of.clone(), other_of.clone()];
    from_anchors(&ca, &both)
        .exits(1)
        .says("two histories of one log")
        .says(one.to_str().unwrap())
        .says(other.to_str().unwrap());
    // One that is silent may have seen more.
    for silent in [webhook.anchor("/ca", "ca.pem"), anchor_file(&disk.file("unmounted/one"))] {
        from_anchors(&ca, &[one_of.clone(), silent])
            .exits(1)
            .says("is not reached")
            .says("hint: it may hold a newer");
    }
    assert!(!ca.data().exists());

    // An older one may be of the same history, and nothing shows it; that is said.
    fs::write(&other, older).unwrap();
    from_anchors(&ca, &both)
        .ok()
        .says("these two can't be compared")
        .says(&format!("goes on from the {} of {OLD}", left.size));
    ca.serve();
}
