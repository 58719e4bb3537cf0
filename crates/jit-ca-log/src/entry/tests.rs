use proptest::prelude::*;

use super::*;

/// An intent with every key.
fn whole() -> Leaf {
    Leaf {
        entry_type: "issue.intent".parse().unwrap(),
        idx: 4711,
        ts_ms: 1_795_338_000_123,
        actor: ActorRef::from_bytes([0xac; 16]),
        ids: Ids {
            request: Some(RequestId::from_bytes([0x11; 16])),
            grant: Some(GrantId::from_bytes([0x22; 16])),
            issuance: Some(IssuanceId::from_bytes([0x33; 16])),
        },
        bundle: Some(Digest::from_bytes([0xbb; 32])),
        tbs: Some(Digest::from_bytes([0x44; 32])),
        commit: commit(&[0x55; 32], b"payload"),
    }
}

fn bare() -> Leaf {
    let none = Ids { request: None, grant: None, issuance: None };
    Leaf {
        entry_type: "stop".parse().unwrap(),
        idx: 0,
        ids: none,
        bundle: None,
        tbs: None,
        ..whole()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The format is for ever: these bytes must never change.
#[test]
#[rustfmt::skip]
fn golden_bytes() {
    let whole_bytes = [
        "a9",
        "6176" /* v */, "01",
        "63696473" /* ids */, "a3",
        "6167" /* g */, "50", "22222222222222222222222222222222",
        "6169" /* i */, "50", "33333333333333333333333333333333",
        "6172" /* r */, "50", "11111111111111111111111111111111",
        "63696478" /* idx */, "191267",
        "63746273" /* tbs */, "5820",
        "4444444444444444444444444444444444444444444444444444444444444444",
        "6474797065" /* type */, "6c", "69737375652e696e74656e74",
        "656163746f72" /* actor */, "50", "acacacacacacacacacacacacacacacac",
        "6574735f6d73" /* ts_ms */, "1b000001a2027bd6fb",
        "6662756e646c65" /* bundle */, "5820",
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        "66636f6d6d6974" /* commit */, "5820",
        "223646116d577b93f2dfbbe0e458f39ac2159d00c3a2c6561192efdaccfa7796",
    ];
    assert_eq!(hex(&whole().encode()), whole_bytes.concat());
    let bare_bytes = [
        "a7",
        "6176" /* v */, "01",
        "63696473" /* ids */, "a0",
        "63696478" /* idx */, "00",
        "6474797065" /* type */, "64", "73746f70",
        "656163746f72" /* actor */, "50", "acacacacacacacacacacacacacacacac",
        "6574735f6d73" /* ts_ms */, "1b000001a2027bd6fb",
        "66636f6d6d6974" /* commit */, "5820",
        "223646116d577b93f2dfbbe0e458f39ac2159d00c3a2c6561192efdaccfa7796",
    ];
    assert_eq!(hex(&bare().encode()), bare_bytes.concat());
}

#[test]
fn no_single_byte_can_be_changed_unseen() {
    for leaf in [whole(), bare()] {
        let bytes = leaf.encode();
        for place in 0..bytes.len() {
            for value in 0..=255 {
                let mut changed = bytes.clone();
                changed[place] = value;
                if changed != bytes {
                    assert_ne!(
                        Leaf::decode(&changed).ok().as_ref(),
                        Some(&leaf),
                        "{place} {value}"
                    );
                }
            }
            assert!(Leaf::decode(&bytes[..place]).is_err(), "cut at {place}");
        }
    }
}

/// Every way to write the same leaf differently is refused.
#[test]
fn other_encodings_are_refused() {
    let bytes = bare().encode();
    // map(7) "v" 1 "ids" {} "idx" 0 …
    assert_eq!(hex(&bytes[..14]), "a761760163696473a06369647800");
    let rest = &bytes[14..];
    let spliced = |head: &[u8]| Leaf::decode(&[head, rest].concat());

    assert!(spliced(b"\xa7\x61v\x01\x63ids\xa0\x63idx\x00").is_ok());
    for (fault, head) in [
        ("version 0", b"\xa7\x61v\x00\x63ids\xa0\x63idx\x00".as_slice()),
        ("version 2", b"\xa7\x61v\x02\x63ids\xa0\x63idx\x00"),
        ("no version", b"\xa6\x63ids\xa0\x63idx\x00"),
        ("no index", b"\xa6\x61v\x01\x63ids\xa0"),
        ("no ids", b"\xa6\x61v\x01\x63idx\x00"),
        ("keys out of order", b"\xa7\x61v\x01\x63idx\x00\x63ids\xa0"),
        ("doubled key", b"\xa8\x61v\x01\x63ids\xa0\x63idx\x00\x63idx\x00"),
        ("unknown key", b"\xa8\x61v\x01\x61w\x01\x63ids\xa0\x63idx\x00"),
        ("unknown id", b"\xa7\x61v\x01\x63ids\xa1\x61x\x40\x63idx\x00"),
        ("number in two bytes", b"\xa7\x61v\x01\x63ids\xa0\x63idx\x18\x00"),
        ("number in nine bytes", b"\xa7\x61v\x01\x63ids\xa0\x63idx\x1b\0\0\0\0\0\0\0\0"),
        ("negative number", b"\xa7\x61v\x01\x63ids\xa0\x63idx\x20"),
        ("floating-point number", b"\xa7\x61v\x01\x63ids\xa0\x63idx\xf9\0\0"),
        ("tagged number", b"\xa7\x61v\x01\x63ids\xa0\x63idx\xc1\x00"),
        ("map's length in two bytes", b"\xb8\x07\x61v\x01\x63ids\xa0\x63idx\x00"),
        ("key's length in two bytes", b"\xa7\x78\x01v\x01\x63ids\xa0\x63idx\x00"),
        ("ids of indefinite length", b"\xa7\x61v\x01\x63ids\xbf\xff\x63idx\x00"),
        ("key of indefinite length", b"\xa7\x7f\x61v\xff\x01\x63ids\xa0\x63idx\x00"),
        ("null for an id", b"\xa7\x61v\x01\x63ids\xa1\x61r\xf6\x63idx\x00"),
        ("null for tbs", b"\xa8\x61v\x01\x63ids\xa0\x63idx\x00\x63tbs\xf6"),
        ("short id", b"\xa7\x61v\x01\x63ids\xa1\x61r\x41\x00\x63idx\x00"),
    ] {
        assert!(spliced(head).is_err(), "{fault}");
    }

    let indefinite = [b"\xbf", &bytes[1..], b"\xff"].concat();
    assert!(Leaf::decode(&indefinite).is_err());
    assert!(Leaf::decode(&[bytes.as_slice(), b"\x00"].concat()).is_err(), "trailing byte");
    assert!(Leaf::decode(&[bytes.as_slice(), &[0; 70_000]].concat()).is_err(), "too long");
    assert!(Leaf::decode(&[]).is_err());
}

#[test]
fn types_are_words_joined_by_dots() {
    for good in ["start", "log.init", "user.second_factor.enroll", "break-glass.x509", "a"] {
        assert_eq!(good.parse::<EntryType>().unwrap().as_str(), good);
    }
    let long = "a".repeat(64);
    for bad in [
        "",
        ".",
        "log.",
        ".log",
        "a..b",
        "a__b",
        "Log",
        "log init",
        "lög",
        "1a",
        "a.-b",
        long.as_str(),
    ] {
        assert!(bad.parse::<EntryType>().is_err(), "{bad:?}");
    }
}

#[test]
fn the_commitment_binds_salt_and_payload() {
    // printf 'jit-ca/payload/v1\0UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUpayload' | openssl sha256
    let openssl = "223646116d577b93f2dfbbe0e458f39ac2159d00c3a2c6561192efdaccfa7796";
    assert_eq!(hex(commit(&[0x55; 32], b"payload").as_bytes()), openssl);
    assert_ne!(commit(&[0; 32], b"payload"), commit(&[1; 32], b"payload"));
}

fn leaves() -> impl Strategy<Value = Leaf> {
    let id = || proptest::option::of(any::<[u8; 16]>());
    let digest = || any::<[u8; 32]>().prop_map(Digest::from_bytes);
    let entry_type = "[a-z]{1,9}([._][a-z]{1,9}){0,4}".prop_map(|text| text.parse().unwrap());
    // Small numbers as well as large ones, since their encodings differ in length.
    let number = || (any::<u64>(), 0u32..64).prop_map(|(number, shift)| number >> shift);
    (entry_type, number(), number(), any::<[u8; 16]>(), (id(), id(), id())).prop_flat_map(
        move |(entry_type, idx, ts_ms, actor, (request, grant, issuance))| {
            let ids = Ids {
                request: request.map(RequestId::from_bytes),
                grant: grant.map(GrantId::from_bytes),
                issuance: issuance.map(IssuanceId::from_bytes),
            };
            (proptest::option::of(digest()), proptest::option::of(digest()), digest()).prop_map(
                move |(bundle, tbs, commit)| Leaf {
                    entry_type: EntryType::clone(&entry_type),
                    idx,
                    ts_ms,
                    actor: ActorRef::from_bytes(actor),
                    ids,
                    bundle,
                    tbs,
                    commit,
                },
            )
        },
    )
}

proptest! {
    #[test]
    fn leaves_survive_their_bytes(leaf in leaves()) {
        prop_assert_eq!(Leaf::decode(&leaf.encode()).unwrap(), leaf);
    }

    #[test]
    fn a_changed_byte_is_another_leaf_or_none(leaf in leaves(), place in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut bytes = leaf.encode();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        if let Ok(changed) = Leaf::decode(&bytes) {
            prop_assert_ne!(&changed, &leaf);
            prop_assert_eq!(changed.encode(), bytes);
        }
    }
}
