//! Judged by real `ssh-keygen -Y sign`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use ssh_encoding::Encode as _;
use ssh_key::{LineEnding, PublicKey};
use tempfile::TempDir;

use jit_ca_core::event::ProofOfPossession::{self, Pkcs10, Sha256, Sha512};

use super::*;

const POSSESSION: &str = "possession.v1@jit-ca";
const NAMESPACE: &str = "login.v1@jit-ca";
const MESSAGE: &[u8] = b"jit-ca login v1\norigin: ca.example.org/jit-ca\n";

struct Key {
    path: PathBuf,
    public: KeyData,
    _folder: TempDir,
}

impl Key {
    fn generate(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        ssh_keygen(
            &[&["-q", "-N", "", "-C", "test", "-f", path.to_str().unwrap()], options].concat(),
        );
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        let public = PublicKey::from_openssh(&public).unwrap().key_data().clone();
        Self { path, public, _folder: folder }
    }

    fn sign(&self, namespace: &str, message: &[u8], options: &[&str]) -> String {
        let file = self.path.with_extension("message");
        let signature = self.path.with_extension("message.sig");
        fs::write(&file, message).unwrap();
        let _ = fs::remove_file(&signature);
        let (key, file) = (self.path.to_str().unwrap(), file.to_str().unwrap());
        ssh_keygen(&[&["-Y", "sign", "-q", "-n", namespace, "-f", key], options, &[file]].concat());
        fs::read_to_string(signature).unwrap()
    }
}

