//! The power goes at every point, and no commit that was told is lost.

use std::collections::BTreeMap;
use std::env;

use redb::{Durability, WriteTransaction};

use super::disk::Change;
use super::record::{self, Recording, Told};
use super::states::{Counts, Fault, Search};

/// How many distinct states are looked at.
const STATES: (usize, usize) = (20_000, 1_000_000);
/// In how many of them a control must have gone red.
const CONTROL: usize = 20_000;
/// Where all chance comes from.
const SEED: u64 = 0x6a69_742d_6361;

#[test]
fn no_commit_is_lost_when_the_power_goes_and_goes_again() {
    let wanted = if env::var_os("JIT_CA_LONG").is_some() { STATES.1 } else { STATES.0 };
    let recording = record::by_the_sequencer();
    let commits = recording.versions.len();
    let counts = search(&recording, wanted, |_| ()).unwrap_or_else(|fault| panic!("{fault}"));
    println!("seed {SEED:#x}, {commits} commits: {counts:?}");
    assert!(counts.distinct >= wanted && counts.second >= wanted / 4, "{counts:?}");
    assert!(counts.went_on > 0 && counts.checked > 0, "{counts:?}");
}

#[test]
fn control_without_a_sync_a_commit_is_lost() {
    let none: fn(&mut WriteTransaction) = |write| write.set_durability(Durability::None).unwrap();
    let fault = red(&record::otherwise(none, Told::After), none);
    assert!(fault.contains("was told"), "{fault}");
}

#[test]
fn control_told_before_the_commit_it_is_lost() {
    let fault = red(&record::otherwise(|_| (), Told::Before), |_| ());
    assert!(fault.contains("was told"), "{fault}");
}

/// redb's default loses nothing on this disk: a checksum, which is no cryptographic one, says at a start whether what a
/// commit stands on is all there. So the control is what two phases are chosen for: that nothing depends on it.
#[test]
fn control_in_one_phase_commits_stand_on_what_may_not_be_there() {
    let one: fn(&mut WriteTransaction) = |write| {
        write.set_quick_repair(false);
        write.set_two_phase_commit(false);
    };
    let (all, alone) = commits_alone(&record::by_the_sequencer().changes);
    assert!(alone == all && all > 30, "{alone} of {all}");
    let (all, alone) = commits_alone(&record::otherwise(one, Told::After).changes);
    println!("red: {} of {all} commits", all - alone);
    assert!(alone < all / 2, "{alone} of {all}");
}

/// How many commits there were, and how many of them became the last one by a write that was on its way to the disk
/// alone, with all that they stand on synced before.
fn commits_alone(changes: &[Change]) -> (usize, usize) {
    /// Where redb says which of its two roots is the last commit's, and the bit that says it.
    const LAST: (usize, u8) = (9, 1);
    let (mut files, mut commits) = (BTreeMap::new(), (0, 0));
    for change in changes {
        let (Change::Write { file, .. } | Change::Length { file, .. } | Change::Synced { file }) =
            change
        else {
            continue;
        };
        let (bit, flips, others) = files.entry(*file).or_insert((0, 0, 0));
        match change {
            Change::Write { at: 0, bytes, .. } if bytes[LAST.0] & LAST.1 != *bit => {
                *bit ^= LAST.1;
                *flips += 1;
            }
            Change::Synced { .. } => {
                commits.0 += *flips;
                commits.1 += if *others == 0 { *flips } else { 0 };
                (*flips, *others) = (0, 0);
            }
            _ => *others += 1,
        }
    }
    commits
}

fn red(recording: &Recording, settings: fn(&mut WriteTransaction)) -> String {
    let fault = search(recording, CONTROL, settings).expect_err("the control must go red");
    println!("red: {fault}");
    fault.to_string()
}

fn search(
    recording: &Recording,
    wanted: usize,
    settings: fn(&mut WriteTransaction),
) -> Result<Counts, Fault> {
    Search { recording, seed: SEED, wanted, settings }.run()
}
