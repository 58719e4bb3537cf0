use std::io::Cursor;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::Checkpoint;

/// The archive of a log of this size whose parts hold nothing; it need not verify to be an archive.
fn members_of(size: u64) -> Vec<(String, Vec<u8>)> {
    let origin = "log.test".parse().unwrap();
    let checkpoint = Checkpoint { origin, size, root: crate::tree::empty_root() };
    let note = format!("{checkpoint}\n\u{2014} log.test AAAAAAAA\n").into_bytes();
    let mut members = vec![(CHECKPOINT.to_owned(), note), (LOG_KEY.to_owned(), b"key\n".to_vec())];
    members.extend(parts(size).map(|part| (part.to_string(), vec![7; part.width.into()])));
    members
}

fn write(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ArchiveWriter::new(Vec::new());
    members.iter().for_each(|(name, bytes)| writer.member(name, bytes).unwrap());
    writer.finish().unwrap()
}

fn open(bytes: &[u8]) -> Result<Archive<Cursor<&[u8]>>, ArchiveError> {
    Archive::open(Cursor::new(bytes))
}

/// A name of the longest kind: a prefix of 155 bytes, a `/`, and 100 bytes.
fn long_name() -> String {
    format!("bundles/{}/{}", "p".repeat(147), "n".repeat(100))
}

#[test]
fn members_come_back_and_tar_reads_them() {
    let mut members = members_of(300);
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "checkpoint",
            "log.key",
            "tile/0/000",
            "tile/entries/000",
            "payloads/000",
            "tile/0/001.p/44",
            "tile/entries/001.p/44",
            "payloads/001.p/44",
            "tile/1/000.p/1",
        ]
    );
    members.push(("ca/empty.pem".into(), Vec::new()));
    members.push(("bundles/1/größe".into(), vec![1; 512]));
    members.push((long_name(), vec![2; 513]));
    let bytes = write(&members);
    let mut archive = open(&bytes).unwrap();
    for (member, (name, bytes)) in archive.members().to_vec().iter().zip(&members) {
        assert_eq!((&member.name, &archive.read(member).unwrap()), (name, bytes));
    }
    assert_eq!(archive.members().len(), members.len());

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.tar");
    std::fs::write(&file, &bytes).unwrap();
    let tar = Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(folder.path()).status();
    assert!(tar.unwrap().success());
    for (name, bytes) in &members {
        assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), *bytes, "{name}");
    }
}

#[test]
fn a_header_is_for_ever() {
    let bytes = write(&[("tile/0/000".into(), vec![1; 65])]);
    let header = String::from_utf8(bytes[..512].to_vec()).unwrap().replace('\0', ".");
    assert_eq!(
        header,
        [
            "tile/0/000",
            &".".repeat(90),
            "0000644.0000000.0000000.00000000101.00000000000.007253. 0",
            &".".repeat(100),
            "ustar.00",
            &".".repeat(247),
        ]
        .concat()
    );
    assert_eq!(bytes.len(), 512 + 512 + 1_024);
}

#[test]
fn no_bit_outside_of_what_members_hold_can_be_another() {
    let bytes = write(&members_of(2));
    let members = open(&bytes).unwrap().members().to_vec();
    let is_held = |at: u64| {
        members.iter().any(|member| (member.offset..member.offset + member.size).contains(&at))
    };
    for at in (0..bytes.len()).filter(|&at| !is_held(at as u64)) {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(matches!(open(&changed), Err(ArchiveError::Malformed(_))), "{at}.{bit}");
        }
    }
}

#[test]
fn an_archive_is_of_its_length_and_order() {
    let members = members_of(300);
    let bytes = write(&members);
    for length in [0, 1, 511, 512, 1_024, bytes.len() - 1, bytes.len() - 512] {
        assert!(open(&bytes[..length]).is_err(), "{length}");
    }
    assert!(open(&[bytes.as_slice(), &[0]].concat()).is_err());
    assert!(open(&[bytes.as_slice(), &[0; 512]].concat()).is_err());
    for (one, other) in [(0, 1), (2, 3), (5, 8)] {
        let mut swapped = members.clone();
        swapped.swap(one, other);
        assert!(open(&write(&swapped)).is_err(), "{one}, {other}");
    }
    let with = |name: &str| {
        let more = (name.to_owned(), Vec::new());
        open(&write(&[members.as_slice(), &[more]].concat())).is_ok()
    };
    assert!(with("ca/x") && with("bundles/x"));
    assert!(!with("x") && !with("payloads/002") && !with("payloads/000"));

    // A checkpoint that can't be read asks for nothing; saying so is not the archive's.
    let mut unreadable = members.clone();
    unreadable[0].1.clear();
    assert!(open(&write(&unreadable)).unwrap().checkpoint().is_err());
}

#[test]
fn names_and_sizes_have_bounds() {
    let refused = |name: &str, bytes: &[u8]| {
        let error = ArchiveWriter::new(Vec::new()).member(name, bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
    };
    refused("", b"");
    refused("a\0b", b"");
    refused(&"n".repeat(101), b"");
    refused(&format!("x{}", long_name()), b"");
    refused(&format!("{}x", long_name()), b"");

    // A header of more than is there, and of more than anybody reads.
    for size in [513, LARGEST_MEMBER + 1, 1 << 32] {
        let mut bytes = write(&members_of(1));
        let at = open(&bytes).unwrap().members()[2].offset;
        let header = header::write("tile/0/000.p/1", size).unwrap();
        let at = usize::try_from(at).unwrap() - 512;
        bytes.splice(at..at + 512, header);
        assert!(matches!(open(&bytes), Err(ArchiveError::Malformed(_))), "{size}");
    }
}

proptest! {
    /// The prefix is as long as it can be, and whatever can be written is read.
    #[test]
    fn names_fall_into_prefix_and_name(name in "[a-z]{1,60}(/[a-z]{1,60}){0,5}") {
        let header = header::write(&name, 0);
        let cuts = name.match_indices('/').map(|(at, _)| at);
        let fits = |at: &usize| *at <= 155 && name.len() - at - 1 <= 100;
        match header {
            Some(header) => {
                prop_assert_eq!(header::read(&header), Some((name.clone(), 0)));
                let prefix = header[345..500].iter().take_while(|&&byte| byte != 0).count();
                let longest = cuts.filter(fits).max();
                prop_assert_eq!(prefix, if name.len() <= 100 { 0 } else { longest.unwrap() });
            }
            None => prop_assert!(name.len() > 100 && cuts.filter(fits).count() == 0),
        }
    }
}