fn ssh_keygen(arguments: &[&str]) {
    let output = Command::new("ssh-keygen").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn accepted_kinds() -> impl Iterator<Item = Key> {
    [
        ["-t", "ed25519", "-a", "1"],
        ["-t", "ecdsa", "-b", "256"],
        ["-t", "ecdsa", "-b", "384"],
        ["-t", "rsa", "-b", "2048"],
    ]
    .into_iter()
    .map(|options| Key::generate(&options))
}

#[test]
fn what_ssh_keygen_signs_is_accepted_and_nothing_else() {
    let stranger = Key::generate(&["-t", "ed25519"]);
    for key in accepted_kinds() {
        for hash in ["hashalg=sha256", "hashalg=sha512"] {
            let signature = key.sign(NAMESPACE, MESSAGE, &["-O", hash]);
            let blob = verify(&key.public, NAMESPACE, MESSAGE, &signature).unwrap();
            verify_blob(&key.public, NAMESPACE, MESSAGE, &blob).unwrap();
        }
        // Large and empty messages, and ECDSA numbers of every length, of which 1 in 128 is short.
        for length in (0..40).chain([100_000]) {
            let message = vec![b'x'; length];
            let signature = key.sign(NAMESPACE, &message, &[]);
            verify(&key.public, NAMESPACE, &message, &signature).unwrap();
        }

        let signature = key.sign(NAMESPACE, MESSAGE, &[]);
        let fault = |key: &Key, namespace, message: &[u8], signature: &str| {
            verify(&key.public, namespace, message, signature).unwrap_err()
        };
        assert!(matches!(fault(&stranger, NAMESPACE, MESSAGE, &signature), Error::OtherKey));
        assert!(matches!(
            fault(&key, "approval.v1@jit-ca", MESSAGE, &signature),
            Error::Namespace { .. }
        ));
        assert!(matches!(fault(&key, NAMESPACE, &MESSAGE[1..], &signature), Error::Signature));
        assert!(matches!(fault(&key, NAMESPACE, b"", &signature), Error::Signature));

        // A stranger's signature that claims to be by this key.
        let forged: SshSig = stranger.sign(NAMESPACE, MESSAGE, &[]).parse().unwrap();
        let forged = SshSig::new(
            key.public.clone(),
            NAMESPACE,
            forged.hash_alg(),
            forged.signature().clone(),
        );
        let forged = forged.unwrap().to_pem(LineEnding::LF).unwrap();
        assert!(verify(&key.public, NAMESPACE, MESSAGE, &forged).is_err());
        // A signature for another purpose that claims to be for this one.
        let other: SshSig = key.sign("git", MESSAGE, &[]).parse().unwrap();
        let other =
            SshSig::new(key.public.clone(), NAMESPACE, other.hash_alg(), other.signature().clone());
        let other = other.unwrap().to_pem(LineEnding::LF).unwrap();
        assert!(matches!(fault(&key, NAMESPACE, MESSAGE, &other), Error::Signature));
    }
}

#[test]
fn no_byte_can_be_changed() {
    for key in accepted_kinds() {
        let signature = key.sign(NAMESPACE, MESSAGE, &[]);
        for place in 0..signature.len() {
            for flip in [0x01, 0x02, 0x20, 0x40] {
                let mut bytes = signature.clone().into_bytes();
                bytes[place] ^= flip;
                let Ok(changed) = String::from_utf8(bytes) else {
                    continue;
                };
                assert!(
                    verify(&key.public, NAMESPACE, MESSAGE, &changed).is_err(),
                    "{place} of {}: {changed}",
                    signature.len()
                );
            }
            // Whether the last line is ended does not matter.
            if place < signature.len() - 1 {
                assert!(
                    verify(&key.public, NAMESPACE, MESSAGE, signature.get(..place).unwrap())
                        .is_err(),
                    "cut at {place}"
                );
            }
        }

        let mut blob = Vec::new();
        signature.parse::<SshSig>().unwrap().encode(&mut blob).unwrap();
        assert!(verify(&key.public, NAMESPACE, MESSAGE, &armoured(&blob)).is_ok());
        for place in 0..blob.len() {
            let mut changed = blob.clone();
            changed[place] ^= 1 << (place % 8);
            assert!(
                verify(&key.public, NAMESPACE, MESSAGE, &armoured(&changed)).is_err(),
                "{place}"
            );
            assert!(verify_blob(&key.public, NAMESPACE, MESSAGE, &changed).is_err(), "{place}");
        }
        for wrong in [[blob.as_slice(), &[0]].concat(), blob[..blob.len() - 1].to_vec()] {
            assert!(verify(&key.public, NAMESPACE, MESSAGE, &armoured(&wrong)).is_err());
            assert!(verify_blob(&key.public, NAMESPACE, MESSAGE, &wrong).is_err());
        }
    }
}

#[test]
fn of_a_proof_of_possession_the_bare_signature_is_kept() {
    let text = std::str::from_utf8(MESSAGE).unwrap();
    for key in accepted_kinds() {
        let length = match &key.public {
            KeyData::Ecdsa(EcdsaPublicKey::NistP384(_)) => 96,
            KeyData::Rsa(rsa) => rsa.n.as_positive_bytes().unwrap().len(),
            _ => 64,
        };
        for hash in ["sha256", "sha512"] {
            let option = format!("hashalg={hash}");
            let signature = key.sign(POSSESSION, MESSAGE, &["-O", &option]);
            let proof = prove_possession(&key.public, text, &signature).unwrap();
            verify_possession(&key.public, text, &proof).unwrap();
            let (kept, with_other_hash) = match &proof {
                Sha256(kept) if hash == "sha256" => (kept, Sha512(kept.clone())),
                Sha512(kept) if hash == "sha512" => (kept, Sha256(kept.clone())),
                other => panic!("{other:?}"),
            };
            let refused = |proof: &ProofOfPossession| {
                assert!(verify_possession(&key.public, text, proof).is_err(), "{proof:?}");
            };
            refused(&with_other_hash);
            refused(&Pkcs10(kept.clone()));
            assert!(verify_possession(&key.public, "", &proof).is_err());
            let kept = kept.as_slice();
            assert_eq!(kept.len(), length);
            for place in 0..kept.len() {
                let mut changed = kept.to_vec();
                changed[place] ^= 1 << (place % 8);
                refused(&Sha512(changed.clone().into()));
                refused(&Sha256(changed.into()));
            }
            for wrong in [[kept, &[0]].concat(), [&[0], kept].concat(), kept[1..].to_vec()] {
                refused(&Sha512(wrong.clone().into()));
                refused(&Sha256(wrong.into()));
            }
        }
        // Signed for something else.
        let signature = key.sign(NAMESPACE, MESSAGE, &[]);
        let fault = prove_possession(&key.public, text, &signature).unwrap_err();
        assert!(matches!(fault, Error::Namespace { .. }));
    }
    // Numbers of ECDSA with leading zeros, of which SSH writes none: one in 256 of each.
    let key = Key::generate(&["-t", "ecdsa", "-b", "256"]);
    for number in 0..100 {
        let message = format!("for the {number}th time");
        let signature = key.sign(POSSESSION, message.as_bytes(), &[]);
        let proof = prove_possession(&key.public, &message, &signature).unwrap();
        verify_possession(&key.public, &message, &proof).unwrap();
    }
}

#[test]
fn weak_and_unknown_keys_are_refused() {
    for options in [["-t", "rsa", "-b", "1024"], ["-t", "ecdsa", "-b", "521"]] {
        let key = Key::generate(&options);
        let signature = key.sign(NAMESPACE, MESSAGE, &[]);
        let fault = verify(&key.public, NAMESPACE, MESSAGE, &signature).unwrap_err();
        assert!(matches!(fault, Error::Algorithm(_)), "{options:?}: {fault:?}");
    }
    let key = Key::generate(&["-t", "ed25519"]);
    let long = key.sign(NAMESPACE, MESSAGE, &[]) + &" ".repeat(10_000);
    assert!(matches!(verify(&key.public, NAMESPACE, MESSAGE, &long), Err(Error::SshSigTooLong(_))));
}

/// RSA with SHA-1 (`ssh-rsa`), with which no key has signed here for years: OpenSSH makes none any
/// more.
#[test]
fn sha1_is_refused() {
    let key = Key::generate(&["-t", "rsa", "-b", "2048"]);
    let mut blob = Vec::new();
    key.sign(NAMESPACE, MESSAGE, &[]).parse::<SshSig>().unwrap().encode(&mut blob).unwrap();
    let name = b"\x00\x00\x00\x0crsa-sha2-512";
    let place = blob.windows(name.len()).position(|at| at == name).unwrap();
    // The signature's length stands before its algorithm's name, which is 5 bytes shorter then.
    let length = u32::from_be_bytes(blob[place - 4..place].try_into().unwrap()) - 5;
    let rest = blob.split_off(place + name.len());
    blob.truncate(place - 4);
    blob.extend_from_slice(&length.to_be_bytes());
    blob.extend_from_slice(b"\x00\x00\x00\x07ssh-rsa");
    blob.extend_from_slice(&rest);
    let fault = verify(&key.public, NAMESPACE, MESSAGE, &armoured(&blob)).unwrap_err();
    assert!(matches!(fault, Error::SshSig(_) | Error::Algorithm(_)), "{fault:?}");
}

fn armoured(blob: &[u8]) -> String {
    use base64ct::{Base64, Encoding as _};
    let base64 = Base64::encode_string(blob);
    let lines: Vec<&str> =
        base64.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"))
}
