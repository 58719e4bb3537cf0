//! How long a log of a million entries takes, and how much memory.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::Instant;

use jit_ca_core::IssuanceId;
use jit_ca_core::event::{EndCause, Factor, MfaEnrolled};

use super::*;
use crate::archive::{ArchiveWriter, CHECKPOINT, LOG_KEY};
use crate::part::{Part, PartKind, write_entries, write_payloads};
use crate::tree::leaf_hash;
use crate::{Checkpoint, Copies, Leaf, SignedCheckpoint};

/// Requests, approvals, grants and certificates of both kinds, with all their signatures.
const ENTRIES: u64 = 1_000_000;

#[test]
#[ignore = "writes a gigabyte; run it with --release"]
fn a_million_entries_are_verified_in_a_minute() {
    let teller = Teller::new();
    let mut file = tempfile::tempfile().unwrap();
    let size = write(&teller, &mut file);

    let started = Instant::now();
    let verdict = verify(&file, &Options::default(), &mut |_, _| ()).unwrap();
    let took = started.elapsed();
    let peak = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = peak.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    println!("{size} entries, {} bytes: {took:?}; {peak}", file.metadata().unwrap().len());
    assert_eq!(verdict.finding, None);
    assert!(took.as_secs() < 60);
}

/// The export of a log in which Alice asks and Bob approves, over and over.
fn write(teller: &Teller, file: &mut File) -> u64 {
    let mut beginning = teller.beginning();
    let login = IssuanceId::from_bytes([1; 16]);
    let serial = x509_serial(login);
    beginning.push((ALICE, teller.login(login, Factor::Totp { step: 1 }).into()));
    let enrolled = MfaEnrolled { subject: subject("u-1"), login: serial.clone(), step: 2 };
    beginning.push((ALICE, enrolled.into()));
    let bundle = in_force(&beginning);

    let mut told = Told::default();
    let (mut copies, mut levels, mut width) = (Copies::default(), Levels::new([]), 0);
    let mut archive = ArchiveWriter::new(&mut *file);
    // What the checkpoint will say is known at the end; it has the same length.
    let placeholder = note(teller, ENTRIES, crate::tree::empty_root());
    archive.member(CHECKPOINT, placeholder.as_str().as_bytes()).unwrap();
    archive.member(LOG_KEY, format!("{}\n", teller.log_key()).as_bytes()).unwrap();
    let mut stories = std::iter::once(beginning).chain((2..).map(|number| {
        let mut story = teller.access(bundle, number, &serial);
        let granted = teller.granted(&story, 0, 2);
        story.push((ALICE, granted.ended(0, EndCause::GivenBack).into()));
        story
    }));
    for index in (0..ENTRIES).step_by(256) {
        let held = usize::try_from((ENTRIES - index).min(256)).unwrap();
        while told.leaves.len() < width + held {
            stories.next().unwrap().iter().for_each(|(actor, event)| {
                told.push(*actor, event);
                copies.push(told.leaves.last().unwrap(), Some(event));
            });
        }
        let leaves: Vec<Vec<u8>> = told.leaves[width..][..held].iter().map(Leaf::encode).collect();
        let hashes: Vec<Digest> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        hashes.iter().for_each(|&hash| levels.push(hash));
        let records = told.records[width..][..held].iter_mut().map(std::mem::take);
        let records: Vec<Vec<u8>> = records.collect();
        width += held;
        let part = |kind| {
            let (index, width) = (index / 256, u16::try_from(held).unwrap());
            Part { kind, index, width }.to_string()
        };
        let hashes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
        archive.member(&part(PartKind::Hashes(0)), &hashes).unwrap();
        let leaves = write_entries(leaves.iter().map(Vec::as_slice)).unwrap();
        archive.member(&part(PartKind::Entries), &leaves).unwrap();
        let payloads =
            write_payloads(records.iter().map(|record| Some(record.as_slice()))).unwrap();
        archive.member(&part(PartKind::Payloads), &payloads).unwrap();
    }
    let above = (1..8).flat_map(|level| Part::all(PartKind::Hashes(level), ENTRIES));
    for (part, tile) in above.zip(levels.tiles()) {
        archive.member(&part.to_string(), &tile).unwrap();
    }
    copies.members().for_each(|(name, bytes)| archive.member(name, bytes).unwrap());
    archive.finish().unwrap();

    let note = note(teller, ENTRIES, levels.root());
    file.seek(SeekFrom::Start(512)).unwrap();
    file.write_all(note.as_str().as_bytes()).unwrap();
    ENTRIES
}

fn note(teller: &Teller, size: u64, root: Digest) -> SignedCheckpoint {
    let checkpoint = Checkpoint { origin: origin(), size, root };
    let signature = teller.keys.log.raw(checkpoint.to_string().as_bytes());
    checkpoint.with_signature(&teller.log_key(), &signature).unwrap()
}
