//! Keys: the CA's at rest, and which of the subjects' are taken.

use jit_ca_cert::{Error, Key, KeyEncryptionKey, Purpose, SubjectKey, purpose};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use zeroize::Zeroizing;

use crate::support::{Folder, ed25519, hex, kek, p256};

#[test]
fn a_key_opens_as_what_it_is_and_under_its_own_passphrase() {
    let (key, at_rest) = Key::<purpose::Clients>::create(&kek()).unwrap();
    assert_eq!(Key::<purpose::Clients>::open(&kek(), &at_rest).unwrap().public(), key.public());
    // Of the same algorithm, and of another.
    assert!(matches!(Key::<purpose::Logins>::open(&kek(), &at_rest), Err(Error::Unseal)));
    assert!(matches!(Key::<purpose::Log>::open(&kek(), &at_rest), Err(Error::Unseal)));
    let other = KeyEncryptionKey::new(Zeroizing::new([43; 32]));
    let found = Key::<purpose::Clients>::open(&other, &at_rest).unwrap_err();
    assert!(matches!(found, Error::Unseal) && found.to_string().contains("passphrase"));
    for place in 0..at_rest.len() {
        let mut changed = at_rest.clone();
        changed[place] ^= 1;
        assert!(Key::<purpose::Clients>::open(&kek(), &changed).is_err(), "byte {place}");
        assert!(
            Key::<purpose::Clients>::open(&kek(), &at_rest[..place]).is_err(),
            "cut at {place}"
        );
    }
}

#[test]
fn a_key_says_nothing_of_its_private_half() {
    let (key, at_rest) = Key::<purpose::SshUser>::create(&kek()).unwrap();
    assert_eq!(format!("{key:?}"), format!("Key(ssh-user {})", key.public().spki_digest()));
    assert_eq!(format!("{:?}", kek()), "KeyEncryptionKey(…)");
    // How the private key begins in PKCS#8 (RFC 8410 7): a string of a string of 32 bytes.
    assert!(!at_rest.windows(4).any(|bytes| bytes == hex("04220420")));
}

#[test]
fn every_purpose_has_a_key_of_its_algorithm() {
    assert_eq!(Purpose::ALL.map(Purpose::as_str).len(), 7);
    let (key, _) = Key::<purpose::Root>::create(&kek()).unwrap();
    assert_eq!(key.public().algorithm(), Purpose::Root.algorithm());
    let folder = Folder::new(&[("spki.der", &key.public().spki())]);
    let shown = folder.run(
        "openssl",
        &["pkey", "-pubin", "-inform", "DER", "-in", "spki.der", "-noout", "-text"],
    );
    assert!(shown.contains("NIST CURVE: P-384"), "{shown}");
}

#[test]
fn keys_that_ssh_keygen_makes_are_taken_or_refused_by_type() {
    let folder = Folder::new(&[]);
    for (kind, bits, accepted) in [
        ("ed25519", "256", true),
        ("ecdsa", "256", true),
        ("ecdsa", "384", true),
        ("ecdsa", "521", false),
        ("rsa", "2048", false),
        ("rsa", "3071", false),
        ("rsa", "3072", true),
        ("rsa", "4096", true),
    ] {
        let name = format!("{kind}-{bits}");
        folder.run(
            "ssh-keygen",
            &["-q", "-t", kind, "-b", bits, "-N", "", "-C", "alice's laptop", "-f", &name],
        );
        let line = String::from_utf8(folder.read(&format!("{name}.pub"))).unwrap();
        match SubjectKey::from_openssh(&line) {
            Ok(key) => {
                assert!(accepted, "{name}");
                assert_eq!(key.to_openssh("alice's laptop"), line.trim_end());
                assert_eq!(SubjectKey::from_ssh_blob(&key.ssh_blob()).unwrap(), key);
                assert_eq!(SubjectKey::from_spki(&key.spki()).unwrap(), key);
            }
            Err(error) => {
                assert!(!accepted && matches!(error, Error::KeyType { .. }), "{name}: {error}");
            }
        }
    }
}

#[test]
fn other_lines_are_refused_with_the_reason() {
    let line = ed25519(7).to_openssh("");
    let blob = line.split(' ').nth(1).unwrap();
    let sk = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t";
    assert!(
        matches!(SubjectKey::from_openssh(sk), Err(Error::KeyType { kind }) if kind == "sk-ssh-ed25519@openssh.com")
    );
    for wrong in [
        "",
        "ssh-ed25519",
        &format!("ssh-ed25519 {blob}AAAA"),
        &format!("ssh-ed25519 {}", blob.split_at(blob.len() - 4).0),
        &format!("ecdsa-sha2-nistp256 {blob}"),
        &format!("command=\"x\" {line}"),
        &format!("{line} {}", "x".repeat(9_000)),
        "ssh-ed25519 !!!!",
    ] {
        assert!(matches!(SubjectKey::from_openssh(wrong), Err(Error::MalformedKey(_))), "{wrong}");
    }
}

#[test]
fn points_that_no_key_has_are_refused() {
    let small_order = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        // Second encodings: of 0, of 1, and of another.
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    for point in small_order {
        let spki = [hex("302a300506032b6570032100"), hex(point)].concat();
        assert!(matches!(SubjectKey::from_spki(&spki), Err(Error::MalformedKey(_))), "{point}");
    }
    // A sound point stays sound.
    let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let spki = [&hex("302a300506032b6570032100"), pair.public_key().as_ref()].concat();
    assert!(SubjectKey::from_spki(&spki).is_ok());

    let mut off_curve = p256().spki();
    *off_curve.last_mut().unwrap() ^= 1;
    assert!(matches!(SubjectKey::from_spki(&off_curve), Err(Error::MalformedKey(_))));
    let compressed = hex(
        "3039301306072a8648ce3d020106082a8648ce3d030107032200036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
    );
    assert!(matches!(
        SubjectKey::from_spki(&compressed),
        Err(Error::KeyType { kind }) if kind.contains("(an uncompressed point)")
    ));
}
