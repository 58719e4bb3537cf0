use std::sync::Arc;

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use signed_note::{Note, StandardVerifier, VerifierList};

use super::verifier::REMEMBERED;
use super::*;
use crate::tree::empty_root;

const ORIGIN: &str = "ca.example.org/jit-ca";

fn signer(seed: u8, origin: &str) -> (Ed25519KeyPair, LogKey) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let public_key = pair.public_key().as_ref().try_into().unwrap();
    (pair, LogKey::new(origin.parse().unwrap(), public_key))
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: ORIGIN.parse().unwrap(), size: 4712, root: empty_root() }
}

fn sign(pair: &Ed25519KeyPair, text: &str) -> [u8; 64] {
    pair.sign(text.as_bytes()).as_ref().try_into().unwrap()
}

/// The checkpoint as this key's owner signs it, and also what no honest owner would sign.
fn note(text: &str, pair: &Ed25519KeyPair, key: &LogKey) -> String {
    format!("{text}\n{}", line(key.origin.as_str(), key.id(), &sign(pair, text)))
}

fn line(name: &str, id: [u8; 4], signature: &[u8]) -> String {
    format!("\u{2014} {name} {}\n", Base64::encode_string(&[&id, signature].concat()))
}

fn open(note: &str, key: &LogKey) -> Result<Checkpoint, Error> {
    note.parse::<SignedCheckpoint>()?.open(key)
}

/// The format is for ever: these bytes must never change.
#[test]
fn golden_bytes() {
    let (pair, key) = signer(1, ORIGIN);
    assert_eq!(
        key.to_string(),
        "ca.example.org/jit-ca+987a061c+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
    );
    let signature = sign(&pair, &checkpoint().to_string());
    let signed = checkpoint().with_signature(&key, &signature).unwrap();
    assert_eq!(
        signed.as_str(),
        "ca.example.org/jit-ca\n\
         4712\n\
         47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\
         \n\
         \u{2014} ca.example.org/jit-ca mHoGHGgba/vZ2dS4MaFYMRnQ6nprjLj8TA0s7lKEmsJc6Jd2qD3X1H9BRPaZRojRsXuAN6icKoTMXF0JQo6sLS7vZA0=\n"
    );
}

#[test]
fn a_foreign_verifier_opens_it() {
    let (pair, key) = signer(1, ORIGIN);
    let signature = sign(&pair, &checkpoint().to_string());
    let signed = checkpoint().with_signature(&key, &signature).unwrap();

    let verifier = StandardVerifier::new(&key.to_string()).unwrap();
    let note = Note::from_bytes(signed.as_str().as_bytes()).unwrap();
    let (verified, unverified) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 0));

    let theirs = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!((theirs.origin(), theirs.size()), (ORIGIN, 4712));
    assert_eq!(&theirs.hash().0, empty_root().as_bytes());
}

#[test]
fn survives_its_text_and_bears_other_signatures() {
    let (pair, key) = signer(1, ORIGIN);
    let (witness, witness_key) = signer(2, "witness.example.net");
    let text = checkpoint().to_string();
    let plain = note(&text, &pair, &key);
    assert_eq!(open(&plain, &key).unwrap(), checkpoint());
    assert_eq!(plain.parse::<SignedCheckpoint>().unwrap().to_string(), plain);

    // Cosignatures of known and unknown kinds, before and after ours; a rotated key of the same name.
    let of_witness = line("witness.example.net", witness_key.id(), &sign(&witness, &text));
    let unknown = line("other.example", [9; 4], b"signature of another length");
    let rotated = line(ORIGIN, [8; 4], &[0; 64]);
    for others in [&of_witness, &unknown, &rotated] {
        assert_eq!(open(&format!("{plain}{others}"), &key).unwrap(), checkpoint());
        assert_eq!(
            open(&plain.replace("\n\n", &format!("\n\n{others}")), &key).unwrap(),
            checkpoint()
        );
    }
}

#[test]
fn what_the_log_did_not_sign_is_refused() {
    let (pair, key) = signer(1, ORIGIN);
    let (other_pair, other_key) = signer(2, ORIGIN);
    let text = checkpoint().to_string();
    let good = note(&text, &pair, &key);

    assert!(matches!(open(&good, &other_key), Err(Error::Unsigned(_))));
    assert!(matches!(open(&good, &signer(1, "ca.example.org/other").1), Err(Error::Unsigned(_))));
    // Signed by another key that claims our key's id.
    let forged = format!("{text}\n{}", line(ORIGIN, key.id(), &sign(&other_pair, &text)));
    assert!(matches!(open(&forged, &key), Err(Error::Signature)));
    // One good signature does not excuse a wrong one.
    let both = format!("{good}{}", line(ORIGIN, key.id(), &[0; 64]));
    assert!(matches!(open(&both, &key), Err(Error::Signature)));
    // A signer that signs in another's name.
    let stolen = text.replace("jit-ca", "stolen");
    assert!(matches!(open(&note(&stolen, &pair, &key), &key), Err(Error::Checkpoint(_))));
    assert!(matches!(checkpoint().with_signature(&key, &[0; 64]), Err(Error::Signature)));

    for place in 0..good.len() {
        for flip in [0x01, 0x10, 0x20] {
            let mut bytes = good.clone().into_bytes();
            bytes[place] ^= flip;
            let Ok(changed) = String::from_utf8(bytes) else {
                continue;
            };
            assert!(open(&changed, &key).is_err(), "{place} of {}: {changed}", good.len());
        }
        if let Some(cut) = good.get(..place) {
            assert!(open(cut, &key).is_err(), "cut at {place}");
        }
    }
}

