//! Copies where there is little room: what is written beside them comes first.

use std::ffi::OsString;

use super::*;
use crate::crash::Disk;

/// What a copy leaves beside what is to be kept free, in KiB, as `store/bounded.rs` has it.
const LEFT_BESIDE: u64 = 1 << 10;

/// A CA on a disk of its own, which keeps so many MiB free.
fn on_a_disk(keep: u64) -> (Disk, Scene) {
    let lab = Lab::new();
    let disk = Disk::new(&lab, "96m");
    let scene = Scene::in_lab(lab, |config| Disk::configure(config, &format!("{keep} MiB")));
    (disk, scene)
}

/// Takes all of the disk but so many KiB.
fn leave(disk: &Disk, free: u64) {
    disk.fill_to(&format!("{}KiB", disk.free() - free));
}

/// The name of a file while it is being written.
fn unfinished(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".new");
    name.into()
}

#[test]
fn a_copy_that_may_not_fit_is_not_begun() {
    let keep = 8;
    let (disk, scene) = on_a_disk(keep);
    let data = scene.ca.data();
    let taken = fs::metadata(&data).unwrap().blocks() * 512 / 1024;
    let takes = taken + taken / 8;
    leave(&disk, takes + (keep << 10));
    let beside = data.with_file_name("backup.redb");
    for command in [&["log", "compact"][..], &["log", "backup", beside.to_str().unwrap()]] {
        let begun = disk.free();
        let refused = scene.ca.jit_cad(command).exits(1).says("was not begun").says("make room");
        let said = format!("up to {} MiB and leaves {} MiB free", takes.div_ceil(1024), keep + 1);
        assert!(refused.stderr.contains(&said), "{said}: {refused}");
        assert!(disk.free() + 64 > begun, "it took room: {} of {begun} KiB", disk.free());
    }
    assert!(!unfinished(&data).exists() && !beside.exists());
    // Nobody else notices, and elsewhere there is room.
    scene.alice.take_x509(&scene.grant, &["-subj", "/CN=alice"]);
    let elsewhere = scene.lab.folder("backups").join("monday.redb");
    scene.backup(&elsewhere).ok();

    disk.empty();
    leave(&disk, takes + (keep << 10) + 2 * LEFT_BESIDE);
    scene.ca.jit_cad(&["log", "compact"]).ok();
    scene.alice.take_x509(&scene.grant, &["-subj", "/CN=alice"]);
}

#[test]
fn a_copy_that_the_room_is_taken_from_ends_and_certificates_go_on() {
    let (disk, scene) = on_a_disk(0);
    let data = scene.ca.data();
    let new = unfinished(&data);
    let beside = data.with_file_name("backup.redb");
    let backup = ["log", "backup", beside.to_str().unwrap()];
    let written = || fs::metadata(&data).unwrap().blocks() * 512 / 1024;
    for (command, file) in [(&["log", "compact"][..], new), (&backup, unfinished(&beside))] {
        let mut before = 0;
        let (ended, entries) = scene.issuing(|| {
            let ended = scene.interrupting(command, &file, || {
                before = written();
                leave(&disk, 2 * LEFT_BESIDE);
            });
            ended.exits(1).says("was not finished")
        });
        println!("{ended}{} certificates meanwhile, {} KiB left", entries.len(), disk.free());
        assert!(!file.exists() && !beside.exists());
        // What it had taken is free again, but for what was written meanwhile.
        let free = disk.free() + written().saturating_sub(before);
        assert!(free > LEFT_BESIDE / 2, "{free} KiB");
        scene.alice.take_x509(&scene.grant, &["-subj", "/CN=alice"]);
        disk.empty();
    }
    // What ended is begun anew. The file that takes the old one's place is bound to nothing any more.
    scene.ca.jit_cad(&["log", "compact"]).ok();
    leave(&disk, LEFT_BESIDE / 2);
    scene.alice.take_x509(&scene.grant, &["-subj", "/CN=alice"]);
}
