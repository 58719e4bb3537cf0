use super::*;
use jit_ca_core::{ActorRef, Digest};
use jit_ca_log::archive::{ArchiveWriter, CHECKPOINT, LOG_KEY, parts};
use jit_ca_log::part::{write_entries, write_payloads};
use jit_ca_log::verify::{Code, Counts, Finding};
use jit_ca_log::{Checkpoint, Ids};

/// An archive of 300 entries, each of an issuance with its index as id.
fn archive() -> Archive<std::io::Cursor<Vec<u8>>> {
    let origin: jit_ca_core::Origin = "ca.example.org/jit-ca".parse().unwrap();
    let root = Digest::from_bytes([1; 32]);
    let checkpoint = Checkpoint { origin: origin.clone(), size: 300, root };
    let signature = Base64::encode_string(&[0; 68]);
    let note = format!("{checkpoint}\n\u{2014} {origin} {signature}\n");
    let leaf = |idx: u64| {
        let issuance = IssuanceId::from_bytes(u128::from(idx).to_be_bytes());
        let leaf = Leaf {
            entry_type: "issue.intent".parse().unwrap(),
            idx,
            ts_ms: 0,
            actor: ActorRef::DAEMON,
            ids: Ids { issuance: Some(issuance), ..Ids::default() },
            bundle: None,
            tbs: None,
            commit: root,
        };
        leaf.encode()
    };
    let mut writer = ArchiveWriter::new(Vec::new());
    writer.member(CHECKPOINT, note.as_bytes()).unwrap();
    writer.member(LOG_KEY, b"none\n").unwrap();
    for part in parts(300) {
        let (first, end) = part.range();
        let bytes = match part.kind {
            PartKind::Hashes(_) => vec![0; 32 * usize::from(part.width)],
            PartKind::Entries => {
                let leaves: Vec<_> = (first..end).map(leaf).collect();
                write_entries(leaves.iter().map(Vec::as_slice)).unwrap()
            }
            PartKind::Payloads => write_payloads((first..end).map(|_| None)).unwrap(),
        };
        writer.member(&part.to_string(), &bytes).unwrap();
    }
    Archive::open(std::io::Cursor::new(writer.finish().unwrap())).unwrap()
}

#[test]
fn orphans_are_named() {
    let mut archive = archive();
    for index in [0, 255, 256, 299] {
        let id = IssuanceId::from_bytes(u128::from(index).to_be_bytes());
        assert_eq!(orphan(&mut archive, index), format!("entry {index} {id}"));
    }
    assert_eq!(issuance(&mut archive, 300), None);
}

#[test]
fn a_verdict_is_a_few_lines() {
    let counts = Counts { certificates: 3, orphans: vec![7], ..Counts::default() };
    let holds = Verdict {
        finding: None,
        origin: Some("ca.example.org/jit-ca".parse().unwrap()),
        size: Some(300),
        root: Some(Digest::from_bytes([0; 32])),
        counts: Some(counts),
        observed: None,
        pins: 1,
    };
    let view = |verdict| View {
        verdict,
        key: None,
        key_from: KeyFrom::Archive,
        seen: None,
        is_pinned_by_kept: false,
        orphans: vec!["entry 7 i-x".to_owned()],
    };
    let shown = text(&view(holds.clone()));
    assert!(shown.contains("entries          300\n"), "{shown}");
    assert!(shown.contains("without outcome  entry 7 i-x\n"), "{shown}");
    assert!(!shown.contains("erased") && shown.ends_with("\nholds"), "{shown}");

    let finding = Finding { code: Code::Approval, index: Some(17), message: "why".to_owned() };
    let broken = Verdict { finding: Some(finding), counts: None, ..holds };
    let shown = text(&view(broken.clone()));
    assert!(shown.ends_with("\nbroken: entry 17 (approval): why"), "{shown}");
    let json = serde_json::to_value(view(broken)).unwrap();
    assert_eq!(json["code"], "approval");
    assert_eq!((&json["first_bad_index"], &json["key_from"]), (&17.into(), &"archive".into()));
}