/// Even signed: there is one way to write a checkpoint.
#[test]
fn other_texts_are_refused() {
    let (pair, key) = signer(1, ORIGIN);
    let good = checkpoint().to_string();
    for (fault, text) in [
        ("extension line", good.clone() + "extension\n"),
        ("leading zero", good.replace("4712", "04712")),
        ("plus sign", good.replace("4712", "+4712")),
        ("space", good.replace("4712", "4712 ")),
        ("no number", good.replace("4712", "many")),
        ("beyond 64 bits", good.replace("4712", "18446744073709551616")),
        ("carriage return", good.replace('\n', "\r\n")),
        ("unpadded root", good.replace('=', "")),
        ("short root", good.replace("47DE", "")),
        ("root of another encoding", good.replace("FU=", "FV=")),
        ("no origin", good.replace(ORIGIN, "")),
        ("origin with a space", good.replace(ORIGIN, "ca example")),
    ] {
        assert_ne!(text, good, "{fault}");
        assert!(open(&note(&text, &pair, &key), &key).is_err(), "{fault}");
    }

    let note = note(&good, &pair, &key);
    for (fault, note) in [
        ("no signature", good.clone()),
        ("no signature after the empty line", good.clone() + "\n"),
        ("no end of line", note.trim_end().to_owned()),
        ("hyphen for dash", note.replace('\u{2014}', "-")),
        ("empty line at the end", note.clone() + "\n"),
        ("signature line of junk", note.clone() + "junk\n"),
        ("signature without name", note.clone() + &line("", [0; 4], &[0; 64])),
        ("signature without bytes", note.clone() + &line("a", [0; 4], &[])),
        ("too long", note.clone() + &line("a", [0; 4], &[0; 64]).repeat(200)),
    ] {
        assert!(note.parse::<SignedCheckpoint>().is_err(), "{fault}");
    }
}

#[test]
fn log_keys_survive_their_text() {
    let (_, key) = signer(1, ORIGIN);
    let text = key.to_string();
    assert_eq!(text.parse::<LogKey>().unwrap(), key);
    let base64 = text.splitn(3, '+').nth(2).unwrap();
    for wrong in [
        String::new(),
        ORIGIN.to_owned(),
        text.replace('+', "-"),
        text.to_uppercase(),
        text.clone() + "A",
        text.replacen(ORIGIN, "ca.example.org/other", 1),
        text.replace("987a061c", "987a061d"),
        text.replace("987a061c", "0987a061c"),
        text.replace(base64, base64.get(4..).unwrap()),
        // Another algorithm: 0x02 for 0x01.
        text.replace(base64, &base64.replacen("AY", "Ao", 1)),
    ] {
        assert!(wrong.parse::<LogKey>().is_err(), "{wrong}");
    }
}

#[test]
fn a_verifier_knows_what_it_has_checked_and_nothing_like_it() {
    let (pair, key) = signer(1, ORIGIN);
    let (other_pair, other_key) = signer(2, ORIGIN);
    let signed = |size, pair: &Ed25519KeyPair| -> SignedCheckpoint {
        let text = Checkpoint { size, ..checkpoint() }.to_string();
        format!("{text}\n{}", line(ORIGIN, key.id(), &sign(pair, &text))).parse().unwrap()
    };
    let verifier = LogVerifier::new(key.clone());
    let first = verifier.open(&signed(1, &pair)).unwrap();
    assert_eq!(*first, Checkpoint { size: 1, ..checkpoint() });
    assert!(Arc::ptr_eq(&first, &verifier.open(&signed(1, &pair)).unwrap()), "checked once");

    // The same text with another signature; one that did not hold the first time.
    for _ in 0..2 {
        assert!(matches!(verifier.open(&signed(1, &other_pair)), Err(Error::Signature)));
        assert!(matches!(verifier.open(&signed(2, &other_pair)), Err(Error::Signature)));
    }
    // What one key's verifier knows is nothing to another's.
    let other = LogVerifier::new(other_key);
    assert!(matches!(other.open(&signed(1, &pair)), Err(Error::Unsigned(_))));

    // It forgets the oldest, and each is what it says all the same.
    for size in 2..20 {
        assert_eq!(verifier.open(&signed(size, &pair)).unwrap().size, size);
        assert!(verifier.known.lock().unwrap().len() <= REMEMBERED);
    }
    assert!(!Arc::ptr_eq(&first, &verifier.open(&signed(1, &pair)).unwrap()));
}
